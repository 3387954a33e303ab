"""Evaluate an audio encoder beside other systems, on any folder of audio with a label table."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hybridrec.config import TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint, shipped
from hybridrec.errors import InvalidInput
from hybridrec.evaluation.audio_report import (
    AudioReport,
    ChangeFigures,
    ChunkFigures,
    LabelFigures,
    compare_chunks,
    compare_systems,
)
from hybridrec.evaluation.retrieval import FEWEST_IN_GROUP, cosines, rows_of_groups
from hybridrec.evaluation.significance import mean_with_interval
from hybridrec.workflows.evaluate.audio_systems import (
    Similarities,
    baseline_similarities,
    embeddings,
    from_scratch,
    statistics_similarities,
    untrained,
    whole_tracks,
)
from hybridrec.workflows.evaluate.label_table import LabelledFiles
from hybridrec.workflows.evaluate.robustness import EXCERPT_SECONDS, recognition, track_seconds
from hybridrec.workflows.evaluate.vector_cache import Vector, VectorCache

SHIPPED = "hybridrec, shipped"
GIVEN = "hybridrec, this encoder"
SHUFFLED = "shuffled control"

PROTOCOL = (
    f"Each track whose label has {FEWEST_IN_GROUP} tracks or more is a query that ranks all other"
    " such tracks. P@1: the nearest track has the label. P@10: hits among the ten nearest, over"
    " the most that ten could contain. mAP: over the whole ranking.",
    "Intervals are 95 % percentile bootstraps over queries; p-values are of paired randomisation"
    " tests on mAP, corrected after Holm for the number of systems. Both are somewhat optimistic,"
    " as queries with the same label are not independent.",
    "The encoder from scratch, where listed, was trained on these very tracks, without their"
    " labels. Shuffled: the embeddings of the judged encoder, each assigned to another track."
    " Means and deviations: of the same chunks, standardised over these tracks.",
)


@dataclass(frozen=True)
class ComparisonOptions:
    """What an encoder is compared with, besides plain statistics and an untrained network.

    Attributes:
        baselines: an npz file with vectors of other systems, see
            `audio_systems.baseline_similarities`, or None.
        scratch: training of an encoder on the folder alone; None leaves it out.
        robustness: whether changed copies must find their originals.
    """

    baselines: Path | None = None
    scratch: TrainingConfig | None = field(default_factory=TrainingConfig)
    robustness: bool = True


def evaluate_audio(
    tracks: LabelledFiles,
    encoder: Checkpoint | None,
    work_directory: Path,
    options: ComparisonOptions | None = None,
    *,
    seed: int = 0,
    show_progress: bool = False,
) -> AudioReport:
    """Evaluate retrieval by label, robustness to changes, and the price of skipping chunks.

    Embeddings are kept in the work directory, so a second run is quick.

    Args:
        tracks: files with labels.
        encoder: the encoder to judge; None for the shipped one.
        work_directory: for embeddings, and for the training from scratch.
        options: what else is measured.
        seed: of the untrained network, the training from scratch, shuffling and resampling.
        show_progress: draw bars on standard error.

    Raises:
        InvalidInput: if no label has enough tracks.
        NotFound: if a track is not among the baselines.
    """
    start, options = time.monotonic(), options or ComparisonOptions()
    cache = VectorCache(work_directory, show_progress=show_progress)
    judged, name = (shipped(), SHIPPED) if encoder is None else (encoder, GIVEN)
    embedded = embeddings(cache, tracks.files, judged)
    # Taken now: later systems may fail on other files, which are no queries of this report.
    skipped = {str(path): why for path, why in cache.failed.items()}
    tracks = tracks.only(set(embedded))
    _require_queries(tracks)
    ours = cosines(np.stack(list(embedded.values())))
    others = _other_systems(cache, tracks, judged, options, seed)
    similarities = {name: ours, **others, SHUFFLED: _shuffled(ours, seed)}
    robustness = _robustness(cache, judged, embedded, seed) if options.robustness else []
    return AudioReport(
        encoder=name,
        fingerprint=judged.fingerprint,
        tracks=len(embedded),
        skipped=skipped,
        labels=_labels(tracks, similarities, seed),
        robustness=robustness,
        chunks=_chunks(cache, tracks, judged, ours, seed),
        notes=[*PROTOCOL, *([_excerpt_note(cache, tracks, judged)] if robustness else [])],
        seed=seed,
        seconds=time.monotonic() - start,
    )


def _require_queries(tracks: LabelledFiles) -> None:
    if not any(len(rows_of_groups(tracks.groups(label))) for label in tracks.labels):
        raise InvalidInput(
            f"no label has {FEWEST_IN_GROUP} tracks that can be embedded",
            got=f"{len(tracks.files)} tracks with the labels {', '.join(tracks.labels)}",
            fix="label more tracks, or name other columns",
        )


def _labels(
    tracks: LabelledFiles, similarities: dict[str, Similarities], seed: int
) -> list[LabelFigures]:
    found = [
        compare_systems(label, tracks.groups(label), similarities, seed=seed)
        for label in tracks.labels
    ]
    return [each for each in found if each]


def _robustness(
    cache: VectorCache, judged: Checkpoint, embedded: dict[Path, Vector], seed: int
) -> list[ChangeFigures]:
    return [
        ChangeFigures(each.change, len(each.found), mean_with_interval(each.found, seed=seed))
        for each in recognition(cache, judged, embedded)
    ]


def _other_systems(
    cache: VectorCache,
    tracks: LabelledFiles,
    judged: Checkpoint,
    options: ComparisonOptions,
    seed: int,
) -> dict[str, Similarities]:
    """Similarities by every other system, by name."""
    # The shipped encoder is a system to compare with, unless it is the judged one.
    others = {} if judged.fingerprint == shipped().fingerprint else {SHIPPED: shipped()}
    if options.scratch:
        trained = from_scratch(cache, tracks.files, options.scratch, seed)
        others["hybridrec, from scratch"] = trained
    others["untrained network"] = untrained(judged, seed)
    found = {
        name: cosines(np.stack(list(embeddings(cache, tracks.files, checkpoint).values())))
        for name, checkpoint in others.items()
    }
    found |= statistics_similarities(cache, tracks.files, judged.audio)
    if options.baselines:
        found |= baseline_similarities(options.baselines, tracks.names)
    return found


def _shuffled(similarities: Similarities, seed: int) -> Similarities:
    """The similarities if each vector belonged to another track."""
    # Permuting rows and columns alike is the same as permuting the vectors.
    order = np.random.default_rng(seed).permutation(len(similarities))
    return similarities[np.ix_(order, order)]


def _chunks(
    cache: VectorCache, tracks: LabelledFiles, judged: Checkpoint, ours: Similarities, seed: int
) -> list[ChunkFigures]:
    """The price of skipping chunks; empty if the default number covers every track."""
    # All chunks would be the same ones, so the comparison would be of equal embeddings.
    covered_seconds = judged.audio.chunks_per_track * judged.audio.chunk_seconds
    if track_seconds(cache, tracks.files, judged.audio).max() <= covered_seconds:
        return []
    vectors = embeddings(cache, tracks.files, whole_tracks(judged))
    all_chunks = cosines(np.stack(list(vectors.values())))
    figures = [
        compare_chunks(label, tracks.groups(label), ours, all_chunks, seed=seed)
        for label in tracks.labels
    ]
    return [each for each in figures if each]


def _excerpt_note(cache: VectorCache, tracks: LabelledFiles, judged: Checkpoint) -> str:
    halves = np.minimum(track_seconds(cache, tracks.files, judged.audio) / 2, EXCERPT_SECONDS)
    return (
        f"Another excerpt: the middle {EXCERPT_SECONDS:.0f} s of each track's second half, or all"
        " of a shorter half, is a query among the same excerpts of all first halves. These are"
        f" {halves.min():.0f} to {halves.max():.0f} s long."
    )
