"""Plays: adding them, a user's history, and deleting a user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Float, and_, delete, func, insert, or_, select

from hybridrec.data.plays import Play
from hybridrec.errors import NotFound
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, batches, id_in, insert_new, retry_once, upsert
from hybridrec.storage.tokens import forget_holder
from hybridrec.storage.track_rows import track_keys

EFFECTIVE_WEIGHT = func.coalesce(schema.plays.c.weight, schema.plays.c.fraction, 1.0, type_=Float)
"""`Play.effective_weight` in SQL."""


@dataclass(frozen=True)
class PlaysAdded:
    """What became of a batch of plays.

    Attributes:
        added: how many were new.
        repeated: how many were known already, from the library or the same batch.
    """

    added: int
    repeated: int


@dataclass(frozen=True)
class UserSummary:
    """A user and how many plays the library has of her."""

    id: str
    plays: int


class PlayStore:
    """The methods of a library for plays and users."""

    _database: Database

    def add_plays(self, plays: Iterable[Play]) -> PlaysAdded:
        """Store plays in one transaction, all or nothing; unknown users and tracks are created.

        A play that is given again (same user, track and time) counts once, with the weight and
        fraction given last.

        Raises:
            InvalidInput: for an id that cannot be stored; nothing is then.
        """
        return self._add_plays(list(batches(plays, 10_000)))

    @retry_once
    def _add_plays(self, waiting: Sequence[Sequence[Play]]) -> PlaysAdded:
        with self._database.write() as connection:
            added = sum(store_plays(connection, batch) for batch in waiting)
        return PlaysAdded(added=added, repeated=sum(map(len, waiting)) - added)

    @retry_once
    def user_plays(self, user: str, after: Play | None = None, limit: int = 100) -> list[Play]:
        """A user's plays, newest first, those without a time last; empty for an unknown user.

        Args:
            user: the user's id.
            after: the last play of the page before, or None for the first page.
            limit: how many at most.
        """
        plays, tracks = schema.plays.c, schema.tracks.c
        query = select(tracks.id, plays.played_at, plays.fraction, plays.weight)
        query = (
            query.join_from(schema.plays, schema.users)
            .join(schema.tracks)
            .where(schema.users.c.id == user)
        )
        if after is not None:
            moment = _moment(after)
            same = and_(plays.played_at == moment, tracks.id > after.track)
            query = query.where(or_(plays.played_at < moment, same))
        with self._database.read() as connection:
            rows = connection.execute(
                query.order_by(plays.played_at.desc(), tracks.id).limit(limit)
            ).all()
        return [
            Play(user, track, None if moment == schema.UNKNOWN_TIME else moment, fraction, weight)
            for track, moment, fraction, weight in rows
        ]

    @retry_once
    def user_weights(self, user: str) -> dict[str, float]:
        """The summed signed weights of a user's plays by track id; empty for an unknown user."""
        query = select(schema.tracks.c.id, func.sum(EFFECTIVE_WEIGHT))
        query = (
            query.join_from(schema.plays, schema.users)
            .join(schema.tracks)
            .where(schema.users.c.id == user)
        )
        with self._database.read() as connection:
            return {
                id_: float(weight)
                for id_, weight in connection.execute(query.group_by(schema.tracks.c.id))
            }

    @retry_once
    def find_users(
        self, query: str = "", after: str | None = None, limit: int = 50
    ) -> list[UserSummary]:
        """Users whose id contains `query`, whatever the case of its letters A to Z, ordered by id.

        Args:
            query: part of an id; empty finds every user.
            after: the last id of the page before, or None for the first page.
            limit: how many at most.
        """
        users = schema.users.c
        count = select(func.count()).where(schema.plays.c.user_key == users.key).scalar_subquery()
        statement = select(users.id, count).order_by(users.id).limit(limit)
        if query:
            statement = statement.where(users.id.icontains(query, autoescape=True))
        if after is not None:
            statement = statement.where(users.id > after)
        with self._database.read() as connection:
            return [UserSummary(id_, plays) for id_, plays in connection.execute(statement)]

    def forget_user(self, user: str) -> None:
        """Delete a user with her plays and waiting listens; revoke and anonymise her tokens.

        On SQLite nothing of it stays in the database's file or its log; PostgreSQL overwrites it
        when it vacuums. Models keep her factors until the next fit, and backups what they hold.

        Raises:
            NotFound: if the library has nothing of such a user.
        """
        self._forget_user(user)
        self._database.empty_log()

    @retry_once
    def _forget_user(self, user: str) -> None:
        with self._database.write() as connection:
            waiting = connection.execute(
                delete(schema.listens).where(schema.listens.c.user == user)
            ).rowcount
            tokens = forget_holder(connection, user)
            key = connection.scalar(select(schema.users.c.key).where(schema.users.c.id == user))
            if key is not None:
                _forget_plays(connection, key)
            elif not waiting and not tokens:
                raise NotFound("unknown user", got=user, fix="check the spelling of the id")


def _forget_plays(connection: Connection, key: int) -> None:
    played = select(schema.plays.c.track_key).where(schema.plays.c.user_key == key)
    ids = connection.scalars(
        select(schema.tracks.c.id).where(schema.tracks.c.key.in_(played))
    ).all()
    connection.execute(delete(schema.users).where(schema.users.c.key == key))
    changes.record(connection, changes.PLAYS, ids)


def store_plays(connection: Connection, plays: Sequence[Play]) -> int:
    """Add plays within a transaction, and return how many were new."""
    if not plays:
        return 0
    users = _user_keys(connection, dict.fromkeys(play.user for play in plays))
    tracks = track_keys(connection, dict.fromkeys(play.track for play in plays))
    seq = changes.number_for_plays(connection)
    rows: dict[Any, dict[str, Any]] = {}
    for play in plays:
        identity = {
            "user_key": users[play.user],
            "track_key": tracks[play.track],
            "played_at": _moment(play),
        }
        rows[tuple(identity.values())] = identity | {
            "fraction": play.fraction,
            "weight": play.weight,
            "seq": seq,
        }
    ordered = [rows[identity] for identity in sorted(rows)]
    added = insert_new(connection, schema.plays, ordered)
    if added < len(ordered):
        identity_columns = ("user_key", "track_key", "played_at")
        upsert(
            connection, schema.plays, ordered, identity_columns, unless_same=("fraction", "weight")
        )
    return added


def _user_keys(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    users = schema.users.c
    known = select(users.id, users.key).where(id_in(connection, users.id, ids))
    keys = {id_: key for id_, key in connection.execute(known).all()}
    if missing := [{"id": id_} for id_ in ids if id_ not in keys]:
        new = insert(schema.users).returning(users.id, users.key)
        keys.update({id_: key for id_, key in connection.execute(new, missing).all()})
    return keys


def _moment(play: Play) -> float:
    return schema.UNKNOWN_TIME if play.played_at is None else play.played_at
