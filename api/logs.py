"""The server's logs: every request with its id, and the audit log of writes, as lines of JSON."""

from __future__ import annotations

import logging
import re
import time
import uuid
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, unbind_contextvars

from .audit import AUDIT, AuditFile, caller_name, is_write, path, subject
from .log_format import json_lines, structured

REQUESTS = logging.getLogger("hybridrec.requests")
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_requests, _audit = structured(REQUESTS), structured(AUDIT)


def logging_settings(audit_log: Path, log_requests: bool) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`: JSON on standard error, and the audit log.

    Args:
        audit_log: file to append to; opened again after it was moved away.
        log_requests: whether each request is logged, not only errors.
    """
    errors_only = {"level": "WARNING", "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": json_lines}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            },
            "audit": {
                "()": AuditFile,
                "formatter": "json",
                "filename": str(audit_log),
                "delay": True,
            },
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": errors_only,
            "gunicorn.access": errors_only,
            REQUESTS.name: errors_only | {"level": "INFO" if log_requests else "WARNING"},
            AUDIT.name: {"level": "INFO", "handlers": ["audit"], "propagate": False},
        },
    }


def log_requests(app: Flask) -> None:
    """Give every request an id (the client's, if it is safe to log), and log its response."""
    app.before_request(_begin)
    app.after_request(_log)
    app.teardown_request(_forget_id)


def seconds_taken() -> float:
    """Seconds since this request began."""
    return time.perf_counter() - float(g.began)


def note(**facts: object) -> None:
    """Add fields to the line of this request in the audit log."""
    g.facts.update(facts)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex
    g.began = time.perf_counter()
    g.facts = {}
    bind_contextvars(request_id=g.request_id)


def _log(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    caller = g.get("caller")
    fields = {
        "method": request.method,
        "path": path(),
        "route": request.url_rule.rule if request.url_rule else None,
        "status": response.status_code,
        "milliseconds": round(1000 * seconds_taken(), 2),
        "caller": caller and caller_name(caller.name),
        "address": request.remote_addr,
    }
    _requests.info("request", **fields)
    if is_write() and response.status_code < 400:
        _audit.info("write", **(fields | {"subject": subject()} | g.facts))
    return response


def _forget_id(_error: BaseException | None) -> None:
    """The thread serves other requests later, and logs between them."""
    unbind_contextvars("request_id")
