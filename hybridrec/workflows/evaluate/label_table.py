"""Audio files with their labels (artist, collection and so on), from a tab-separated table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import InvalidInput, NotFound

NAME_COLUMNS = ("clip", "file")
"""Columns that may name the files; the first that is present does."""


@dataclass(frozen=True)
class LabelledFiles:
    """Audio files and their labels.

    Attributes:
        files: the paths.
        names: as in the table, in the same order.
        labels: by column, one text per file; empty if unknown.
    """

    files: list[Path]
    names: list[str]
    labels: dict[str, list[str]]

    def groups(self, column: str) -> NDArray[np.int64]:
        """Group numbers `(n,)` int64, equal for files of one label, -1 for files without one."""
        # Sorted, so that numbers do not depend on the order of the rows.
        known = sorted(set(self.labels[column]) - {""})
        number = {label: row for row, label in enumerate(known)}
        return np.array([number.get(label, -1) for label in self.labels[column]], dtype=np.int64)

    def only(self, wanted: set[Path]) -> LabelledFiles:
        """The files that are among those wanted, with their labels."""
        rows = [row for row, path in enumerate(self.files) if path in wanted]
        return LabelledFiles(
            [self.files[row] for row in rows],
            [self.names[row] for row in rows],
            {name: [values[row] for row in rows] for name, values in self.labels.items()},
        )


def read_label_table(table: Path, directory: Path, columns: Sequence[str]) -> LabelledFiles:
    """Read a tab-separated table with the column `clip` or `file` and columns of labels.

    Args:
        table: the table, UTF-8.
        directory: the folder that the names of files are relative to.
        columns: the labels to read.

    Raises:
        InvalidInput: if a column is missing, the table is empty or not text, or a file is listed
            twice.
        NotFound: if the table or a listed file does not exist.
    """
    rows = _rows(table)
    name_column = next((column for column in NAME_COLUMNS if column in rows[0]), None)
    missing = [column for column in columns if column not in rows[0]]
    if name_column is None or missing:
        wanted = missing[0] if name_column else " or ".join(NAME_COLUMNS)
        got = ", ".join(map(str, rows[0]))
        raise InvalidInput(
            f"the label table needs the column {wanted}", got=got, fix="separate columns by tabs"
        )
    names = [row[name_column] for row in rows]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidInput(
            "a file is listed twice in the label table", got=repeated[0], fix="keep one of the rows"
        )
    files = [directory / name for name in names]
    # Checked now: a missing file would otherwise be found out after hours of embedding.
    absent = next((path for path in files if not path.is_file()), None)
    if absent is not None:
        raise NotFound(
            "a file of the label table does not exist",
            got=str(absent),
            fix="give the folder that the table's names are relative to",
        )
    labels = {column: [row[column] or "" for row in rows] for column in columns}
    return LabelledFiles(files, names, labels)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except FileNotFoundError:
        fix = "give one with --labels"
        raise NotFound("there is no label table here", got=str(table), fix=fix) from None
    except (UnicodeDecodeError, csv.Error) as error:
        problem = f"the label table is not UTF-8 text ({error})"
        raise InvalidInput(problem, got=str(table), fix="save it as UTF-8") from None
    if not rows:
        raise InvalidInput(
            "the label table has no rows", got=str(table), fix="list one file per row"
        )
    return rows
