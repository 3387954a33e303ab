"""Commands that learn from plays: `hybridrec fit | tune`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hybridrec.cli.shared import as_json_option, open_library, print_json, with_library
from hybridrec.errors import NotReady


@click.command()
@with_library
@click.option("--seed", type=int, default=0, help="Same seed, same model.")
@as_json_option
def fit(library: str, seed: int, as_json: bool) -> None:
    """Learn from all plays and embeddings; running servers take the new model over.

    What `hybridrec tune` chose is used, or else the defaults.
    """
    from hybridrec.workflows.fit import fit as run

    with open_library(library) as opened:
        report = run(opened, seed=seed, show_progress=not as_json)
    if as_json:
        print_json(report)
        return
    if report.other_encoder:
        click.echo("  the blend was tuned for other ears: run `hybridrec tune`", err=True)
    click.echo(
        f"model {report.version}: {report.users} users, {report.tracks} tracks"
        f" ({report.embedded} heard, {report.cold} cold) in {report.seconds:.1f} s"
    )
    if report.recall is not None:
        click.echo(f"  the tracks are indexed; the index finds {report.recall:.1%} of the best")


@click.command()
@with_library
@click.option(
    "--curves",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-tuning"),
    help="Folder for tuning.html and curves.png: quality against audio weight.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same choice.")
@as_json_option
def tune(library: str, curves: Path, seed: int, as_json: bool) -> None:
    """Choose the weights of sound and behaviour on held-out plays, keep the choice, and fit.

    Every later fit goes by the choice. Run it again when the plays have grown much, or after training the ears.
    """
    from hybridrec.workflows.tune.page import in_words, write_curves
    from hybridrec.workflows.tune.search import tune as run

    with open_library(library) as opened:
        tuning, report = run(opened, seed=seed, show_progress=not as_json)
    try:
        write_curves(tuning, curves)
    except NotReady as error:
        click.echo(f"  no curves: {error}", err=True)
    if as_json:
        print_json(json.loads(tuning.to_bytes()) | {"model": report.version})
    else:
        click.echo(f"{in_words(tuning)}\nmodel {report.version} is fitted with it")
