"""Shared by the commands: error messages, common options, and printing of answers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hybridrec.errors import HybridrecError, InvalidInput, NotFound
from hybridrec.evaluation.former_keys import with_former_keys

if TYPE_CHECKING:
    from hybridrec.serving.answers import Answer
    from hybridrec.storage.library import Library

DEFAULT_LIBRARY = "./hybridrec-library"
_FILES = "hybridrec.files"  # the key of --files in Click's context
ASKED_WRONGLY = 2
FAILED = 1
FORMER_HIT_KEYS = {"effective_audio_weight": "audio_weight"}
"""Former names of JSON keys of a result, by present names."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


class ErrorLineGroup(click.Group):
    """Prints an error as one line; exits 1 if the command failed, 2 if it was used wrongly."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except HybridrecError as error:
            click.echo(f"hybridrec: {error}", err=True)
            context.exit(ASKED_WRONGLY if isinstance(error, InvalidInput | NotFound) else FAILED)


class LazyChoice(click.Choice[str]):
    """A choice between values that are known only after an import, which help need not wait for.

    Args:
        load: gives the values when they are first needed.
    """

    def __init__(self, load: Callable[[], Sequence[str]]) -> None:
        self._load = load
        self.case_sensitive = True

    @cached_property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override] # click sets it in __init__
        """The values that may be chosen."""
        return tuple(self._load())


def open_library(location: str, *, create: bool = False) -> Library:
    """Open the library of a command, with its --files.

    The import is here so that help and usage errors need no database code.
    """
    from hybridrec.storage.library import Library

    return Library.open(location, create=create, files=given_files(location))


def given_files(location: str) -> Path | None:
    """The folder of uploads that the command was given; None for a library in a directory."""
    files: Path | None = click.get_current_context().meta.get(_FILES)
    return files if "://" in location else None


def with_library(command: Command) -> Command:
    """Give a command the options --library and --files, which the environment may answer."""
    library = click.option(
        "--library",
        envvar="HYBRIDREC_LIBRARY",
        default=DEFAULT_LIBRARY,
        show_envvar=True,
        callback=_warn_of_password,
        help="Directory, or postgresql:// URL, of the library.",
    )
    files = click.option(
        "--files",
        envvar="HYBRIDREC_FILES",
        type=click.Path(file_okay=False, path_type=Path),
        show_envvar=True,
        expose_value=False,
        callback=_keep_files,
        help="Where a library in a database keeps its uploads; needed once, then remembered.",
    )
    return library(files(command))


def _keep_files(context: click.Context, _option: click.Parameter, files: Path | None) -> None:
    """Keep --files for `open_library`, so that commands need not pass it on."""
    context.meta[_FILES] = files and files.absolute()


def _warn_of_password(context: click.Context, option: click.Parameter, library: str) -> str:
    """Warn of a password on the command line, which all users of the machine can read."""
    given = context.get_parameter_source(option.name or "")
    has_password = "://" in library and ":" in library.partition("://")[2].rpartition("@")[0]
    if has_password and given is click.core.ParameterSource.COMMANDLINE:
        fix = "give the URL in HYBRIDREC_LIBRARY, or the password in ~/.pgpass"
        click.echo(
            f"warning: all users of this machine can see the password in --library; {fix}", err=True
        )
    return library


def as_json_option(command: Command) -> Command:
    """Give a command the flag --json, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script to read.")(
        command
    )


def echo_all(rows: Iterable[object]) -> None:
    """Print each row, indented, to the error stream."""
    for row in rows:
        click.echo(f"  {row}", err=True)


def print_json(value: Any) -> None:
    """Print a dataclass, or anything that JSON knows, as one line."""
    plain = (
        dataclasses.asdict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
        else value
    )
    click.echo(json.dumps(plain, default=str, ensure_ascii=False))


def print_answer(answer: Answer, as_json: bool = False) -> None:
    """Print an answer's tracks as a table, or all of it as JSON."""
    if as_json:
        print_json(with_former_keys(dataclasses.asdict(answer), FORMER_HIT_KEYS))
        return
    click.echo(
        f"{'score':>6}  {'effective audio weight':>22}  {'audio':>6}  {'plays':>6}  "
        f"{'support':>7}  track"
    )
    for hit in answer.hits:
        track = hit.track
        genre = f" ({track.genre})" if track.genre else ""
        parts = f"{hit.audio_part:6.2f}  {hit.behaviour_part:6.2f}"
        weights = f"{hit.score:6.2f}  {hit.effective_audio_weight:22.2f}  {parts}  {hit.support:7d}"
        click.echo(f"{weights}  {track.name}{genre}")
