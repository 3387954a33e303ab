"""The exceptions of hybridrec: one small tree.

Each says *what* was wrong, what was *got*, and the *fix*. The command line prints them as one
line, the HTTP API as one problem document.
"""

from __future__ import annotations


class HybridrecError(Exception):
    """Something the user asked for cannot be done.

    Args:
        what: what was wrong, as a short sentence without a full stop.
        got: the offending value, if showing it helps.
        fix: what to do about it, as an imperative.
    """

    def __init__(self, what: str, *, got: object = None, fix: str = "") -> None:
        self.what = what
        self.got = got
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        got = "" if self.got is None else f"; got {self.got!r}"
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.what}{got}{fix}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.got, self.fix))


def _rebuild(kind: type[HybridrecError], what: str, got: object, fix: str) -> HybridrecError:
    return kind(what, got=got, fix=fix)


class InvalidInput(HybridrecError, ValueError):
    """A value is outside what is allowed: a setting, a row of a file, a request field."""


class NotFound(HybridrecError, LookupError):
    """A track, user, file or model that was named does not exist."""

    __str__ = HybridrecError.__str__


class Conflict(HybridrecError):
    """The request contradicts what is stored already."""


class AudioError(HybridrecError):
    """A file could not be embedded: empty, damaged, too short, too long, or not audio."""


class FingerprintMismatch(HybridrecError):
    """Embeddings or weights of different encoders were about to be mixed."""


class NotReady(HybridrecError):
    """Something must be done first: fit a model, train an encoder, install an extra."""


class LibraryError(HybridrecError):
    """The library on disk or in the database is missing, newer than this program, or damaged."""


class StorageFull(HybridrecError):
    """There is no room to store what was given; nothing of it was stored."""


class Busy(LibraryError):
    """Too many wait for the same thing already; try again in a moment.

    Attributes:
        retry_after_seconds: when that may help.
    """

    retry_after_seconds = 2


class ConnectionLost(LibraryError):
    """The database hung up before anything was stored; trying once more may help."""
