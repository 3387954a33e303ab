"""Queries of a library: `hybridrec recommend | similar | status`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybridrec.cli.shared import (
    as_json_option,
    open_library,
    print_answer,
    print_json,
    with_library,
)
from hybridrec.serving.answers import Filters

if TYPE_CHECKING:
    from hybridrec.serving.service import RecommendationService

_number = click.option("-n", "n", type=click.IntRange(1, 1000), default=10, help="How many tracks.")
_weight = click.option(
    "--audio-weight",
    type=click.FloatRange(0, 1),
    default=None,
    show_default="tuned",
    help="Share of the score that comes from audio, 0 to 1.",
)


_FILTERS = (
    click.option("--deny", multiple=True, help="Id of a track to leave out; repeatable."),
    click.option(
        "--allow",
        multiple=True,
        help="Id of a track to choose from, instead of all; repeatable.",
    ),
    click.option("--artist", default=None, help="Only tracks of this artist."),
    click.option("--album", default=None, help="Only tracks of this album."),
    click.option(
        "--per-artist",
        type=click.IntRange(1),
        default=None,
        help="At most this many tracks of one artist.",
    ),
    click.option(
        "--per-album",
        type=click.IntRange(1),
        default=None,
        help="At most this many tracks of one album.",
    ),
)


def _with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filter options to a command, which gets them as one argument `filters`."""

    @functools.wraps(command)
    def filtering(*args: Any, allow: tuple[str, ...], **options: Any) -> None:
        names = ("deny", "artist", "album", "per_artist", "per_album")
        given = {name: options.pop(name) for name in names}
        command(*args, filters=Filters(allow=allow or None, **given), **options)

    for option in reversed(_FILTERS):
        filtering = option(filtering)
    return filtering


def _service(library: str) -> RecommendationService:
    """The service over a library, imported only here: the model takes a second to import."""
    from hybridrec.serving.service import RecommendationService

    return RecommendationService(open_library(library))


@click.command()
@click.argument("user")
@with_library
@_number
@_weight
@click.option("--include-played", is_flag=True, help="Include tracks that the user has played.")
@_with_filters
@as_json_option
def recommend(
    user: str,
    library: str,
    n: int,
    audio_weight: float | None,
    include_played: bool,
    filters: Filters,
    as_json: bool,
) -> None:
    """Recommend tracks to USER."""
    with _service(library) as service:
        exclude = not include_played
        answer = service.recommend(
            user, n, audio_weight=audio_weight, exclude_played=exclude, filters=filters
        )
    print_answer(answer, as_json)


@click.command()
@click.argument("track")
@with_library
@_number
@_weight
@_with_filters
@as_json_option
def similar(
    track: str, library: str, n: int, audio_weight: float | None, filters: Filters, as_json: bool
) -> None:
    """Find tracks similar to TRACK, the id of a stored track or an audio file."""
    with _service(library) as service:
        if Path(track).is_file():
            answer = service.similar_to_audio(Path(track), n, filters=filters)
        else:
            answer = service.similar(track, n, audio_weight=audio_weight, filters=filters)
    print_answer(answer, as_json)


@click.command()
@with_library
@as_json_option
def status(library: str, as_json: bool) -> None:
    """Show what the library contains."""
    with open_library(library) as opened:
        held = opened.status()
    if as_json:
        print_json(held | {"ears": held["fingerprint"]})  # its name in release 0.1
        return
    for name, value in held.items():
        click.echo(f"{name:12} {'-' if value is None else value}")
