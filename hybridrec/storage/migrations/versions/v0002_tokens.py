"""Access tokens."""

from __future__ import annotations

from hybridrec.storage.migrations.dialects import execute

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Take the step."""
    execute(
        """CREATE TABLE tokens (
            key {key}, name {id} NOT NULL, role TEXT NOT NULL, listener {id} NOT NULL,
            digest TEXT NOT NULL UNIQUE, created_at {double} NOT NULL, revoked_at {double})""",
    )
