"""Reading files of plays row by row: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from hybridrec.errors import InvalidInput, NotFound
from hybridrec.workflows.ingest.documents import bounded_lines

COLUMNS = {
    "user": "user",
    "track": "track",
    "played_at": "played_at",
    "fraction": "fraction",
    "weight": "weight",
    "plays": "weight",
    "count": "weight",
}
"""The field of a play for each accepted name of a column."""

REQUIRED = ("user", "track")
_DELIMITERS = ",;\t"
_PARQUET_ROWS = 10_000


@dataclass(frozen=True)
class Row:
    """One row of a file, not parsed.

    Attributes:
        line: the line of a text file where it begins, or the row of a Parquet file; from 1.
        values: by field of a play; other columns are left out.
        why: what is wrong with the row as a whole, or empty.
    """

    line: int
    values: Mapping[str, Any]
    why: str = ""


@dataclass
class PlayFile:
    """A file of plays on disk.

    Attributes:
        path: the file; its ending tells the format.
        columns: names of the columns where a CSV file has no header line.
        ignored: unknown columns that were met; complete when all rows were read.
    """

    path: Path
    columns: Sequence[str] | None = None
    ignored: set[str] = field(default_factory=set)

    def rows(self) -> Iterator[Row]:
        """All rows, in bounded memory.

        Raises:
            NotFound: if there is no such file.
            InvalidInput: for an unknown ending, a missing column, or a file that cannot be read.
        """
        if not self.path.exists():
            raise NotFound("no such file", got=str(self.path), fix="check its path")
        readers = dict.fromkeys((".csv", ".tsv", ".txt"), self._delimited)
        readers |= dict.fromkeys((".jsonl", ".ndjson", ".json"), self._json_lines)
        readers |= dict.fromkeys((".parquet", ".pq"), self._parquet)
        reader = readers.get(self.path.suffix.lower())
        if reader is None:
            raise InvalidInput(
                "a file of this kind is not known",
                got=self.path.name,
                fix=f"use {', '.join(readers)}",
            )
        try:
            yield from reader()
        except UnicodeError:
            fix = "convert it first, for instance: iconv -f latin1 -t utf-8"
            raise InvalidInput("the file is not UTF-8 text", got=self.path.name, fix=fix) from None
        except OSError as error:
            raise InvalidInput(
                "the file cannot be read", got=str(self.path), fix=error.strerror or ""
            ) from error

    def _delimited(self) -> Iterator[Row]:
        with self.path.open(encoding=_encoding(self.path), newline="") as text:
            first = next(bounded_lines(text, self.path.name), "")
            text.seek(0)
            cells = csv.reader(
                bounded_lines(text, self.path.name),
                delimiter=max(_DELIMITERS, key=first.count),
                skipinitialspace=True,
            )
            fields = self._fields(self.columns or next(cells, []))
            before = cells.line_num
            try:
                for row in cells:
                    if row:
                        yield self._row(before + 1, fields, row)
                    before = cells.line_num
            except csv.Error as error:
                raise InvalidInput(
                    f"line {before + 1} cannot be read", got=str(error), fix="mend its quotes"
                ) from error

    def _row(self, line: int, fields: Sequence[str | None], cells: Sequence[str]) -> Row:
        why = (
            f"the row has {len(cells)} cells where {len(fields)} are named"
            if len(cells) != len(fields)
            else ""
        )
        pairs = zip(fields, cells, strict=False)
        return Row(line, {name: cell.strip() for name, cell in pairs if name is not None}, why)

    def _json_lines(self) -> Iterator[Row]:
        with self.path.open(encoding=_encoding(self.path)) as text:
            for line, content in enumerate(bounded_lines(text, self.path.name), start=1):
                if not content.strip():
                    continue
                if line == 1 and content.lstrip().startswith("["):
                    fix = "write one object a line, for instance: jq -c '.[]'"
                    raise InvalidInput(
                        "the file is one JSON array, not JSON lines", got=self.path.name, fix=fix
                    )
                yield self._object(line, content)

    def _object(self, line: int, content: str) -> Row:
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            return Row(line, {}, "the line is not JSON")
        if not isinstance(values, dict):
            return Row(line, {}, "the line is not a JSON object")
        fields = {name: COLUMNS.get(name.strip().lower()) for name in values}
        self.ignored.update(name for name, known in fields.items() if known is None)
        return Row(
            line, {known: values[name] for name, known in fields.items() if known is not None}
        )

    def _parquet(self) -> Iterator[Row]:
        try:
            with pyarrow.parquet.ParquetFile(self.path) as file:
                names = file.schema_arrow.names
                fields = self._fields(names)
                used = [
                    name for name, known in zip(names, fields, strict=True) if known is not None
                ]
                numbers = count(1)
                for batch in file.iter_batches(_PARQUET_ROWS, columns=used):
                    columns = {
                        COLUMNS[name.strip().lower()]: batch.column(name).to_pylist()
                        for name in used
                    }
                    for values in zip(*columns.values(), strict=True):
                        yield Row(next(numbers), dict(zip(columns, values, strict=True)))
        except pyarrow.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise InvalidInput(
                "the file is not Parquet, or damaged", got=reason, fix="write it again"
            ) from error

    def _fields(self, names: Sequence[str]) -> list[str | None]:
        """The field of a play for each column; None for unknown columns."""
        fields = [COLUMNS.get(name.strip().lower()) for name in names]
        for name in REQUIRED:
            if name not in fields:
                fix = f"name the columns in the first line: {', '.join(COLUMNS)}"
                raise InvalidInput(
                    f"{self.path.name} has no column {name}", got=",".join(names)[:80], fix=fix
                )
        for known in COLUMNS.values():
            if fields.count(known) > 1:
                fix = "leave one of them out"
                raise InvalidInput(
                    f"{self.path.name} has several columns for {known}",
                    got=",".join(names)[:80],
                    fix=fix,
                )
        self.ignored.update(
            name for name, known in zip(names, fields, strict=True) if known is None
        )
        return fields


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
