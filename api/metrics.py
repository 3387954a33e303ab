"""What Prometheus reads: how long calls take, how much is indexed, and how much of the answers was sound.

Counts of several worker processes are added up through files, as prometheus_client does it where the environment
names a directory in PROMETHEUS_MULTIPROC_DIR; `server.py` sees to that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, current_app, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from hybridrec.serving.answers import Answer
from hybridrec.serving.service import RecommendationService

from .logs import seconds_taken
from .settings import MULTIPROCESS_DIRECTORY

_KEY = "hybridrec.metrics"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHARES = tuple(n / 10 for n in range(11))
_LABELS = ("method", "route", "status")


class Metrics:
    """The figures of one application.

    Args:
        service: asked for the state of the index whenever Prometheus asks.
    """

    def __init__(self, service: RecommendationService) -> None:
        self._own = CollectorRegistry()
        self._state = _State(service)
        self.seconds = Histogram(
            "hybridrec_request_seconds",
            "Time to answer",
            _LABELS,
            buckets=_SECONDS,
            registry=self._own,
        )
        self.under_way = Gauge(
            "hybridrec_requests_under_way",
            "Requests that are being answered",
            multiprocess_mode="livesum",
            registry=self._own,
        )
        self.weights = Histogram(
            "hybridrec_audio_weight",
            "Audio weight of each result",
            buckets=_SHARES,
            registry=self._own,
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text format, those of all processes added up."""
        registry = CollectorRegistry()
        registry.register(self._state)
        if MULTIPROCESS_DIRECTORY in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(registry) + generate_latest(self._own)


class _State(Collector):
    """What the library and the model in use hold, looked up when it is asked for."""

    def __init__(self, service: RecommendationService) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A gauge for each figure."""
        for name, (value, meaning) in self._service.figures().items():
            yield GaugeMetricFamily(f"hybridrec_{name}", meaning, value)


def measure(app: Flask, service: RecommendationService) -> None:
    """Time every request of an application."""
    app.extensions[_KEY] = Metrics(service)
    app.before_request(_begin)
    app.after_request(_count)
    app.teardown_request(_end)


def answer_metrics() -> Response:
    """The figures as a response."""
    return Response(_metrics().text(), content_type=CONTENT_TYPE_LATEST)


def counted(answer: Answer) -> Answer:
    """The answer, after its audio weights were counted."""
    for hit in answer.hits:
        _metrics().weights.observe(hit.effective_audio_weight)
    return answer


def _metrics() -> Metrics:
    metrics = current_app.extensions[_KEY]
    assert isinstance(metrics, Metrics)
    return metrics


def _begin() -> None:
    g.counted = True
    _metrics().under_way.inc()


def _end(_error: BaseException | None) -> None:
    if g.pop("counted", False):
        _metrics().under_way.dec()


def _count(answer: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    known = _metrics().seconds.labels(
        request.method if request.url_rule else "any", route, str(answer.status_code)
    )
    known.observe(seconds_taken())
    return answer
