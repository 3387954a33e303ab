"""A listen: a play as a scrobbler reports it, by artist and title."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hybridrec.data.names import MAX_NAME_CHARACTERS, Name
from hybridrec.data.plays import MAX_ID_CHARACTERS, Play
from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class Listen:
    """A listening event that is not yet matched to a track of the catalogue.

    Attributes:
        user: outside id.
        listened_at: UTC, in seconds since 1970.
        artist, title: as the player names them.
        album: likewise, or empty.
        recording_mbid: the recording's MusicBrainz id, or empty.
        heard_seconds: for how long the user listened, or None.
    """

    user: str
    listened_at: float
    artist: str
    title: str
    album: str = ""
    recording_mbid: str = ""
    heard_seconds: float | None = None

    @cached_property
    def name(self) -> Name:
        """Artist and title in normalised form."""
        return Name.of(self.artist, self.title)

    def play_of(self, track: str, duration_seconds: float | None) -> Play:
        """The play of this listen, given its track."""
        fraction = None
        if self.heard_seconds is not None and duration_seconds:
            fraction = max(0.0, min(1.0, self.heard_seconds / duration_seconds))
        return Play(self.user, track, self.listened_at, fraction)

    def check(self) -> None:
        """Check that every database can store it.

        Raises:
            InvalidInput: if a text is too long; names the field.
        """
        names = {"artist": self.artist, "title": self.title, "album": self.album}
        limits = dict.fromkeys(names, MAX_NAME_CHARACTERS)
        ids = {"user": self.user, "recording_mbid": self.recording_mbid}
        limits |= dict.fromkeys(ids, MAX_ID_CHARACTERS)
        for field, text in (names | ids).items():
            if len(text) > limits[field]:
                raise InvalidInput(
                    f"{field} may have at most {limits[field]} characters",
                    got=f"{text[:40]}... of {len(text)}",
                    fix="shorten it",
                )
