"""Commands that train the encoder or show its embeddings: `hybridrec train-encoder | map`."""

from __future__ import annotations

from pathlib import Path

import click

from hybridrec.cli.shared import DIRECTORY, as_json_option, open_library, print_json, with_library
from hybridrec.errors import NotReady


@click.command("train-encoder")
@click.argument("directory", type=DIRECTORY)
@with_library
@click.option(
    "--from",
    "start",
    type=click.Choice(["shipped", "scratch"]),
    default="shipped",
    help="Start from the encoder shipped with hybridrec, or from random weights.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=None,
    show_default="brief",
    help="Training epochs.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same encoder.")
@as_json_option
def train_encoder(
    directory: Path, library: str, start: str, epochs: int | None, seed: int, as_json: bool
) -> None:
    """Train the encoder on the audio below DIRECTORY and make it the library's.

    The shipped encoder stays in use if training does not improve it on held-out tracks.
    Run `hybridrec ingest audio` and `hybridrec fit` afterwards: a new encoder needs new embeddings.
    """
    from hybridrec.encoder.checkpoint import shipped
    from hybridrec.workflows.train.encoder import train_library_encoder as run

    start_from = shipped() if start == "shipped" else None
    with open_library(library, create=True) as opened:
        encoder = run(
            opened, directory, epochs=epochs, seed=seed, start_from=start_from, progress=not as_json
        )
    if as_json:
        print_json(
            {"fingerprint": encoder.checkpoint.fingerprint, "figures": encoder.checkpoint.figures}
        )
    else:
        click.echo(encoder.in_words())


@click.command("map")
@with_library
@click.option(
    "--tag",
    type=click.Choice(["genre", "artist", "album"]),
    default=None,
    show_default="the first that tracks have",
    help="Tag that gives the colours.",
)
@click.option(
    "--named",
    type=click.IntRange(1, 21),
    default=12,
    help="Number of tag values with a colour, largest first; others are grey.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(1),
    default=10,
    help="Nearest neighbours whose tags are compared.",
)
@click.option(
    "--most",
    type=click.IntRange(5),
    default=5000,
    help="Tracks to draw; of more, a random sample.",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-map"),
    help="Folder for map.html and map.png.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same map.")
def map_library(
    library: str,
    tag: str | None,
    named: int,
    neighbours: int,
    most: int,
    to: Path,
    seed: int,
) -> None:
    """Draw the tracks by their embeddings, and report how often neighbours have the same tag.

    Tracks that sound alike are placed close to each other.
    """
    from hybridrec.pages.map import as_html
    from hybridrec.pages.pictures import map_png
    from hybridrec.workflows.map.library import map_library as run

    with open_library(library) as opened:
        drawn = run(opened, k=neighbours, most=most, seed=seed)
    tag = drawn.tag(tag)
    for agreement in drawn.agreements.values():
        click.echo(agreement.in_words())
    to.mkdir(parents=True, exist_ok=True)
    (to / "map.html").write_text(as_html(drawn, tag, named), encoding="utf-8")
    click.echo(f"written: {to / 'map.html'}")
    try:
        (to / "map.png").write_bytes(map_png(drawn, tag, named))
        click.echo(f"written: {to / 'map.png'}")
    except NotReady as error:
        click.echo(f"no map.png: {error}", err=True)
