"""`hybridrec ingest ...`: audio, plays and embeddings from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hybridrec.cli.shared import (
    DIRECTORY,
    FILE,
    LazyChoice,
    as_json_option,
    echo_all,
    open_library,
    print_json,
    with_library,
)

if TYPE_CHECKING:
    from hybridrec.workflows.ingest.history_files import HistoryFormat


def _history_formats() -> Sequence[str]:
    from hybridrec.workflows.ingest.history_files import HISTORY_FORMATS

    return HISTORY_FORMATS


@click.group()
def ingest() -> None:
    """Add audio, plays or embeddings to a library."""


@ingest.command("audio")
@click.argument("directory", type=DIRECTORY)
@with_library
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=None,
    show_default="all cores",
    help="Embedder processes.",
)
@as_json_option
def ingest_audio(directory: Path, library: str, workers: int | None, as_json: bool) -> None:
    """Embed every audio file below DIRECTORY; unchanged files are skipped."""
    from hybridrec.embedder.library_encoder import ensure_encoder
    from hybridrec.workflows.ingest.audio import ingest_audio as run

    with open_library(library, create=True) as opened:
        report = run(
            opened, directory, ensure_encoder(opened), workers=workers, progress=not as_json
        )
    if as_json:
        print_json(report)
        return
    for unreadable in report.failed:
        click.echo(f"  not read: {unreadable.path}: {unreadable.why}", err=True)
    click.echo(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged,"
        f" {len(report.failed)} not read"
        f" in {report.seconds:.1f} s ({report.tracks_per_second:.1f} tracks/s)"
    )


@ingest.command("plays")
@click.argument("file", type=FILE)
@with_library
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    help="What to do with a bad row.",
)
@click.option(
    "--columns",
    default=None,
    help="Names of the columns, with commas, where a CSV file has no header.",
)
@click.option(
    "--history",
    type=LazyChoice(_history_formats),
    default=None,
    help="FILE is the export of one user from ListenBrainz, Last.fm (CSV) or Spotify (extended"
    " history). Needs --user.",
)
@click.option("--user", default=None, help="The user of the history.")
@as_json_option
def ingest_plays(
    file: Path,
    library: str,
    on_error: Literal["stop", "skip"],
    columns: str | None,
    history: HistoryFormat | None,
    user: str | None,
    as_json: bool,
) -> None:
    """Read plays from a CSV, TSV, Parquet or JSON lines FILE: columns user, track, played_at ..."""
    if history is not None:
        _ingest_history(file, library, history, user, as_json)
        return
    from hybridrec.workflows.ingest.plays import BadRows
    from hybridrec.workflows.ingest.plays import ingest_plays as run

    names = columns.split(",") if columns else None
    try:
        with open_library(library, create=True) as opened:
            report = run(opened, file, on_error=on_error, columns=names, progress=not as_json)
    except BadRows as error:
        echo_all(error.report.bad)
        raise
    if as_json:
        print_json(report)
        return
    echo_all(report.bad)
    if report.ignored_columns:
        click.echo(f"  unknown columns, ignored: {', '.join(report.ignored_columns)}", err=True)
    click.echo(
        f"{report.rows} rows: {report.added} plays added,"
        f" {report.repeated} repeated, {report.n_bad} bad"
    )


def _ingest_history(
    file: Path, library: str, history: HistoryFormat, user: str | None, as_json: bool
) -> None:
    from hybridrec.workflows.ingest.history_files import ingest_history

    if not user:
        raise click.UsageError("a history does not name its user: give --user")
    with open_library(library, create=True) as opened:
        report = ingest_history(opened, file, history, user)
    if as_json:
        print_json(report)
        return
    echo_all(report.bad)
    click.echo(
        f"{report.rows} rows: {report.added} plays added, {report.waiting} wait for their track,"
        f" {report.repeated} repeated, {report.left_out} left out"
        + (f", {report.n_bad} too long" if report.n_bad else "")
    )


@ingest.command("embeddings")
@click.argument("file", type=FILE)
@click.option("--name", required=True, help="What made the embeddings, such as vggish.")
@with_library
@as_json_option
def ingest_embeddings(file: Path, name: str, library: str, as_json: bool) -> None:
    """Read embeddings that another program made from an npz or Parquet FILE."""
    from hybridrec.workflows.ingest.embeddings import ingest_embeddings as run

    with open_library(library, create=True) as opened:
        count = run(opened, file, name=name)
    print_json({"embeddings": count}) if as_json else click.echo(f"{count} embeddings stored")
