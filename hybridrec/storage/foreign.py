"""A database from elsewhere, such as a backup: what it may hold before it is opened as a library.

A database brings more than rows: a trigger or a view runs as soon as a table is touched. So it may
hold the tables and indexes that the program itself makes at that schema, to the letter.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from hybridrec.errors import LibraryError
from hybridrec.storage import schema
from hybridrec.storage.migrations import MIGRATIONS, refuse_newer, take_steps

_TABLE_OF_STEPS = schema.migrations.name


def check_database(path: Path) -> None:
    """See that a SQLite database is whole and holds nothing but what a library's has.

    Raises:
        LibraryError: if not; says what was found.
    """
    with closing(sqlite3.connect(path)) as connection:
        try:
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
    found = _described(connection)
    if ("table", _TABLE_OF_STEPS) not in found:
        raise LibraryError(
            "the backup is no library",
            got=str(sorted(found)[:1]),
            fix="name one that `hybridrec backup` made",
        )
    number = connection.execute(f"SELECT max(number) FROM {_TABLE_OF_STEPS}").fetchone()[0]  # noqa: S608
    number = number if isinstance(number, int) and number > 0 else 0
    refuse_newer(number, MIGRATIONS)
    expected = _made_here(number)
    for kind, name in sorted(found.keys() ^ expected.keys()):
        what = (
            "holds something that hybridrec does not make"
            if (kind, name) in found
            else "lacks something"
        )
        raise LibraryError(f"the backup {what}", got=f"{kind} {name}", fix="use another one")
    for (kind, name), sql in found.items():
        if sql != expected[kind, name]:
            raise LibraryError(
                "the backup holds something that hybridrec makes otherwise",
                got=f"{kind} {name}",
                fix="use another one",
            )


def _described(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements that made all that a database holds, by kind and name, without differences of spacing."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return {
        (kind, name): f"{table}: {' '.join((sql or '').split())}" for kind, name, table, sql in rows
    }


def _made_here(number: int) -> dict[tuple[str, str], str]:
    """What an empty library of a schema holds."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        schema.migrations.create(connection)
        take_steps(connection, MIGRATIONS[:number])
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return _described(raw)
