"""Folders of music that audio may be served from, and uploads of one track each."""

from __future__ import annotations

from sqlalchemy import Connection

from hybridrec.storage.migrations.dialects import execute
from hybridrec.storage.music_folders import record_existing_files

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Take the step."""
    execute(
        "CREATE INDEX tracks_path ON tracks {by_hash} (path)",
        "CREATE TABLE music_folders (path {bytes} PRIMARY KEY)",
        """CREATE TABLE kept_files (
            content_hash TEXT PRIMARY KEY,
            track_key BIGINT NOT NULL UNIQUE REFERENCES tracks (key) ON DELETE CASCADE)""",
    )


def fill(connection: Connection) -> None:
    """Record the folders and uploads of what the library holds."""
    record_existing_files(connection)
