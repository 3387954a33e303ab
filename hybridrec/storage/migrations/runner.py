"""Running Alembic's migrations within a transaction of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from hybridrec.storage import schema
from hybridrec.storage.schema_version import (
    NEWEST,
    read_schema_version,
    refuse_newer,
    revision_of,
)

LOCATION = "hybridrec.storage:migrations"
"""The folder of `env.py` and `versions`, as Alembic names a folder of a package."""

# `alembic.op` and `alembic.context` are global to the process, so migrations of two libraries
# that threads open at the same time must follow one another.
_ONE_AT_A_TIME = threading.Lock()


def migrate(connection: Connection) -> None:
    """Bring a library to the newest schema, or create its tables.

    Args:
        connection: in a write transaction, so that of several programs that open the library at
            the same time one migrates it.

    Raises:
        LibraryError: if the library was made by a newer hybridrec, or is no library.
    """
    version = read_schema_version(connection)
    refuse_newer(version)
    config = _config(connection, fill=True)
    if version.number and not version.has_revision:  # of release 0.1, before Alembic
        _run(command.stamp, config, revision_of(version.number))
    _run(command.upgrade, config, revision_of(NEWEST.number))


def create_tables(connection: Connection, number: int) -> None:
    """Create the tables of a schema in an empty database, and nothing in them."""
    _run(command.upgrade, _config(connection, fill=False), revision_of(number))


def _config(connection: Connection, *, fill: bool) -> Config:
    """Alembic's configuration.

    Args:
        connection: which `env.py` uses instead of opening one of its own.
        fill: whether migrations also fill new tables from what the library holds.
    """
    schema.migrations.create(connection, checkfirst=True)
    config = Config(attributes={"connection": connection, "fill": fill})
    config.set_main_option("script_location", LOCATION)
    return config


def _run(alembic_command: Callable[[Config, str], None], config: Config, revision: str) -> None:
    with _ONE_AT_A_TIME:
        alembic_command(config, revision)
