"""The feed of changes: how a long-running reader learns what others have written.

Each writing transaction draws the next number and marks what it touched with
it. A track that is touched again moves to its newest number instead of being
listed twice, so the feed never grows beyond a few rows a track, and the
deleted stay listed. Writers take turns (see `database.py`), so a number that
is seen means that all lower ones are seen too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hybridrec.storage import schema
from hybridrec.storage.database import Database, upsert

TRACK, PLAYS, SWITCH = "track", "plays", "switch"


@dataclass(frozen=True)
class Changes:
    """What happened after some number of the feed.

    Attributes:
        seq: the newest number; ask for what comes after it next time.
        tracks: ids of tracks that were added, changed, heard or deleted.
        plays: ids of tracks whose plays changed, and with them perhaps their support.
        models: whether another model is current.
        ears: whether another encoder is current or the library changed its ears.
    """

    seq: int
    tracks: frozenset[str] = frozenset()
    plays: frozenset[str] = frozenset()
    models: bool = False
    ears: bool = False


class ChangeFeed:
    """The part of a library that tells readers what is new."""

    _database: Database

    def seq(self) -> int:
        """The newest number of the feed; note it, load what you need, then ask for the changes since."""
        with self._database.read() as connection:
            return _newest(connection)

    def changes_since(self, seq: int) -> Changes:
        """All that was changed after `seq`, cheap when that is nothing."""
        query = select(schema.changes.c.kind, schema.changes.c.subject, schema.changes.c.seq)
        with self._database.read() as connection:
            rows = connection.execute(query.where(schema.changes.c.seq > seq)).all()
        switched = {subject for kind, subject, _ in rows if kind == SWITCH}
        return Changes(
            seq=max((number for _, _, number in rows), default=seq),
            tracks=frozenset(subject for kind, subject, _ in rows if kind == TRACK),
            plays=frozenset(subject for kind, subject, _ in rows if kind == PLAYS),
            models="model" in switched,
            ears=not switched.isdisjoint({"encoder", "ears"}),
        )


def record(connection: Connection, kind: str, subjects: Iterable[str]) -> None:
    """Mark the subjects as changed, within the transaction that changes them."""
    number = _newest(connection) + 1
    rows = [{"kind": kind, "subject": subject, "seq": number} for subject in subjects]
    upsert(connection, schema.changes, rows, by=("kind", "subject"))


def _newest(connection: Connection) -> int:
    return connection.scalar(select(func.coalesce(func.max(schema.changes.c.seq), 0))) or 0
