"""The audit log: who wrote what. A write that could not be logged is refused before it is done."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from typing import Any

from flask import Flask, Response, current_app, request

from .log_format import structured
from .problems import FREE_SPACE, FULL_DISK, problem

AUDIT = logging.getLogger("hybridrec.audit")
ALARM = logging.getLogger("hybridrec.audit_alarm")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES_NOTHING = frozenset({"similar.similar_to_audio"})
_FORGETTING = "users.forget_user"


class AuditFile(WatchedFileHandler):
    """A log file that only its owner may read; opened again after it was moved away.

    If a line cannot be written although `ensure_writable` passed before the write, its fields go
    to the server's log as an error, because the write itself is done.
    """

    def ensure_writable(self) -> None:
        """Open the file, so that a line can be written later.

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
        """Send the fields of a line that this file did not take to the server's log."""
        fields = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        fields = {name: value for name, value in fields.items() if name != "event"}
        structured(ALARM).error("the audit log cannot be written", exc_info=True, **fields)

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_private
        )


def refuse_unlogged(app: Flask) -> None:
    """Refuse writes while the audit log cannot be written."""

    @app.before_request
    def refuse() -> Response | None:
        try:
            for handler in AUDIT.handlers:
                if isinstance(handler, AuditFile) and is_write():
                    handler.ensure_writable()
        except OSError as error:
            current_app.logger.error(
                "writes are refused, the audit log cannot be written: %s", error
            )
            detail = "writes are refused while the audit log cannot be written"
            if error.errno in FULL_DISK:
                return problem("storage-full", 507, detail, fix=FREE_SPACE)
            return problem(
                "unavailable",
                503,
                detail,
                fix="nothing was stored; ask the operator to look into the server's log",
            )
        return None


def is_write() -> bool:
    """Whether this request changes the library, if it is admitted."""
    return request.method not in _READING and request.endpoint not in _WRITES_NOTHING


def subject() -> dict[str, Any]:
    """The ids in the address; of a user who is forgotten only the hash of the id."""
    named = dict(request.view_args or {})
    if request.endpoint == _FORGETTING:
        return {"user_sha256": name_hash(named["user"])}
    return named


def path() -> str:
    """The path of this request, without the id of a user who is forgotten."""
    return str(request.url_rule) if request.endpoint == _FORGETTING else request.path


def caller_name(name: str) -> str:
    """The caller's name; its hash if the caller is the user who is forgotten."""
    forgotten = (request.view_args or {}).get("user") if request.endpoint == _FORGETTING else None
    return f"sha256:{name_hash(name)}" if name == forgotten else name


def name_hash(user: str) -> str:
    """Hex SHA-256 of a user id in UTF-8: stands for the id in the audit log."""
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
