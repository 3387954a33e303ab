"""What a process serves from: opened once for all processes of the machine, and followed by its successor.

A successor is made when the library has another model or other ears, or when
so many tracks changed that they should join the index. It is made beside the
requests, which the present one goes on answering; a large one in a process of
its own.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

from hybridrec.serving.files import ServingFiles, State
from hybridrec.serving.live_model import LiveModel
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import INDEXED_FROM

RETRY_SECONDS = 60.0
"""So long after a successor could not be made, another is tried."""

_log = logging.getLogger("hybridrec")


def open_live_model(library: Library) -> LiveModel:
    """The state of this machine's serving files, caught up; they are written anew where they are missing or old."""
    files = _files(library)
    try:
        with files.locked():
            live = _mapped(library, files)
            if live is None or live.is_outgrown:
                _write(library, files)
                live = _mapped(library, files)
    except OSError as error:
        _log.warning("cannot write to %s, so nothing is shared: %s", library.files.parent, error.strerror)
        live = None
    if live is None:
        live = LiveModel.built(library)
        live.catch_up()
    return live


class Takeover:
    """The live model of a library, and its successor while that is being made.

    Args:
        library: an open library.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._live = open_live_model(library)
        self._successor: LiveModel | None = None
        self._thread: threading.Thread | None = None
        self._switched = False
        self._not_before = 0.0

    def caught_up(self) -> LiveModel:
        """The live model, with all that was written. Not to be called by two threads at once."""
        self._catch_up()
        outdated = self._switched or self._live.is_outgrown
        if outdated and self._thread is None and time.monotonic() >= self._not_before:
            self._switched = False
            self._thread = threading.Thread(target=self._prepare, daemon=True)
            self._thread.start()
        if self._thread is not None and (not _is_large(self._live.state) or not self._thread.is_alive()):
            self._thread.join()
            self._thread = None
            self._live, self._successor = self._successor or self._live, None
            self._catch_up()
        return self._live

    def _catch_up(self) -> None:
        """Take in what was written; a switch is remembered until a successor is begun that knows of it."""
        self._switched = self._live.catch_up() or self._switched

    def _prepare(self) -> None:
        try:
            self._successor = open_live_model(self._library)
        except Exception:  # what serves now goes on serving
            self._switched, self._not_before = True, time.monotonic() + RETRY_SECONDS
            _log.exception("the new model cannot be served; the one before it still is")


def _mapped(library: Library, files: ServingFiles) -> LiveModel | None:
    state = files.read()
    if state is None or library.seq() < state.seq:
        return None
    live = LiveModel(library, state)
    return None if live.catch_up() else live


def _write(library: Library, files: ServingFiles) -> None:
    """Write the present state, in another process where it is large, so that this one keeps its time and memory."""
    if library.status()["tracks"] < INDEXED_FROM:
        _write_here(library, files)
        return
    told = json.dumps({"location": str(library.opened_at), "files": str(library.files)})
    command = [sys.executable, "-P", "-m", __name__]  # -P: nothing is imported from where the server was started
    subprocess.run(command, input=told, text=True, check=False)  # noqa: S603 - none of it comes from outside


def _write_as_told() -> None:
    """What a process of its own does; it is told where by standard input, for a location may hold a password."""
    told = json.loads(sys.stdin.read())
    with Library.open(told["location"], files=Path(told["files"])) as library:
        _write_here(library, _files(library))


def _write_here(library: Library, files: ServingFiles) -> None:
    state = files.read(mapped=False)
    live = None if state is None or library.seq() < state.seq else LiveModel(library, state)
    if live is None or live.catch_up():
        live = LiveModel.built(library)
        live.catch_up()
    indexes = live.model.fitted.indexes
    if indexes is not None:
        indexes.take_in(live.model.tracks)
    files.write(live.state)


def _files(library: Library) -> ServingFiles:
    folder = library.files.with_name(f"{library.files.name}-serving")
    return ServingFiles(folder, f"{library.born()} {library.location}")


def _is_large(state: State) -> bool:
    return len(state.ids) >= INDEXED_FROM


if __name__ == "__main__":
    _write_as_told()
