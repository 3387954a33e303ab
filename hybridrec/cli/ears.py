"""Commands that make the ears or look through them: `hybridrec train-encoder`."""

from __future__ import annotations

from pathlib import Path

import click

from hybridrec.cli.shared import DIRECTORY, as_json_option, print_json, with_library
from hybridrec.storage.library import Library


@click.command("train-encoder")
@click.argument("directory", type=DIRECTORY)
@with_library
@click.option(
    "--from",
    "start",
    type=click.Choice(["shipped", "scratch"]),
    default="shipped",
    help="Go on from the ears that come with hybridrec, or start anew.",
)
@click.option("--epochs", type=click.IntRange(1), default=None, show_default="brief", help="Passes of training.")
@click.option("--seed", type=int, default=0, help="Same seed, same encoder.")
@as_json_option
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
        print_json({"fingerprint": ears.checkpoint.fingerprint, "figures": ears.checkpoint.figures})
    else:
        click.echo(ears.in_words())
