"""All plays at once, as the matrix that models are fitted to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import scipy.sparse as sp
from sqlalchemy import Connection, Table, func, select

from hybridrec.data.arrays import Rows
from hybridrec.data.ids import IdMap
from hybridrec.data.play_table import PlayTable
from hybridrec.storage import schema
from hybridrec.storage.database import Database, id_in, retry_once
from hybridrec.storage.plays import EFFECTIVE_WEIGHT


@dataclass(frozen=True)
class Interactions:
    """Who played what.

    Attributes:
        user_ids: the users, by row of the matrix.
        track_ids: the tracks, by column of the matrix.
        plays: one by one, with their times.
    """

    user_ids: IdMap
    track_ids: IdMap
    plays: PlayTable

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """CSR `(n_users, n_tracks)` float32 confidences: the sums of weights."""
        return self.plays.interactions()


class InteractionStore:
    """The methods of a library for sums over plays."""

    _database: Database

    @retry_once
    def interactions(self) -> Interactions:
        """The plays of all users and tracks of the library, each in order of arrival."""
        plays = schema.plays.c
        with self._database.read() as connection:
            user_ids, user_keys = _ids(connection, schema.users)
            track_ids, track_keys = _ids(connection, schema.tracks)
            query = select(plays.user_key, plays.track_key, plays.played_at, EFFECTIVE_WEIGHT)
            rows = connection.execute(query).all()
        columns = np.fromiter(
            chain.from_iterable(rows), dtype=np.float64, count=4 * len(rows)
        ).reshape(-1, 4)
        table = PlayTable(
            np.searchsorted(user_keys, columns[:, 0].astype(np.int64)),
            np.searchsorted(track_keys, columns[:, 1].astype(np.int64)),
            np.where(columns[:, 2] == schema.UNKNOWN_TIME, np.nan, columns[:, 2]),
            columns[:, 3],
            shape=(len(user_ids), len(track_ids)),
        )
        return Interactions(user_ids, track_ids, table)

    @retry_once
    def support(self, track_ids: Collection[str] | None = None) -> dict[str, int]:
        """How many distinct users have played each track; skips do not count.

        Args:
            track_ids: the tracks to count for, or None for all of the library.

        Returns:
            A count for every track asked for, 0 where nobody is known to have played it.
        """
        with self._database.read() as connection:
            if track_ids is None:
                ids = connection.scalars(
                    select(schema.tracks.c.id).order_by(schema.tracks.c.key)
                ).all()
                return dict.fromkeys(ids, 0) | _support(connection, None)
            return dict.fromkeys(track_ids, 0) | _support(connection, track_ids)


def _ids(connection: Connection, table: Table) -> tuple[IdMap, Rows]:
    rows = connection.execute(select(table.c.id, table.c.key).order_by(table.c.key)).all()
    return IdMap(id_ for id_, _ in rows), np.array([key for _, key in rows], dtype=np.int64)


def _support(connection: Connection, track_ids: Collection[str] | None) -> dict[str, int]:
    plays, tracks = schema.plays.c, schema.tracks.c
    pairs = select(plays.track_key, plays.user_key).group_by(plays.user_key, plays.track_key)
    if track_ids is not None:
        pairs = pairs.where(
            plays.track_key.in_(select(tracks.key).where(id_in(connection, tracks.id, track_ids)))
        )
    played = pairs.having(func.sum(EFFECTIVE_WEIGHT) > 0).subquery()
    counts = (
        select(played.c.track_key, func.count().label("support"))
        .group_by(played.c.track_key)
        .subquery()
    )
    query = select(tracks.id, counts.c.support).join_from(
        counts, schema.tracks, tracks.key == counts.c.track_key
    )
    return {id_: support for id_, support in connection.execute(query)}
