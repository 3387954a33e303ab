"""The only translation between external ids (strings) and row numbers (integers)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hybridrec.data.arrays import Rows
from hybridrec.errors import NotFound


class IdMap:
    """Ids in the order in which they were added; the position of an id is its row."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = list(dict.fromkeys(ids))
        self._rows = {id_: row for row, id_ in enumerate(self._ids)}

    def add(self, id_: str) -> int:
        """The row of `id_`, which is appended if it is unknown."""
        row = self._rows.setdefault(id_, len(self._ids))
        if row == len(self._ids):
            self._ids.append(id_)
        return row

    def row(self, id_: str) -> int:
        """The row of `id_`.

        Raises:
            NotFound: if the id is unknown.
        """
        try:
            return self._rows[id_]
        except KeyError:
            raise NotFound("unknown id", got=id_, fix="check its spelling") from None

    def get(self, id_: str) -> int | None:
        """The row of `id_`, or None."""
        return self._rows.get(id_)

    def rows(self, ids: Iterable[str]) -> Rows:
        """Rows of several ids, `(n,)` int64.

        Raises:
            NotFound: for the first id that is unknown.
        """
        return np.array([self.row(id_) for id_ in ids], dtype=np.int64)

    def id(self, row: int) -> str:
        """The id at `row`."""
        return self._ids[row]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._rows

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)
