"""Name keys of bounded length, and an index on parts of words."""

from __future__ import annotations

from sqlalchemy import Connection

from hybridrec.storage.listens import put_listen_keys
from hybridrec.storage.migrations.dialects import execute
from hybridrec.storage.text_index import put_all_texts
from hybridrec.storage.track_rows import put_all_names

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Take the step."""
    execute(
        "DROP INDEX track_names_artist",
        "DROP INDEX track_names_title",
        "DROP INDEX track_names_start",
        "ALTER TABLE track_names DROP COLUMN start",
        """CREATE TABLE track_name_keys (
            name_key BIGINT NOT NULL,
            track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
            PRIMARY KEY (name_key, track_key)) {clustered}""",
        "CREATE INDEX track_name_keys_track ON track_name_keys (track_key)",
        "DROP INDEX listens_plain_artist",
        "DROP INDEX listens_plain_title",
        "DROP INDEX listens_start",
        "ALTER TABLE listens DROP COLUMN plain_artist",
        "ALTER TABLE listens DROP COLUMN plain_title",
        "ALTER TABLE listens DROP COLUMN start",
        """CREATE TABLE listen_name_keys (
            name_key BIGINT NOT NULL,
            listen_key BIGINT NOT NULL REFERENCES listens (key) ON DELETE CASCADE,
            PRIMARY KEY (name_key, listen_key)) {clustered}""",
        "CREATE INDEX listen_name_keys_listen ON listen_name_keys (listen_key)",
        "{listens_once}",
        "{text_index}",
        "{text_grams}",
    )


def fill(connection: Connection) -> None:
    """Index the names and texts of what the library holds."""
    put_all_names(connection)
    put_listen_keys(connection)
    put_all_texts(connection)
