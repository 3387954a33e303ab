"""Reading files and archives of entries one by one, in bounded memory.

An archive of a few megabytes may unpack to gigabytes, and one entry may be endless, so there are
limits to the size that an archive states, the size it unpacks to, and the length of an entry.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO, cast

import ijson

from hybridrec.errors import InvalidInput

MAX_ENTRY_BYTES = 1_000_000
"""Limit of a line of a file, and of an entry of a JSON array."""

MAX_UNPACKED_BYTES = 4_000_000_000
"""Limit of the members of an archive together: some ten million listens."""

MAX_DEPTH = 100
"""Limit of the nesting of an entry of a JSON array; exports nest three deep."""

_BUFFER_BYTES = 65_536
_BOM = b"\xef\xbb\xbf"
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
)


def bounded_lines(text: TextIO, name: str) -> Iterator[str]:
    """The lines of a text, each with its end.

    Raises:
        InvalidInput: for one that is too long.
    """
    while line := text.readline(MAX_ENTRY_BYTES + 1):
        if len(line) > MAX_ENTRY_BYTES:
            raise _too_long(name)
        yield line


def json_entries(path: Path, is_wanted: Callable[[str], bool]) -> Iterator[Any]:
    """Entries of a file of JSON lines or of one JSON array, or of all such files in an archive.

    Args:
        path: the file.
        is_wanted: whether a member of an archive is read, by its name.

    Raises:
        InvalidInput: if it is not JSON, cannot be unpacked, or exceeds a limit.
    """
    with _broken_is_said(path.name):
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield from _entries(file, path.name)
            return
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if is_wanted(member.filename)]
            _check_sizes(members, path.name)
            for member in sorted(members, key=lambda one: one.filename):
                with archive.open(member) as file:
                    yield from _entries(file, f"{path.name}: {member.filename}")


def _check_sizes(members: list[zipfile.ZipInfo], name: str) -> None:
    """Refuse an archive that states too large a size; `ZipFile.open` enforces what each states."""
    stated = sum(member.file_size for member in members)
    if stated > MAX_UNPACKED_BYTES:
        what = f"the archive unpacks to more than {MAX_UNPACKED_BYTES:,} bytes"
        raise InvalidInput(
            what, got=f"{name}: {stated:,}", fix="unpack it and give its files one by one"
        )


def _entries(file: IO[bytes], name: str) -> Iterator[Any]:
    buffered = io.BufferedReader(_Raw(file), _BUFFER_BYTES)
    if buffered.peek(3)[:3] == _BOM:
        buffered.read(3)
    start = buffered.peek(1)[:_BUFFER_BYTES].lstrip()[:1]
    try:
        if start == b"[":
            yield from _array(cast(IO[bytes], buffered), name)
        else:
            text = io.TextIOWrapper(buffered, encoding="utf-8")
            yield from (json.loads(line) for line in bounded_lines(text, name) if line.strip())
    except InvalidInput:
        raise
    except (ValueError, RecursionError, ijson.JSONError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise InvalidInput(
            "the history is not JSON", got=f"{name}: {reason}", fix="export it again"
        ) from error


def _array(file: IO[bytes], name: str) -> Iterator[Any]:
    counted = _Counted(file, name)
    events = ijson.basic_parse(counted, use_float=True, buf_size=_BUFFER_BYTES)
    for entry in ijson.items(ijson.parse(_shallow(events, name)), "item"):
        counted.since_entry = 0
        yield entry


def _shallow(events: Iterator[tuple[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    """The events of a parser while they nest no deeper than `MAX_DEPTH`.

    ijson keeps the path of every level: the memory grows with the square of the depth, to
    gigabytes within one buffer of brackets.
    """
    depth = 0
    for event in events:
        if event[0] in ("start_array", "start_map"):
            depth += 1
        elif event[0] in ("end_array", "end_map"):
            depth -= 1
        if depth > MAX_DEPTH:
            what = f"an entry nests deeper than {MAX_DEPTH} levels"
            raise InvalidInput(what, got=name, fix="export it again")
        yield event


class _Raw(io.RawIOBase):
    """A member of an archive, or a file, as the raw stream of a `io.BufferedReader`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; see `io.RawIOBase`."""
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Counted:
    """A file that raises when too much was read since the last entry."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        self.since_entry = 0

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            InvalidInput: for an entry that is too long.
        """
        piece = self._file.read(size)
        self.since_entry += len(piece)
        if self.since_entry > MAX_ENTRY_BYTES + 2 * _BUFFER_BYTES:
            raise _too_long(self._name)
        return piece


@contextmanager
def _broken_is_said(name: str) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise
    except _BROKEN as error:
        raise InvalidInput(
            "the file cannot be read", got=f"{name}: {error}", fix="export it again"
        ) from error


def _too_long(name: str) -> InvalidInput:
    what = f"an entry is longer than {MAX_ENTRY_BYTES:,} bytes"
    return InvalidInput(what, got=name, fix="check that the file is what it should be")
