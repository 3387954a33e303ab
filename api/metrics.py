"""Metrics for Prometheus: duration of requests, size of the index, weights of results.

Counts of several worker processes are added up through files: prometheus_client does so if the
environment variable PROMETHEUS_MULTIPROC_DIR names a directory, which `worker_files.py` makes.
"""

from __future__ import annotations

import itertools
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
from prometheus_client.metrics_core import Metric
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
FORMER_NAMES = {"hybridrec_effective_audio_weight": "hybridrec_audio_weight"}
"""Former names of metrics, by present names: dashboards find them for one more release."""


class Metrics:
    """The metrics of one application.

    Args:
        service: its library and model are looked up at each scrape.
    """

    def __init__(self, service: RecommendationService) -> None:
        self._own = CollectorRegistry()
        self._state = _ServiceState(service)
        self.seconds = Histogram(
            "hybridrec_request_seconds",
            "Time to answer a request",
            _LABELS,
            buckets=_SECONDS,
            registry=self._own,
        )
        self.under_way = Gauge(
            "hybridrec_requests_under_way",
            "Requests in progress",
            multiprocess_mode="livesum",
            registry=self._own,
        )
        self.weights = Histogram(
            "hybridrec_effective_audio_weight",
            "Effective audio weight of each result",
            buckets=_SHARES,
            registry=self._own,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus' text format, summed over the worker processes."""
        sources: list[Collector] = [self._state, self._own]
        if MULTIPROCESS_DIRECTORY in os.environ:
            sources[1] = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        registry.register(_WithFormerNames(sources))
        return generate_latest(registry)


class _WithFormerNames(Collector):
    """The metrics of several collectors, the renamed ones under both names."""

    def __init__(self, sources: list[Collector]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Each metric, and after it a copy under its former name, if it had one."""
        for metric in itertools.chain.from_iterable(each.collect() for each in self._sources):
            yield metric
            if metric.name in FORMER_NAMES:
                yield _renamed(metric, FORMER_NAMES[metric.name])


def _renamed(metric: Metric, name: str) -> Metric:
    copy = Metric(name, f"Deprecated: the former name of {metric.name}", metric.type)
    copy.samples = [
        sample._replace(name=sample.name.replace(metric.name, name, 1)) for sample in metric.samples
    ]
    return copy


class _ServiceState(Collector):
    """Sizes of the library and of the model in use, looked up at each scrape."""

    def __init__(self, service: RecommendationService) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge per figure."""
        for name, (value, meaning) in self._service.figures().items():
            yield GaugeMetricFamily(f"hybridrec_{name}", meaning, value)


def measure(app: Flask, service: RecommendationService) -> None:
    """Measure every request of an application."""
    app.extensions[_KEY] = Metrics(service)
    app.before_request(_begin)
    app.after_request(_count)
    app.teardown_request(_end)


def answer_metrics() -> Response:
    """The metrics as a response."""
    return Response(_metrics().text(), content_type=CONTENT_TYPE_LATEST)


def counted(answer: Answer) -> Answer:
    """Observe the effective audio weights of an answer, and return it."""
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
