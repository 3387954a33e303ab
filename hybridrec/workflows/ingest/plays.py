"""Ingest of a file of plays."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from hybridrec.data.plays import Play
from hybridrec.errors import InvalidInput
from hybridrec.storage.database import batches
from hybridrec.storage.library import Library
from hybridrec.storage.schema import checked_id
from hybridrec.workflows.ingest.play_files import PlayFile, Row

MAX_BAD_ROWS_KEPT = 100
_BATCH_PLAYS = 10_000


@dataclass(frozen=True)
class BadRow:
    """A row that is not a valid play.

    Attributes:
        line: the line of a text file where it begins, or the row of a Parquet file; from 1.
        field: the field that is wrong, or "row" if it is the row as a whole.
        value: its value in the file.
        why: what is wrong with it.
    """

    line: int
    field: str
    value: object
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}; got {str(self.value)[:80]!r}"


@dataclass(frozen=True)
class PlaysReport:
    """The result of an ingest of plays.

    Attributes:
        rows: how many it has.
        added: plays that were new.
        repeated: plays that were known already, from the library or the same file.
        n_bad: rows that are not valid plays and were left out.
        bad: the first 100 of these.
        ignored_columns: columns of unknown names.
    """

    rows: int
    added: int
    repeated: int
    n_bad: int
    bad: tuple[BadRow, ...]
    ignored_columns: tuple[str, ...]


class BadRows(InvalidInput):
    """A file has rows that are not valid plays, and nothing of it was stored.

    Attributes:
        name: of the file.
        report: what was found; its `bad` has the rows.
    """

    def __init__(self, name: str, report: PlaysReport) -> None:
        self.name, self.report = name, report
        what = f"{name} has {report.n_bad} bad rows of {report.rows}, nothing of it was stored"
        super().__init__(what, got=str(report.bad[0]), fix="mend them, or choose to skip them")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.report))


def ingest_plays(
    library: Library,
    path: str | Path,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    columns: Sequence[str] | None = None,
    progress: bool = False,
) -> PlaysReport:
    """Read plays from CSV (comma, semicolon or tab), JSON lines or Parquet and store them.

    Columns: user, track, and if known played_at (seconds since 1970, or ISO 8601, which is UTC
    unless it has an offset), fraction, and weight, which may also be called plays or count. The
    whole file is checked before the first play is stored. Plays are stored 10,000 at a time; an
    interrupted ingest is simply repeated, because a repeated play counts once.

    Args:
        library: that stores the plays.
        path: the file; its ending tells the format.
        on_error: whether a bad row stops the import before anything is stored, or is skipped.
        columns: names of the columns where a CSV file has no header line.
        progress: whether to draw a progress bar on standard error.

    Raises:
        BadRows: if a row is bad and `on_error` is "stop".
        NotFound: if there is no such file.
        InvalidInput: if the file as a whole cannot be read.
    """
    file = PlayFile(Path(path), columns)
    n_rows, n_bad, bad = _check(file, progress)
    added = repeated = 0
    if not (n_bad and on_error == "stop"):
        bar = tqdm(
            total=n_rows - n_bad,
            desc="storing",
            unit=" plays",
            disable=not progress,
            file=sys.stderr,
        )
        with bar:
            for batch in batches(_plays(file), _BATCH_PLAYS):
                result = library.add_plays(batch)
                added, repeated = added + result.added, repeated + result.repeated
                bar.update(len(batch))
    report = PlaysReport(n_rows, added, repeated, n_bad, tuple(bad), tuple(sorted(file.ignored)))
    if n_bad and on_error == "stop":
        raise BadRows(file.path.name, report)
    return report


def _check(file: PlayFile, progress: bool) -> tuple[int, int, list[BadRow]]:
    """Count the rows and the bad rows of a file, and return the first bad rows."""
    n_rows = n_bad = 0
    bad: list[BadRow] = []
    for row in tqdm(
        file.rows(), desc="checking", unit=" rows", disable=not progress, file=sys.stderr
    ):
        n_rows += 1
        parsed = _parse(row)
        if isinstance(parsed, BadRow):
            n_bad += 1
            bad += [parsed] if n_bad <= MAX_BAD_ROWS_KEPT else []
    return n_rows, n_bad, bad


def _plays(file: PlayFile) -> Iterator[Play]:
    return (parsed for row in file.rows() if isinstance(parsed := _parse(row), Play))


def _parse(row: Row) -> Play | BadRow:
    if row.why:
        return BadRow(row.line, "row", ", ".join(map(str, row.values.values())), row.why)
    values: dict[str, Any] = {}
    for name, parser in _PARSERS.items():
        try:
            values[name] = parser(row.values.get(name))
        except (ValueError, OverflowError) as error:
            why = error.what if isinstance(error, InvalidInput) else f"{name} {error}"
            return BadRow(row.line, name, row.values.get(name), why)
    try:
        return Play(**values)
    except InvalidInput:
        return _blame(row, values)


def _blame(row: Row, values: dict[str, Any]) -> BadRow:
    """The bad row for the first value that is not valid in a play."""
    for name, value in values.items():
        try:
            Play(**({"user": "-", "track": "-"} | {name: value}))
        except InvalidInput as error:
            return BadRow(row.line, name, row.values.get(name), error.what)
    raise AssertionError(f"each of {values} is good, but not together")


def _id(value: Any) -> str:
    """An id; whole numbers are accepted, also as floats, as data frames write them."""
    if value is None or value == "":
        raise ValueError("is missing")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be text or a whole number")
    return checked_id(str(value))


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError("must be a number")
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError("must be a number") from None


def _time(value: Any) -> float | None:
    """Seconds since 1970 from a number, ISO 8601 text, a date or a time."""
    if isinstance(value, date):
        value = value.isoformat()
    try:
        return _number(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise ValueError(
            "must be seconds since 1970 or ISO 8601, such as 2024-05-31T20:15:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_PARSERS = {"user": _id, "track": _id, "played_at": _time, "fraction": _number, "weight": _number}
