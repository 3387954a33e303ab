"""The hybrid recommender, with the contract of `implicit`'s models.

Anything that takes a model of `implicit` takes this one. Audio arrives by
`fit(user_items, item_embeddings=...)`; users and items are rows, as there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import IO, Self

import numpy as np
import scipy.sparse as sp
from implicit.recommender_base import RecommenderBase
from implicit.utils import check_csr
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.blend.weighting import Array, Sides, seed_query_vectors, user_query_vectors
from hybridrec.collaborative.als import EpochCallback, fit_als, fold_in
from hybridrec.collaborative.projection import Projection, fit_projection, identity_projection
from hybridrec.config import BlendConfig, CollaborativeConfig
from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.data.interactions import support_of
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.index.exact import search
from hybridrec.recommender_file import fill_from_arrays, to_arrays

WARM_LISTENERS = 5
Rows = NDArray[np.int64]
Ranking = tuple[NDArray[np.int32], Array]


class HybridRecommender(RecommenderBase):
    """ALS for taste, embeddings for sound, and a weighting layer between them.

    Args:
        collaborative: settings of ALS.
        blend: the tuned audio share and half-life.
        random_state: seed of everything random in `fit`.
        num_threads: 0 takes all cores.

    Attributes:
        user_factors: `(n_users, f)` float32.
        tracks: the items with both their sides; `tracks.factors` are their ALS factors.
        projection: the learnt map from embeddings to factors.
        mean_user: `(f,)` float32, the listener of whom nothing is known.
    """

    def __init__(
        self,
        collaborative: CollaborativeConfig | None = None,
        blend: BlendConfig | None = None,
        random_state: int | None = None,
        num_threads: int = 0,
    ) -> None:
        self.collaborative = collaborative or CollaborativeConfig()
        self.blend = blend or BlendConfig()
        self.random_state = random_state
        self.num_threads = num_threads
        self.user_factors: Array | None = None
        self.mean_user: Array | None = None
        self.projection: Projection | None = None
        self.calibration = CosineCalibration()
        self._tracks: BlendedTracks | None = None

    @property
    def tracks(self) -> BlendedTracks:
        """The fitted items.

        Raises:
            NotReady: before `fit`.
        """
        if self._tracks is None:
            raise NotReady("the recommender is not fitted", fix="call fit first")
        return self._tracks

    @property
    def item_factors(self) -> Array:
        """`(n_items, f)` float32: what each item is to a user at the tuned weight."""
        share = np.float32(self.blend.audio_share)
        blended, heard = np.hsplit(self.tracks.user_vectors, 2)
        return np.asarray((1 - share) * blended + share * heard, dtype=np.float32)

    # --- learning -------------------------------------------------------------------

    def fit(
        self,
        user_items: sp.csr_matrix,
        show_progress: bool = True,
        callback: EpochCallback | None = None,
        *,
        item_embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Learn factors from plays and the projection from the tracks that were heard and played.

        Args:
            user_items: CSR `(n_users, n_items)` confidences; negative means disliked.
                It may be empty: then sound alone answers.
            show_progress: draw a bar.
            callback: called after each iteration of ALS with number, seconds and loss.
            item_embeddings: `(n_items, d)` floats; a row of NaN is a track without audio.
                None: no track has audio.

        Raises:
            InvalidInput: if the embeddings do not fit the items.
        """
        matrix = check_csr(user_items).astype(np.float32)
        support = support_of(matrix)
        embeddings, has_audio = aligned_embeddings(item_embeddings, matrix.shape[1])
        if support.any():
            self.user_factors, factors = fit_als(
                matrix,
                self.collaborative,
                seed=self.random_state,
                num_threads=self.num_threads,
                show_progress=show_progress,
                callback=callback,
            )
        else:
            factors = np.zeros_like(embeddings)
            self.user_factors = np.zeros((matrix.shape[0], embeddings.shape[1]), dtype=np.float32)
        self._listen(factors, support, embeddings, has_audio)
        known = self.user_factors[np.diff(matrix.indptr) > 0] if self.knows_taste else self.tracks.blended
        self.mean_user = np.asarray(known.sum(axis=0) / max(1, len(known)), dtype=np.float32)

    def hear(self, item_embeddings: NDArray[np.floating]) -> None:
        """Give the fitted items other ears: the projection is learnt anew, the factors stay.

        Args:
            item_embeddings: `(n_items, d)` floats; a row of NaN is a track without audio.

        Raises:
            InvalidInput: if the embeddings do not fit the items.
        """
        embeddings, has_audio = aligned_embeddings(item_embeddings, len(self.tracks))
        self._listen(self.tracks.factors, self.tracks.support, embeddings, has_audio)

    def _listen(self, factors: Array, support: Rows, embeddings: Array, has_audio: NDArray[np.bool_]) -> None:
        seed = self.random_state or 0
        both, warm = has_audio & (support > 0), has_audio & (support >= WARM_LISTENERS)
        if support.any():
            projection = fit_projection(embeddings[both], factors[both], support[both], seed=seed)
        else:
            projection = identity_projection(embeddings.shape[1])
        self.calibration = CosineCalibration.fit(
            unit_length(factors[warm]), embeddings[warm], np.random.default_rng(seed)
        )
        embeddings = np.where(has_audio[:, None], embeddings, np.float32(np.nan))
        self.place_items(projection, factors, support, embeddings)

    def place_items(
        self, projection: Projection, factors: Array, support: Rows, embeddings: NDArray[np.floating]
    ) -> None:
        """Take all items anew, with a projection learnt before; shapes are those of `fit`."""
        self.projection = projection
        self._tracks = BlendedTracks(factors.shape[1], embeddings.shape[1], self.blend.half_life)
        self.put_items(np.arange(len(factors)), factors=factors, support=support, embeddings=embeddings)

    def recalculate_user(self, userid: int | Sequence[int] | Rows, user_items: sp.csr_matrix) -> Array:
        """Factors of users from their plays alone, `(f,)` for a scalar or `(m, f)`; nothing is stored.

        A play of a cold track counts through its sound, so a user whose every
        track is new has factors too. Where nobody's taste is known yet, a user is
        the direction of the embeddings she played, less those she skipped.
        """
        rows = check_csr(user_items)
        if rows.shape[0] != np.size(userid):
            raise ValueError("user_items must contain 1 row for every user in userids")
        tracks = self.tracks
        if self.knows_taste:
            found = fold_in(rows, tracks.blended, tracks.gram, self.collaborative)
        else:
            found = unit_length(rows @ tracks.blended)
        return found[0] if np.isscalar(userid) else found

    def partial_fit_users(self, userids: Sequence[int] | Rows, user_items: sp.csr_matrix) -> None:
        """Recalculate and keep the factors of some users, new ones included."""
        found = self.recalculate_user(np.asarray(userids), user_items)
        missing = max(0, int(np.max(userids)) + 1 - len(self.fitted_users))
        self.user_factors = np.pad(self.fitted_users, ((0, missing), (0, 0)))
        self.user_factors[np.asarray(userids)] = found

    def recalculate_item(self, itemid: int | Sequence[int] | Rows, item_users: sp.csr_matrix) -> Array:
        """ALS factors of items from their listeners alone, `(f,)` or `(m, f)`; nothing is stored."""
        users = self.fitted_users
        found = fold_in(check_csr(item_users), users, users.T @ users, self.collaborative)
        return found[0] if np.isscalar(itemid) else found

    def partial_fit_items(
        self,
        itemids: Sequence[int] | Rows,
        item_users: sp.csr_matrix,
        *,
        item_embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Recalculate and keep what is known of some items, new ones included.

        Args:
            itemids: `(m,)` rows.
            item_users: CSR `(m, n_users)`, all who played each; an empty row leaves it cold.
            item_embeddings: `(m, d)`, NaN rows without audio; None keeps what they have.
        """
        rows = np.asarray(itemids, dtype=np.int64)
        found = self.recalculate_item(rows, item_users)
        self.put_items(rows, factors=found, support=support_of(item_users.T.tocsr()), embeddings=item_embeddings)

    def put_items(
        self,
        rows: Rows,
        *,
        factors: Array | None = None,
        support: Rows | None = None,
        embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Tell of some items, new ones included: their factors, support and audio, as far as given."""
        if len(rows) == 0:
            return
        self.tracks.grow(int(rows.max()) + 1)
        if embeddings is None:
            self.tracks.put(rows, factors=factors, support=support)
            return
        heard, has_audio = aligned_embeddings(embeddings, len(rows))
        projected = np.where(has_audio[:, None], self.fitted_projection(heard), np.float32(0.0))
        self.tracks.put(
            rows, factors=factors, support=support, projected=projected, embeddings=heard, has_audio=has_audio
        )

    # --- answering ------------------------------------------------------------------

    def recommend(
        self,
        userid: int | Sequence[int] | Rows,
        user_items: sp.csr_matrix | None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Sequence[int] | Rows | None = None,
        recalculate_user: bool = False,
        items: Sequence[int] | Rows | None = None,
        *,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Best items for users, as `implicit` answers it, at any audio weight.

        Args:
            userid: a row, or `(m,)` rows for a batch.
            user_items: CSR `(1, n_items)` or `(m, n_items)`, what these users played.
            N: how many.
            filter_already_liked_items: leave out what is stored in `user_items`.
            filter_items: items that nobody shall get.
            recalculate_user: fold the users in from `user_items`.
            items: rank only these.
            audio_weight: share of sound, 0 to 1; None takes the tuned one.

        Returns:
            Items and scores, `(k,)` for a scalar, `(m, k)` for a batch, best first.
            Places that filters leave empty have the lowest float32 as their score.

        Raises:
            IndexError: for a user or item that is not in the model.
            ValueError: if `user_items` is no CSR matrix with a row a user, or both
                `items` and `filter_items` are given.
        """
        if filter_already_liked_items or recalculate_user:
            _check_rows(userid, user_items)
        factors = self.recalculate_user(userid, user_items) if recalculate_user else self.fitted_users[userid]
        liked = user_items if filter_already_liked_items else None
        found = self.recommend_for(
            np.atleast_2d(factors), N, exclude=filter_items, liked=liked, items=items, audio_weight=audio_weight
        )
        return _shaped(found, userid)

    def recommend_for(
        self,
        user_factors: Array,
        N: int = 10,
        *,
        exclude: Sequence[int] | Rows | None = None,
        liked: sp.csr_matrix | None = None,
        items: Sequence[int] | Rows | None = None,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Best items for tastes `(m, f)` that need not be users themselves; otherwise as `recommend`."""
        return search(
            self.tracks.user_vectors,
            user_query_vectors(user_factors, self.audio_share(audio_weight)),
            N,
            wanted=_wanted(self.tracks.scorable, exclude, items),
            exclude=liked,
            items=items,
            num_threads=self.num_threads,
        )

    def similar_items(
        self,
        itemid: int | Sequence[int] | Rows,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: sp.csr_matrix | None = None,
        filter_items: Sequence[int] | Rows | None = None,
        items: Sequence[int] | Rows | None = None,
        *,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Items that sound and are heard like the given ones; the seed itself is among them.

        Args and errors are those of `recommend`; `recalculate_item` places the seeds
        anew from their listeners, CSR `(m, n_users)`.
        """
        seeds = self.tracks.sides(np.atleast_1d(itemid))
        if recalculate_item:
            _check_rows(itemid, item_users)
            placed = np.atleast_2d(self.recalculate_item(itemid, item_users))
            seeds = dataclasses.replace(seeds, directions=unit_length(placed))
        return _shaped(self.similar_to(seeds, N, exclude=filter_items, items=items, audio_weight=audio_weight), itemid)

    def similar_to(
        self,
        seeds: Sides,
        N: int = 10,
        *,
        exclude: Sequence[int] | Rows | None = None,
        items: Sequence[int] | Rows | None = None,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Items like some seeds that need not be items themselves, such as a file that was just heard."""
        queries = seed_query_vectors(seeds, self.audio_share(audio_weight), self.calibration)
        audible, played = seeds.has_audio, np.linalg.norm(seeds.directions, axis=1) > 0
        rows = np.zeros((len(queries), self._found(N, items)), dtype=np.int32)
        scores = np.zeros(rows.shape, dtype=np.float32)
        for kind in {(bool(a), bool(p)) for a, p in zip(audible, played, strict=True)}:
            comparable = (self.tracks.has_audio & kind[0]) | ((self.tracks.support > 0) & kind[1])
            alike = (audible == kind[0]) & (played == kind[1])
            rows[alike], scores[alike] = search(
                self.tracks.seed_vectors,
                queries[alike],
                N,
                wanted=_wanted(comparable, exclude, items),
                items=items,
                num_threads=self.num_threads,
            )
        return rows, scores

    def _found(self, n: int, items: Sequence[int] | Rows | None) -> int:
        return min(n, len(self.tracks) if items is None else len(np.unique(items)))

    def similar_users(
        self,
        userid: int | Sequence[int] | Rows,
        N: int = 10,
        filter_users: Sequence[int] | Rows | None = None,
        users: Sequence[int] | Rows | None = None,
    ) -> Ranking:
        """Users of like taste, by the cosine of their factors; the user itself is among them."""
        directions = unit_length(self.fitted_users)
        wanted = _wanted(np.ones(len(directions), dtype=np.bool_), filter_users, users)
        queries = np.atleast_2d(directions[userid])
        found = search(directions, queries, N, wanted=wanted, items=users, num_threads=self.num_threads)
        return _shaped(found, userid)

    @property
    def fitted_users(self) -> Array:
        """`(n_users, f)` float32.

        Raises:
            NotReady: before `fit`.
        """
        if self.user_factors is None:
            raise NotReady("the recommender is not fitted", fix="call fit first")
        return self.user_factors

    @property
    def fitted_mean_user(self) -> Array:
        """`(f,)` float32, the listener of whom nothing is known.

        Raises:
            NotReady: before `fit`.
        """
        if self.mean_user is None:
            raise NotReady("the recommender is not fitted", fix="call fit first")
        return self.mean_user

    @property
    def fitted_projection(self) -> Projection:
        """The learnt map from embeddings to factors.

        Raises:
            NotReady: before `fit`.
        """
        if self.projection is None:
            raise NotReady("the recommender is not fitted", fix="call fit first")
        return self.projection

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` has been called, or a fitted model loaded."""
        return self._tracks is not None

    @property
    def knows_taste(self) -> bool:
        """Whether any item has been played, so that there are factors and not sound alone."""
        return bool(self.tracks.support.any())

    def audio_share(self, audio_weight: float | None) -> float:
        """The audio share of a query: the tuned one, or the one asked for.

        Raises:
            InvalidInput: if it is not 0 to 1.
        """
        if audio_weight is None:
            return self.blend.audio_share
        if not 0.0 <= audio_weight <= 1.0:
            raise InvalidInput("audio_weight must be 0 to 1", got=audio_weight, fix="leave it out for the tuned one")
        return audio_weight

    # --- keeping --------------------------------------------------------------------

    def save(self, fileobj_or_path: str | IO[bytes]) -> None:
        """Write the model as npz, without pickle; `load` reads it back."""
        np.savez(fileobj_or_path, allow_pickle=False, **to_arrays(self))

    @classmethod
    def load(cls, fileobj_or_path: str | IO[bytes]) -> Self:
        """Read a model that `save` wrote.

        Raises:
            LibraryError: if the file is newer than this program, or no such model.
        """
        if isinstance(fileobj_or_path, str) and not fileobj_or_path.endswith(".npz"):
            fileobj_or_path += ".npz"
        with np.load(fileobj_or_path, allow_pickle=False) as data:
            model = cls()
            fill_from_arrays(model, data)
            return model


def _shaped(found: Ranking, asked: int | Sequence[int] | Rows) -> Ranking:
    return (found[0][0], found[1][0]) if np.isscalar(asked) else found


def _check_rows(asked: int | Sequence[int] | Rows, matrix: sp.csr_matrix | None) -> None:
    if not isinstance(matrix, sp.csr_matrix):
        raise ValueError("user_items needs to be a CSR sparse matrix")
    if matrix.shape[0] != np.size(asked):
        raise ValueError("user_items must contain 1 row for every user in userids")


def _wanted(
    rankable: NDArray[np.bool_], exclude: Sequence[int] | Rows | None, items: Sequence[int] | Rows | None
) -> NDArray[np.bool_]:
    if exclude is None or len(exclude) == 0:
        return rankable
    if items is not None:
        raise ValueError("Can't set both items to choose from and items to filter out in one call")
    wanted = rankable.copy()
    wanted[np.asarray(exclude)] = False
    return wanted
