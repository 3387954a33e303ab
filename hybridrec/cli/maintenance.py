"""Maintenance of a library: `hybridrec backup | restore | clean-up | move-files`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridrec.cli.shared import DIRECTORY, as_json_option, open_library, print_json, with_library
from hybridrec.errors import InvalidInput

if TYPE_CHECKING:
    from hybridrec.storage.backup import CopyReport


@click.command()
@click.argument("destination", type=click.Path(path_type=Path))
@with_library
@as_json_option
def backup(destination: Path, library: str, as_json: bool) -> None:
    """Copy the library to DESTINATION, a new directory, while it serves."""
    from hybridrec.storage.backup import back_up

    with open_library(library) as opened:
        _report(back_up(opened, destination), "backed up", as_json)


@click.command()
@click.argument("source", type=DIRECTORY)
@with_library
@click.option(
    "--replace",
    is_flag=True,
    help="Overwrite the existing library, which is lost; its servers continue with the backup.",
)
@click.option(
    "--music",
    type=DIRECTORY,
    multiple=True,
    help="Folder whose audio may be served; once for each.",
)
@as_json_option
def restore(
    source: Path, library: str, replace: bool, music: tuple[Path, ...], as_json: bool
) -> None:
    """Bring back what `hybridrec backup` copied to SOURCE."""
    from hybridrec.storage.backup import restore as run

    if "://" in library:
        raise InvalidInput(
            "a backup is restored into a directory", got=library.partition("://")[0], fix="name one"
        )
    _report(run(source, Path(library), replace=replace, music=music), "restored", as_json)


@click.command("clean-up")
@with_library
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=3,
    help="Versions of the model and of the encoder to keep.",
)
@as_json_option
def clean_up(library: str, keep: int, as_json: bool) -> None:
    """Delete old models and encoders, and uploads that belong to no track."""
    from hybridrec.storage.clean_up import clean_up as run

    with open_library(library) as opened:
        done = run(opened, keep)
    if as_json:
        print_json(done)
        return
    megabytes = done.file_bytes / 1e6
    click.echo(
        f"deleted {done.models} models, {done.encoders} encoders,"
        f" {done.files} files ({megabytes:.1f} MB)"
    )


@click.command("move-files")
@click.argument("place", type=DIRECTORY)
@with_library
def move_files(place: Path, library: str) -> None:
    """Record that the uploads of a library in a database were moved to PLACE."""
    if "://" not in library:
        fix = "move the directory"
        raise InvalidInput("a library in a directory keeps its uploads there", got=library, fix=fix)
    from hybridrec.storage.library import Library

    with Library.open(library, files=place, files_moved=True) as opened:
        click.echo(f"the library keeps its uploads in {opened.files}")


def _report(copied: CopyReport, done: str, as_json: bool) -> None:
    if as_json:
        print_json(copied)
        return
    click.echo(
        f"{done}: {copied.tracks} tracks, {copied.users} users, {copied.plays} plays,"
        f" {copied.files} kept uploads"
    )
    if copied.missing:
        click.echo(f"  {copied.missing} kept uploads were not there", err=True)
