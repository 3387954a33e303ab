"""Which schema a database has; read at every open, so without importing Alembic."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, inspect, select

from hybridrec.errors import LibraryError
from hybridrec.storage import schema


@dataclass(frozen=True)
class SchemaVersion:
    """The schema of a database.

    Attributes:
        number: of the last migration taken, from 1; 0 for an empty database.
        has_revision: whether it is recorded as an Alembic revision. Release 0.1 recorded it in the
            log of migrations alone.
    """

    number: int
    has_revision: bool


NEWEST = SchemaVersion(7, has_revision=True)
"""What the last file in `migrations/versions` leads to."""


def revision_of(number: int) -> str:
    """The Alembic revision of a schema's number: 7 is `0007`."""
    return f"{number:04}"


def number_of(revision: str | None) -> int:
    """The schema's number of an Alembic revision.

    Raises:
        LibraryError: for a revision that no hybridrec has made.
    """
    if not (isinstance(revision, str) and revision.isascii() and revision.isdigit()):
        raise LibraryError(
            "the library's schema has an unknown revision",
            got=str(revision),
            fix="update hybridrec, or restore a backup",
        )
    return int(revision)


def read_schema_version(connection: Connection) -> SchemaVersion:
    """The schema of a database.

    Raises:
        LibraryError: if the database holds something else than a library.
    """
    found = inspect(connection)
    if found.has_table(schema.revisions.name):
        revision = connection.scalar(select(schema.revisions.c.version_num))
        return SchemaVersion(number_of(revision), has_revision=True)
    if found.has_table(schema.migrations.name):
        number = connection.scalar(select(func.max(schema.migrations.c.number)))
        return SchemaVersion(number or 0, has_revision=False)
    names = found.get_table_names()
    if names:
        raise LibraryError(
            "this database holds other tables but no hybridrec library",
            got=names[0],
            fix="give an empty database",
        )
    return SchemaVersion(0, has_revision=False)


def refuse_newer(version: SchemaVersion) -> None:
    """Stop before a schema that this program does not know.

    Raises:
        LibraryError: if the library was written by a newer program.
    """
    if version.number > NEWEST.number:
        raise LibraryError(
            "the library was written by a newer hybridrec",
            got=f"schema {version.number}, known up to {NEWEST.number}",
            fix="update hybridrec: pip install --upgrade hybridrec",
        )
