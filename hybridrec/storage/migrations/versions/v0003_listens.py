"""Listens that wait for their track, and the names that tracks are found by."""

from __future__ import annotations

from hybridrec.storage.migrations.dialects import execute

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Take the step."""
    execute(
        "ALTER TABLE tracks ADD COLUMN recording_mbid TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX tracks_recording_mbid ON tracks (recording_mbid) WHERE recording_mbid <> ''",
        """CREATE TABLE track_names (
            track_key BIGINT PRIMARY KEY REFERENCES tracks (key) ON DELETE CASCADE,
            artist TEXT NOT NULL, title TEXT NOT NULL, start TEXT NOT NULL)""",
        "CREATE INDEX track_names_artist ON track_names (artist)",
        "CREATE INDEX track_names_title ON track_names (title)",
        "CREATE INDEX track_names_start ON track_names (start)",
        """CREATE TABLE listens (
            key {key}, "user" {id} NOT NULL, listened_at {double} NOT NULL, artist TEXT NOT NULL,
            title TEXT NOT NULL, album TEXT NOT NULL, recording_mbid TEXT NOT NULL,
            heard_seconds {double},
            plain_artist TEXT NOT NULL, plain_title TEXT NOT NULL, start TEXT NOT NULL,
            UNIQUE ("user", listened_at, artist, title))""",
        "CREATE INDEX listens_plain_artist ON listens (plain_artist)",
        "CREATE INDEX listens_plain_title ON listens (plain_title)",
        "CREATE INDEX listens_start ON listens (start)",
        "CREATE INDEX listens_recording_mbid ON listens (recording_mbid)"
        " WHERE recording_mbid <> ''",
    )
