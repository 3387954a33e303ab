"""What a music service asks of hybridrec, by outside ids: the one face behind the command line and HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.weighting import ItemVectors
from hybridrec.config import AudioLimits
from hybridrec.data.arrays import Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict
from hybridrec.files import sha256_of
from hybridrec.index.exact import UNRANKED
from hybridrec.model.queries import Queries, SeedQueries, UserQueries
from hybridrec.serving.admission import Admission
from hybridrec.serving.answers import Answer, Basis, Filters, Hit
from hybridrec.serving.counts import KeptCounts
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.reload import ModelReload
from hybridrec.serving.selection import Selection
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library
from hybridrec.storage.listens import ListensAdded
from hybridrec.storage.plays import PlaysAdded, UserSummary
from hybridrec.storage.write_queue import SERVING

if TYPE_CHECKING:
    from hybridrec.audio.tags import Tags
    from hybridrec.embedder.pool import EmbedderPool
    from hybridrec.embedder.result import AudioEmbedding, EmbeddedFile

ANYTHING = Filters()
_NO_ROWS = np.zeros(0, dtype=np.int64)

UPLOAD_SECONDS = 30.0
"""How long the hearing of one upload may take; others wait meanwhile."""


@dataclass(frozen=True)
class TrackDetails:
    """What an uploader says of a track; what is left empty is read from the file's tags.

    Attributes:
        filename: as the client calls the file; used for a title where there is no other.
        id: the outside id wanted; None derives one from the audio.
        title, artist, album, genre: as the uploader gives them.
    """

    filename: str = ""
    id: str | None = None
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""


class RecommendationService:
    """Answers users, seed songs and uploads from a library; safe to use from several threads.

    Every answer knows the user's own plays, the tracks that were uploaded last and those that were
    deleted; the listeners that a track has won since the fit, and another fit, show soon after.

    Args:
        library: an open library; closed by `close`.
        limits: what a file may ask that somebody wants heard.
    """

    def __init__(self, library: Library, limits: AudioLimits | None = None) -> None:
        self.library = library
        library.limit_writers(SERVING)
        self._model_reload = ModelReload(library)
        self._limits = limits or AudioLimits(max_embedding_seconds=UPLOAD_SECONDS)
        self._counts = KeptCounts(library)
        self._admission = Admission()
        self._embedder_lock = threading.Lock()
        self._pool: tuple[EmbedderPool, str] | None = None

    def close(self) -> None:
        """Close the library, and end the process that hears."""
        with self._embedder_lock:
            if self._pool is not None:
                self._pool[0].close()
                self._pool = None
        self._model_reload.close()
        self.library.close()

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until all that was written so far shows in every figure of an answer.

        Requests need not wait for that: see `serving.live_model` for what they know at once.

        Returns:
            whether it was done within so many seconds.
        """
        return self._model_reload.settle(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- recommending ----------------------------------------------------------------

    def recommend(
        self,
        user: str,
        n: int = 10,
        *,
        audio_weight: float | None = None,
        exclude_played: bool = True,
        filters: Filters = ANYTHING,
    ) -> Answer:
        """What a user should hear next. A user without plays gets what is popular.

        Args:
            user: outside id; an unknown one is served too.
            n: how many tracks at most.
            audio_weight: share of sound, 0 to 1; None takes the tuned one.
            exclude_played: leave out what she played or skipped, in whatever file.
            wishes: which tracks may come.

        Raises:
            InvalidInput: if the audio weight is not 0 to 1.
        """
        weights = self.library.user_weights(user)
        with self._caught_up() as live:
            model = live.model
            share = model.audio_weight(audio_weight)
            played = live.user_row(weights)
            known = played.nnz > 0
            preference = (
                model.fitted_model.user_vectors(*model.fitted_model.fold_in_users(played))
                if known
                else model.unknown_user
            )
            queries = UserQueries(preference, share)
            hits = self._hits(
                live, queries, n, played.indices if exclude_played else _NO_ROWS, filters
            )
            by_user: Basis = "behaviour" if preference.knows_behaviour[0] else "audio"
            basis = by_user if known and preference.knows_anything[0] else "popularity"
            return Answer(hits, basis, share, live.state.version, live.state.fingerprint)

    def similar(
        self,
        track: str,
        n: int = 10,
        *,
        audio_weight: float | None = None,
        filters: Filters = ANYTHING,
    ) -> Answer:
        """What sounds and is heard like a track.

        Raises:
            NotFound: if the library has no such track.
            InvalidInput: if the audio weight is not 0 to 1.
        """
        self.library.track(track)
        with self._caught_up() as live:
            seed = live.rows([track])
            return self._similar(
                live, live.model.tracks.item_vectors(seed), n, audio_weight, seed, filters
            )

    def similar_to_audio(
        self, path: Path, n: int = 10, *, filters: Filters = ANYTHING, caller: str | None = None
    ) -> Answer:
        """What sounds like a file, which is not kept.

        Args:
            path: the file.
            n: how many tracks at most.
            wishes: which tracks may come.
            caller: who asks; one caller cannot fill the queue of those who wait.

        Raises:
            AudioError: if the file cannot be heard.
            Busy: if too many wait for the same.
            NotReady: if the library's vectors were made elsewhere, so that no encoder goes with them.
        """
        _, embedded, _ = self._embed(path, caller=caller)
        with self._caught_up() as live:
            return self._similar(
                live, _unplayed(embedded.embedding, live), n, None, _NO_ROWS, filters
            )

    def _similar(
        self,
        live: LiveModel,
        seed: ItemVectors,
        n: int,
        audio_weight: float | None,
        known: Rows,
        filters: Filters,
    ) -> Answer:
        share = live.model.audio_weight(audio_weight)
        hits = self._hits(
            live, SeedQueries(seed, share, live.model.fitted_model.calibration), n, known, filters
        )
        return Answer(hits, "track", share, live.state.version, live.state.fingerprint)

    def _hits(
        self, live: LiveModel, query: Queries, n: int, known: Rows, filters: Filters
    ) -> list[Hit]:
        selection = Selection(self.library, live, filters, known)
        denied, allowed = np.concatenate([known, live.rows(filters.deny)]), selection.rows()
        chosen = selection.choose(lambda k: _ranked(live, query, k, denied, allowed), n)
        parts = query.components(
            live.model.tracks, np.array([one.row for one in chosen], dtype=np.int64)
        )
        values = zip(
            chosen,
            *(part[0].tolist() for part in (parts.weights, parts.audio, parts.behaviour)),
            strict=True,
        )
        return [
            Hit(
                one.track,
                audio + behaviour,
                weight,
                audio,
                behaviour,
                live.support(one.track.id),
                tuple(one.others),
            )
            for one, weight, audio, behaviour in values
        ]

    # --- writing ---------------------------------------------------------------------

    def add_track(
        self, path: Path, details: TrackDetails, *, caller: str | None = None
    ) -> tuple[Track, bool]:
        """Hear a file, keep it and add its track; the next recommendation may return it.

        Args:
            path: the file; it is copied, not moved.
            details: what the uploader says of it.
            caller: who uploads; one caller cannot fill the queue of those who wait.

        Returns:
            The track, and whether it is new: the same audio is never added twice.

        Raises:
            AudioError: if the file cannot be heard.
            NotReady: if the library's vectors were made elsewhere, so that no encoder goes with them.
            Conflict: if the id is taken by other audio.
            StorageFull: if there is no room; nothing is stored then.
            Busy: if too many wait for the same.
        """
        content_hash = sha256_of(path)
        known = self.library.track_by_hash(content_hash)
        if known is not None:
            return known, False
        id_ = details.id or content_hash[:16]
        if self._is_taken(id_):
            raise Conflict(
                "the id belongs to a track with other audio", got=id_, fix="choose another id"
            )
        file, embedded, fingerprint = self._embed(path, details.filename, caller)
        track = _described(id_, details, file.tags, embedded.duration_seconds, content_hash)
        return self.library.add_upload(
            path, EmbeddedTrack(track, None, fingerprint, embedded.embedding)
        )

    def add_plays(self, plays: Sequence[Play]) -> PlaysAdded:
        """Store plays; each counts once however often it is told, and the next request knows it.

        Raises:
            InvalidInput: for an id that cannot be stored; nothing is stored then.
        """
        return self.library.add_plays(plays)

    def add_listens(self, listens: Sequence[Listen]) -> ListensAdded:
        """Store what scrobblers tell: as plays of the tracks it names, or until such a track comes.

        Raises:
            InvalidInput: for text that cannot be stored; nothing is stored then.
        """
        return self.library.add_listens(listens)

    def delete_track(self, id_: str) -> None:
        """Forget a track, its embedding, its plays and its kept file.

        Raises:
            NotFound: if the library has no such track.
        """
        self.library.delete_track(id_)

    def delete_user(self, user: str) -> None:
        """Forget a user and all her plays.

        Raises:
            NotFound: if the library knows no such user.
        """
        self.library.forget_user(user)

    # --- looking up ------------------------------------------------------------------

    def track(self, id_: str) -> Track:
        """One track.

        Raises:
            NotFound: if the library has no such track.
        """
        return self.library.track(id_)

    def support(self, id_: str) -> int:
        """How many distinct users have played a track; 0 for an unknown one."""
        return self.library.support([id_])[id_]

    def find_tracks(
        self, query: str = "", after: str | None = None, limit: int = 50
    ) -> list[Track]:
        """Tracks by words of their id, title, artist or album, ordered by id, after a cursor."""
        return self.library.find_tracks(query, after, limit)

    def audio_path(self, id_: str) -> Path:
        """Where the audio of a track lies on this machine: a kept file, or one below a folder of music.

        Raises:
            NotFound: if there is no such track, or its file is not here or lies elsewhere.
        """
        return self.library.audio_file(id_)

    def find_users(
        self, query: str = "", after: str | None = None, limit: int = 50
    ) -> list[UserSummary]:
        """Users by part of their id, ordered by id, after a cursor."""
        return self.library.find_users(query, after, limit)

    def user_plays(self, user: str, limit: int = 100) -> list[Play]:
        """A user's plays, newest first."""
        return self.library.user_plays(user, limit=limit)

    def is_ready(self) -> bool:
        """Whether recommendations can be given; nothing is counted.

        Raises:
            LibraryError: if the library cannot be read.
        """
        return self._model_reload.current().totals.scorable > 0

    def readiness(self) -> dict[str, object]:
        """Whether recommendations can be given, what they go by, and why not."""
        live = self._model_reload.current()
        totals, counts = live.totals, self._counts.at(live.known_up_to)
        return {
            "ready": totals.scorable > 0,
            "why": ""
            if totals.scorable
            else "no track has audio or plays yet: run `hybridrec ingest audio`",
            "tracks": counts["tracks"],
            "embedded": totals.embedded,
            "users": counts["users"],
            "plays": counts["plays"],
            "model_version": live.state.version,
            "fingerprint": live.state.fingerprint,
        }

    def figures(self) -> dict[str, tuple[float, str]]:
        """What an operator watches: each figure with what it means."""
        live = self._model_reload.current()
        totals, counts = live.totals, self._counts.at(live.known_up_to)
        indexes = live.model.fitted_model.indexes
        cold_share = totals.cold / totals.scorable if totals.scorable else 0.0
        fresh = 0 if indexes is None else len(indexes.fresh)
        return {
            "library_tracks": (counts["tracks"], "Tracks of the library"),
            "library_users": (counts["users"], "Users of the library"),
            "library_plays": (counts["plays"], "Plays of the library"),
            "index_tracks": (totals.scorable, "Tracks that can be recommended"),
            "index_heard_tracks": (
                totals.embedded,
                "Tracks that can be recommended by their sound",
            ),
            "index_fresh_tracks": (fresh, "Tracks beside the index, scored one by one"),
            "cold_share": (cold_share, "Share of the indexed tracks that nobody has played"),
            "model_version": (
                live.state.version or 0,
                "Version of the model in use; 0 before the first fit",
            ),
        }

    # --- inside ----------------------------------------------------------------------

    @contextmanager
    def _caught_up(self) -> Iterator[LiveModel]:
        """The live model with all that was written, held still while it answers."""
        live = self._model_reload.current()
        with live.lock:
            yield live

    def _embed(
        self, path: Path, called: str = "", caller: str | None = None
    ) -> tuple[EmbeddedFile, AudioEmbedding, str]:
        """A file as a process of its own hears it, and the fingerprint of the ears it has."""
        with self._admission.turn(caller), self._embedder_lock:
            pool, fingerprint = self._open_pool()
            file, embedded = pool.embed_one(path, called)
        return file, embedded, fingerprint

    def _open_pool(self) -> tuple[EmbedderPool, str]:
        from hybridrec.embedder.library_encoder import ensure_encoder
        from hybridrec.embedder.pool import library_pool  # decoders take time to import

        if self.library.encoder() is None:
            ensure_encoder(self.library)
        fingerprint = self.library.encoder()
        assert fingerprint is not None
        if self._pool is None or self._pool[1] != fingerprint:
            if self._pool is not None:
                self._pool[0].close()
            self._pool = library_pool(self.library, self._limits), fingerprint
        return self._pool

    def _is_taken(self, id_: str) -> bool:
        known = self.library.tracks([id_]).get(id_)
        return known is not None and known.content_hash is not None


def _ranked(live: LiveModel, query: Queries, k: int, denied: Rows, allowed: Rows | None) -> Rows:
    """The rows of the k best tracks that are allowed and not denied; where nothing tells them apart, the oldest."""
    if not query.kinds[0].any():
        scorable = np.flatnonzero(live.model.tracks.scorable)
        return np.setdiff1d(
            scorable if allowed is None else np.intersect1d(scorable, allowed), denied
        )[:k]
    if allowed is None:
        found, scores = live.model.rank(query, k, exclude=denied)
    else:
        found, scores = live.model.rank(query, k, items=np.setdiff1d(allowed, denied))
    return np.asarray(found[0][scores[0] > UNRANKED], dtype=np.int64)


def _unplayed(embedding: NDArray[np.float32], live: LiveModel) -> ItemVectors:
    nothing = np.zeros((1, live.model.tracks.factors.shape[1]), dtype=np.float32)
    return ItemVectors(
        nothing,
        unit_length(embedding[None, :]),
        np.ones(1, dtype=np.float32),
        np.ones(1, dtype=np.bool_),
    )


def _described(
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
