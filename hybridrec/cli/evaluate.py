"""`hybridrec evaluate ...`: how good the ears and the blend are, with intervals."""

from __future__ import annotations

import click


@click.group()
def evaluate() -> None:
    """Measure the ears or the blend on what they have not seen."""
