"""Samples of plays of many tracks or users by one statement, of bounded size for each.

A sample is the same every time: keys are hashed by one fixed multiplication, and the lowest hashes
are taken. So it changes little as plays arrive.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from hybridrec.storage import schema
from hybridrec.storage.database import Database, id_in, key_in, retry_once
from hybridrec.storage.plays import EFFECTIVE_WEIGHT

_SCATTER, _PRIME = 48_271, 2_147_483_647  # Lehmer's generator, as C++ has it in minstd_rand


class PlaySamples:
    """The methods of a library for samples of plays."""

    _database: Database

    @retry_once
    def listeners_of(self, tracks: Collection[str], most: int) -> list[tuple[str, int, float]]:
        """Users of some tracks, skips included: `(track id, user key, summed signed weight)`.

        Args:
            tracks: ids; unknown ones are left out.
            most: how many users of each track at most.
        """
        plays, rows = schema.plays.c, schema.tracks.c
        with self._database.read() as connection:
            chosen = plays.track_key.in_(select(rows.key).where(id_in(connection, rows.id, tracks)))
            pairs = _sample(chosen, plays.track_key, plays.user_key, most)
            query = select(rows.id, pairs.c.user_key, pairs.c.weight).join_from(
                pairs, schema.tracks, rows.key == pairs.c.track_key
            )
            return [(id_, key, float(weight)) for id_, key, weight in connection.execute(query)]

    @retry_once
    def tracks_of(self, user_keys: Collection[int], most: int) -> list[tuple[int, str, float]]:
        """Tracks of some users, skips included: `(user key, track id, summed signed weight)`.

        Args:
            user_keys: as `listeners_of` returns them.
            most: how many tracks of each user at most.
        """
        plays, rows = schema.plays.c, schema.tracks.c
        with self._database.read() as connection:
            chosen = key_in(connection, plays.user_key, user_keys)
            pairs = _sample(chosen, plays.user_key, plays.track_key, most)
            query = select(pairs.c.user_key, rows.id, pairs.c.weight).join_from(
                pairs, schema.tracks, rows.key == pairs.c.track_key
            )
            return [(key, id_, float(weight)) for key, id_, weight in connection.execute(query)]


def _sample(chosen: ColumnElement[bool], each: Any, other: Any, most: int) -> Any:
    """A subquery of summed weights by user and track, `most` pairs at most for each `each`."""
    plays = schema.plays.c
    place = func.row_number().over(partition_by=each, order_by=(other * _SCATTER % _PRIME, other))
    numbered: Select[Any] = select(
        plays.user_key,
        plays.track_key,
        func.sum(EFFECTIVE_WEIGHT).label("weight"),
        place.label("place"),
    ).where(chosen)
    pairs = numbered.group_by(plays.user_key, plays.track_key).subquery()
    return select(pairs).where(pairs.c.place <= most).subquery()
