"""The command line: what it prints, how it fails, and that its help is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hybridrec.cli import main
from hybridrec.storage.library import Library


def commands(group: click.Group = main, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def place(fitted_library: Library, tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_explains_itself_and_its_options(command: tuple[str, ...]) -> None:
    answer = run(*command, "--help")
    assert answer.exit_code == 0
    found: click.Command | None = main
    for name in command:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)
    assert found is not None
    assert found.help
    assert all(option.help for option in found.params if isinstance(option, click.Option))


def test_the_documented_commands_exist() -> None:
    names = {" ".join(command) for command in commands()}
    assert names == {
        *(
            "demo",
            "ingest audio",
            "ingest plays",
            "ingest embeddings",
            "train-encoder",
            "fit",
            "tune",
        ),
        *("evaluate audio", "evaluate plays", "map", "recommend", "similar", "serve", "status"),
        *(
            "token create",
            "token list",
            "token revoke",
            "backup",
            "restore",
            "clean-up",
            "move-files",
        ),
    }


def test_recommendations_come_as_a_table_with_the_weights(place: Path) -> None:
    answer = run("recommend", "user-00", "--library", place, "-n", "3")
    assert answer.exit_code == 0
    header, *rows = answer.output.splitlines()
    assert "effective audio weight" in header
    assert len(rows) == 3
    assert all("calm band - calm song" in row for row in rows)


def test_scripts_read_json(place: Path) -> None:
    answer = json.loads(run("similar", "loud-03", "--library", place, "-n", "2", "--json").output)
    assert answer["basis"] == "track"
    assert [hit["track"]["genre"] for hit in answer["hits"]] == ["loud", "loud"]
    parts = {"score", "effective_audio_weight", "audio_part", "behaviour_part"}
    former = {"audio_weight"}
    hit = answer["hits"][0]
    assert set(hit) == parts | former | {"track", "support", "same_recording"}
    assert hit["audio_weight"] == hit["effective_audio_weight"]
    status = json.loads(run("status", "--library", place, "--json").output)
    assert (status["tracks"], status["users"]) == (40, 30)


def test_plays_and_embeddings_come_from_files_and_are_fitted(tmp_path: Path) -> None:
    library, plays = tmp_path / "library", tmp_path / "plays.csv"
    plays.write_text("user,track,weight\n" + "".join(f"u{n % 7},t{n % 5},1\n" for n in range(35)))
    answer = run("ingest", "plays", plays, "--library", library)
    assert answer.exit_code == 0
    assert answer.stdout == "35 rows: 35 plays added, 0 repeated, 0 bad\n"
    assert "35 repeated" in run("ingest", "plays", plays, "--library", library).output
    assert "model 1: 7 users, 5 tracks" in run("fit", "--library", library).output


@pytest.mark.slow
def test_tuning_prints_its_choice_and_draws_it(place: Path, tmp_path: Path) -> None:
    answer = run("tune", "--library", place, "--curves", tmp_path / "curves")
    assert answer.exit_code == 0
    assert "chosen: " in answer.stdout
    assert answer.stdout.splitlines()[-1] == "model 2 is fitted with it"
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"tuning.html", "curves.png"}
    written = json.loads(
        run("tune", "--library", place, "--curves", tmp_path / "curves", "--json").stdout
    )
    assert written["model"] == 3
    assert set(written) > {"blend", "collaborative", "trials", "curve", "data"}
    assert json.loads(run("status", "--library", place, "--json").output)["tuning"] == 2


@pytest.mark.slow
def test_the_blend_is_evaluated_on_the_plays_of_a_library(place: Path, tmp_path: Path) -> None:
    answer = run(
        "evaluate",
        "plays",
        "--library",
        place,
        "--split",
        "last",
        "--json",
        tmp_path / "report.json",
    )
    assert answer.exit_code == 0
    assert "each user's last new track held out" in answer.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["recommenders"][0]["name"] == "hybridrec"
    assert run("evaluate", "plays", "--vectors", tmp_path / "report.json").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["recommend", "someone"], 1, "there is no library here"),
        (["similar", "no-such-track"], 1, "there is no library here"),
        (["recommend"], 2, "Missing argument"),
        (["recommend", "x", "--audio-weight", "2"], 2, "0<=x<=1"),
        (["ingest", "plays", "no-such-file.csv"], 2, "does not exist"),
        (["no-such-command"], 2, "No such command"),
    ],
)
def test_a_mistake_is_reported_without_a_traceback(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    answer = CliRunner().invoke(main, arguments, env={"HYBRIDREC_LIBRARY": str(tmp_path / "none")})
    assert answer.exit_code == code
    assert says in answer.output
    assert "Traceback" not in answer.output


def test_an_unknown_track_is_a_usage_error_of_one_line(place: Path) -> None:
    answer = run("similar", "no-such-track", "--library", place)
    assert answer.exit_code == 2
    assert len(answer.output.splitlines()) == 1
    assert answer.output.startswith("hybridrec: ")
    assert "no-such-track" in answer.output


@pytest.mark.parametrize(
    ("arguments", "environment", "warned"),
    [
        (["--library", "postgresql://ann:secret@127.0.0.1:1/x"], {}, True),
        (["--library", "postgresql://ann@127.0.0.1:1/x"], {}, False),
        ([], {"HYBRIDREC_LIBRARY": "postgresql://ann:secret@127.0.0.1:1/x"}, False),
    ],
)
def test_a_password_on_the_command_line_is_warned_of(
    arguments: list[str], environment: dict[str, str], warned: bool
) -> None:
    pytest.importorskip("psycopg")
    answer = CliRunner().invoke(main, ["status", *arguments], env=environment)
    assert ("can see the password in --library" in answer.stderr) == warned
    assert "secret" not in answer.output
