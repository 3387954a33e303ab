"""Commands that fit models to plays: `hybridrec fit | tune`."""

from __future__ import annotations

from pathlib import Path

import click

from hybridrec.cli.shared import as_json_option, open_library, print_json, with_library
from hybridrec.errors import NotReady


@click.command()
@with_library
@click.option("--seed", type=int, default=0, help="Same seed, same model.")
@as_json_option
def fit(library: str, seed: int, as_json: bool) -> None:
    """Fit a model to all plays and embeddings; running servers load it.

    The settings are those chosen by `hybridrec tune`, or else the defaults.
    """
    from hybridrec.workflows.fit import fit as run

    with open_library(library) as opened:
        report = run(opened, seed=seed, show_progress=not as_json)
    if as_json:
        print_json(report)
        return
    if report.other_encoder:
        click.echo("  the blend was tuned for another encoder: run `hybridrec tune`", err=True)
    click.echo(
        f"model {report.version}: {report.users} users, {report.tracks} tracks"
        f" ({report.embedded} with audio, {report.cold} cold) in {report.seconds:.1f} s"
    )
    if report.recall is not None:
        click.echo(f"  the tracks are indexed; recall@10 of the index is {report.recall:.1%}")


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
    """Choose the weights of audio and behaviour on held-out plays, store them, and fit.

    Every later fit uses the choice. Run it again when there are many more plays, or after
    training the encoder.
    """
    from hybridrec.pages.tuning import as_text, write_curves
    from hybridrec.workflows.tune.search import tune as run

    with open_library(library) as opened:
        tuning, report = run(opened, seed=seed, show_progress=not as_json)
    try:
        write_curves(tuning, curves)
    except NotReady as error:
        click.echo(f"  no curves.png: {error}", err=True)
    if as_json:
        print_json(tuning.to_dict() | {"model": report.version})
    else:
        click.echo(f"{as_text(tuning)}\nmodel {report.version} is fitted with it")
