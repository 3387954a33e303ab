"""What the server writes down: every request with its id, and who wrote what, as lines of JSON."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, has_request_context, request

from .audit import AUDIT, AuditFile, caller_name, is_write, path, subject

REQUESTS = logging.getLogger("hybridrec.requests")
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class JsonLines(logging.Formatter):
    """A record as one line of JSON; control characters of whoever was logged cannot forge a second."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if has_request_context():
            entry["request_id"] = g.get("request_id")
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def logging_settings(audit_log: Path, log_requests: bool) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes: all as lines of JSON, on standard error but for the audit log.

    Args:
        audit_log: a file that is added to, and opened anew when something has moved it away.
        log_requests: a line for every request, beside what goes wrong.
    """
    everything = {"level": "WARNING", "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
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
            "gunicorn.error": everything,
            "gunicorn.access": everything,
            REQUESTS.name: everything | {"level": "INFO" if log_requests else "WARNING"},
            AUDIT.name: {"level": "INFO", "handlers": ["audit"], "propagate": False},
        },
    }


def log_requests(app: Flask) -> None:
    """Give every request an id, its own if that is sane, and log it when it is answered."""
    app.before_request(_begin)
    app.after_request(_end)


def seconds_taken() -> float:
    """How long this request has been under way."""
    return time.perf_counter() - float(g.began)


def note(**facts: object) -> None:
    """Add to what the audit log will say of this request."""
    g.facts.update(facts)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
    g.began = time.perf_counter()
    g.facts = {}


def _end(answer: Response) -> Response:
    answer.headers["X-Request-ID"] = g.request_id
    who = g.get("caller")
    fields = {
        "method": request.method,
        "path": path(),
        "route": request.url_rule.rule if request.url_rule else None,
        "status": answer.status_code,
        "milliseconds": round(1000 * seconds_taken(), 2),
        "caller": who and caller_name(who.name),
        "address": request.remote_addr,
    }
    REQUESTS.info("request", extra={"fields": fields})
    if is_write() and answer.status_code < 400:
        AUDIT.info("write", extra={"fields": fields | {"subject": subject()} | g.facts})
    return answer
