"""Log lines: JSON with fixed field names, for records of structlog and of `logging` alike."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from hybridrec.api.log_format import json_lines, structured
from hybridrec.serving.service import RecommendationService

LOGGER = logging.getLogger("hybridrec.requests")
OF_EVERY_LINE = {"time", "level", "logger", "message"}
OF_A_REQUEST = {"method", "path", "route", "status", "milliseconds", "caller", "address"}


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines written so far to the log of requests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_lines())
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_a_request_is_a_line_with_the_documented_fields(
    client: FlaskClient, written: Callable[[], list[dict[str, Any]]]
) -> None:
    client.get("/healthz", headers={"X-Request-ID": "mine-1"})
    (line,) = written()
    assert set(line) == OF_EVERY_LINE | OF_A_REQUEST | {"request_id"}
    assert (line["level"], line["logger"], line["message"]) == ("info", LOGGER.name, "request")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/healthz", 200)
    assert (line["request_id"], line["caller"]) == ("mine-1", "anonymous")
    assert line["time"].endswith("+00:00")


def test_an_error_has_the_id_of_its_request_and_the_next_line_has_none(
    client: FlaskClient,
    service: RecommendationService,
    written: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        LOGGER.error("it failed for %s", "ada\n{}", exc_info=ValueError("broken"))

    monkeypatch.setattr(service, "user_plays", fail)
    client.get("/v1/users/ada/plays", headers={"X-Request-ID": "mine-2"})
    LOGGER.warning("between requests")
    error, request, outside = written()
    assert error["request_id"] == request["request_id"] == "mine-2"
    assert error["message"] == "it failed for ada\n{}"
    assert "ValueError: broken" in error["exception"]
    assert set(outside) == OF_EVERY_LINE


def test_fields_are_values_of_json_or_their_text(
    written: Callable[[], list[dict[str, Any]]],
) -> None:
    structured(LOGGER).info("request", path="/ü\r\n{}", number=1.5, nothing=None, kind=ValueError)
    (line,) = written()
    assert (line["path"], line["number"], line["nothing"]) == ("/ü\r\n{}", 1.5, None)
    assert line["kind"] == str(ValueError)


def test_below_the_level_nothing_is_written(written: Callable[[], list[dict[str, Any]]]) -> None:
    LOGGER.setLevel(logging.WARNING)
    structured(LOGGER).info("request")
    assert written() == []
