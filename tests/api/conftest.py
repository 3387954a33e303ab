"""A client that checks every response against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from flask_openapi3 import OpenAPI
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.serving.service import RecommendationService


class CheckedClient(FlaskClient):
    """Sends requests, and fails if a response does not match the OpenAPI document."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        route = self._route(answer)
        documented = self._document["paths"].get(route, {}).get(answer.request.method.lower())
        if documented is not None:
            assert str(answer.status_code) in documented["responses"], (
                route,
                answer.status_code,
                answer.text,
            )
            self._check_body(answer, documented["responses"][str(answer.status_code)])
        return answer

    @property
    def _document(self) -> dict[str, Any]:
        assert isinstance(self.application, OpenAPI)
        return self.application.api_doc

    def _route(self, answer: TestResponse) -> str:
        try:
            rule, _ = self.application.url_map.bind("localhost").match(
                answer.request.path, answer.request.method, return_rule=True
            )
        except HTTPException:
            return ""
        return rule.rule.replace("<id:", "{").replace(">", "}")

    def _check_body(self, answer: TestResponse, promised: dict[str, Any]) -> None:
        schema = promised.get("content", {}).get(answer.mimetype, {}).get("schema")
        if schema is None:
            assert answer.status_code == 204 or answer.mimetype.startswith(("audio/", "text/plain"))
            return
        jsonschema.validate(
            answer.get_json(force=True), {**schema, "components": self._document["components"]}
        )


@pytest.fixture
def connect() -> Iterator[Callable[..., CheckedClient]]:
    """Makes a client of a service, with optional settings; closes the service in the end."""
    services: list[RecommendationService] = []

    def connect(
        service: RecommendationService, settings: ApiSettings | None = None
    ) -> CheckedClient:
        services.append(service)
        app = create_app(service, settings=settings)
        return CheckedClient(app, app.response_class)

    yield connect
    for service in services:
        service.close()


@pytest.fixture
def client(connect: Callable[..., CheckedClient], service: RecommendationService) -> CheckedClient:
    """A client of the fitted library of two styles."""
    return connect(service)
