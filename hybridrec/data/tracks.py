"""A track of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Track:
    """The metadata of a track.

    Attributes:
        id: the external id, unique in the library.
        title, artist, album, genre: as tagged; empty where unknown.
        duration_seconds: length of the audio, or None where there is none.
        path: of the audio on this machine, or None. Never shown to clients.
        content_hash: hex SHA-256 of the audio file, or None.
        recording_mbid: the recording's MusicBrainz id; empty where unknown.
    """

    id: str
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    duration_seconds: float | None = None
    path: str | None = None
    content_hash: str | None = None
    recording_mbid: str = ""

    @property
    def name(self) -> str:
        """Artist and title as far as known, or else the id."""
        return " - ".join(part for part in (self.artist, self.title) if part) or self.id
