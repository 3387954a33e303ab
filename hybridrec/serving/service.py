"""What a music service asks of hybridrec, by external ids: behind both commands and HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from hybridrec.config import AudioLimits
from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.serving import status
from hybridrec.serving.answers import Answer, Filters
from hybridrec.serving.counts import CachedCounts
from hybridrec.serving.live_recommender import LiveRecommender
from hybridrec.serving.reload import ModelReload
from hybridrec.serving.uploads import TrackDetails, Uploads
from hybridrec.storage.library import Library
from hybridrec.storage.listens import ListensAdded
from hybridrec.storage.plays import PlaysAdded, UserSummary
from hybridrec.storage.write_queue import SERVING

NO_FILTERS = Filters()


class RecommendationService:
    """Answers users, seed songs and uploads from a library; safe to use from several threads.

    Every answer includes the user's own plays and the tracks that were added or deleted last.
    What others played since the fit, and another fit, show in answers soon after.

    Args:
        library: an open library; closed by `close`.
        limits: of a file to be embedded; None takes the defaults for uploads.
    """

    def __init__(self, library: Library, limits: AudioLimits | None = None) -> None:
        self.library = library
        library.limit_writers(SERVING)
        self._model_reload = ModelReload(library)
        self._uploads = Uploads(library, limits)
        self._counts = CachedCounts(library)

    def close(self) -> None:
        """Close the library, and end the process that embeds."""
        self._uploads.close()
        self._model_reload.close()
        self.library.close()

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until everything that was written so far shows in every figure of an answer.

        Requests need not wait for that: see `serving.live_model` for what they include at once.

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
        filters: Filters = NO_FILTERS,
    ) -> Answer:
        """What a user should listen to next. A user without plays gets what is popular.

        Args:
            user: external id; an unknown one is answered, too.
            n: how many tracks at most.
            audio_weight: the share of audio, 0 to 1; None takes the tuned one.
            exclude_played: leave out recordings that the user played or skipped, in any file.
            filters: which tracks may be returned.

        Raises:
            InvalidInput: if the audio weight is not 0 to 1.
        """
        weights = self.library.user_weights(user)
        with self._recommender() as recommender:
            return recommender.recommend(
                weights, n, audio_weight, filters, exclude_played=exclude_played
            )

    def similar(
        self,
        track: str,
        n: int = 10,
        *,
        audio_weight: float | None = None,
        filters: Filters = NO_FILTERS,
    ) -> Answer:
        """The tracks that are most similar to a seed song, by audio and by who plays them.

        Raises:
            NotFound: if the library has no such track.
            InvalidInput: if the audio weight is not 0 to 1.
        """
        self.library.track(track)
        with self._recommender() as recommender:
            return recommender.similar_to_track(track, n, audio_weight, filters)

    def similar_to_audio(
        self,
        path: Path,
        n: int = 10,
        *,
        filters: Filters = NO_FILTERS,
        caller: str | None = None,
    ) -> Answer:
        """The tracks whose audio is most similar to a file, which is not kept.

        Args:
            path: the file.
            n: how many tracks at most.
            filters: which tracks may be returned.
            caller: who asks; one caller cannot fill the queue of uploads.

        Raises:
            AudioError: if the file cannot be embedded.
            Busy: if too many uploads wait.
            NotReady: if the library's embeddings are not of its own encoder.
        """
        _, embedded, _ = self._uploads.embed(path, caller=caller)
        with self._recommender() as recommender:
            return recommender.similar_to_embedding(embedded.embedding, n, filters)

    @contextmanager
    def _recommender(self) -> Iterator[LiveRecommender]:
        """Answers from the live model, which does not change inside the `with` block."""
        live = self._model_reload.current()
        with live.lock:
            yield LiveRecommender(self.library, live)

    # --- writing ---------------------------------------------------------------------

    def add_track(
        self, path: Path, details: TrackDetails, *, caller: str | None = None
    ) -> tuple[Track, bool]:
        """Embed a file, keep it and add its track; the next answer may contain it.

        Args:
            path: the file; it is copied, not moved.
            details: what the uploader says of it.
            caller: who uploads; one caller cannot fill the queue of uploads.

        Returns:
            The track, and whether it is new: the same audio is never added twice.

        Raises:
            AudioError: if the file cannot be embedded.
            NotReady: if the library's embeddings are not of its own encoder.
            Conflict: if the id belongs to a track with other audio.
            StorageFull: if there is no room; nothing is stored then.
            Busy: if too many uploads wait.
        """
        return self._uploads.add(path, details, caller)

    def add_plays(self, plays: Sequence[Play]) -> PlaysAdded:
        """Store plays; each counts once however often it is sent. The next answer includes them.

        Raises:
            InvalidInput: for an id that cannot be stored; nothing is stored then.
        """
        return self.library.add_plays(plays)

    def add_listens(self, listens: Sequence[Listen]) -> ListensAdded:
        """Store listens of scrobblers as plays; those of unknown tracks wait for the track.

        Raises:
            InvalidInput: for text that cannot be stored; nothing is stored then.
        """
        return self.library.add_listens(listens)

    def delete_track(self, id_: str) -> None:
        """Delete a track, its embedding, its plays and its kept file.

        Raises:
            NotFound: if the library has no such track.
        """
        self.library.delete_track(id_)

    def delete_user(self, user: str) -> None:
        """Delete a user and all plays of the user.

        Raises:
            NotFound: if the library has no such user.
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
        """Tracks by words of id, title, artist or album, ordered by id, after a cursor."""
        return self.library.find_tracks(query, after, limit)

    def audio_path(self, id_: str) -> Path:
        """The audio file of a track on this machine: kept, or below a folder of music.

        Raises:
            NotFound: if there is no such track, or its file is missing or lies elsewhere.
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

    # --- status ----------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether recommendations can be given; counts nothing.

        Raises:
            LibraryError: if the library cannot be read.
        """
        return self._model_reload.current().totals.scorable > 0

    def readiness(self) -> dict[str, object]:
        """Whether recommendations can be given, from what, and if not, why."""
        live = self._model_reload.current()
        return status.readiness(live, self._counts.at(live.newest_seq))

    def figures(self) -> dict[str, tuple[float, str]]:
        """Figures for an operator by name, each with its meaning."""
        live = self._model_reload.current()
        return status.figures(live, self._counts.at(live.newest_seq))
