"""The check of a database from elsewhere, such as a backup, before it is opened as a library.

A database brings more than rows: a trigger or a view runs as soon as a table is touched. So it may
hold the tables and indexes that the migrations make at its schema, made by the same statements.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from hybridrec.errors import LibraryError
from hybridrec.storage import schema
from hybridrec.storage.schema_version import NEWEST, SchemaVersion, number_of, refuse_newer

Objects = dict[tuple[str, str], str]
"""What a database holds, by kind and name: its table and the statement that made it."""

_MADE_OTHERWISE = "holds something that hybridrec makes otherwise"


def check_database(path: Path) -> None:
    """Check that a SQLite database is whole and holds nothing but what a library has.

    Raises:
        LibraryError: if not; says what was found.
    """
    with closing(sqlite3.connect(path)) as connection:
        try:
            # Before anything is read: nothing in the schema may call functions or run on a read.
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA cell_size_check=ON")
            _check_schema(connection)
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.Error as error:
            found, broken = str(error), None
    if found != "ok":
        raise LibraryError("the backup is damaged", got=found, fix="use another one")
    if broken is not None:
        got = f"a row of {broken[0]} without its {broken[2]}"
        raise LibraryError("the backup is damaged", got=got, fix="use another one")


def _check_schema(connection: sqlite3.Connection) -> None:
    found = _objects(connection)
    expected = _expected_objects(_version(connection, found))
    for key in sorted(found.keys() ^ expected.keys()):
        what = "holds something that hybridrec does not make" if key in found else "lacks something"
        raise _refused(what, key)
    for key, sql in found.items():
        if sql != expected[key]:
            raise _refused(_MADE_OTHERWISE, key)


def _version(connection: sqlite3.Connection, found: Objects) -> SchemaVersion:
    """The schema that a database says it has, where its log of migrations says the same."""
    log, revision = ("table", schema.migrations.name), ("table", schema.revisions.name)
    if log not in found:
        raise LibraryError(
            "the backup is no library",
            got=str(sorted(found)[:1]),
            fix="name one that `hybridrec backup` made",
        )
    newest = _expected_objects(NEWEST)
    for key in (log, revision):  # before they are read: they may be virtual tables
        if found.get(key, newest[key]) != newest[key]:
            raise _refused(_MADE_OTHERWISE, key)
    numbers = [row[0] for row in connection.execute(f"SELECT number FROM {log[1]} ORDER BY 1")]  # noqa: S608
    number = numbers[-1] if numbers and isinstance(numbers[-1], int) else 0
    if revision in found:
        row = connection.execute(f"SELECT max(version_num) FROM {revision[1]}").fetchone()  # noqa: S608
        number = number_of(row[0])
    version = SchemaVersion(number, has_revision=revision in found)
    refuse_newer(version)
    if number < 1 or numbers != list(range(1, number + 1)):
        got = f"{str(numbers)[:80]} at schema {number}"
        raise LibraryError(
            "the backup's log of migrations is wrong", got=got, fix="use another one"
        )
    return version


def _refused(what: str, key: tuple[str, str]) -> LibraryError:
    return LibraryError(f"the backup {what}", got=" ".join(key), fix="use another one")


def _expected_objects(version: SchemaVersion) -> Objects:
    """What an empty library of a schema holds."""
    from hybridrec.storage.migrations.runner import create_tables

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        create_tables(connection, version.number)
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        objects = _objects(raw)
    if version.has_revision:
        return objects
    of_alembic = f"{schema.revisions.name}: "
    return {key: sql for key, sql in objects.items() if not sql.startswith(of_alembic)}


def _objects(connection: sqlite3.Connection) -> Objects:
    """All that a database holds; the spacing of statements does not count."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return {
        (kind, name): f"{table}: {' '.join((sql or '').split())}" for kind, name, table, sql in rows
    }
