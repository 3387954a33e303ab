"""Embeddings by fingerprint, and the fingerprint that the library uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, insert, select

from hybridrec.data.arrays import Array
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.tracks import Track
from hybridrec.errors import FingerprintMismatch, InvalidInput
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, batches, id_in, retry_once, upsert
from hybridrec.storage.listens import join_listens
from hybridrec.storage.stored_paths import StoredPaths
from hybridrec.storage.track_rows import put_tracks, track_keys

_LITTLE_ENDIAN = np.dtype("<f4")  # as stored, whatever the machine
_SETTING = "ears"  # of the fingerprint in use, as stored since schema 1


@dataclass(frozen=True)
class FileStamp:
    """Size and time of a file when it was embedded; unchanged files are not embedded again.

    Attributes:
        size_bytes, mtime_ns: from the file system; time in nanoseconds since 1970.
        content_hash: hex SHA-256 of the file.
        track_id: the track of the file.
    """

    size_bytes: int
    mtime_ns: int
    content_hash: str
    track_id: str


@dataclass(frozen=True)
class EmbeddedTrack:
    """A track that was just embedded.

    Attributes:
        track: its metadata.
        stamp: of its file, or None for an upload, which never changes.
        fingerprint: of the encoder.
        vector: the embedding, `(d,)` float32, unit length.
    """

    track: Track
    stamp: FileStamp | None
    fingerprint: str
    vector: Array

    def with_path(self, path: str) -> EmbeddedTrack:
        """The same with another path of the audio."""
        return replace(self, track=replace(self.track, path=path))


class EmbeddingStore:
    """The methods of a library for embeddings."""

    _database: Database
    _paths: StoredPaths

    def put_embedded(self, embedded: Iterable[EmbeddedTrack]) -> None:
        """Store tracks, the stamps of their files and their embeddings, all or nothing.

        Raises:
            FingerprintMismatch: if a vector has another dimension than its fingerprint's.
            InvalidInput: for a vector that is not finite, or an id that cannot be stored.
        """
        self._put_embedded(list(batches(embedded)))

    @retry_once
    def _put_embedded(self, waiting: Sequence[Sequence[EmbeddedTrack]]) -> None:
        with self._database.write() as connection:
            for batch in waiting:
                put_embedded_rows(connection, batch, self._paths)

    @retry_once
    def file_stamps(self) -> dict[str, FileStamp]:
        """The stamps of all embedded files, by absolute path."""
        stamps, tracks = schema.file_stamps.c, schema.tracks.c
        query = select(
            stamps.path, stamps.size_bytes, stamps.mtime_ns, stamps.content_hash, tracks.id
        )
        with self._database.read() as connection:
            rows = connection.execute(query.join_from(schema.file_stamps, schema.tracks)).all()
        stamps_by_path = ((self._paths.path(path), stamp) for path, *stamp in rows)
        return {path: FileStamp(*stamp) for path, stamp in stamps_by_path if path is not None}

    @retry_once
    def put_embeddings(self, embeddings: Embeddings) -> None:
        """Store embeddings in place of those of the same track and fingerprint; may create tracks.

        Raises:
            FingerprintMismatch: if the fingerprint has vectors of another dimension.
            InvalidInput: if a value is NaN or infinite.
        """
        with self._database.write() as connection:
            for rows in batches(range(len(embeddings.ids))):
                ids = [embeddings.ids[row] for row in rows]
                _put_vectors(
                    connection,
                    embeddings.fingerprint,
                    ids,
                    embeddings.vectors[rows[0] : rows[-1] + 1],
                )

    @retry_once
    def embeddings(self, fingerprint: str, ids: Collection[str] | None = None) -> Embeddings:
        """Embeddings of a fingerprint, `(n, d)` float32, in the tracks' order of arrival.

        Args:
            fingerprint: of the encoder that made them.
            ids: of these tracks, as far as they have embeddings; None: of all.

        Returns:
            Without any, vectors of shape `(0, d)`, where d is 0 for an unknown fingerprint.
        """
        query = (
            select(schema.tracks.c.id, schema.embeddings.c.vector)
            .join_from(schema.embeddings, schema.tracks)
            .join(schema.fingerprints)
            .where(schema.fingerprints.c.fingerprint == fingerprint)
            .order_by(schema.tracks.c.key)
        )
        with self._database.read() as connection:
            dimension = int(connection.scalar(_dimension(fingerprint)) or 0)
            some = query if ids is None else query.where(id_in(connection, schema.tracks.c.id, ids))
            rows = connection.execute(some).all()
        flat = np.frombuffer(b"".join(vector for _, vector in rows), dtype=_LITTLE_ENDIAN)
        vectors = flat.astype(np.float32).reshape(len(rows), dimension)
        return Embeddings(fingerprint, tuple(id_ for id_, _ in rows), vectors)

    @retry_once
    def fingerprints(self) -> dict[str, int]:
        """How many embeddings there are of each fingerprint."""
        query = select(schema.fingerprints.c.fingerprint, func.count(schema.embeddings.c.track_key))
        query = query.join_from(schema.fingerprints, schema.embeddings, isouter=True)
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(schema.fingerprints.c.fingerprint)).all()
        return {fingerprint: count for fingerprint, count in rows}

    @retry_once
    def fingerprint(self) -> str | None:
        """The fingerprint whose embeddings the library uses, or None before the first."""
        with self._database.read() as connection:
            return get_fingerprint(connection)

    @retry_once
    def set_fingerprint(self, fingerprint: str) -> None:
        """Use the embeddings of this fingerprint from now on."""
        with self._database.write() as connection:
            put_fingerprint(connection, fingerprint)


def put_embedded_rows(
    connection: Connection, embedded: Sequence[EmbeddedTrack], paths: StoredPaths
) -> None:
    """Store embedded tracks within a transaction; see `EmbeddingStore.put_embedded`."""
    join_listens(connection, put_tracks(connection, [one.track for one in embedded], paths))
    _put_stamps(connection, embedded, paths)
    for fingerprint in dict.fromkeys(one.fingerprint for one in embedded):
        own = [one for one in embedded if one.fingerprint == fingerprint]
        vectors = np.stack([one.vector for one in own])
        _put_vectors(connection, fingerprint, [one.track.id for one in own], vectors)


def get_fingerprint(connection: Connection) -> str | None:
    """The fingerprint in use, within a transaction."""
    return connection.scalar(
        select(schema.settings.c.value).where(schema.settings.c.name == _SETTING)
    )


def put_fingerprint(connection: Connection, fingerprint: str) -> None:
    """Use a fingerprint, within a transaction."""
    if get_fingerprint(connection) != fingerprint:
        upsert(
            connection, schema.settings, [{"name": _SETTING, "value": fingerprint}], by=("name",)
        )
        changes.record_fingerprint(connection)


def _put_stamps(
    connection: Connection, embedded: Sequence[EmbeddedTrack], paths: StoredPaths
) -> None:
    keys = track_keys(connection, {one.track.id for one in embedded})
    rows = [
        {
            "path": paths.stored(one.track.path),
            "size_bytes": one.stamp.size_bytes,
            "mtime_ns": one.stamp.mtime_ns,
            "content_hash": one.stamp.content_hash,
            "track_key": keys[one.track.id],
        }
        for one in embedded
        if one.stamp is not None and one.track.path is not None
    ]
    upsert(connection, schema.file_stamps, rows, by=("path",))


def _put_vectors(
    connection: Connection, fingerprint: str, ids: Sequence[str], vectors: Array
) -> None:
    if not np.isfinite(vectors).all():
        raise InvalidInput(
            "vectors must be finite", got="NaN or infinity", fix="leave those tracks out"
        )
    fingerprint_key = _fingerprint_key(connection, fingerprint, vectors.shape[1])
    keys = track_keys(connection, dict.fromkeys(ids))
    rows = [
        {"fingerprint_key": fingerprint_key, "track_key": keys[id_], "vector": vector.tobytes()}
        for id_, vector in zip(ids, vectors.astype(_LITTLE_ENDIAN), strict=True)
    ]
    upsert(connection, schema.embeddings, rows, by=("fingerprint_key", "track_key"))
    changes.record(connection, changes.TRACK, dict.fromkeys(ids))


def _fingerprint_key(connection: Connection, fingerprint: str, dimension: int) -> int:
    known = select(schema.fingerprints.c.key, schema.fingerprints.c.dimension)
    row = connection.execute(known.where(schema.fingerprints.c.fingerprint == fingerprint)).first()
    if row is None:
        new = insert(schema.fingerprints).values(fingerprint=fingerprint, dimension=dimension)
        return int(connection.execute(new.returning(schema.fingerprints.c.key)).scalar_one())
    if row.dimension != dimension:
        raise FingerprintMismatch(
            f"vectors of {fingerprint} have {row.dimension} numbers",
            got=dimension,
            fix="store them under another name",
        )
    return int(row.key)


def _dimension(fingerprint: str) -> Select[Any]:
    return select(schema.fingerprints.c.dimension).where(
        schema.fingerprints.c.fingerprint == fingerprint
    )
