"""Commands that ask the library: `hybridrec recommend | similar | status`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybridrec.cli.shared import as_json_option, print_answer, print_json, with_library
from hybridrec.serving.answers import Filters
from hybridrec.storage.library import Library

if TYPE_CHECKING:
    from hybridrec.serving.service import RecommendationService

_number = click.option("-n", "n", type=click.IntRange(1, 1000), default=10, help="How many tracks.")
_weight = click.option(
    "--audio-weight", type=click.FloatRange(0, 1), default=None, show_default="tuned", help="Share of sound, 0 to 1."
)


_WISHES = (
    click.option("--deny", multiple=True, help="Id of a track that must not come; may be given often."),
    click.option("--allow", multiple=True, help="Id of a track that may come, instead of all; may be given often."),
    click.option("--artist", default=None, help="Only tracks of this artist."),
    click.option("--album", default=None, help="Only tracks of this album."),
    click.option("--per-artist", type=click.IntRange(1), default=None, help="At most so many tracks of one artist."),
    click.option("--per-album", type=click.IntRange(1), default=None, help="At most so many tracks of one album."),
)


def _with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which tracks may come, handed on as one argument `filters`."""

    @functools.wraps(command)
    def filtering(*args: Any, allow: tuple[str, ...], **options: Any) -> None:
        told = {name: options.pop(name) for name in ("deny", "artist", "album", "per_artist", "per_album")}
        command(*args, filters=Filters(allow=allow or None, **told), **options)

    for option in reversed(_WISHES):
        filtering = option(filtering)
    return filtering


def _service(library: str) -> RecommendationService:
    """The library's answers; what gives them takes a second to import, so other commands go without."""
    from hybridrec.serving.service import RecommendationService

    return RecommendationService(Library.open(library))


@click.command()
@click.argument("user")
@with_library
@_number
@_weight
@click.option("--include-played", is_flag=True, help="Also tracks that the user has played.")
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
    """What USER should hear next."""
    with _service(library) as service:
        exclude = not include_played
        answer = service.recommend(user, n, audio_weight=audio_weight, exclude_played=exclude, filters=filters)
    print_answer(answer, as_json)


@click.command()
@click.argument("track")
@with_library
@_number
@_weight
@_with_filters
@as_json_option
def similar(track: str, library: str, n: int, audio_weight: float | None, filters: Filters, as_json: bool) -> None:
    """Tracks like TRACK, which is the id of a stored one or an audio file."""
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
    """What the library holds."""
    with Library.open(library) as opened:
        held = opened.status()
    if as_json:
        print_json(held)
        return
    for name, value in held.items():
        click.echo(f"{name:12} {'-' if value is None else value}")
