"""HTML pages that need nothing but themselves: no script, font or picture from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LONG_CHARACTERS = 40
"""A cell with more text than this may be broken into lines."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5c6570; --paper: #ffffff; --line: #d9dee4;
  --shade: #f3f5f8; --ours: #0063b1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa5b1; --paper: #14171a; --line: #353c44; --shade: #1d2227; --ours: #6cb6ff; } }
body { margin: 0 auto; max-width: 80rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p, li { max-width: 46rem; }
.soft, caption, figcaption { color: var(--soft); font-size: .875rem; text-align: left; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .875rem; margin: .5rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.long { white-space: normal; text-align: left; }
thead th { font-weight: 600; border-bottom-width: 2px; }
tr.ours { background: var(--shade); font-weight: 600; }
svg { max-width: 100%; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .axis { stroke: var(--line); }
svg .soft { fill: var(--soft); font-size: 11px; }
svg .mark { stroke: var(--soft); fill: var(--soft); stroke-width: 2; }
svg .ours { stroke: var(--ours); fill: var(--ours); }
"""


def page(title: str, body: str, *, style: str = "") -> str:
    """A whole document.

    Args:
        title: plain text.
        body: HTML.
        style: more CSS.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, first_is_ours: bool = False) -> str:
    """A table of plain text, which is escaped; the first column names the rows."""
    lines = []
    for number, row in enumerate(rows):
        kind = ' class="ours"' if first_is_ours and number == 0 else ""
        lines.append(f"<tr{kind}>{''.join(_cell(text) for text in row)}</tr>")
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def _cell(text: str) -> str:
    kind = ' class="long"' if len(text) > LONG_CHARACTERS else ""
    return f"<td{kind}>{escape(text)}</td>"


def bullets(lines: Iterable[str]) -> str:
    """A list of plain text, which is escaped."""
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "\n</ul>"
