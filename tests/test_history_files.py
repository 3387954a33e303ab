"""Histories that listeners take along from ListenBrainz, Last.fm and Spotify."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridrec.cli import main
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.history_files import HistoryFormat, HistoryReport, ingest_history

NOON = 1_706_702_400.0  # 2024-01-31 12:00 UTC
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


def listenbrainz(artist: str, title: str, moment: float = NOON, mbid: str | None = None) -> dict[str, object]:
    info = {"recording_mbid": mbid} if mbid else {}
    about = {"artist_name": artist, "track_name": title, "release_name": None, "additional_info": info}
    return {"listened_at": int(moment), "track_metadata": about}


def spotify(artist: str | None, title: str | None, ms_played: int = 90_000) -> dict[str, object]:
    names = {"artist_name": artist, "album_name": "Album"}
    return {
        "ts": "2024-01-31T12:00:00Z",
        "ms_played": ms_played,
        "master_metadata_track_name": title,
        **{f"master_metadata_album_{name}": value for name, value in names.items()},
        "skipped": False,
    }


LINES = "\n".join(json.dumps(one) for one in (listenbrainz("Björk", "Jóga"), listenbrainz("?", "x", mbid=MBID)))
FILES: dict[str, tuple[HistoryFormat, str]] = {
    "lines.jsonl": ("listenbrainz", LINES),
    "array.json": ("listenbrainz", json.dumps([json.loads(line) for line in LINES.splitlines()])),
    "headless.csv": ("lastfm", 'Bjork,Homogenic,Joga,"31 Jan 2024 12:00"\nLow,"A, B",Words,31 Jan 2024 12:00\n'),
    "stats.csv": ("lastfm", "Artist;Album;Track;Date#ann\nBjörk;;Jóga;1706702400000\nLow;;Words;1706702400000\n"),
    "export.csv": (
        "lastfm",
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
        '1706702400,"31 Jan 2024, 12:00",Björk,,Homogenic,,Jóga,\n'
        f'1706702400,"31 Jan 2024, 12:00",?,,,,x,{MBID}\n',
    ),
    "Streaming_History_Audio_2024.json": ("spotify", json.dumps([spotify("Björk", "Jóga"), spotify("Low", "Words")])),
}


@pytest.fixture
def catalogue(library: Library) -> Library:
    library.put_tracks(
        [
            Track("joga", title="Jóga", artist="Björk", duration_seconds=180.0),
            Track("words", title="Words", artist="Low", recording_mbid=MBID),
        ]
    )
    return library


@pytest.mark.parametrize("name", FILES)
def test_each_history_is_read_once_however_often_it_is_given(catalogue: Library, tmp_path: Path, name: str) -> None:
    kind, text = FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert ingest_history(catalogue, tmp_path / name, kind, "ann") == HistoryReport(2, 2, 0, 0, 0)
    assert ingest_history(catalogue, tmp_path / name, kind, "ann") == HistoryReport(2, 0, 0, 2, 0)
    plays = catalogue.user_plays("ann")
    assert {(play.track, play.played_at) for play in plays} == {("joga", NOON), ("words", NOON)}
    assert {play.fraction for play in plays} == ({0.5, None} if kind == "spotify" else {None})


def test_an_archive_may_stay_zipped(catalogue: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("listens/2024/1.jsonl", LINES)
        archive.writestr("feedback.jsonl", '{"recording_msid": "x"}')
        archive.writestr("user.json", '{"username": "ann"}')
    assert ingest_history(catalogue, tmp_path / "export.zip", "listenbrainz", "ann").added == 2


def test_skips_podcasts_and_broken_entries_are_left_out(catalogue: Library, tmp_path: Path) -> None:
    entries = [spotify("Björk", "Jóga", 5000), spotify(None, None), {"ts": "?"}, 17, spotify("Nobody", "Nothing")]
    (tmp_path / "x.json").write_text(json.dumps(entries))
    assert ingest_history(catalogue, tmp_path / "x.json", "spotify", "ann") == HistoryReport(5, 0, 1, 0, 4)


def test_a_file_of_another_kind_is_said(catalogue: Library, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("Dear diary")
    with pytest.raises(InvalidInput, match=r"the history is not JSON; got 'x\.json"):
        ingest_history(catalogue, tmp_path / "x.json", "spotify", "ann")


def test_the_command_asks_whose_history_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(LINES)
    command = [
        "ingest",
        "plays",
        str(tmp_path / "x.jsonl"),
        "--history",
        "listenbrainz",
        "--library",
        str(tmp_path / "l"),
    ]
    answer = CliRunner().invoke(main, command)
    assert (answer.exit_code, "give --user" in answer.output) == (2, True)
    answer = CliRunner().invoke(main, [*command, "--user", "ann"])
    assert answer.output == "2 rows: 0 plays added, 2 wait for their track, 0 repeated, 0 left out\n"
