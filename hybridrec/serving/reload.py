"""Model reload: a background thread that keeps the live model up to date and replaces it.

The model is replaced when the library has another model or another encoder, or when so many
tracks changed that they should join the index. Requests are answered by the present model until
the next one is loaded; none waits for it, nor for changes that are applied in the background.
"""

from __future__ import annotations

import logging
import threading
import time

from hybridrec.errors import LibraryError
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.loading import load_live_model
from hybridrec.storage.library import Library

RETRY_SECONDS = 60.0
"""Time from a reload that failed until the next try."""

FIRST_AUDIO_SECONDS = 5.0
"""How long requests wait in all for a model with the first embeddings of a library."""

CLOSING_SECONDS = 10.0

PAUSE_PER_WORK = 2.0
MAX_PAUSE_SECONDS = 2.0
"""After each batch the thread pauses for twice the time that it worked, but no longer than this:
requests have two thirds of a processor even while much is written."""

_log = logging.getLogger("hybridrec")


class _Closing(Exception):
    """The service is closed while changes are applied."""


class ModelReload:
    """The live model of a library, kept up to date and replaced by a background thread.

    The thread starts when a request finds that something was written, and ends when all of it is
    applied.

    Args:
        library: an open library.

    Raises:
        LibraryError: if the library cannot be read, or its model is damaged or too new.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._live = load_live_model(library)
        self._state = threading.Condition()
        self._running = self._wanted = False
        self._closing = threading.Event()
        self._no_reload_before = 0.0  # time.monotonic()
        self._wait_for_audio_until = float("inf")

    def current(self) -> LiveModel:
        """The live model with the newest tracks.

        Waits for the first embeddings of a library, `FIRST_AUDIO_SECONDS` at most for all
        requests together, because an upload is to be recommended as soon as it is acknowledged.
        Nothing else is waited for.

        Raises:
            LibraryError: if the library cannot be read.
        """
        if self._live.apply_newest():
            self._wake()
        if self._live.needs_first_audio:
            deadline = time.monotonic() + FIRST_AUDIO_SECONDS
            self._wait_for_audio_until = min(self._wait_for_audio_until, deadline)
            self._await_idle(self._wait_for_audio_until)
        return self._live

    def settle(self, seconds: float) -> bool:
        """Wait until everything written before the call is applied; whether it was in time."""
        deadline = time.monotonic() + seconds
        self._wake()
        return self._await_idle(deadline)

    def close(self) -> None:
        """End the thread, after its present batch."""
        self._closing.set()
        self._await_idle(time.monotonic() + CLOSING_SECONDS)

    def _wake(self) -> None:
        with self._state:
            self._wanted = True
            if not self._running and not self._closing.is_set():
                self._running = True
                threading.Thread(target=self._run, name="hybridrec-reload", daemon=True).start()

    def _await_idle(self, deadline: float) -> bool:
        with self._state:
            timeout = max(0.0, deadline - time.monotonic())
            return self._state.wait_for(lambda: not self._running, timeout)

    def _run(self) -> None:
        while self._is_wanted():
            try:
                self._follow()
            except _Closing:
                continue
            except LibraryError as error:
                # The next request wakes the thread again, and it applies what is left.
                _log.warning("changes of the library are not applied yet: %s", error)
            except Exception:
                _log.exception("changes of the library are not applied yet")

    def _is_wanted(self) -> bool:
        # One step under the lock, so that no call to `_wake` falls between look and end.
        with self._state:
            self._running = self._wanted and not self._closing.is_set()
            self._wanted = False
            if not self._running:
                self._state.notify_all()
            return self._running

    def _follow(self) -> None:
        if self._may_reload():
            self._reload()
        self._live.catch_up(self._pause)
        if self._may_reload():
            self._wake()

    def _may_reload(self) -> bool:
        is_outdated = self._live.is_outgrown or self._live.is_superseded()
        return is_outdated and time.monotonic() >= self._no_reload_before

    def _reload(self) -> None:
        """Replace the live model; where no other can be loaded, it goes on serving."""
        self._no_reload_before = time.monotonic() + RETRY_SECONDS
        try:
            live = load_live_model(self._library)
        except Exception:
            _log.exception("the new model cannot be loaded; the one before it still serves")
            return
        # Outgrown at once: files could not be written. Another try waits its time.
        if not live.is_outgrown:
            self._no_reload_before = 0.0
        self._live, self._wait_for_audio_until = live, float("inf")

    def _pause(self, worked_seconds: float) -> None:
        if self._closing.wait(min(MAX_PAUSE_SECONDS, worked_seconds * PAUSE_PER_WORK)):
            raise _Closing
