"""Tags of audio files: title, artist, album, genre, length and recording id."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen
from mutagen.id3 import UFID

from hybridrec.audio.tag_count import has_too_many_texts

MAX_TEXT_CHARACTERS = 300

_MBID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAMES = {
    "title": ("title", "TIT2"),
    "artist": ("artist", "albumartist", "TPE1", "TPE2"),
    "album": ("album", "TALB"),
    "genre": ("genre", "TCON"),
    "recording_mbid": ("musicbrainz_trackid", "UFID:http://musicbrainz.org"),
}


@dataclass(frozen=True)
class Tags:
    """The tags of a file; texts have no control characters and at most 300 characters.

    Attributes:
        title: as tagged, or else the file's name without its suffix.
        artist, album, genre: as tagged; empty where unknown.
        duration_seconds: as the header claims, or None.
        recording_mbid: the recording's MusicBrainz id, as Picard and beets write it; empty where
            unknown.
    """

    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    duration_seconds: float | None = None
    recording_mbid: str = ""


def read_tags(path: Path, filename: str = "") -> Tags:
    """The tags of a file, as far as they can be read; never raises, whatever the file holds.

    Args:
        path: an audio file.
        filename: the name to make a title of, where the path's own means nothing, as for an
            upload.
    """
    name = _clean(Path(filename).stem or path.stem)
    try:
        if has_too_many_texts(path):
            return Tags(title=name)
        file = mutagen.File(path, easy=True)
        texts = {name: _text(file, keys) for name, keys in _NAMES.items()}
        length = getattr(getattr(file, "info", None), "length", None)
    except Exception:  # mutagen fails in many ways on damaged files, which can still be embedded
        return Tags(title=name)
    texts["recording_mbid"] = (
        texts["recording_mbid"].lower() if _MBID.fullmatch(texts["recording_mbid"]) else ""
    )
    duration = float(length) if length and math.isfinite(length) and length > 0 else None
    return Tags(**(texts | {"title": texts["title"] or name}), duration_seconds=duration)


def _text(tags: Mapping[str, Any] | None, keys: tuple[str, ...]) -> str:
    """The first of the keys that has a text; several values are joined."""
    for key in keys:
        value = tags.get(key) if tags is not None else None
        if isinstance(value, UFID):
            value = bytes(getattr(value, "data", b"")).decode("ascii", "replace")
        values = getattr(value, "text", value) or []
        values = [values] if isinstance(values, str) else values
        text = _clean(", ".join(str(one) for one in values))
        if text:
            return text
    return ""


def _clean(text: str) -> str:
    """Text on one line, without control characters and lone surrogates, bounded in length."""
    printable = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text[:10_000]
    )
    return " ".join(printable.split())[:MAX_TEXT_CHARACTERS]
