"""Is the process alive, and can it do its job?"""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from .access import may_know
from .answer_schemas import HealthOut, ReadyOut
from .context import service
from .problems import documented, problem
from .request_schemas import NoQuery

health = APIBlueprint("health", __name__, abp_tags=[Tag(name="health", description="For whoever runs the service.")])


@health.get("/healthz", responses={200: HealthOut, **documented()})
def healthz(query: NoQuery) -> dict[str, object]:
    """Say that the process answers."""
    return HealthOut(status="ok").model_dump()


@health.get("/readyz", responses={200: ReadyOut, **documented(503)})
def readyz(query: NoQuery) -> Response:
    """Say whether recommendations can be served; to those who may know, also from what, and if not, why."""
    state = service().readiness()
    shown = state if may_know() else {"ready": state["ready"], "why": ""}
    if not state["ready"]:
        return problem("not-ready", 503, str(shown["why"]) or "nothing can be recommended yet", extra=shown)
    return jsonify(ReadyOut.model_validate(shown).model_dump(exclude_unset=True))
