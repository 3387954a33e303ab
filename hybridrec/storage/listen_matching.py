"""Matching of listens to tracks: candidates by an index on names, then the most similar."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select

from hybridrec.data.listens import Listen
from hybridrec.data.names import Name
from hybridrec.storage import schema
from hybridrec.storage.database import batches, id_in, key_in

MAX_CANDIDATES = 50
"""How many tracks at most a listen is compared with for each key of its name."""

_LISTENS_AT_ONCE = 1000


@dataclass(frozen=True)
class KnownTrack:
    """What matching needs of a track.

    Attributes:
        id: outside id.
        name: artist and title, normalised.
        album: as tagged, or empty.
        duration_seconds: of the recording, or None.
        recording_mbid: MusicBrainz id of the recording, or empty.
    """

    id: str
    name: Name
    album: str
    duration_seconds: float | None
    recording_mbid: str


class Candidates:
    """Tracks that listens are matched to.

    Args:
        tracks: to be matched by MusicBrainz id.
        by_key: to be matched by name, by each key of the name.
    """

    def __init__(self, tracks: Iterable[KnownTrack], by_key: dict[int, list[KnownTrack]]) -> None:
        self._by_mbid: dict[str, KnownTrack] = {}
        self._by_key = by_key
        for track in tracks:
            for mbid in filter(None, (track.id, track.recording_mbid)):
                self._by_mbid.setdefault(mbid, track)

    @classmethod
    def of(cls, tracks: Collection[KnownTrack]) -> Candidates:
        """These tracks, to be matched by MusicBrainz id and by name."""
        by_key: dict[int, list[KnownTrack]] = defaultdict(list)
        for track in tracks:
            for key in track.name.keys:
                by_key[key].append(track)
        return cls(tracks, by_key)

    def best(self, listen: Listen) -> KnownTrack | None:
        """The track of a listen, or None.

        A MusicBrainz id decides; else the most similar name, then the same album, then the id.
        """
        if (
            listen.recording_mbid
            and (known := self._by_mbid.get(listen.recording_mbid)) is not None
        ):
            return known
        name, album = listen.name, listen.album.casefold()
        candidates = {track.id: track for key in name.keys for track in self._by_key.get(key, ())}
        scored = {id_: name.similarity(track.name) for id_, track in candidates.items()}
        matching = [candidates[id_] for id_, similarity in scored.items() if similarity > 0]
        ranking = sorted(matching, key=lambda t: (-scored[t.id], t.album.casefold() != album, t.id))
        return ranking[0] if ranking else None


def match(connection: Connection, listens: Sequence[Listen]) -> dict[Listen, KnownTrack | None]:
    """The track of each listen, or None; each listen once.

    A listen takes a bounded number of comparisons, however many tracks its artist has.
    """
    found: dict[Listen, KnownTrack | None] = {}
    for batch in batches(dict.fromkeys(listens), _LISTENS_AT_ONCE):
        candidates = _candidates(connection, batch)
        known: dict[tuple[Name, str, str], KnownTrack | None] = {}
        for listen in batch:
            identity = (listen.name, listen.album, listen.recording_mbid)
            if identity not in known:
                known[identity] = candidates.best(listen)
            found[listen] = known[identity]
    return found


def known_tracks(connection: Connection, condition: Any) -> dict[int, KnownTrack]:
    """The tracks that meet a condition, by their keys."""
    tracks, named = schema.tracks.c, schema.track_names.c
    columns = (tracks.key, tracks.id, tracks.album, tracks.duration_seconds, tracks.recording_mbid)
    query = select(*columns, named.artist, named.title)
    query = query.join_from(schema.tracks, schema.track_names, isouter=True).where(condition)
    return {
        key: KnownTrack(id_, Name(artist or "", title or ""), album, duration, mbid)
        for key, id_, album, duration, mbid, artist, title in connection.execute(query)
    }


def first_of_each_key(
    connection: Connection, table: Any, column: Any, keys: Iterable[int], most: int
) -> Any:
    """A query for name keys and the first `most` rows of each, in order of `column`."""
    rank = func.row_number().over(partition_by=table.c.name_key, order_by=column).label("rank")
    ranked = (
        select(table.c.name_key, column, rank)
        .where(key_in(connection, table.c.name_key, keys))
        .subquery()
    )
    return select(ranked.c.name_key, ranked.c[column.name]).where(ranked.c.rank <= most)


def _candidates(connection: Connection, listens: Sequence[Listen]) -> Candidates:
    table, tracks = schema.track_name_keys, schema.tracks.c
    keys = {key for listen in listens for key in listen.name.keys}
    query = first_of_each_key(connection, table, table.c.track_key, keys, MAX_CANDIDATES)
    pairs = connection.execute(query).all()
    known = known_tracks(connection, key_in(connection, tracks.key, {key for _, key in pairs}))
    by_key: dict[int, list[KnownTrack]] = defaultdict(list)
    for name_key, track_key in pairs:
        by_key[name_key].append(known[track_key])
    mbids = {listen.recording_mbid for listen in listens if listen.recording_mbid}
    named = or_(
        *(id_in(connection, column, mbids) for column in (tracks.id, tracks.recording_mbid))
    )
    return Candidates(known_tracks(connection, named).values() if mbids else (), by_key)
