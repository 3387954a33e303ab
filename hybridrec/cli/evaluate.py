"""`hybridrec evaluate audio | plays`: metrics of the encoder and of the blend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybridrec.cli.shared import DIRECTORY, FILE, open_library, with_library
from hybridrec.errors import InvalidInput

if TYPE_CHECKING:
    from hybridrec.encoder.checkpoint import Checkpoint
    from hybridrec.workflows.evaluate.plays import SplitKind

WRITTEN = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group()
def evaluate() -> None:
    """Evaluate the audio encoder or the blend on held-out data."""


@evaluate.command("audio")
@click.argument("directory", type=DIRECTORY)
@click.option(
    "--labels",
    type=FILE,
    default=None,
    show_default="labels.tsv in DIRECTORY",
    help="Table of labels.",
)
@click.option("--columns", default="artist,collection", help="Labels to evaluate by, with commas.")
@click.option("--library", default=None, help="Evaluate the encoder of this library.")
@click.option("--encoder", type=FILE, default=None, help="Evaluate the encoder in this file.")
@click.option("--baselines", type=FILE, default=None, help="Vectors of other systems, npz.")
@click.option(
    "--scratch-epochs",
    type=click.IntRange(0),
    default=4,
    help="Epochs of training an encoder from scratch, to compare with; 0 for none.",
)
@click.option(
    "--changes/--no-changes",
    "robustness",
    default=True,
    help="Measure whether compressed, quieter and other excerpts find their tracks.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-evaluation"),
    help="Folder for embeddings, which the next run uses.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same report.")
@click.option(
    "--json", "json_file", type=WRITTEN, default=None, help="Write the report here as JSON."
)
@click.option(
    "--html", "html_file", type=WRITTEN, default=None, help="Write the report here as a page."
)
def evaluate_audio(
    directory: Path,
    labels: Path | None,
    columns: str,
    library: str | None,
    encoder: Path | None,
    baselines: Path | None,
    scratch_epochs: int,
    robustness: bool,
    work: Path,
    seed: int,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Evaluate an audio encoder by retrieval: are tracks with the same label close to each other?

    The table of labels is tab-separated: a column clip or file, relative to
    DIRECTORY, and columns of labels. Without --library or --encoder, the
    encoder that comes with hybridrec is evaluated.
    """
    from hybridrec.config import TrainingConfig
    from hybridrec.pages.audio import as_html, as_text
    from hybridrec.workflows.evaluate.audio import ComparisonOptions
    from hybridrec.workflows.evaluate.audio import evaluate_audio as run
    from hybridrec.workflows.evaluate.label_table import read_label_table

    tracks = read_label_table(labels or directory / "labels.tsv", directory, columns.split(","))
    scratch = TrainingConfig(epochs=scratch_epochs) if scratch_epochs else None
    options = ComparisonOptions(baselines, scratch, robustness)
    judged = _encoder(library, encoder)
    report = run(tracks, judged, work, options, seed=seed, show_progress=True)
    for path, why in report.skipped.items():
        click.echo(f"  could not be embedded: {path}: {why}", err=True)
    click.echo(as_text(report))
    if json_file:
        _write_json(json_file, report.to_dict())
    if html_file:
        html_file.write_text(as_html(report), encoding="utf-8")


def _encoder(library: str | None, encoder: Path | None) -> Checkpoint | None:
    """The encoder to evaluate; None for the one that comes with hybridrec."""
    from hybridrec.encoder.checkpoint import Checkpoint

    if library and encoder:
        raise InvalidInput(
            "one encoder is evaluated at a time",
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
    "--plays",
    type=FILE,
    default=None,
    help="Evaluate on this file of plays instead of the library.",
)
@click.option(
    "--vectors",
    type=FILE,
    default=None,
    help="Embeddings for --plays: npz with ids and vectors, or Parquet.",
)
@click.option(
    "--columns",
    default=None,
    help="Names of the columns of --plays, with commas, if it has no header.",
)
@click.option(
    "--split",
    "kind",
    type=click.Choice(["time", "last", "pairs", "tracks"]),
    default=None,
    show_default="time if all plays have times, else pairs",
    help="Hold out the last fifth of the plays, each user's last new track, random pairs, or all"
    " plays of random tracks.",
)
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(0,),
    help="Same seed, same report; several: one random split each.",
)
@click.option(
    "--json", "json_file", type=WRITTEN, default=None, help="Write the report here as JSON."
)
@click.option(
    "--html", "html_file", type=WRITTEN, default=None, help="Write the report here as a page."
)
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
    """Evaluate the blend on held-out plays, beside seven baselines and with audio shuffled.

    Each is tuned on validation folds of the training part. Nothing in the library changes.
    """
    from hybridrec.pages.plays import as_html, as_text
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
    click.echo(as_text(found.report))
    if json_file:
        _write_json(json_file, found.report.to_dict())
    if html_file:
        html_file.write_text(as_html(found.report, found.runs[0].tuning), encoding="utf-8")


def _write_json(place: Path, report: dict[str, Any]) -> None:
    place.write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
