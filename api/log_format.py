"""Structured logs with structlog: a record is one JSON object on one line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger


def structured(logger: logging.Logger) -> BoundLogger:
    """Let a logger take fields: `structured(logger).info("request", status=200)`.

    structlog is not configured globally, so that a program that embeds the application keeps its
    own configuration. A handler without `json_lines` prints the fields as a dictionary.
    """
    processors: list[Any] = [
        structlog.stdlib.filter_by_level,
        ProcessorFormatter.wrap_for_formatter,
    ]
    wrapped = structlog.wrap_logger(logger, processors, wrapper_class=BoundLogger)
    return cast(BoundLogger, wrapped.bind())


def json_lines() -> logging.Formatter:
    """Format records of structlog and of `logging` as lines of JSON.

    Fields: `time` (ISO 8601, UTC), `level`, `logger`, `message`, those that the caller gave,
    `request_id` while a request is answered, and `exception`. JSON escapes control characters, so
    no client can forge a line.
    """
    return ProcessorFormatter(
        processors=[
            _from_record,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    )


def _from_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put what every record has first; structlog calls a message `event`."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": event.pop("event"),
        **event,
    }
