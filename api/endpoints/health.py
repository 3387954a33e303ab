"""Liveness, readiness and metrics."""

from __future__ import annotations

from flask import Response, current_app, jsonify
from flask_openapi3 import APIBlueprint, Tag

from hybridrec.errors import LibraryError

from ..access import may_know
from ..context import service
from ..metrics import answer_metrics
from ..problems import documented, problem
from ..request_schemas import NoQuery
from ..response_schemas import HealthOut, ReadyOut

_METRICS = {"description": "metrics in Prometheus' text format", "content": {"text/plain": {}}}

health = APIBlueprint(
    "health", __name__, abp_tags=[Tag(name="health", description="For the operator.")]
)


@health.get("/healthz", responses={200: HealthOut, **documented()})
def healthz(query: NoQuery) -> dict[str, object]:
    """Report that the process is alive."""
    return HealthOut(status="ok").model_dump()


@health.get("/metrics", responses={200: _METRICS, **documented()})
def metrics(query: NoQuery) -> Response:
    """Return the metrics of all worker processes."""
    return answer_metrics()


@health.get("/readyz", responses={200: ReadyOut, **documented(503)})
def readyz(query: NoQuery) -> Response:
    """Report whether recommendations can be served.

    Callers who may read the library also get its size, or the reason.
    """
    try:
        state = service().readiness() if may_know() else {"ready": service().is_ready(), "why": ""}
    except LibraryError as error:
        current_app.logger.error("not ready: %s", error)
        return problem("not-ready", 503, "the library cannot be used now", extra={"ready": False})
    if not state["ready"]:
        return problem(
            "not-ready", 503, str(state["why"]) or "nothing can be recommended yet", extra=state
        )
    return jsonify(ReadyOut.model_validate(state).model_dump(exclude_unset=True))
