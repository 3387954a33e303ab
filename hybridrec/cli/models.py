"""Commands that learn from plays: `hybridrec fit`."""

from __future__ import annotations

import click

from hybridrec.cli.shared import as_json_option, print_json, with_library
from hybridrec.storage.library import Library


@click.command()
@with_library
@click.option("--seed", type=int, default=0, help="Same seed, same model.")
@as_json_option
def fit(library: str, seed: int, as_json: bool) -> None:
    """Learn from all plays and embeddings; running servers take the new model over."""
    from hybridrec.workflows.fit import fit as run

    with Library.open(library) as opened:
        report = run(opened, seed=seed, show_progress=not as_json)
    if as_json:
        print_json(report)
        return
    click.echo(
        f"model {report.version}: {report.users} users, {report.tracks} tracks"
        f" ({report.heard} heard, {report.cold} cold) in {report.seconds:.1f} s"
    )
