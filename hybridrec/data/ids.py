"""The one translator between outside ids (strings) and inside rows (integers)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import NotFound


class IdMap:
    """Ids in order of arrival; the position of an id is its row."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = list(dict.fromkeys(ids))
        self._rows = {id_: row for row, id_ in enumerate(self._ids)}

    def add(self, id_: str) -> int:
        """The row of `id_`, which is appended if it is new."""
        row = self._rows.setdefault(id_, len(self._ids))
        if row == len(self._ids):
            self._ids.append(id_)
        return row

    def row(self, id_: str) -> int:
        """The row of `id_`.

        Raises:
            NotFound: if the id is not here.
        """
        try:
            return self._rows[id_]
        except KeyError:
            raise NotFound("unknown id", got=id_, fix="check its spelling") from None

    def get(self, id_: str) -> int | None:
        """The row of `id_`, or None."""
        return self._rows.get(id_)

    def rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Rows of several ids, `(n,)` int64.

        Raises:
            NotFound: for the first id that is not here.
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
