"""Finding tracks by parts of words, without looking at every track.

On SQLite an FTS5 index of trigrams over `tracks.searchable`, on PostgreSQL a GIN index over the
same trigrams, which needs no extension. A part of a word that is shorter than three characters
has no trigram: it is looked for in the tracks that the other parts leave.
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
"""How much of a query counts: its first words, each by its first characters."""

_GRAM = 3
_GRAMS = Table(
    "track_grams",
    MetaData(),
    Column("track_key", BigInteger, primary_key=True),
    Column("grams", ARRAY(Text), nullable=False),
)
_INDEX = table("track_search", column("track_search"), column("rowid"), column("searchable"))


def searchable(*texts: str) -> str:
    """Text as searches compare it: without case and accents, so that "beyonce" finds "Beyoncé"."""
    apart = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    return storable(
        "".join(character for character in apart if not unicodedata.combining(character))
    )


def storable(text: str) -> str:
    """Text without what databases refuse: zero bytes and lone surrogates."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def words_of(query: str) -> list[str]:
    """The parts of words to look for: at most 8 different ones, of at most 64 characters."""
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
    """Index the text of tracks that were just written; what was indexed of them must be forgotten before."""
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
    """Take tracks out of the index, before their text is changed or they are deleted."""
    if connection.dialect.name == "postgresql":
        return  # there each track has one row, which is replaced, and goes with the track
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
    """Index all tracks, where none is."""
    ids = connection.scalars(select(schema.tracks.c.id).order_by(schema.tracks.c.key)).all()
    for batch in batches(ids):
        put_texts(connection, batch)
