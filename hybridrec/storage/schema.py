"""The tables of a library, as the newest migration leaves them.

Outside ids are text, in `tracks.id` and `users.id` only; all else refers to integer keys.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from hybridrec.data.names import MAX_NAME_CHARACTERS
from hybridrec.data.plays import MAX_ID_CHARACTERS
from hybridrec.errors import InvalidInput

UNKNOWN_TIME = -1.0
"""The value of `plays.played_at` for a play without a time; in a key, NULLs would all differ."""

metadata = MetaData()


def checked_id(id_: str) -> str:
    """The id, if a database can store it.

    Raises:
        InvalidInput: if it is empty, or has zero bytes or lone surrogates.
    """
    if not id_ or "\0" in id_ or id_ != id_.encode("utf-8", "replace").decode("utf-8"):
        raise InvalidInput(
            "an id must be Unicode text without zero bytes", got=id_, fix="give another id"
        )
    return id_


def checked_new_id(id_: str) -> str:
    """The id, if every database can index it: 512 characters are 2,048 bytes at most.

    Raises:
        InvalidInput: if it is longer, or as `checked_id` says.
    """
    if len(id_) > MAX_ID_CHARACTERS:
        raise InvalidInput(
            f"an id may have at most {MAX_ID_CHARACTERS} characters",
            got=f"{id_[:40]}... of {len(id_)}",
            fix="give another id",
        )
    return checked_id(id_)


def checked_name(field: str, text: str) -> str:
    """An artist, title, album or genre, if it is short enough to be stored.

    Raises:
        InvalidInput: if it is not; names the field.
    """
    if len(text) > MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f"{field} may have at most {MAX_NAME_CHARACTERS} characters",
            got=f"{text[:40]}... of {len(text)}",
            fix="shorten it",
        )
    return text


class Id(TypeDecorator[str]):
    """The column type of outside ids: text that is checked before it is stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `checked_id`; None passes."""
        return None if value is None else checked_id(value)


_Key = BigInteger().with_variant(Integer, "sqlite")

migrations = Table(
    "hybridrec_migrations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied_at", Double, nullable=False),
)
"""The log of migrations. Releases before Alembic read it to know a library's schema."""

revisions = Table(
    "hybridrec_revision",
    metadata,
    Column("version_num", String(32), primary_key=True),
)
"""Alembic's version table, of one row; named so that it is not taken for another program's."""

tracks = Table(
    "tracks",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("artist", Text, nullable=False),
    Column("album", Text, nullable=False),
    Column("genre", Text, nullable=False),
    Column("duration_seconds", Double),
    Column("path", LargeBinary),
    Column("content_hash", Text),
    Column("searchable", Text, nullable=False),
    Column("recording_mbid", Text, nullable=False),
)

file_stamps = Table(
    "file_stamps",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), nullable=False),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("dimension", Integer, nullable=False),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("fingerprint_key", ForeignKey("fingerprints.key"), primary_key=True),
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
)

plays = Table(
    "plays",
    metadata,
    Column("user_key", ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), primary_key=True),
    Column("played_at", Double, primary_key=True),
    Column("fraction", Double),
    Column("weight", Double),
    Column("seq", BigInteger, nullable=False),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)

artefact_parts = Table(
    "artefact_parts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["kind", "version"], ["artefacts.kind", "artefacts.version"], ondelete="CASCADE"
    ),
)

current_artefacts = Table(
    "current_artefacts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["kind", "version"], ["artefacts.kind", "artefacts.version"]),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False, index=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("name", Id, nullable=False),
    Column("role", Text, nullable=False),
    Column("listener", Id, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("person", Id),
)

track_names = Table(
    "track_names",
    metadata,
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), primary_key=True),
    Column("artist", Text, nullable=False),
    Column("title", Text, nullable=False),
)

track_name_keys = Table(
    "track_name_keys",
    metadata,
    Column("name_key", BigInteger, primary_key=True, autoincrement=False),
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), primary_key=True),
)

listens = Table(
    "listens",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("user", Id, nullable=False),
    Column("listened_at", Double, nullable=False),
    Column("artist", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("album", Text, nullable=False),
    Column("recording_mbid", Text, nullable=False),
    Column("heard_seconds", Double),
)

listen_name_keys = Table(
    "listen_name_keys",
    metadata,
    Column("name_key", BigInteger, primary_key=True, autoincrement=False),
    Column("listen_key", ForeignKey("listens.key", ondelete="CASCADE"), primary_key=True),
)

music_folders = Table(
    "music_folders",
    metadata,
    Column("path", LargeBinary, primary_key=True),
)

kept_files = Table(
    "kept_files",
    metadata,
    Column("content_hash", Text, primary_key=True),
    Column("track_key", ForeignKey("tracks.key", ondelete="CASCADE"), nullable=False, unique=True),
)
