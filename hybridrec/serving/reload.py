"""What a process serves from: opened once for all processes of the machine, kept in step, followed by its successor.

A successor is made when the library has another model or other ears, or when
so many tracks changed that they should join the index. It is made beside the
requests, which the present one goes on answering; a large one in a process of
its own. No request waits for it, nor for what is taken in beside it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

from hybridrec.errors import LibraryError
from hybridrec.model.store import INDEXED_FROM
from hybridrec.serving.files import ServingFiles
from hybridrec.serving.live_model import LiveModel
from hybridrec.storage.library import Library

RETRY_SECONDS = 60.0
"""So long after a successor could not be made, another is tried."""

FIRST_SOUND_SECONDS = 5.0
CLOSING_SECONDS = 10.0

RESTS_PER_WORK = 2.0
LONGEST_REST_SECONDS = 2.0
"""After each batch the thread rests twice as long as it worked, and no longer than this."""

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
        _log.warning(
            "cannot write to %s, so nothing is shared: %s", library.files.parent, error.strerror
        )
        live = None
    if live is None:
        live = LiveModel.built(library)
        live.catch_up()
    return live


class _Closing(Exception):
    """The service is closed while something is being taken in."""


class ModelReload:
    """The live model of a library, which a thread keeps in step beside the requests and replaces by its successor.

    The thread begins when a request finds that something was written, and ends when all of it
    is taken in. It rests between batches, so that it takes no more than a share of one processor.

    Args:
        library: an open library.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._live = open_live_model(library)
        self._state = threading.Condition()
        self._running = self._wanted = False
        self._closing = threading.Event()
        self._not_before = 0.0
        self._sound_by = float("inf")

    def current(self) -> LiveModel:
        """The live model, with the newest tracks; nothing else is waited for.

        Only the first embeddings of a library are waited for, once and for `FIRST_SOUND_SECONDS` at
        most: an upload is recommendable when its answer is sent.

        Raises:
            LibraryError: if the library cannot be read.
        """
        if self._live.know_newest():
            self._wake()
        if self._live.awaits_sound:
            self._sound_by = min(self._sound_by, time.monotonic() + FIRST_SOUND_SECONDS)
            self._await_idle(self._sound_by)
        return self._live

    def settle(self, seconds: float) -> bool:
        """Wait until all that was written before is taken in; returns whether it was within so many seconds."""
        until = time.monotonic() + seconds
        self._wake()
        return self._await_idle(until)

    def close(self) -> None:
        """End the thread, after the batch that it is at."""
        self._closing.set()
        self._await_idle(time.monotonic() + CLOSING_SECONDS)

    def _wake(self) -> None:
        with self._state:
            self._wanted = True
            if not self._running and not self._closing.is_set():
                self._running = True
                threading.Thread(target=self._follow, name="hybridrec-follow", daemon=True).start()

    def _await_idle(self, until: float) -> bool:
        with self._state:
            return self._state.wait_for(
                lambda: not self._running, max(0.0, until - time.monotonic())
            )

    def _follow(self) -> None:
        while self._goes_on():
            try:
                self._follow_once()
            except _Closing:
                continue
            except (
                LibraryError
            ) as error:  # the next request wakes it again, and what is left is done then
                _log.warning("what was written is not taken in yet: %s", error)
            except Exception:
                _log.exception("what was written is not taken in yet")

    def _goes_on(self) -> bool:
        with self._state:
            self._running = self._wanted and not self._closing.is_set()
            self._wanted = False
            if not self._running:
                self._state.notify_all()
            return self._running

    def _follow_once(self) -> None:
        if self._is_outdated() and time.monotonic() >= self._not_before:
            self._succeed()
        self._live.catch_up(self._rest)
        if self._is_outdated() and time.monotonic() >= self._not_before:
            self._wake()

    def _is_outdated(self) -> bool:
        return self._live.is_outgrown or self._live.is_superseded()

    def _succeed(self) -> None:
        """Go over to a successor; where none can be made, what serves now goes on serving."""
        self._not_before = time.monotonic() + RETRY_SECONDS
        try:
            successor = open_live_model(self._library)
        except Exception:
            _log.exception("the new model cannot be served; the one before it still is")
            return
        if not successor.is_outgrown:
            self._not_before = 0.0
        self._live, self._sound_by = successor, float("inf")

    def _rest(self, worked_seconds: float) -> None:
        if self._closing.wait(min(LONGEST_REST_SECONDS, worked_seconds * RESTS_PER_WORK)):
            raise _Closing


def _mapped(library: Library, files: ServingFiles) -> LiveModel | None:
    state = files.read()
    if state is None or library.seq() < state.seq:
        return None
    live = LiveModel(library, state)
    return live if _caught_up(live) else None


def _caught_up(live: LiveModel) -> bool:
    """Whether a state could be brought up to date; where another model or the first sound came, it cannot."""
    if live.is_superseded():
        return False
    live.catch_up()
    return not live.is_superseded()


def _write(library: Library, files: ServingFiles) -> None:
    """Write the present state, in another process where it is large, so that this one keeps its time and memory."""
    if library.status()["tracks"] < INDEXED_FROM:
        _write_here(library, files)
        return
    told = json.dumps({"location": str(library.opened_at), "files": str(library.files)})
    command = [
        sys.executable,
        "-P",
        "-m",
        __name__,
    ]  # -P: nothing is imported from where the server was started
    subprocess.run(command, input=told, text=True, check=False)  # noqa: S603 - none of it comes from outside


def _write_as_told() -> None:
    """What a process of its own does; it is told where by standard input, for a location may hold a password."""
    told = json.loads(sys.stdin.read())
    with Library.open(told["location"], files=Path(told["files"])) as library:
        _write_here(library, _files(library))


def _write_here(library: Library, files: ServingFiles) -> None:
    state = files.read(mapped=False)
    live = None if state is None or library.seq() < state.seq else LiveModel(library, state)
    if live is None or not _caught_up(live):
        live = LiveModel.built(library)
        live.catch_up()
    indexes = live.model.fitted_model.indexes
    if indexes is not None:
        indexes.take_in(live.model.tracks)
    files.write(live.state)


def _files(library: Library) -> ServingFiles:
    folder = library.files.with_name(f"{library.files.name}-serving")
    return ServingFiles(folder, f"{library.born()} {library.location}")


if __name__ == "__main__":
    _write_as_told()
