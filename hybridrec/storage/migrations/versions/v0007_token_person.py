"""Tokens that serve one user: those made for a user of another name than the token's."""

from __future__ import annotations

from hybridrec.storage.migrations.dialects import execute

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Take the step."""
    execute(
        "ALTER TABLE tokens ADD COLUMN person {id}",
        "UPDATE tokens SET person = listener WHERE listener <> name",
    )
