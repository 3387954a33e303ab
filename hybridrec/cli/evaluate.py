"""`hybridrec evaluate ...`: how good the ears and the blend are, with intervals."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridrec.cli.shared import DIRECTORY, FILE, open_library, with_library
from hybridrec.errors import InvalidInput

if TYPE_CHECKING:
    from hybridrec.encoder.checkpoint import Checkpoint
    from hybridrec.workflows.evaluate.plays import SplitKind

WRITTEN = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group()
def evaluate() -> None:
    """Measure the ears or the blend on what they have not seen."""


@evaluate.command("audio")
@click.argument("directory", type=DIRECTORY)
@click.option(
    "--labels",
    type=FILE,
    default=None,
    show_default="labels.tsv in DIRECTORY",
    help="Table of labels.",
)
@click.option("--columns", default="artist,collection", help="Labels to judge by, with commas.")
@click.option("--library", default=None, help="Judge the ears of this library.")
@click.option("--encoder", type=FILE, default=None, help="Judge the ears in this file.")
@click.option("--baselines", type=FILE, default=None, help="Vectors of other systems, npz.")
@click.option(
    "--scratch-epochs",
    type=click.IntRange(0),
    default=4,
    help="Ears from scratch: training; 0 for none.",
)
@click.option(
    "--changes/--no-changes",
    default=True,
    help="Squeeze, soften and cut tracks and seek them again.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-evaluation"),
    help="Where vectors are kept for the next run.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same figures.")
@click.option("--json", "json_file", type=WRITTEN, default=None, help="Write all figures here.")
@click.option("--html", "html_file", type=WRITTEN, default=None, help="Write a page here.")
def evaluate_audio(
    directory: Path,
    labels: Path | None,
    columns: str,
    library: str | None,
    encoder: Path | None,
    baselines: Path | None,
    scratch_epochs: int,
    changes: bool,
    work: Path,
    seed: int,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Judge ears by whether they bring together what the labels of DIRECTORY say belongs together.

    The table of labels is tab-separated: a column clip or file, relative to
    DIRECTORY, and columns of labels. Without --library or --encoder, the ears
    that come with hybridrec are judged.
    """
    from hybridrec.config import TrainingConfig
    from hybridrec.evaluation.audio_page import as_html, in_words
    from hybridrec.workflows.evaluate.audio import Against
    from hybridrec.workflows.evaluate.audio import evaluate_audio as run
    from hybridrec.workflows.evaluate.label_table import read_label_table

    tracks = read_label_table(labels or directory / "labels.tsv", directory, columns.split(","))
    scratch = TrainingConfig(epochs=scratch_epochs) if scratch_epochs else None
    against = Against(baselines, scratch, changes)
    report = run(tracks, _encoder(library, encoder), work, against, seed=seed, show_progress=True)
    for path, why in report.skipped.items():
        click.echo(f"  not heard: {path}: {why}", err=True)
    click.echo(in_words(report))
    if json_file:
        json_file.write_text(
            json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False), encoding="utf-8"
        )
    if html_file:
        html_file.write_text(as_html(report), encoding="utf-8")


def _encoder(library: str | None, encoder: Path | None) -> Checkpoint | None:
    """The ears to judge; None for those that come with hybridrec."""
    from hybridrec.encoder.checkpoint import Checkpoint

    if library and encoder:
        raise InvalidInput(
            "judge one pair of ears at a time",
            got="--library and --encoder",
            fix="give one of them",
        )
    if encoder:
        return Checkpoint.load(encoder)
    if library:
        with open_library(library) as opened:
            return Checkpoint.from_bytes(opened.artefact_bytes("encoder"))
    return None


@evaluate.command("plays")
@with_library
@click.option(
    "--plays", type=FILE, default=None, help="Judge on this file of plays instead of the library's."
)
@click.option(
    "--vectors",
    type=FILE,
    default=None,
    help="Audio vectors for --plays: npz with ids and vectors, or Parquet.",
)
@click.option(
    "--columns",
    default=None,
    help="Names of the columns of --plays, with commas, where it has no header.",
)
@click.option(
    "--split",
    "kind",
    type=click.Choice(["time", "last", "pairs", "tracks"]),
    default=None,
    show_default="time where all plays have times, else pairs",
    help="Hold out the last fifth of the plays, each user's last track, random pairs, or all plays of random tracks.",
)
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(0,),
    help="Same seed, same figures; several: several cuts.",
)
@click.option("--json", "json_file", type=WRITTEN, default=None, help="Write all figures here.")
@click.option("--html", "html_file", type=WRITTEN, default=None, help="Write a page here.")
def evaluate_plays(
    library: str,
    plays: Path | None,
    vectors: Path | None,
    columns: str | None,
    kind: SplitKind | None,
    seeds: tuple[int, ...],
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Judge the blend on held-out plays, beside seven other recommenders and with audio shuffled.

    Each is tuned on validation cuts of the training part. Nothing in the library changes.
    """
    from hybridrec.evaluation.plays_page import in_words
    from hybridrec.workflows.evaluate.plays import evaluate_files, evaluate_library

    if vectors and not plays:
        raise InvalidInput(
            "--vectors go with --plays", got=str(vectors), fix="ingest them into the library"
        )
    if plays:
        names = columns.split(",") if columns else None
        found = evaluate_files(plays, vectors, kind, columns=names, seeds=seeds, show_progress=True)
    else:
        with open_library(library) as opened:
            found = evaluate_library(opened, kind, seeds=seeds, show_progress=True)
    click.echo(in_words(found.report))
    if json_file:
        told = dataclasses.asdict(found.report)
        json_file.write_text(json.dumps(told, indent=2, ensure_ascii=False), encoding="utf-8")
    if html_file:
        html_file.write_text(found.as_html(), encoding="utf-8")
