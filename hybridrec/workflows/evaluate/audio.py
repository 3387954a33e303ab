"""How good ears are, beside others: on any folder of audio with a label table, in one run."""

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
    compare_chunks,
    compare_systems,
)
from hybridrec.evaluation.retrieval import FEWEST_IN_GROUP, cosines, rows_of_groups
from hybridrec.evaluation.significance import mean_with_interval
from hybridrec.workflows.evaluate.audio_systems import (
    Near,
    baselines_near,
    embeddings,
    from_scratch,
    statistics_near,
    untrained,
    whole_tracks,
)
from hybridrec.workflows.evaluate.label_table import LabelledFiles
from hybridrec.workflows.evaluate.robustness import EXCERPT_SECONDS, known_again, track_seconds
from hybridrec.workflows.evaluate.vector_cache import VectorCache

SHIPPED = "hybridrec, shipped"
GIVEN = "hybridrec, these ears"
SHUFFLED = "shuffled control"

PROTOCOL = (
    f"Each track whose label has {FEWEST_IN_GROUP} tracks or more is a query that ranks all others with such a label."
    " P@1: the nearest has the label. P@10: hits in ten, over what ten could hold. mAP: over the whole ranking.",
    "Intervals are 95 % percentile bootstraps over queries; p-values are of paired randomisation tests on mAP,"
    " corrected for the number of systems after Holm. Both flatter a little: queries of one label lean on each other.",
    "Ears from scratch, where listed, were trained on these very tracks, without their labels. Shuffled: our vectors,"
    " each given to another track. Means and deviations: of the same chunks, standardised over these tracks.",
)


@dataclass(frozen=True)
class Against:
    """What ears are measured against, beside plain statistics and the untrained network.

    Attributes:
        baselines: an npz file of other systems' vectors, see `audio_systems.baselines_near`, or None.
        scratch: how ears are trained on the folder alone; None leaves them out.
        changes: whether tracks must know themselves again after changes.
    """

    baselines: Path | None = None
    scratch: TrainingConfig | None = field(default_factory=TrainingConfig)
    changes: bool = True


def evaluate_audio(
    tracks: LabelledFiles,
    encoder: Checkpoint | None,
    work_directory: Path,
    against: Against | None = None,
    *,
    seed: int = 0,
    show_progress: bool = False,
) -> AudioReport:
    """Measure ears by labels, by changed copies, and by what skipping most of a track costs.

    What is heard is kept in the work directory, so a second run is quick.

    Args:
        tracks: files with labels.
        ears: the ears to judge; None for those that come with hybridrec.
        work_directory: for vectors, and for the training from scratch.
        against: what else is measured.
        seed: of the untrained network, the training from scratch, the shuffling and all resampling.
        show_progress: bars on standard error.

    Raises:
        InvalidInput: if no label has enough tracks.
        NotFound: if a track is not among the baselines.
    """
    start, against = time.monotonic(), against or Against()
    cache = VectorCache(work_directory, show_progress=show_progress)
    judged, name = (shipped(), SHIPPED) if encoder is None else (encoder, GIVEN)
    embedded = embeddings(cache, tracks.files, judged)
    skipped = {str(path): why for path, why in cache.failed.items()}
    tracks = tracks.only(set(embedded))
    _require_queries(tracks)
    ours = cosines(np.stack(list(embedded.values())))
    near = {name: ours, **_others(cache, tracks, judged, against, seed), SHUFFLED: _shuffled(ours, seed)}
    if against.baselines:
        near |= baselines_near(against.baselines, tracks.names)
    labels = [compare_systems(label, tracks.groups(label), near, seed=seed) for label in tracks.labels]
    changes = known_again(cache, judged, embedded) if against.changes else []
    notes = [*PROTOCOL, _about_halves(cache, tracks, judged)] if changes else [*PROTOCOL]
    return AudioReport(
        encoder=name,
        fingerprint=judged.fingerprint,
        tracks=len(embedded),
        skipped=skipped,
        labels=[each for each in labels if each],
        changes=[ChangeFigures(c.change, len(c.found), mean_with_interval(c.found, seed=seed)) for c in changes],
        chunks=_chunks(cache, tracks, judged, ours, seed),
        notes=notes,
        seed=seed,
        seconds=time.monotonic() - start,
    )


def _require_queries(tracks: LabelledFiles) -> None:
    if not any(len(rows_of_groups(tracks.groups(label))) for label in tracks.labels):
        what = f"no label stands for {FEWEST_IN_GROUP} tracks that can be heard"
        got = f"{len(tracks.files)} tracks with the labels {', '.join(tracks.labels)}"
        raise InvalidInput(what, got=got, fix="label more tracks, or name other columns")


def _others(
    cache: VectorCache, tracks: LabelledFiles, judged: Checkpoint, against: Against, seed: int
) -> dict[str, Near]:
    """Nearnesses by everything that hears the tracks beside the judged ears."""
    others = {} if judged.fingerprint == shipped().fingerprint else {SHIPPED: shipped()}
    if against.scratch:
        others["hybridrec, from scratch"] = from_scratch(cache, tracks.files, against.scratch, seed)
    others["untrained network"] = untrained(judged, seed)
    near = {
        name: cosines(np.stack(list(embeddings(cache, tracks.files, checkpoint).values())))
        for name, checkpoint in others.items()
    }
    return {**near, **statistics_near(cache, tracks.files, judged.audio)}


def _shuffled(near: Near, seed: int) -> Near:
    """The same vectors, each given to another track."""
    order = np.random.default_rng(seed).permutation(len(near))
    return near[np.ix_(order, order)]


def _chunks(cache: VectorCache, tracks: LabelledFiles, judged: Checkpoint, ours: Near, seed: int) -> list[ChunkFigures]:
    """What skipping most of a track costs; nothing where the default chunks cover every track."""
    heard_seconds = judged.audio.chunks_per_track * judged.audio.chunk_seconds
    if track_seconds(cache, tracks.files, judged.audio).max() <= heard_seconds:
        return []
    every = cosines(np.stack(list(embeddings(cache, tracks.files, whole_tracks(judged)).values())))
    figures = [compare_chunks(label, tracks.groups(label), ours, every, seed=seed) for label in tracks.labels]
    return [each for each in figures if each]


def _about_halves(cache: VectorCache, tracks: LabelledFiles, judged: Checkpoint) -> str:
    halves = np.minimum(track_seconds(cache, tracks.files, judged.audio) / 2, EXCERPT_SECONDS)
    return (
        f"Another part: the middle {EXCERPT_SECONDS:.0f} s of each track's second half, or all of a shorter half, is"
        f" sought among the same of all first halves. Here these are {halves.min():.0f} to {halves.max():.0f} s long."
    )
