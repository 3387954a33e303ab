"""Who wrote what, in a file of its own: what could not be logged is refused before it is done."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from typing import Any

from flask import Flask, Response, current_app, request

from .problems import FREE_SPACE, FULL_DISK, problem

AUDIT = logging.getLogger("hybridrec.audit")
ALARM = logging.getLogger("hybridrec.audit_alarm")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES_NOTHING = frozenset({"similar.similar_to_audio"})
_FORGETTING = "users.forget_user"


class AuditFile(WatchedFileHandler):
    """A file that its owner alone may read, opened anew when something has moved it away.

    A line that cannot be written any more, though the file was fit for it a moment before, goes to the
    server's log as an error: what it tells of is done.
    """

    def ensure_writable(self) -> None:
        """Open the file.

        Raises:
            OSError: if it cannot be opened; ENOSPC, if there is no room for a line.
        """
        assert self.lock is not None
        with self.lock:
            self.reopenIfNeeded()
            if self.stream is None:
                self.stream = self._open()
            if os.fstatvfs(self.stream.fileno()).f_bavail == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.baseFilename)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            self.reopenIfNeeded()
        except OSError:
            self.handleError(record)
        else:
            logging.FileHandler.emit(self, record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Log elsewhere what this file did not take."""
        ALARM.error(
            "the audit log cannot be written",
            extra={"fields": getattr(record, "fields", {})},
            exc_info=True,
        )

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_private
        )


def refuse_unlogged(app: Flask) -> None:
    """Do nothing that could not be logged afterwards."""

    @app.before_request
    def refuse() -> Response | None:
        try:
            for handler in AUDIT.handlers:
                if isinstance(handler, AuditFile) and is_write():
                    handler.ensure_writable()
        except OSError as error:
            current_app.logger.error("nothing is written, for the audit log cannot be: %s", error)
            detail = "nothing is written while the audit log cannot be"
            if error.errno in FULL_DISK:
                return problem("storage-full", 507, detail, fix=FREE_SPACE)
            return problem(
                "unavailable",
                503,
                detail,
                fix="nothing was stored; ask the operator to look into the log",
            )
        return None


def is_write() -> bool:
    """Whether this request changes what the library holds, if it is let."""
    return request.method not in _READING and request.endpoint not in _WRITES_NOTHING


def subject() -> dict[str, Any]:
    """What this request is about; a person who is forgotten is not named, but can be found by who knows the name."""
    named = dict(request.view_args or {})
    if request.endpoint == _FORGETTING:
        return {"user_sha256": name_hash(named["user"])}
    return named


def path() -> str:
    """The address of this request, without the name of a person who is forgotten."""
    return str(request.url_rule) if request.endpoint == _FORGETTING else request.path


def caller_name(name: str) -> str:
    """Who sent this request, unless it is she who is forgotten."""
    forgotten = (request.view_args or {}).get("user") if request.endpoint == _FORGETTING else None
    return f"sha256:{name_hash(name)}" if name == forgotten else name


def name_hash(user: str) -> str:
    """Stands for a user in the audit log: hex SHA-256 of the id as UTF-8."""
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
