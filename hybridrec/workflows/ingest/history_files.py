"""Ingest of a user's listening history, as exported from ListenBrainz, Last.fm or Spotify."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from hybridrec.data.listens import Listen
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.database import batches
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.documents import bounded_lines, json_entries
from hybridrec.workflows.ingest.plays import MAX_BAD_ROWS_KEPT, BadRow

HistoryFormat = Literal["listenbrainz", "lastfm", "spotify"]
HISTORY_FORMATS: tuple[HistoryFormat, ...] = get_args(HistoryFormat)

LEAST_SPOTIFY_SECONDS = 30.0
"""Shorter listens are skips: Spotify exports them, but does not count them as streams."""

_Read = Listen | BadRow | None

_BATCH_LISTENS = 10_000
_LASTFM_TIMES = ("%d %b %Y, %H:%M", "%d %b %Y %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_LASTFM_COLUMNS = {
    "artist": "artist",
    "artist_name": "artist",
    "album": "album",
    "album_name": "album",
    "track": "title",
    "track_name": "title",
    "name": "title",
    "uts": "time",
    "date": "time",
    "utc_time": "time",
    "track_mbid": "mbid",
}
_LASTFM_HEADLESS = ("artist", "album", "title", "time")


@dataclass(frozen=True)
class HistoryReport:
    """The result of an ingest of a history.

    Attributes:
        rows: entries of the file.
        added: new plays of tracks that the library has.
        waiting: new listens, kept until their track is added.
        repeated: listens that were known already.
        left_out: entries that are no listens: podcasts, skips, rows without a time.
        n_bad: entries that cannot be stored, because a text is too long.
        bad: the first 100 of these.
    """

    rows: int
    added: int
    waiting: int
    repeated: int
    left_out: int
    n_bad: int = 0
    bad: tuple[BadRow, ...] = ()


def ingest_history(library: Library, path: Path, kind: HistoryFormat, user: str) -> HistoryReport:
    """Read a history and store its listens, 10,000 at a time; repeated listens count once.

    Args:
        library: that stores them.
        path: the file; a ListenBrainz or Spotify export may stay zipped.
        kind: the service that exported it.
        user: of the listens.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if it is no such export, or cannot be read.
    """
    if not path.is_file():
        raise NotFound("no such file", got=str(path), fix="check its path")
    rows = added = waiting = repeated = listens = n_bad = 0
    bad: list[BadRow] = []
    for batch in batches(_entries(path, kind, user), _BATCH_LISTENS):
        known = [entry for entry in batch if isinstance(entry, Listen)]
        refused = [entry for entry in batch if isinstance(entry, BadRow)]
        n_bad, bad = n_bad + len(refused), [*bad, *refused][:MAX_BAD_ROWS_KEPT]
        result = library.add_listens(known)
        rows, listens = rows + len(batch), listens + len(known)
        added, waiting, repeated = (
            added + result.added,
            waiting + result.waiting,
            repeated + result.repeated,
        )
    left_out = rows - listens - n_bad
    return HistoryReport(rows, added, waiting, repeated, left_out, n_bad, tuple(bad))


def _entries(path: Path, kind: HistoryFormat, user: str) -> Iterator[_Read]:
    """For each entry a listen, None if it is no listen, or a `BadRow` if it cannot be stored."""
    reader = {"listenbrainz": _of_listenbrainz, "lastfm": _of_lastfm, "spotify": _of_spotify}[kind]
    entries = _lastfm_rows(path) if kind == "lastfm" else json_entries(path, _is_history)
    for number, entry in enumerate(entries, start=1):
        yield _read(reader, number, entry, user)


def _is_history(name: str) -> bool:
    """Whether a file of an archive holds listens; feedback, video and settings do not."""
    plain = name.lower()
    aside = ("feedback", "video", "user.json", "pinned")
    return plain.endswith((".json", ".jsonl")) and not any(word in plain for word in aside)


def _read(reader: Callable[[Any, str], Listen | None], number: int, entry: Any, user: str) -> _Read:
    try:
        listen = reader(entry, user)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    try:
        if listen is not None:
            listen.check()
        return listen
    except InvalidInput as error:
        return BadRow(number, "row", error.got, error.what)


def _of_listenbrainz(entry: Mapping[str, Any], user: str) -> Listen | None:
    about = entry["track_metadata"]
    mbid = (about.get("additional_info") or {}).get("recording_mbid") or ""
    mapped = (about.get("mbid_mapping") or {}).get("recording_mbid") or ""
    names = about["artist_name"], about["track_name"], about.get("release_name")
    return _listen(user, float(entry["listened_at"]), *names, mbid=mbid or mapped)


def _of_spotify(entry: Mapping[str, Any], user: str) -> Listen | None:
    seconds = float(entry["ms_played"]) / 1000
    title = entry["master_metadata_track_name"]
    if title is None or seconds < LEAST_SPOTIFY_SECONDS:
        return None
    names = (
        entry["master_metadata_album_artist_name"],
        title,
        entry.get("master_metadata_album_album_name"),
    )
    moment = datetime.fromisoformat(entry["ts"]).timestamp()
    return _listen(user, moment, *names, heard_seconds=seconds)


def _lastfm_rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            first = next(bounded_lines(text, path.name), "")
            text.seek(0)
            delimiter = max(",;\t", key=first.count)
            yield from _named(csv.reader(bounded_lines(text, path.name), delimiter=delimiter))
    except UnicodeError:
        fix = "convert it first, for instance: iconv -f latin1 -t utf-8"
        raise InvalidInput("the file is not UTF-8 text", got=path.name, fix=fix) from None
    except csv.Error as error:
        raise InvalidInput(
            "the file cannot be read", got=f"{path.name}: {error}", fix="export it again"
        ) from error


def _named(cells: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    """The cells of each row, by the names of their columns."""
    head = next(cells, [])
    names = [_LASTFM_COLUMNS.get(name.partition("#")[0].strip().lower(), "") for name in head]
    if not {"artist", "title", "time"} <= set(
        names
    ):  # without a header, as lastfm-to-csv writes it
        names, cells = list(_LASTFM_HEADLESS), chain([head], cells)
    for row in cells:
        yield {name: cell for name, cell in reversed(list(zip(names, row, strict=False))) if name}


def _of_lastfm(row: Mapping[str, str], user: str) -> Listen | None:
    try:
        moment = _lastfm_time(row["time"])
        return _listen(
            user, moment, row["artist"], row["title"], row.get("album"), mbid=row.get("mbid", "")
        )
    except (KeyError, ValueError):
        return None


def _lastfm_time(text: str) -> float:
    """Seconds since 1970, from such seconds or milliseconds or from a date in UTC."""
    text = text.strip()
    if text.isdigit():
        return float(text) / (1000 if len(text) > 10 else 1)
    for form in _LASTFM_TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise ValueError(f"no time: {text}")


def _listen(
    user: str,
    moment: float,
    artist: object,
    title: object,
    album: object = None,
    mbid: object = "",
    heard_seconds: float | None = None,
) -> Listen | None:
    """A listen, or None without a valid artist, title or time."""
    if not (
        isinstance(artist, str)
        and isinstance(title, str)
        and artist.strip()
        and title.strip()
        and moment > 0
    ):
        return None
    plain = [
        text.replace("\0", " ") for text in (artist, title, album if isinstance(album, str) else "")
    ]
    return Listen(user, moment, plain[0], plain[1], plain[2], str(mbid or ""), heard_seconds)
