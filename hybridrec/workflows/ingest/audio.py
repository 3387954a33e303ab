"""Ingest of a folder of audio: files are embedded on all cores and stored in small batches.

A file that cannot be embedded is reported and does not stop the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from hybridrec.audio.kinds import may_be_audio
from hybridrec.audio.stages import STAGES
from hybridrec.config import AudioLimits
from hybridrec.data.tracks import Track
from hybridrec.embedder.pool import EmbedderPool
from hybridrec.embedder.results import EmbeddedFile
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.errors import NotFound
from hybridrec.storage.embeddings import EmbeddedTrack, FileStamp
from hybridrec.storage.library import Library
from hybridrec.storage.stored_paths import reason_not_storable

BATCH_TRACKS = 16
"""Tracks in one transaction, and the most that are embedded again after an interruption."""

ID_CHARACTERS = 16
"""A new track's id is the beginning of its file's SHA-256, so it does not depend on the path."""


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be embedded, and why."""

    path: str
    why: str


@dataclass
class IngestReport:
    """The result of an ingest; each audio file counts once.

    Attributes:
        added: files that became new tracks.
        updated: files of known tracks that were embedded again, as their content or the encoder
            changed.
        unchanged: files that were skipped.
        moved: files whose content the library knew from another path.
        failed: files that could not be embedded.
        seconds: wall-clock time.
        tracks_per_second: files embedded per second of that time.
        stage_seconds: processor time by stage, over all workers.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    failed: list[Unreadable] = field(default_factory=list)
    seconds: float = 0.0
    tracks_per_second: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))


def ingest_audio(
    library: Library,
    directory: Path,
    checkpoint_bytes: bytes,
    *,
    workers: int | None = None,
    progress: bool = True,
    limits: AudioLimits | None = None,
) -> IngestReport:
    """Embed every audio file below a directory, and store its track and embedding.

    Files that are unchanged (by size and time, else by content) and embedded by this encoder are
    skipped, so an interrupted run continues where it stopped. A file that moved, or whose tags or
    content were edited in place, keeps its track and with it its plays. The same content twice is
    one track. Tracks of deleted files stay.

    Args:
        library: where the tracks go.
        directory: searched to any depth, also through links; names that begin with a dot are
            left out.
        checkpoint_bytes: the encoder; its fingerprint is set for a library that has none yet.
        workers: embedder processes; None: as many as there are cores.
        progress: show a bar with an estimate on standard error.
        limits: of a file's length, and of time and memory to embed it.

    Raises:
        NotFound: if the directory does not exist.
        InvalidInput: if `checkpoint_bytes` is no checkpoint.
    """
    if not directory.is_dir():
        raise NotFound("no such directory", got=str(directory), fix="check its spelling")
    start = time.monotonic()
    library.add_music_folder(directory)
    run = _Ingest(library, Checkpoint.from_bytes(checkpoint_bytes).fingerprint)
    paths = [path for path in files_below(directory, leave_out=library.files) if may_be_audio(path)]
    changed = [path for path in paths if not run.is_unchanged(path)]
    run.report.unchanged = len(paths) - len(changed)
    if changed:
        workers = min(workers or os.cpu_count() or 1, len(changed))
        done, total = run.report.unchanged, len(paths)
        bar = tqdm(total=total, initial=done, desc="embedding", unit="file", disable=not progress)
        with (
            EmbedderPool(
                checkpoint_bytes, limits or AudioLimits(), run.known_hashes(), workers
            ) as pool,
            bar,
        ):
            for file in pool.embed(changed):
                run.take(file)
                bar.update()
        run.store()
    return run.finished(time.monotonic() - start)


def files_below(directory: Path, leave_out: Path) -> Iterator[Path]:
    """Files below a directory in order of names; each directory is entered once, so loops end."""
    seen = {_identity(leave_out)} if leave_out.exists() else set()
    for place, subdirectories, names in os.walk(directory.absolute(), followlinks=True):
        identity = _identity(Path(place))
        if identity in seen:
            subdirectories.clear()
            continue
        seen.add(identity)
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


class _Ingest:
    """One run: what the library held before it, and its results so far."""

    def __init__(self, library: Library, fingerprint: str) -> None:
        self.report = IngestReport()
        self._library = library
        self._fingerprint = fingerprint
        self._stamps = library.file_stamps()
        self._tracks_embedded = set(library.embeddings(fingerprint).ids)
        self._ids = {stamp.content_hash: stamp.track_id for stamp in self._stamps.values()}
        self._batch: list[EmbeddedTrack] = []
        if library.fingerprint() is None:
            library.set_fingerprint(fingerprint)

    def is_unchanged(self, path: Path) -> bool:
        """Whether a file is embedded by this encoder and has the same size and time."""
        stamp = self._stamps.get(str(path))
        if stamp is None or stamp.track_id not in self._tracks_embedded:
            return False
        try:
            facts = path.stat()
        except OSError:
            return False
        return (facts.st_size, facts.st_mtime_ns) == (stamp.size_bytes, stamp.mtime_ns)

    def known_hashes(self) -> frozenset[str]:
        """Hex SHA-256 of the files that are embedded by this encoder."""
        return frozenset(hash_ for hash_, id_ in self._ids.items() if id_ in self._tracks_embedded)

    def take(self, file: EmbeddedFile) -> None:
        """Count the result for a file, and store it with the next batch."""
        why = file.why or reason_not_storable(str(file.path))
        if why:
            self.report.failed.append(Unreadable(str(file.path), why))
            return
        for stage, seconds in file.stage_seconds.items():
            self.report.stage_seconds[stage] += seconds
        embedded = self._embedded_track(file)
        if any(one.track.id == embedded.track.id for one in self._batch):
            self.store()
        self._batch.append(embedded)
        if len(self._batch) >= BATCH_TRACKS:
            self.store()

    def store(self) -> None:
        """Store the batch in one transaction."""
        self._library.put_embedded(self._batch)
        self._batch = []

    def finished(self, seconds: float) -> IngestReport:
        """The report of a run of so many seconds of wall-clock time."""
        self.report.seconds = seconds
        self.report.tracks_per_second = (self.report.added + self.report.updated) / seconds
        return self.report

    def _embedded_track(self, file: EmbeddedFile) -> EmbeddedTrack:
        before = self._stamps.get(str(file.path))
        known = self._known_id(file.content_hash)
        id_ = known or (before.track_id if before else file.content_hash[:ID_CHARACTERS])
        if known is None:
            what = "updated" if before else "added"
        elif id_ not in self._tracks_embedded:
            what = "updated"
        else:
            what = "unchanged" if before and before.content_hash == file.content_hash else "moved"
        setattr(self.report, what, getattr(self.report, what) + 1)
        self._ids[file.content_hash] = id_
        self._tracks_embedded.add(id_)
        return self._record(file, id_)

    def _record(self, file: EmbeddedFile, id_: str) -> EmbeddedTrack:
        track = Track(
            id_,
            title=file.tags.title,
            artist=file.tags.artist,
            album=file.tags.album,
            genre=file.tags.genre,
            duration_seconds=file.embedded.duration_seconds if file.embedded else None,
            path=str(file.path),
            content_hash=file.content_hash,
            recording_mbid=file.tags.recording_mbid,
        )
        stamp = FileStamp(file.size_bytes, file.mtime_ns, file.content_hash, id_)
        if file.embedded is None:
            vector = self._library.embeddings(self._fingerprint, [id_]).vectors[0]
        else:
            vector = file.embedded.embedding
        return EmbeddedTrack(track, stamp, self._fingerprint, vector)

    def _known_id(self, content_hash: str) -> str | None:
        known = self._ids.get(content_hash)
        if known is None:
            track = self._library.track_by_hash(content_hash)
            known = track.id if track else None
        return known
