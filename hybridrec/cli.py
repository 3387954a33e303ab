"""The command line: thin commands, each a call of a workflow and a few printed lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from hybridrec.errors import HybridrecError, InvalidInput, NotFound
from hybridrec.service import Answer, RecommendationService
from hybridrec.storage.library import Library

DEFAULT_LIBRARY = "./hybridrec-library"
ASKED_WRONGLY = 2
FAILED = 1

Command = TypeVar("Command", bound=Callable[..., Any])


class _Group(click.Group):
    """Says a user's mistake in one line, and exits 1 where it failed or 2 where it was asked wrongly."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except HybridrecError as error:
            click.echo(f"hybridrec: {error}", err=True)
            context.exit(ASKED_WRONGLY if isinstance(error, InvalidInput | NotFound) else FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="hybridrec")
def main() -> None:
    """A hybrid music recommender: hears the tracks, knows the taste, and blends the two."""


def _with_library(command: Command) -> Command:
    option = click.option(
        "--library",
        envvar="HYBRIDREC_LIBRARY",
        default=DEFAULT_LIBRARY,
        show_envvar=True,
        help="Directory, or postgresql:// URL, of the library.",
    )
    return option(command)


def _as_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script to read.")(command)


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_directory = click.Path(exists=True, file_okay=False, path_type=Path)
_number = click.option("-n", "n", type=click.IntRange(1, 1000), default=10, help="How many tracks.")
_weight = click.option(
    "--audio-weight", type=click.FloatRange(0, 1), default=None, show_default="tuned", help="Share of sound, 0 to 1."
)


@main.group()
def ingest() -> None:
    """Bring audio, plays or ready embeddings into a library."""


@ingest.command("audio")
@click.argument("directory", type=_directory)
@_with_library
@click.option("--workers", type=click.IntRange(1), default=None, show_default="all cores", help="Processes that hear.")
@_as_json
def ingest_audio(directory: Path, library: str, workers: int | None, as_json: bool) -> None:
    """Hear every audio file below DIRECTORY; unchanged files are skipped."""
    from hybridrec.workflows.ears import ensure_ears
    from hybridrec.workflows.ingest_audio import ingest_audio as run

    with Library.open(library, create=True) as opened:
        report = run(opened, directory, ensure_ears(opened), workers=workers, progress=not as_json)
    if as_json:
        _print_json(report)
        return
    for unreadable in report.failed:
        click.echo(f"  not read: {unreadable.path}: {unreadable.why}", err=True)
    click.echo(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {len(report.failed)} not read"
        f" in {report.seconds:.1f} s ({report.tracks_per_second:.1f} tracks/s)"
    )


@ingest.command("plays")
@click.argument("file", type=_file)
@_with_library
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", help="What to do with a bad row.")
@click.option("--columns", default=None, help="Names of the columns, with commas, where a CSV file has no header.")
@_as_json
def ingest_plays(
    file: Path, library: str, on_error: Literal["stop", "skip"], columns: str | None, as_json: bool
) -> None:
    """Read plays from a CSV, TSV, Parquet or JSON lines FILE with the columns user, track, played_at ..."""
    from hybridrec.workflows.ingest_plays import BadRows
    from hybridrec.workflows.ingest_plays import ingest_plays as run

    names = columns.split(",") if columns else None
    try:
        with Library.open(library, create=True) as opened:
            report = run(opened, file, on_error=on_error, columns=names, progress=not as_json)
    except BadRows as error:
        _echo_all(error.report.bad)
        raise
    if as_json:
        _print_json(report)
        return
    _echo_all(report.bad)
    if report.ignored_columns:
        click.echo(f"  columns that mean nothing here: {', '.join(report.ignored_columns)}", err=True)
    click.echo(f"{report.rows} rows: {report.added} plays added, {report.repeated} repeated, {report.n_bad} bad")


def _echo_all(rows: Iterable[object]) -> None:
    for row in rows:
        click.echo(f"  {row}", err=True)


@ingest.command("embeddings")
@click.argument("file", type=_file)
@click.option("--name", required=True, help="What made the vectors, such as vggish.")
@_with_library
@_as_json
def ingest_embeddings(file: Path, name: str, library: str, as_json: bool) -> None:
    """Read audio vectors that something else made from an npz or Parquet FILE."""
    from hybridrec.workflows.ingest_embeddings import ingest_embeddings as run

    with Library.open(library, create=True) as opened:
        count = run(opened, file, name=name)
    _print_json({"embeddings": count}) if as_json else click.echo(f"{count} embeddings stored")


@main.command("train-encoder")
@click.argument("directory", type=_directory)
@_with_library
@click.option(
    "--from",
    "start",
    type=click.Choice(["shipped", "scratch"]),
    default="shipped",
    help="Go on from the ears that come with hybridrec, or start anew.",
)
@click.option("--epochs", type=click.IntRange(1), default=None, show_default="brief", help="Passes of training.")
@click.option("--seed", type=int, default=0, help="Same seed, same encoder.")
@_as_json
def train_encoder(directory: Path, library: str, start: str, epochs: int | None, seed: int, as_json: bool) -> None:
    """Train the ears on the audio below DIRECTORY and make them the library's.

    Shipped ears are kept where training does not improve them on held-out tracks.
    Run `hybridrec ingest audio` and `hybridrec fit` afterwards: other ears hear anew.
    """
    from hybridrec.encoder.checkpoint import shipped
    from hybridrec.workflows.train_encoder import train_library_encoder as run

    start_from = shipped() if start == "shipped" else None
    with Library.open(library, create=True) as opened:
        ears = run(opened, directory, epochs=epochs, seed=seed, start_from=start_from, progress=not as_json)
    if as_json:
        _print_json({"fingerprint": ears.checkpoint.fingerprint, "figures": ears.checkpoint.figures})
    else:
        click.echo(ears.in_words())


@main.command()
@_with_library
@click.option("--seed", type=int, default=0, help="Same seed, same model.")
@_as_json
def fit(library: str, seed: int, as_json: bool) -> None:
    """Learn from all plays and embeddings; running servers take the new model over."""
    from hybridrec.workflows.fit import fit as run

    with Library.open(library) as opened:
        report = run(opened, seed=seed, show_progress=not as_json)
    if as_json:
        _print_json(report)
        return
    click.echo(
        f"model {report.version}: {report.users} users, {report.tracks} tracks"
        f" ({report.heard} heard, {report.cold} cold) in {report.seconds:.1f} s"
    )


@main.command()
@click.argument("user")
@_with_library
@_number
@_weight
@click.option("--include-played", is_flag=True, help="Also tracks that the user has played.")
@_as_json
def recommend(user: str, library: str, n: int, audio_weight: float | None, include_played: bool, as_json: bool) -> None:
    """What USER should hear next."""
    with RecommendationService(Library.open(library)) as service:
        answer = service.recommend(user, n, audio_weight=audio_weight, exclude_played=not include_played)
    _print_answer(answer, as_json)


@main.command()
@click.argument("track")
@_with_library
@_number
@_weight
@_as_json
def similar(track: str, library: str, n: int, audio_weight: float | None, as_json: bool) -> None:
    """Tracks like TRACK, which is the id of a stored one or an audio file."""
    with RecommendationService(Library.open(library)) as service:
        if Path(track).is_file():
            answer = service.similar_to_audio(Path(track), n)
        else:
            answer = service.similar(track, n, audio_weight=audio_weight)
    _print_answer(answer, as_json)


@main.command()
@_with_library
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="TCP port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Server processes.")
def serve(library: str, host: str, port: int, workers: int) -> None:
    """Serve the HTTP API and the page."""
    try:
        from hybridrec.api.server import serve as run
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}; install the server with: pip install 'hybridrec[server]'") from None
    run(library, host, port, workers=workers)


@main.command()
@_with_library
@_as_json
def status(library: str, as_json: bool) -> None:
    """What the library holds."""
    with Library.open(library) as opened:
        held = opened.status()
    if as_json:
        _print_json(held)
        return
    for name, value in held.items():
        click.echo(f"{name:12} {'-' if value is None else value}")


@main.command()
@click.option("--music", type=_directory, default=None, help="Your own music instead of the synthesised.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-demo"),
    help="Where the demo keeps its music and library.",
)
@click.option("--serve/--no-serve", "serving", default=True, help="Serve the page at the end.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="TCP port of the page.")
def demo(music: Path | None, directory: Path, serving: bool, port: int) -> None:
    """The whole line on music that needs no download: ingest, train, fit, recommend, serve."""
    from hybridrec.demo import prepare_demo

    library = prepare_demo(directory, music=music, say=click.echo, show=_print_answer)
    if serving:
        from hybridrec.api.server import serve as run

        run(library, "127.0.0.1", port)


def _print_json(value: Any) -> None:
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    click.echo(json.dumps(plain, default=str, ensure_ascii=False))


def _print_answer(answer: Answer, as_json: bool = False) -> None:
    if as_json:
        _print_json(answer)
        return
    click.echo(f"{'score':>6}  {'audio weight':>12}  {'audio':>6}  {'plays':>6}  {'support':>7}  track")
    for hit in answer.hits:
        track = hit.track
        genre = f" ({track.genre})" if track.genre else ""
        parts = f"{hit.audio_part:6.2f}  {hit.behaviour_part:6.2f}"
        click.echo(f"{hit.score:6.2f}  {hit.audio_weight:12.2f}  {parts}  {hit.support:7d}  {track.name}{genre}")
