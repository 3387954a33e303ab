"""Tracks, plays, embeddings, artefacts and the change feed."""

from __future__ import annotations

from hybridrec.storage.migrations.dialects import execute

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Take the step."""
    execute(
        """CREATE TABLE tracks (
            key {key}, id {id} NOT NULL UNIQUE, title TEXT NOT NULL,
            artist TEXT NOT NULL, album TEXT NOT NULL,
            genre TEXT NOT NULL, duration_seconds {double}, path {bytes}, content_hash TEXT,
            searchable TEXT NOT NULL)""",
        "CREATE INDEX tracks_content_hash ON tracks (content_hash)",
        """CREATE TABLE file_stamps (
            path {bytes} PRIMARY KEY, size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
            content_hash TEXT NOT NULL,
            track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE)""",
        "CREATE INDEX file_stamps_track ON file_stamps (track_key)",
        "CREATE TABLE fingerprints (key {key}, fingerprint TEXT NOT NULL UNIQUE,"
        " dimension INTEGER NOT NULL)",
        """CREATE TABLE embeddings (
            fingerprint_key BIGINT NOT NULL REFERENCES fingerprints (key),
            track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
            vector {bytes} NOT NULL, PRIMARY KEY (fingerprint_key, track_key))""",
        "CREATE INDEX embeddings_track ON embeddings (track_key)",
        "CREATE TABLE users (key {key}, id {id} NOT NULL UNIQUE)",
        """CREATE TABLE plays (
            user_key BIGINT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
            track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
            played_at {double} NOT NULL, fraction {double}, weight {double}, seq BIGINT NOT NULL,
            PRIMARY KEY (user_key, track_key, played_at)) {clustered}""",
        "CREATE INDEX plays_track ON plays (track_key, user_key)",
        "CREATE INDEX plays_seq ON plays (seq)",
        """CREATE TABLE artefacts (
            kind TEXT NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
            summary TEXT NOT NULL,
            created_at {double} NOT NULL, size_bytes BIGINT NOT NULL, sha256 TEXT NOT NULL,
            PRIMARY KEY (kind, version))""",
        """CREATE TABLE artefact_parts (
            kind TEXT NOT NULL, version INTEGER NOT NULL, part INTEGER NOT NULL,
            payload {bytes} NOT NULL,
            PRIMARY KEY (kind, version, part),
            FOREIGN KEY (kind, version) REFERENCES artefacts (kind, version) ON DELETE CASCADE)""",
        """CREATE TABLE current_artefacts (
            kind TEXT PRIMARY KEY, version INTEGER NOT NULL,
            FOREIGN KEY (kind, version) REFERENCES artefacts (kind, version))""",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE changes (kind TEXT, subject {id}, seq BIGINT NOT NULL,"
        " PRIMARY KEY (kind, subject))",
        "CREATE INDEX changes_seq ON changes (seq)",
    )
