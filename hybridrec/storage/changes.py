"""The feed of changes: how a long-running reader learns what others have written.

Each writing transaction draws the next number and marks what it touched with
it. A track that is touched again moves to its newest number instead of being
listed twice, so the feed never grows beyond a few rows a track, and the
deleted stay listed. A stored play bears the number itself. Writers take turns
(see `database.py`), so a number that is seen means that all lower ones are
seen too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from hybridrec.storage import schema
from hybridrec.storage.database import Database, retry_once, upsert

TRACK, PLAYS, SWITCH = "track", "plays", "switch"
_SOME_PLAYS = ""
_SWITCHES = ("model", "encoder", "ears")


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
    encoder: bool = False


class ChangeFeed:
    """The part of a library that tells readers what is new."""

    _database: Database

    @retry_once
    def seq(self) -> int:
        """The newest number of the feed; note it, load what you need, then ask for the changes since."""
        with self._database.read() as connection:
            return newest(connection)

    @retry_once
    def newest_tracks(self, after: int, most: int) -> list[str]:
        """Ids of the tracks that were added, changed, heard or deleted last, newest first.

        Args:
            after: only those that were touched after this number.
            most: how many.
        """
        changed = schema.changes.c
        query = select(changed.subject).where(changed.kind == TRACK, changed.seq > after)
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(changed.seq.desc()).limit(most)))

    @retry_once
    def switched_since(self, seq: int) -> bool:
        """Whether another model or encoder became current after `seq`, or the library changed its ears."""
        changed = schema.changes.c
        query = select(changed.seq).where(
            changed.kind == SWITCH, changed.subject.in_(_SWITCHES), changed.seq > seq
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    @retry_once
    def changes_since(self, seq: int) -> Changes:
        """All that was changed after `seq`, cheap when that is nothing."""
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
            encoder=not switched.isdisjoint({"encoder", "ears"}),
        )


def record(connection: Connection, kind: str, subjects: Iterable[str], beyond: int = 0) -> None:
    """Mark the subjects as changed, within the transaction that changes them.

    Args:
        connection: of the transaction.
        kind: TRACK, PLAYS or SWITCH.
        subjects: what was changed.
        beyond: a number that theirs must be above, beside all that were drawn before.
    """
    _mark(connection, kind, subjects, beyond)


def number_for_plays(connection: Connection) -> int:
    """Draw the number that plays stored in this transaction must bear."""
    return _mark(connection, PLAYS, [_SOME_PLAYS])


def _mark(connection: Connection, kind: str, subjects: Iterable[str], beyond: int = 0) -> int:
    number = max(newest(connection), beyond) + 1
    rows = [{"kind": kind, "subject": subject, "seq": number} for subject in subjects]
    upsert(connection, schema.changes, rows, by=("kind", "subject"))
    return number


def newest(connection: Connection) -> int:
    """The newest number of the feed, within a transaction."""
    return connection.scalar(select(func.coalesce(func.max(schema.changes.c.seq), 0))) or 0


def catalogue_changed(connection: Connection, seq: int) -> bool:
    """Whether anything but plays was changed after `seq`, within a transaction."""
    table = schema.changes.c
    later = exists().where(table.seq > seq, table.kind != PLAYS)
    return bool(connection.scalar(select(later)))
