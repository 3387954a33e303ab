"""Fetch freely licensed game music out of Debian's or Ubuntu's packages (see `--help`)."""

from __future__ import annotations

import sys

import click

from hybridrec.datasets.free_music import SPLITS, fetch_free_music
from hybridrec.errors import HybridrecError, InvalidInput


@click.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--split", type=click.Choice(SPLITS), help="Only this split; every recording without it."
)
@click.option(
    "--package", "packages", multiple=True, help="Only this package; may be given several times."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="At most so many tracks, from the smallest packages.",
)
@click.option("--progress/--no-progress", default=True, help="Show a progress bar.")
def main(
    directory: str, split: str | None, packages: tuple[str, ...], limit: int | None, progress: bool
) -> None:
    """Fetch freely licensed music into DIRECTORY; what is there already is kept."""
    try:
        report = fetch_free_music(
            directory, split=split, packages=packages or None, limit=limit, progress=progress
        )
    except HybridrecError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    for package, why in report.missing:
        click.echo(f"missing: {package}: {why}", err=True)
    click.echo(
        f"{report.fetched} tracks fetched, {report.skipped_present} there already; "
        f"see {report.manifest}"
    )


if __name__ == "__main__":
    main()
