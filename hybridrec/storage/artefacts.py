"""Encoders, models and tunings by version; one version of each kind is current."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from hybridrec.errors import LibraryError, NotFound
from hybridrec.files import sha256_of
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, retry_once, upsert
from hybridrec.storage.embeddings import put_fingerprint

Kind = Literal["encoder", "model", "tuning"]

PART_BYTES = 16 * 1024 * 1024
"""Payloads are stored in parts: a single value of a database has a limit of size."""

_HOW_TO_MAKE = {
    "encoder": "make one with `hybridrec train-encoder`",
    "model": "make one with `hybridrec fit`",
    "tuning": "make one with `hybridrec tune`",
}


@dataclass(frozen=True)
class Artefact:
    """What is known of an encoder, model or tuning without loading it.

    Attributes:
        version: 1, 2, 3 ... of its kind.
        fingerprint: of the encoder that it is, or that its embeddings are of.
        summary: settings and figures, as its maker chose; plain JSON values.
        created_at: UTC, in seconds since 1970.
        size_bytes: length of the payload.
        sha256: hex SHA-256 of the payload.
    """

    version: int
    fingerprint: str
    summary: dict[str, Any]
    created_at: float
    size_bytes: int
    sha256: str


class ArtefactStore:
    """The methods of a library for encoders, models and tunings."""

    _database: Database

    @retry_once
    def save_artefact(
        self, kind: Kind, payload: bytes, fingerprint: str, summary: Mapping[str, Any]
    ) -> int:
        """Store a new version and make it current in the same transaction.

        With an encoder, its fingerprint becomes the one whose embeddings the library uses.

        Returns:
            The version.
        """
        row = {
            "kind": kind,
            "fingerprint": fingerprint,
            "summary": json.dumps(dict(summary)),
            "created_at": time.time(),
            "size_bytes": len(payload),
            "sha256": sha256_of(payload),
        }
        with self._database.write() as connection:
            last = select(func.coalesce(func.max(schema.artefacts.c.version), 0))
            version = 1 + (connection.scalar(last.where(schema.artefacts.c.kind == kind)) or 0)
            connection.execute(insert(schema.artefacts), row | {"version": version})
            for part, start in enumerate(range(0, len(payload), PART_BYTES)):
                piece = {
                    "kind": kind,
                    "version": version,
                    "part": part,
                    "payload": payload[start : start + PART_BYTES],
                }
                connection.execute(insert(schema.artefact_parts), piece)
            _switch(connection, kind, version, fingerprint)
        return version

    @retry_once
    def use_artefact(self, kind: Kind, version: int) -> None:
        """Make an earlier or later version current.

        Raises:
            NotFound: if there is no such version.
        """
        with self._database.write() as connection:
            _switch(connection, kind, version, _get(connection, kind, version).fingerprint)

    @retry_once
    def forget_artefacts(self, kind: Kind, keep: int) -> int:
        """Delete all but the newest versions of a kind; the current one stays, however old.

        Args:
            kind: of which kind.
            keep: how many of the newest to keep, 1 or more.

        Returns:
            How many were deleted.
        """
        table, in_use = schema.artefacts.c, schema.current_artefacts.c
        newest = (
            select(table.version)
            .where(table.kind == kind)
            .order_by(table.version.desc())
            .limit(keep)
        )
        used = select(in_use.version).where(in_use.kind == kind)
        with self._database.write() as connection:
            stay = [*connection.scalars(newest), *connection.scalars(used)]
            gone = delete(schema.artefacts).where(table.kind == kind, table.version.not_in(stay))
            return connection.execute(gone).rowcount

    @retry_once
    def current(self, kind: Kind) -> Artefact | None:
        """The current version of a kind, or None before the first."""
        with self._database.read() as connection:
            row = connection.execute(_current(kind)).first()
        return None if row is None else _artefact(row)

    @retry_once
    def artefacts(self, kind: Kind) -> list[Artefact]:
        """All versions of a kind, oldest first."""
        query = select(schema.artefacts).where(schema.artefacts.c.kind == kind)
        with self._database.read() as connection:
            return [
                _artefact(row)
                for row in connection.execute(query.order_by(schema.artefacts.c.version))
            ]

    @retry_once
    def artefact_bytes(self, kind: Kind, version: int | None = None) -> bytes:
        """The payload of a version, or of the current one, checked against its SHA-256.

        Raises:
            NotFound: if there is no such version, or none yet.
            LibraryError: if the payload was damaged.
        """
        parts = schema.artefact_parts.c
        with self._database.read() as connection:
            artefact = _get(connection, kind, version)
            query = select(parts.payload).where(
                parts.kind == kind, parts.version == artefact.version
            )
            payload = b"".join(connection.scalars(query.order_by(parts.part)))
        if sha256_of(payload) != artefact.sha256:
            fix = f"use another version, or {_HOW_TO_MAKE[kind]}"
            raise LibraryError(f"version {artefact.version} of the {kind} is damaged", fix=fix)
        return payload


def _get(connection: Connection, kind: Kind, version: int | None) -> Artefact:
    given = select(schema.artefacts).where(
        schema.artefacts.c.kind == kind, schema.artefacts.c.version == version
    )
    row = connection.execute(_current(kind) if version is None else given).first()
    if row is None:
        raise NotFound(f"the library has no such {kind}", got=version, fix=_HOW_TO_MAKE[kind])
    return _artefact(row)


def _current(kind: Kind) -> Select[Any]:
    return (
        select(schema.artefacts)
        .join(schema.current_artefacts)
        .where(schema.current_artefacts.c.kind == kind)
    )


def _switch(connection: Connection, kind: Kind, version: int, fingerprint: str) -> None:
    upsert(connection, schema.current_artefacts, [{"kind": kind, "version": version}], by=("kind",))
    changes.record(connection, changes.SWITCH, [kind])
    if kind == "encoder":
        put_fingerprint(connection, fingerprint)


def _artefact(row: Row[Any]) -> Artefact:
    return Artefact(
        row.version,
        row.fingerprint,
        json.loads(row.summary),
        row.created_at,
        row.size_bytes,
        row.sha256,
    )
