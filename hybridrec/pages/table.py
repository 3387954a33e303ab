"""Tables of text, which a report shows in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

WRAPPED_FROM_CHARACTERS = 28
"""On a page, a cell with more text than this may be broken into lines; not in the first column."""


class Table:
    """A header and rows of text; the first column names the rows.

    Args:
        header: one text per column.
        rows: as many texts each.
        highlight_first: whether a page sets off the first row, which holds the judged system.

    Attributes:
        header, rows, highlight_first: as given.
    """

    def __init__(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        highlight_first: bool = False,
    ) -> None:
        self.header, self.rows, self.highlight_first = tuple(header), list(rows), highlight_first

    def is_long(self, cell: str) -> bool:
        """Whether a page may wrap the cell."""
        return len(cell) > WRAPPED_FROM_CHARACTERS

    def as_text(self) -> str:
        """Aligned columns for a terminal: the first to the left, the others to the right."""
        return text_table(self.header, self.rows)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under a header, the first to the left, the others to the right; empty without rows.

    Args:
        header: one text per column.
        rows: as many texts each.
    """
    if not rows:
        return ""
    alignment = ("left", *["right"] * (len(header) - 1))
    # Figures come formatted: tabulate must not parse them, or it would drop trailing zeros.
    return tabulate(rows, header, "simple", colalign=alignment, disable_numparse=True)
