"""What Alembic runs around the migrations; the connection is the caller's, in a transaction."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, insert

from hybridrec.storage import schema

_connection: Connection = context.config.attributes["connection"]
_migrated: list[str] = []


def _log_migration(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Add a migration to the library's log, which tells older releases that it is newer."""
    if step.is_stamp:
        return
    assert step.up_revision_id is not None
    script = context.script.get_revision(step.up_revision_id)
    row = {"number": int(script.revision), "name": script.doc, "applied_at": time.time()}
    _connection.execute(insert(schema.migrations), row)
    _migrated.append(script.revision)


def _fill_new_tables() -> None:
    """Fill tables in Python, after all migrations: that code knows the newest schema alone."""
    for revision in _migrated:
        fill = getattr(context.script.get_revision(revision).module, "fill", None)
        if fill is not None:
            fill(_connection)


context.configure(
    connection=_connection,
    version_table=schema.revisions.name,
    on_version_apply=_log_migration,
)
context.run_migrations()
if context.config.attributes["fill"]:
    _fill_new_tables()
