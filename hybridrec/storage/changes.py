"""The change feed: how a long-running reader learns what others have written.

Each write transaction takes the next sequence number and records what it changed under it. A track
that changes again moves to the newest number, so the feed holds a few rows a track at most, and
deleted tracks stay listed. A play stores the number in its own row. As only one transaction writes
at a time (see `database.py`), a reader who sees a number has seen all lower ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from hybridrec.storage import schema
from hybridrec.storage.database import Database, retry_once, upsert

TRACK, PLAYS, SWITCH = "track", "plays", "switch"
_SOME_PLAYS = ""
_FINGERPRINT = "ears"  # as stored since schema 1: another fingerprint is in use
_SWITCHES = ("model", "encoder", _FINGERPRINT)


@dataclass(frozen=True)
class Changes:
    """What changed after a sequence number.

    Attributes:
        seq: the newest number; the next query starts there.
        tracks: ids of tracks that were added, changed, embedded or deleted.
        plays: ids of tracks whose plays changed, and with them perhaps their support.
        models: whether another model is current.
        encoder: whether another encoder is current or another fingerprint in use.
    """

    seq: int
    tracks: frozenset[str] = frozenset()
    plays: frozenset[str] = frozenset()
    models: bool = False
    encoder: bool = False


class ChangeFeed:
    """The methods of a library for its change feed."""

    _database: Database

    @retry_once
    def seq(self) -> int:
        """The newest sequence number; read it first, then load data, then ask for later changes."""
        with self._database.read() as connection:
            return newest(connection)

    @retry_once
    def newest_tracks(self, after: int, most: int) -> list[str]:
        """Ids of the tracks that were added, changed, embedded or deleted last, newest first.

        Args:
            after: only those that changed after this number.
            most: how many at most.
        """
        changed = schema.changes.c
        query = select(changed.subject).where(changed.kind == TRACK, changed.seq > after)
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(changed.seq.desc()).limit(most)))

    @retry_once
    def switched_since(self, seq: int) -> bool:
        """Whether another model, encoder or fingerprint is in use since `seq`."""
        changed = schema.changes.c
        query = select(changed.seq).where(
            changed.kind == SWITCH, changed.subject.in_(_SWITCHES), changed.seq > seq
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    @retry_once
    def changes_since(self, seq: int) -> Changes:
        """All that changed after `seq`; cheap when that is nothing."""
        query = select(schema.changes.c.kind, schema.changes.c.subject, schema.changes.c.seq)
        with self._database.read() as connection:
            rows = connection.execute(query.where(schema.changes.c.seq > seq)).all()
            played = {subject for kind, subject, _ in rows if kind == PLAYS}
            if _SOME_PLAYS in played:
                played.remove(_SOME_PLAYS)
                recent = (
                    select(schema.tracks.c.id).join(schema.plays).where(schema.plays.c.seq > seq)
                )
                played.update(connection.scalars(recent.distinct()))
        switched = {subject for kind, subject, _ in rows if kind == SWITCH}
        return Changes(
            seq=max((number for _, _, number in rows), default=seq),
            tracks=frozenset(subject for kind, subject, _ in rows if kind == TRACK),
            plays=frozenset(played),
            models="model" in switched,
            encoder=not switched.isdisjoint({"encoder", _FINGERPRINT}),
        )


def record(connection: Connection, kind: str, subjects: Iterable[str], beyond: int = 0) -> None:
    """Record subjects as changed, within the transaction that changes them.

    Args:
        connection: of the transaction.
        kind: TRACK, PLAYS or SWITCH.
        subjects: what was changed.
        beyond: their number is above this one, and above all that were taken before.
    """
    _mark(connection, kind, subjects, beyond)


def number_for_plays(connection: Connection) -> int:
    """Take the number that plays of this transaction are stored with."""
    return _mark(connection, PLAYS, [_SOME_PLAYS])


def record_fingerprint(connection: Connection) -> None:
    """Record that another fingerprint is in use, within the transaction that sets it."""
    _mark(connection, SWITCH, [_FINGERPRINT])


def record_replaced(connection: Connection, beyond: int) -> None:
    """Record a change of everything, as a restored library is for its readers; see `record`."""
    _mark(connection, SWITCH, ["model", _FINGERPRINT], beyond)


def _mark(connection: Connection, kind: str, subjects: Iterable[str], beyond: int = 0) -> int:
    number = max(newest(connection), beyond) + 1
    rows = [{"kind": kind, "subject": subject, "seq": number} for subject in subjects]
    upsert(connection, schema.changes, rows, by=("kind", "subject"))
    return number


def newest(connection: Connection) -> int:
    """The newest sequence number, within a transaction."""
    return connection.scalar(select(func.coalesce(func.max(schema.changes.c.seq), 0))) or 0


def catalogue_changed(connection: Connection, seq: int) -> bool:
    """Whether anything but plays changed after `seq`, within a transaction."""
    table = schema.changes.c
    later = exists().where(table.seq > seq, table.kind != PLAYS)
    return bool(connection.scalar(select(later)))
