"""Indexes on tracks by artist and by album."""

from __future__ import annotations

from hybridrec.storage.migrations.dialects import execute

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Take the step."""
    execute(
        "CREATE INDEX tracks_artist ON tracks {by_hash} (artist)",
        "CREATE INDEX tracks_album ON tracks {by_hash} (album)",
    )
