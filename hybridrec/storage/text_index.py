"""Search for tracks by parts of words, by an index of trigrams.

On SQLite an FTS5 index over `tracks.searchable`, on PostgreSQL a GIN index over the same trigrams,
which needs no extension. A part of a word of fewer than three characters has no trigram: only the
tracks that match the other parts are scanned for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    column,
    insert,
    literal,
    literal_column,
    select,
    table,
)

from hybridrec.storage import schema
from hybridrec.storage.database import batches, id_in, upsert

MAX_WORDS = 8
MAX_WORD_CHARACTERS = 64
"""How much of a query is used: its first words, each by its first characters."""

_GRAM = 3
_GRAMS = Table(
    "track_grams",
    MetaData(),
    Column("track_key", BigInteger, primary_key=True),
    Column("grams", ARRAY(Text), nullable=False),
)
_INDEX = table("track_search", column("track_search"), column("rowid"), column("searchable"))


def searchable(*texts: str) -> str:
    """Text in the form that is searched: without case and accents, so "beyonce" finds "Beyoncé"."""
    decomposed = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    return storable(
        "".join(character for character in decomposed if not unicodedata.combining(character))
    )


def storable(text: str) -> str:
    """Text without zero bytes and lone surrogates, which databases refuse."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def words_of(query: str) -> list[str]:
    """The parts of words of a query: at most 8 different ones, of at most 64 characters."""
    words = searchable(query[: MAX_WORDS * MAX_WORD_CHARACTERS]).split()
    return list(dict.fromkeys(word[:MAX_WORD_CHARACTERS] for word in words))[:MAX_WORDS]


def has_words(connection: Connection, words: Collection[str]) -> list[ColumnElement[bool]]:
    """The conditions that a track has all of these parts of words."""
    tracks, long = schema.tracks.c, [word for word in words if len(word) >= _GRAM]
    if connection.dialect.name == "postgresql":
        indexed, contained = _has_grams(long), list(words)
    else:
        indexed, contained = _matches(long), [word for word in words if word not in long]
    found = [tracks.key.in_(indexed)] if long else []
    return found + [tracks.searchable.contains(word, autoescape=True) for word in contained]


def put_texts(connection: Connection, ids: Collection[str]) -> None:
    """Index the text of tracks after they were written.

    Changed tracks must have been removed with `forget_texts` before they were written.
    """
    tracks = schema.tracks.c
    texts = select(tracks.key, tracks.searchable).where(id_in(connection, tracks.id, ids))
    if connection.dialect.name != "postgresql":
        connection.execute(insert(_INDEX).from_select(["rowid", "searchable"], texts))
        return
    rows = [
        {"track_key": key, "grams": _grams(text)} for key, text in connection.execute(texts).all()
    ]
    upsert(connection, _GRAMS, rows, by=("track_key",))


def forget_texts(connection: Connection, ids: Collection[str]) -> None:
    """Remove tracks from the index, before they are changed or deleted.

    FTS5 stores no text of its own here, so it must be given the old text.
    """
    if connection.dialect.name == "postgresql":
        return  # its row is replaced by `put_texts`, or deleted with the track
    tracks = schema.tracks.c
    texts = select(literal("delete"), tracks.key, tracks.searchable).where(
        id_in(connection, tracks.id, ids)
    )
    connection.execute(insert(_INDEX).from_select(["track_search", "rowid", "searchable"], texts))


def _matches(words: Collection[str]) -> Select[tuple[int]]:
    phrases = " AND ".join('"{}"'.format(word.replace('"', '""')) for word in words)
    return select(_INDEX.c.rowid).where(literal_column("track_search").bool_op("MATCH")(phrases))


def _has_grams(words: Collection[str]) -> Select[tuple[int]]:
    wanted = cast(
        literal(sorted({gram for word in words for gram in _grams(word)}), ARRAY(Text)), ARRAY(Text)
    )
    return select(_GRAMS.c.track_key).where(_GRAMS.c.grams.bool_op("@>")(wanted))


def _grams(text: str) -> list[str]:
    return sorted({text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)})


def put_all_texts(connection: Connection) -> None:
    """Index all tracks, when none is indexed."""
    ids = connection.scalars(select(schema.tracks.c.id).order_by(schema.tracks.c.key)).all()
    for batch in batches(ids):
        put_texts(connection, batch)
