"""The hybrid recommender, with the interface of `implicit`'s models.

Whatever works with a model of `implicit` works with this one. Audio is given as
`fit(user_items, item_embeddings=...)`; users and items are row numbers, as there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from functools import partial
from typing import IO, Self

import numpy as np
import scipy.sparse as sp
from implicit.recommender_base import RecommenderBase
from implicit.utils import check_csr
from numpy.typing import NDArray

from hybridrec.blend.tracks import BlendedTracks
from hybridrec.blend.weighting import UserVectors
from hybridrec.collaborative.als import EpochCallback, fit_als, suitable_config
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.arrays import Array, Rows
from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.data.interactions import support_of
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.index.exact import itself_first
from hybridrec.model.arguments import (
    Ids,
    Ranking,
    checked_rows,
    may_be_returned,
    one_by_one,
    shaped,
)
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.fitting import build_fitted_model
from hybridrec.model.queries import Queries, SeedQueries, UserQueries
from hybridrec.model.ranking import Indexes, rank, similar_rows
from hybridrec.model.serialization import Part, from_arrays, read_settings, to_arrays


class HybridRecommender(RecommenderBase):
    """ALS on plays, audio embeddings, and a weighting layer that blends their scores.

    Args:
        collaborative: settings of ALS.
        projection: settings of the maps between embeddings and factors.
        blend: settings of the weighting layer.
        random_state: seed of everything random in `fit`.
        num_threads: 0 uses all cores.
    """

    def __init__(
        self,
        collaborative: CollaborativeConfig | None = None,
        projection: ProjectionConfig | None = None,
        blend: BlendConfig | None = None,
        random_state: int | None = None,
        num_threads: int = 0,
    ) -> None:
        self.collaborative = collaborative or CollaborativeConfig()
        self.projection = projection or ProjectionConfig()
        self.blend = blend or BlendConfig()
        self.random_state = random_state
        self.num_threads = num_threads
        self._fitted_model: FittedModel | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` has been called, or a fitted model loaded."""
        return self._fitted_model is not None

    @property
    def fitted_model(self) -> FittedModel:
        """What `fit` produced.

        Raises:
            NotReady: before `fit`.
        """
        if self._fitted_model is None:
            raise NotReady("the recommender is not fitted", fix="call fit first")
        return self._fitted_model

    @property
    def tracks(self) -> BlendedTracks:
        """The items, with factors, features and embeddings."""
        return self.fitted_model.tracks

    @property
    def user_factors(self) -> Array:
        """`(n_users, f)` float32."""
        return self.fitted_model.user_factors

    @property
    def item_factors(self) -> Array:
        """`(n_items, f)` float32; zero for items that nobody has played."""
        return np.asarray(self.tracks.factors)

    @property
    def has_behaviour(self) -> bool:
        """Whether any item has been played; without plays, only audio ranks."""
        return bool(self.tracks.support.any())

    @property
    def unknown_user(self) -> UserVectors:
        """The user vectors of a user without plays: those of the mean user, `(1, ...)`."""
        mean_factors = self.fitted_model.mean_factors[None, :]
        return self.fitted_model.user_vectors(
            mean_factors, self.fitted_model.mean_audio_vector[None, :]
        )

    def fit(
        self,
        user_items: sp.csr_matrix,
        show_progress: bool = True,
        callback: EpochCallback | None = None,
        *,
        item_embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Fit factors to plays, and the projection to the tracks that have audio.

        Args:
            user_items: CSR `(n_users, n_items)` confidences; negative means disliked.
                It may be empty: then audio alone ranks.
            show_progress: draw a bar.
            callback: called after each iteration of ALS with number, seconds and loss.
            item_embeddings: `(n_items, d)` floats; a row of NaN is a track without audio.
                None: no track has audio.

        Raises:
            InvalidInput: if the embeddings do not match the items.
        """
        matrix = check_csr(user_items).astype(np.float32)
        aligned_embeddings(
            item_embeddings, matrix.shape[1]
        )  # refused before the long fit, not after
        config = suitable_config(matrix, self.collaborative)
        users, items = fit_als(
            matrix,
            config,
            seed=self.random_state,
            num_threads=self.num_threads,
            show_progress=show_progress,
            callback=callback,
        )
        self._fitted_model = self._build()(
            users, items, matrix, item_embeddings, collaborative=config
        )

    def replace_embeddings(self, item_embeddings: NDArray[np.floating]) -> None:
        """Replace the item embeddings and refit the audio side; ALS factors are kept.

        The users' audio vectors are lost until the next `fit`: only their factors are used.

        Args:
            item_embeddings: `(n_items, d)` floats; a row of NaN is a track without audio.

        Raises:
            InvalidInput: if the embeddings do not match the items.
        """
        old = self.fitted_model
        users, items, support = old.user_factors, old.tracks.factors, old.tracks.support
        no_plays = sp.csr_matrix((len(users), len(items)), dtype=np.float32)
        new = self._build()(
            users,
            items,
            no_plays,
            item_embeddings,
            collaborative=old.collaborative,
            support=support,
        )
        # Both depend on plays, which are not at hand.
        new.mean_factors, new.user_gram = old.mean_factors, old.user_gram
        self._fitted_model = new

    def _build(self) -> partial[FittedModel]:
        """`build_fitted_model` with the settings of this recommender."""
        return partial(
            build_fitted_model,
            projection=self.projection,
            half_life=self.blend.half_life,
            seed=self.random_state or 0,
        )

    def recalculate_user(self, userid: Ids, user_items: sp.csr_matrix) -> Array:
        """ALS factors of users from their plays alone; nothing is stored.

        Returns:
            `(f,)` float32 for a scalar, `(m, f)` for a batch.
        """
        found, _ = self.fitted_model.fold_in_users(checked_rows(userid, check_csr(user_items)))
        return found[0] if np.isscalar(userid) else found

    def recalculate_item(self, itemid: Ids, item_users: sp.csr_matrix) -> Array:
        """ALS factors of items from their listeners alone; nothing is stored.

        Returns:
            `(f,)` float32 for a scalar, `(m, f)` for a batch.
        """
        found = self.fitted_model.fold_in_items(checked_rows(itemid, check_csr(item_users)))
        return found[0] if np.isscalar(itemid) else found

    def partial_fit_users(self, userids: Sequence[int] | Rows, user_items: sp.csr_matrix) -> None:
        """Fold in users from their plays and store the result; new users extend the model."""
        model, rows = self.fitted_model, np.asarray(userids)
        factors, audio = model.fold_in_users(checked_rows(rows, check_csr(user_items)))
        # New users may lie anywhere beyond the end; the rows before them stay zero.
        missing = max(0, int(rows.max()) + 1 - len(model.user_factors))
        model.user_factors = np.pad(model.user_factors, ((0, missing), (0, 0)))
        model.user_audio_vectors = np.pad(model.user_audio_vectors, ((0, missing), (0, 0)))
        model.user_factors[rows], model.user_audio_vectors[rows] = factors, audio
        model.user_gram = model.user_factors.T @ model.user_factors

    def partial_fit_items(
        self,
        itemids: Sequence[int] | Rows,
        item_users: sp.csr_matrix,
        *,
        item_embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Fold in items from their listeners and store the result; new items extend the model.

        Args:
            itemids: `(m,)` rows.
            item_users: CSR `(m, n_users)`, all who played each; an empty row leaves it cold.
            item_embeddings: `(m, d)`, NaN rows without audio; None keeps what they have.
        """
        rows = np.asarray(itemids, dtype=np.int64)
        factors = self.recalculate_item(rows, item_users)
        support = support_of(check_csr(item_users).T.tocsr())
        self.fitted_model.put_items(
            rows, factors=factors, support=support, embeddings=item_embeddings
        )

    def recommend(
        self,
        userid: Ids,
        user_items: sp.csr_matrix | None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Sequence[int] | Rows | None = None,
        recalculate_user: bool = False,
        items: Sequence[int] | Rows | None = None,
        *,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Best items for users, with `implicit`'s arguments and return values.

        Args:
            userid: a row, or `(m,)` rows for a batch.
            user_items: CSR `(1, n_items)` or `(m, n_items)`, what these users have played.
            N: how many.
            filter_already_liked_items: leave out what is stored in `user_items`.
            filter_items: items that no user may get.
            recalculate_user: fold the users in from `user_items`.
            items: rank only these.
            audio_weight: share of the score that comes from audio, 0 to 1; None: the tuned one.

        Returns:
            Items int32 and scores float32, `(k,)` for a scalar, `(m, k)` for a batch, best
            first. Places that filters leave empty have the lowest float32 as their score.

        Raises:
            IndexError: for a user or item that is not in the model.
            ValueError: if `user_items` is no CSR matrix with a row a user, or both
                `items` and `filter_items` are given.
        """
        # Otherwise `user_items` is not used, and implicit accepts None, too.
        if filter_already_liked_items or recalculate_user:
            checked_rows(userid, user_items)
        fitted_model = self.fitted_model
        if recalculate_user:
            factors, audio = fitted_model.fold_in_users(user_items)
        else:
            factors = fitted_model.user_factors[userid]
            audio = fitted_model.user_audio_vectors[userid]
        user_vectors = fitted_model.user_vectors(np.atleast_2d(factors), np.atleast_2d(audio))
        liked = user_items if filter_already_liked_items else None
        queries = UserQueries(user_vectors, self.audio_weight(audio_weight))
        found = self.rank(queries, N, exclude=filter_items, liked=liked, items=items)
        return shaped(found, userid)

    def rank(
        self,
        queries: Queries,
        N: int = 10,
        *,
        exclude: Sequence[int] | Rows | None = None,
        liked: sp.csr_matrix | None = None,
        items: Sequence[int] | Rows | None = None,
    ) -> Ranking:
        """Best items for any queries, not only users and items of the model; see `ranking.rank`."""
        index = self.fitted_model.near(queries)
        return rank(self.tracks, queries, N, exclude=exclude, liked=liked, items=items, index=index)

    def similar_items(
        self,
        itemid: Ids,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: sp.csr_matrix | None = None,
        filter_items: Sequence[int] | Rows | None = None,
        items: Sequence[int] | Rows | None = None,
        *,
        audio_weight: float | None = None,
    ) -> Ranking:
        """Items similar to seeds in audio and in listeners, the seeds included; see `recommend`.

        `recalculate_item` folds the seeds in from `item_users`, CSR `(m, n_users)`.
        """
        seeds = self.tracks.item_vectors(np.atleast_1d(itemid))
        if recalculate_item:
            # Placed by its listeners, a seed keeps its audio.
            placed = np.atleast_2d(self.recalculate_item(itemid, item_users))
            seeds = dataclasses.replace(seeds, directions=unit_length(placed))
        queries = SeedQueries(seeds, self.audio_weight(audio_weight), self.fitted_model.calibration)

        def like(place: int, seed: int) -> Ranking:
            query = queries.take(slice(place, place + 1))
            rows, scores = self.rank(query, N, exclude=filter_items, items=items)
            own = query.components(self.tracks, np.array([seed])).scores[0, 0]
            allowed = may_be_returned(seed, items, filter_items)
            return itself_first(rows[0], scores[0], seed, float(own), allowed)

        return one_by_one(like, itemid)

    def similar_users(
        self,
        userid: Ids,
        N: int = 10,
        filter_users: Sequence[int] | Rows | None = None,
        users: Sequence[int] | Rows | None = None,
    ) -> Ranking:
        """Users with similar factors, by cosine; the user itself is among them."""
        return similar_rows(self.user_factors, userid, N, exclude=filter_users, items=users)

    def index_tracks(self) -> Indexes:
        """Index the items, so that ranking a large catalogue does not score every item.

        Ranking then scores some hundred candidates exactly; the recall of the candidates is
        measured and returned. Items that change later are scored beside the index; `fit` and
        `replace_embeddings` drop it.

        Raises:
            InvalidInput: if there are too few items to index.
        """
        return self.fitted_model.index_tracks(self.random_state or 0)

    def audio_weight(self, audio_weight: float | None) -> float:
        """The audio weight of a query: the one asked for, or else the tuned one.

        Raises:
            InvalidInput: if it is not 0 to 1.
        """
        if audio_weight is None:
            return self.blend.audio_weight
        if not 0.0 <= audio_weight <= 1.0:
            fix = "leave it out for the tuned one"
            raise InvalidInput("audio_weight must be 0 to 1", got=audio_weight, fix=fix)
        return audio_weight

    def save(self, fileobj_or_path: str | IO[bytes], *, without: Collection[Part] = ()) -> None:
        """Write the model as npz, without pickle; `load` reads it back.

        Args:
            fileobj_or_path: where to write it.
            without: what to leave out, see `serialization.to_arrays`.
        """
        settings = {
            "collaborative": self.collaborative.to_dict(),
            "projection": self.projection.to_dict(),
            "blend": self.blend.to_dict(),
            "random_state": self.random_state,
            "num_threads": self.num_threads,
        }
        arrays = to_arrays(settings, self._fitted_model, without)
        np.savez(fileobj_or_path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, fileobj_or_path: str | IO[bytes]) -> Self:
        """Read a model that `save` wrote, of this release or an earlier one.

        Raises:
            LibraryError: if the file is newer than this program, or not a model.
        """
        if isinstance(fileobj_or_path, str):  # np.savez adds the ending to a path without it
            fileobj_or_path = fileobj_or_path.removesuffix(".npz") + ".npz"
        with np.load(fileobj_or_path, allow_pickle=False) as data:
            settings = read_settings(data)
            model = cls(
                CollaborativeConfig.from_dict(settings["collaborative"]),
                ProjectionConfig.from_dict(settings["projection"]),
                BlendConfig.from_dict(settings["blend"]),
                settings["random_state"],
                settings["num_threads"],
            )
            model._fitted_model = from_arrays(settings, data, model.blend)
            return model
