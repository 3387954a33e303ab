"""Uploads: files that are embedded one at a time, and added to the library as tracks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridrec.config import AudioLimits
from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict
from hybridrec.files import sha256_of
from hybridrec.serving.admission import Admission
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library

if TYPE_CHECKING:
    from hybridrec.audio.tags import Tags
    from hybridrec.embedder.pool import EmbedderPool
    from hybridrec.embedder.results import AudioEmbedding, EmbeddedFile

MAX_UPLOAD_SECONDS = 30.0
"""How long embedding one upload may take; other uploads wait meanwhile."""


@dataclass(frozen=True)
class TrackDetails:
    """What an uploader says of a track; what is left empty is read from the file's tags.

    Attributes:
        filename: as the client calls the file; the title of a track without another one.
        id: the external id wanted; None derives one from the audio.
        title, artist, album, genre: as the uploader gives them.
    """

    filename: str = ""
    id: str | None = None
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""


class Uploads:
    """Embeds files in a process of its own, and adds them; safe to use from several threads.

    The process starts with the first file, and again after the library got another encoder.

    Args:
        library: gives the encoder and stores the tracks.
        limits: of a file; None: the defaults, with `MAX_UPLOAD_SECONDS` for embedding it.
    """

    def __init__(self, library: Library, limits: AudioLimits | None = None) -> None:
        self._library = library
        self._limits = limits or AudioLimits(max_embedding_seconds=MAX_UPLOAD_SECONDS)
        self._admission = Admission()
        self._pool_lock = threading.Lock()
        self._pool: tuple[EmbedderPool, str] | None = None

    def close(self) -> None:
        """End the process that embeds."""
        with self._pool_lock:
            if self._pool is not None:
                self._pool[0].close()
                self._pool = None

    def embed(
        self, path: Path, filename: str = "", caller: str | None = None
    ) -> tuple[EmbeddedFile, AudioEmbedding, str]:
        """Embed a file.

        Args:
            path: the file.
            filename: the name to make a title of, where the path's own means nothing.
            caller: who asks; one caller cannot fill the queue.

        Returns:
            The file's facts and tags, its embedding, and the fingerprint of the encoder.

        Raises:
            AudioError: if the file cannot be embedded.
            Busy: if too many uploads wait.
            NotReady: if the library's embeddings are not of its own encoder.
        """
        # The lock keeps `close`, and a change of encoder, from the pool while it embeds.
        with self._admission.turn(caller), self._pool_lock:
            pool, fingerprint = self._open_pool()
            file, embedded = pool.embed_one(path, filename)
        return file, embedded, fingerprint

    def add(
        self, path: Path, details: TrackDetails, caller: str | None = None
    ) -> tuple[Track, bool]:
        """Embed a file, keep a copy and add its track; see `RecommendationService.add_track`."""
        content_hash = sha256_of(path)
        known = self._library.track_by_hash(content_hash)
        if known is not None:
            return known, False
        id_ = details.id or content_hash[:16]
        # Before embedding, which takes seconds; `add_upload` checks it again while it stores.
        self._refuse_taken(id_)
        file, embedded, fingerprint = self.embed(path, details.filename, caller)
        track = _track(id_, details, file.tags, embedded.duration_seconds, content_hash)
        embedded_track = EmbeddedTrack(track, None, fingerprint, embedded.embedding)
        return self._library.add_upload(path, embedded_track)

    def _open_pool(self) -> tuple[EmbedderPool, str]:
        # Imported here: the decoders take time to import, and many servers get no uploads.
        from hybridrec.embedder.library_encoder import ensure_encoder
        from hybridrec.embedder.pool import library_pool

        if self._library.fingerprint() is None:
            ensure_encoder(self._library)
        fingerprint = self._library.fingerprint()
        assert fingerprint is not None
        if self._pool is None or self._pool[1] != fingerprint:
            if self._pool is not None:
                self._pool[0].close()
            self._pool = library_pool(self._library, self._limits), fingerprint
        return self._pool

    def _refuse_taken(self, id_: str) -> None:
        """Refuse an id whose track has audio already: a track without audio gets this file."""
        known = self._library.tracks([id_]).get(id_)
        if known is not None and known.content_hash is not None:
            what, fix = "the id belongs to a track with other audio", "choose another id"
            raise Conflict(what, got=id_, fix=fix)


def _track(
    id_: str, details: TrackDetails, tags: Tags, duration_seconds: float, content_hash: str
) -> Track:
    return Track(
        id=id_,
        title=details.title or tags.title,
        artist=details.artist or tags.artist,
        album=details.album or tags.album,
        genre=details.genre or tags.genre,
        duration_seconds=duration_seconds,
        content_hash=content_hash,
        recording_mbid=tags.recording_mbid,
    )
