"""Recommendations and similar tracks from a live model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hybridrec.blend.weighting import ItemVectors, UserVectors
from hybridrec.data.arrays import Array, Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.index.exact import UNRANKED
from hybridrec.model.queries import Queries, SeedQueries, UserQueries
from hybridrec.serving.answers import Answer, Basis, Filters, Hit
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.selection import Selected, Selection
from hybridrec.storage.library import Library

_NO_ROWS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class LiveRecommender:
    """Answers queries from a live model; the caller holds the model's lock.

    Attributes:
        library: holds the tracks.
        live: ranks them.
    """

    library: Library
    live: LiveModel

    def recommend(
        self,
        weights: Mapping[str, float],
        n: int,
        audio_weight: float | None,
        filters: Filters,
        *,
        exclude_played: bool,
    ) -> Answer:
        """The best tracks for a user; see `RecommendationService.recommend`.

        Args:
            weights: the user's summed signed weights by track id.
            n: how many tracks at most.
            audio_weight: 0 to 1; None is the tuned one.
            filters: which tracks may be returned.
            exclude_played: leave out what the user played or skipped.

        Raises:
            InvalidInput: if the audio weight is not 0 to 1.
        """
        model, played = self.live.model, self.live.user_row(weights)
        query_weight = model.audio_weight(audio_weight)
        vectors = model.unknown_user
        basis: Basis = "popularity"
        if played.nnz:
            fitted_model = model.fitted_model
            vectors = fitted_model.user_vectors(*fitted_model.fold_in_users(played))
            basis = _basis(vectors)
        excluded = played.indices if exclude_played else _NO_ROWS
        hits = self._hits(UserQueries(vectors, query_weight), n, excluded, filters)
        return self._answer(hits, basis, query_weight)

    def similar_to_track(
        self, track: str, n: int, audio_weight: float | None, filters: Filters
    ) -> Answer:
        """The tracks most similar to a seed song of the library, which is left out.

        Raises:
            InvalidInput: if the audio weight is not 0 to 1.
        """
        rows = self.live.rows([track])
        seed = self.live.model.tracks.item_vectors(rows)
        return self._similar(seed, n, audio_weight, rows, filters)

    def similar_to_embedding(self, embedding: Array, n: int, filters: Filters) -> Answer:
        """The tracks most similar to an embedding `(d,)` float32 of a file outside the library."""
        n_factors = self.live.model.tracks.factors.shape[1]
        no_direction = np.zeros((1, n_factors), dtype=np.float32)
        cold_share, has_audio = np.ones(1, dtype=np.float32), np.ones(1, dtype=np.bool_)
        # Cold and with audio: no play of the file is known, so only embeddings are compared.
        seed = ItemVectors(no_direction, unit_length(embedding[None, :]), cold_share, has_audio)
        return self._similar(seed, n, None, _NO_ROWS, filters)

    def _similar(
        self,
        seed: ItemVectors,
        n: int,
        audio_weight: float | None,
        excluded: Rows,
        filters: Filters,
    ) -> Answer:
        model = self.live.model
        query_weight = model.audio_weight(audio_weight)
        queries = SeedQueries(seed, query_weight, model.fitted_model.calibration)
        return self._answer(self._hits(queries, n, excluded, filters), "track", query_weight)

    def _answer(self, hits: list[Hit], basis: Basis, audio_weight: float) -> Answer:
        state = self.live.state
        return Answer(hits, basis, audio_weight, state.version, state.fingerprint)

    def _hits(self, query: Queries, n: int, excluded: Rows, filters: Filters) -> list[Hit]:
        selection = Selection(self.library, self.live, filters, excluded)
        # The ranking leaves out rows; the selection, other files of the same recordings.
        denied = np.concatenate([excluded, self.live.rows(filters.deny)])
        allowed = selection.allowed_rows()
        selected = selection.select(lambda k: self._ranked(query, k, denied, allowed), n)
        return self._scored(query, selected)

    def _scored(self, query: Queries, selected: list[Selected]) -> list[Hit]:
        """Selected tracks with the components of their scores."""
        rows = np.array([one.row for one in selected], dtype=np.int64)
        components = query.components(self.live.model.tracks, rows)
        arrays = (components.weights, components.audio, components.behaviour)
        values = zip(*(array[0].tolist() for array in arrays), strict=True)
        return [
            Hit(
                track=one.track,
                score=audio + behaviour,
                effective_audio_weight=weight,
                audio_part=audio,
                behaviour_part=behaviour,
                support=self.live.support(one.track.id),
                same_recording=tuple(one.same_recording),
            )
            for one, (weight, audio, behaviour) in zip(selected, values, strict=True)
        ]

    def _ranked(self, query: Queries, k: int, denied: Rows, allowed: Rows | None) -> Rows:
        """The rows of the k best tracks that are allowed and not denied, best first."""
        model = self.live.model
        if not query.kinds[0].any():  # nothing to rank by: the oldest tracks
            scorable = np.flatnonzero(model.tracks.scorable)
            candidates = scorable if allowed is None else np.intersect1d(scorable, allowed)
            return np.setdiff1d(candidates, denied)[:k]
        if allowed is None:
            rows, scores = model.rank(query, k, exclude=denied)
        else:
            rows, scores = model.rank(query, k, items=np.setdiff1d(allowed, denied))
        # Where filters leave fewer than k, the ranking is filled with excluded rows.
        return np.asarray(rows[0][scores[0] > UNRANKED], dtype=np.int64)


def _basis(vectors: UserVectors) -> Basis:
    """What a user with plays is ranked by."""
    if vectors.knows_behaviour[0]:
        return "behaviour"
    return "audio" if vectors.knows_audio[0] else "popularity"
