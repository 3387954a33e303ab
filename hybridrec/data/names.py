"""Artists and titles as people and programs write them, made comparable."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LEAST_TITLE_LIKENESS = 88.0
LEAST_ARTIST_LIKENESS = 85.0
"""Likeness, 0 to 100, from which a misspelt name counts as the same."""

_START_CHARACTERS = 3
_ASIDE = (
    r"(?:feat|ft|featuring|with|remaster(?:ed)?|\d{4} remaster(?:ed)?|(?:mono|stereo|single|album) version|explicit)"
)
_ASIDES = re.compile(rf"\s*[(\[]{_ASIDE}\b[^)\]]*[)\]]|\s+-\s+{_ASIDE}\b.*$|\s+(?:feat|ft|featuring)\.?\s.*$")
_APOSTROPHES = dict.fromkeys(map(ord, "'\u2019\u02bc"))
_NUMBERS = re.compile(r"\b(?:\d+|[ivx]+)\b")


@dataclass(frozen=True)
class Name:
    """What a recording is called, in a form that can be compared.

    Attributes:
        artist, title: without case, accents, punctuation and asides such as "(feat. ...)" or "- Remastered".
    """

    artist: str
    title: str

    @classmethod
    def of(cls, artist: str, title: str) -> Name:
        """The comparable form of an artist and a title."""
        return cls(_plain(artist).removeprefix("the "), _plain(title))

    @property
    def start(self) -> str:
        """How artist and title begin: names that are spelt differently further on share it."""
        return self.artist.replace(" ", "")[:_START_CHARACTERS] + "/" + self.title.replace(" ", "")[:_START_CHARACTERS]

    def likeness(self, other: Name) -> float:
        """How alike two names are, 0 to 200; 0 if they name different recordings.

        The edit distance is RapidFuzz'. Numbers must agree: symphony no. 5 is not no. 6.
        """
        if not self.title or _NUMBERS.findall(self.title) != _NUMBERS.findall(other.title):
            return 0.0
        from rapidfuzz import fuzz  # takes time to import, and only listens need it

        title = fuzz.ratio(self.title, other.title)
        artist = max(fuzz.ratio(self.artist, other.artist), fuzz.token_set_ratio(self.artist, other.artist) - 1)
        return title + artist if title >= LEAST_TITLE_LIKENESS and artist >= LEAST_ARTIST_LIKENESS else 0.0


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in folded if not unicodedata.combining(c)).replace("&", " and ")
    letters = " ".join(letters.split())
    words = " ".join(re.findall(r"\w+", _ASIDES.sub("", letters).translate(_APOSTROPHES)))
    return words or letters
