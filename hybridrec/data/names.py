"""Normalised names of recordings, to match artists and titles that are spelt differently."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

MIN_TITLE_SIMILARITY = 88.0
MIN_ARTIST_SIMILARITY = 85.0
"""Similarity, 0 to 100, from which a misspelt name counts as the same."""

MAX_NAME_CHARACTERS = 10_240
"""The longest artist, title, album or genre that is stored: the limit of ListenBrainz."""

COMPARED_CHARACTERS = 250
"""How much of a normalised name is compared, to bound the cost of a comparison."""

_READ_CHARACTERS = 1000  # of the original name, to bound the cost of normalisation

_START_CHARACTERS = 3
_END_CHARACTERS = 5
_ARTIST_WORDS = 6
_ASIDE = (
    r"(?:feat|ft|featuring|with|remaster(?:ed)?|\d{4} remaster(?:ed)?"
    r"|(?:mono|stereo|single|album) version|explicit)"
)
_ASIDES = re.compile(
    rf"\s*[(\[]{_ASIDE}\b[^)\]]*[)\]]|\s+-\s+{_ASIDE}\b.*$|\s+(?:feat|ft|featuring)\.?\s.*$"
)
_APOSTROPHES = dict.fromkeys(map(ord, "'\u2019\u02bc"))
_NUMBERS = re.compile(r"\b(?:\d+|[ivx]+)\b")


@dataclass(frozen=True)
class Name:
    """Artist and title of a recording in normalised form.

    Attributes:
        artist, title: without case, accents, punctuation and additions such as "(feat. ...)" or
            "- Remastered"; at most 250 characters.
    """

    artist: str
    title: str

    @classmethod
    def of(cls, artist: str, title: str) -> Name:
        """The normalised form of an artist and a title."""
        return cls(_plain(artist).removeprefix("the "), _plain(title))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of the title, also Roman ones: symphony no. 5 is not no. 6."""
        return tuple(_NUMBERS.findall(self.title))

    @cached_property
    def exact_key(self) -> int:
        """A signed 64-bit hash of artist and title."""
        return _key("same", self.artist, self.title)

    @cached_property
    def keys(self) -> frozenset[int]:
        """Signed 64-bit hashes, at most ten, by which an index finds the names to compare.

        Similar names share at least one: of artist and title; of the title and a word or the
        beginning of the artist; or of the beginning of the artist and the beginning or end of the
        title. A name without a title has none.
        """
        return frozenset(self._keys()) if self.title else frozenset()

    def _keys(self) -> Iterator[int]:
        artist_start = self.artist.replace(" ", "")[:_START_CHARACTERS]
        title = self.title.replace(" ", "")
        yield self.exact_key
        yield _key("title", artist_start, self.title)
        for word in sorted(set(self.artist.split()), key=lambda word: (-len(word), word))[
            :_ARTIST_WORDS
        ]:
            yield _key("word", word, self.title)
        yield _key("start", artist_start, title[:_START_CHARACTERS], *self.numbers)
        yield _key("end", artist_start, title[-_END_CHARACTERS:], *self.numbers)

    def similarity(self, other: Name) -> float:
        """Similarity of two names, 0 to 200; 0 if they name different recordings.

        The sum of RapidFuzz's ratios of titles and artists. Numbers must be equal.
        """
        if not self.title or self.numbers != other.numbers:
            return 0.0
        from rapidfuzz import fuzz  # slow to import, and only listens need it

        title = fuzz.ratio(self.title, other.title, score_cutoff=MIN_TITLE_SIMILARITY)
        if not title:
            return 0.0
        artist = max(
            fuzz.ratio(self.artist, other.artist),
            fuzz.token_set_ratio(self.artist, other.artist) - 1,
        )
        return title + artist if artist >= MIN_ARTIST_SIMILARITY else 0.0


def _key(*parts: str) -> int:
    digest = blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text[:_READ_CHARACTERS].casefold())[:_READ_CHARACTERS]
    letters = "".join(c for c in folded if not unicodedata.combining(c)).replace("&", " and ")
    letters = " ".join(letters.split())[:COMPARED_CHARACTERS]
    words = " ".join(re.findall(r"\w+", _ASIDES.sub("", letters).translate(_APOSTROPHES)))
    return words or letters
