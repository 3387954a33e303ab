"""Who plays what, for many tracks or users with one statement, and no more of each than is asked for.

Where there are more, the same ones are taken every time: each key is
scattered by one fixed multiplication, and the lowest come first. So a sample
changes little as more plays arrive.
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
    """The part of a library that tells of many tracks' listeners, and of many users' tracks."""

    _database: Database

    @retry_once
    def listeners_of(self, tracks: Collection[str], most: int) -> list[tuple[str, int, float]]:
        """Users of some tracks, skips included: `(track id, user key, summed signed weight)`.

        Args:
            tracks: ids; unknown ones are left out.
            most: users of each track.
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
            user_keys: as `listeners_of` gave them.
            most: tracks of each user.
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
    """Summed plays by user and track, of at most so many others for each, as a subquery."""
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
