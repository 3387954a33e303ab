"""The command line: thin commands, each a call of a workflow and a few printed lines."""

from __future__ import annotations

import click

from hybridrec.cli.encoder import map_library, train_encoder
from hybridrec.cli.evaluate import evaluate
from hybridrec.cli.ingest import ingest
from hybridrec.cli.maintenance import backup, clean_up, move_files, restore
from hybridrec.cli.models import fit, tune
from hybridrec.cli.recommend import recommend, similar, status
from hybridrec.cli.serve import demo, serve
from hybridrec.cli.shared import HonestGroup
from hybridrec.cli.tokens import token


@click.group(cls=HonestGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="hybridrec")
def main() -> None:
    """A hybrid music recommender: hears the tracks, knows the taste, and blends the two."""


for _command in (
    ingest,
    train_encoder,
    fit,
    tune,
    evaluate,
    map_library,
    recommend,
    similar,
    serve,
    token,
    status,
    backup,
    restore,
    clean_up,
    move_files,
    demo,
):
    main.add_command(_command)
