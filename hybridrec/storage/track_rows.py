"""Rows of tracks: reading and writing them within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from hybridrec.data.names import Name
from hybridrec.data.tracks import Track
from hybridrec.storage import changes, schema
from hybridrec.storage.database import batches, id_in, insert_new, key_in, upsert
from hybridrec.storage.stored_paths import StoredPaths
from hybridrec.storage.text_index import forget_texts, put_texts, searchable, storable

_TEXTS = ("title", "artist", "album", "genre", "recording_mbid")
COLUMNS = [
    schema.tracks.c[name] for name in ("id", *_TEXTS, "duration_seconds", "path", "content_hash")
]


def as_track(row: Row[Any], paths: StoredPaths) -> Track:
    """The track of a row of `COLUMNS`."""
    values = row._asdict()
    values["path"] = None if row.path is None else paths.path(row.path)
    return Track(**values)


def read_track(connection: Connection, id_: str, paths: StoredPaths) -> Track | None:
    """One track by its id, within a transaction."""
    row = connection.execute(select(*COLUMNS).where(schema.tracks.c.id == id_)).first()
    return None if row is None else as_track(row, paths)


def read_track_by_hash(
    connection: Connection, content_hash: str, paths: StoredPaths
) -> Track | None:
    """The first track whose file has this hex SHA-256, within a transaction."""
    query = select(*COLUMNS).where(schema.tracks.c.content_hash == content_hash)
    row = connection.execute(query.order_by(schema.tracks.c.key).limit(1)).first()
    return None if row is None else as_track(row, paths)


def put_tracks(connection: Connection, tracks: Sequence[Track], paths: StoredPaths) -> list[str]:
    """Add or update tracks within a transaction, and return the ids of those that changed."""
    new: dict[str, dict[str, Any]] = {}
    for track in tracks:
        new[track.id] = _merge(new.get(track.id, {}), _row(track, paths))
    stored = select(*COLUMNS).where(id_in(connection, schema.tracks.c.id, new))
    known = {row.id: row._asdict() for row in connection.execute(stored).all()}
    merged = [_merge(known.get(id_, {}), row) for id_, row in new.items()]
    fresh = [row for row in merged if row != known.get(row["id"])]
    rows = [
        row | {"searchable": searchable(row["id"], row["title"], row["artist"], row["album"])}
        for row in fresh
    ]
    written = [row["id"] for row in fresh]
    forget_texts(connection, written)
    upsert(connection, schema.tracks, rows, by=("id",))
    put_texts(connection, written)
    changes.record(connection, changes.TRACK, written)
    put_names(connection, written)
    return written


def put_names(connection: Connection, ids: Collection[str]) -> None:
    """Index the names of tracks in normalised form, for matching with listens."""
    tracks, keys = schema.tracks.c, schema.track_name_keys
    query = select(tracks.key, tracks.artist, tracks.title).where(tracks.title != "")
    query = query.where(id_in(connection, tracks.id, ids))
    named = {key: Name.of(artist, title) for key, artist, title in connection.execute(query).all()}
    rows = [
        {"track_key": key, "artist": name.artist, "title": name.title}
        for key, name in named.items()
    ]
    upsert(connection, schema.track_names, rows, by=("track_key",))
    connection.execute(delete(keys).where(key_in(connection, keys.c.track_key, named)))
    pairs = [(name_key, key) for key, name in named.items() for name_key in name.keys]
    insert_new(
        connection, keys, [{"name_key": name_key, "track_key": key} for name_key, key in pairs]
    )


def put_all_names(connection: Connection) -> None:
    """Index the names of all tracks."""
    ids = connection.scalars(select(schema.tracks.c.id).order_by(schema.tracks.c.key)).all()
    for batch in batches(ids):
        put_names(connection, batch)


def track_keys(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Keys of tracks by id, within a transaction; unknown tracks are created without metadata."""
    columns = schema.tracks.c
    known = select(columns.id, columns.key).where(id_in(connection, columns.id, ids))
    keys = {id_: key for id_, key in connection.execute(known).all()}
    missing = [id_ for id_ in ids if id_ not in keys]
    if missing:
        rows = [
            dict.fromkeys(_TEXTS, "")
            | {"id": schema.checked_new_id(id_), "searchable": searchable(id_)}
            for id_ in missing
        ]
        new = insert(schema.tracks).returning(columns.id, columns.key)
        keys.update({id_: key for id_, key in connection.execute(new, rows).all()})
        put_texts(connection, missing)
        changes.record(connection, changes.TRACK, missing)
    return keys


def _row(track: Track, paths: StoredPaths) -> dict[str, Any]:
    texts = {name: storable(schema.checked_name(name, getattr(track, name))) for name in _TEXTS}
    if track.recording_mbid:
        schema.checked_new_id(track.recording_mbid)
    return {
        "id": schema.checked_new_id(track.id),
        **texts,
        "duration_seconds": track.duration_seconds,
        "path": None if track.path is None else paths.stored(track.path),
        "content_hash": track.content_hash,
    }


def _merge(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {
        name: known.get(name, value) if value in ("", None) else value
        for name, value in new.items()
    }
