"""The map of a library as a page: hover to see a track, click the legend to hide a tag."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from html import escape
from importlib import resources

import hybridrec.workflows.map
from hybridrec.data.tracks import Track
from hybridrec.evaluation.page import page
from hybridrec.workflows.map.library import TAGS, LibraryMap
from hybridrec.workflows.map.marks import OTHER, marks

STYLE = """
body { max-width: 84rem; }
#map { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
#agreement { max-width: none; }
#plot { flex: 1 1 30rem; min-width: 0; max-height: 76vh; border: 1px solid var(--line); border-radius: 6px; }
#plot path { stroke: #333; stroke-width: .6; }
#plot path.other { stroke: none; opacity: .55; }
#plot path.hidden { display: none; }
#plot path:hover { stroke: var(--ink); stroke-width: 2.5; }
#legend { flex: 0 1 18rem; display: flex; flex-direction: column; max-height: 76vh; overflow-y: auto; }
#legend button { display: flex; gap: .5rem; align-items: center; padding: .2rem .4rem; border: 0; border-radius: 4px;
  background: none; color: inherit; font: inherit; text-align: left; cursor: pointer; }
#legend button:hover, #legend button:focus-visible { background: var(--shade); }
#legend button[aria-pressed=false] { opacity: .4; text-decoration: line-through; }
#legend svg { flex: none; width: 1rem; height: 1rem; }
#legend path { stroke: #333; stroke-width: .6; }
#legend .soft { margin-left: auto; }
#hint { position: fixed; pointer-events: none; max-width: 22rem; padding: .4rem .6rem; border: 1px solid var(--line);
  border-radius: 4px; background: var(--paper); box-shadow: 0 2px 8px #0003; font-size: .875rem; }
label { margin-right: 1.25rem; }
select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 4px; }
"""


def as_html(map_: LibraryMap, tag: str, most_named: int) -> str:
    """One document that needs nothing else.

    Args:
        map_: the tracks and their places.
        tag: a tag that tracks have, shown first.
        most_named: the largest so many values of a tag are named, the others are grey.
    """
    script = resources.files(hybridrec.workflows.map).joinpath("map.js").read_text(encoding="utf-8")
    left_out = f"; {map_.left_out} more, left out at random, are not on it" if map_.left_out else ""
    body = (
        "<h1>The library by its sound</h1>\n"
        f'<p class="soft">{len(map_.tracks)} tracks{left_out}. What is near sounds alike.</p>\n'
        f"<p>{_choice('layout', map_.layouts, '')}{_choice('tag', map_.agreements, tag)}</p>\n"
        '<p id="agreement" aria-live="polite"></p>\n'
        '<div id="map"><svg id="plot" viewBox="0 0 1000 1000" role="img" aria-label="map of the tracks"></svg>'
        '<div id="legend"></div></div>\n<div id="hint" hidden></div>\n'
        f'<script id="data" type="application/json">{_data(map_, most_named)}</script>\n<script>{script}</script>'
    )
    return page("The library by its sound", body, style=STYLE)


def _choice(id_: str, names: Iterable[str], chosen: str) -> str:
    options = "".join(f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in names)
    return f'<label>{id_} <select id="{id_}">{options}</select></label>'


def _data(map_: LibraryMap, most_named: int) -> str:
    """What the script reads, as JSON that no script element can be ended by."""
    tags = {
        tag: {
            "marks": {value: dataclasses.asdict(mark) for value, mark in marks(map_.largest(tag, most_named)).items()},
            "agreement": agreement.in_words(),
        }
        for tag, agreement in map_.agreements.items()
    }
    layouts = {name: [[round(float(x), 4), round(float(y), 4)] for x, y in each] for name, each in map_.layouts.items()}
    data = {
        "tracks": [_told(track) for track in map_.tracks],
        "layouts": layouts,
        "tags": tags,
        "other": dataclasses.asdict(OTHER),
    }
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def _told(track: Track) -> dict[str, str]:
    return {"name": track.name, **{tag: getattr(track, tag) for tag in TAGS}}
