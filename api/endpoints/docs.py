"""The OpenAPI document at /openapi.json, and Swagger UI for it at /docs."""

from __future__ import annotations

from pathlib import Path

import flask_openapi3_swagger
from flask import Blueprint, Response, jsonify, make_response, render_template
from flask_openapi3 import OpenAPI

_ASSETS = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def docs_of(app: OpenAPI) -> Blueprint:
    """The endpoints that serve the OpenAPI document of an application.

    The page is Swagger UI, whose files come with flask-openapi3; it sets styles inline, so its
    content policy allows those.
    """
    docs = Blueprint("docs", __name__, static_folder=str(_ASSETS), static_url_path="/docs/assets")

    @docs.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(app.api_doc)

    @docs.get("/docs")
    def swagger() -> Response:
        answer = make_response(render_template("docs.html"))
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    return docs
