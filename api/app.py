"""The WSGI application: all endpoints over one service."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import Info, OpenAPI
from pydantic import ValidationError
from werkzeug.middleware.proxy_fix import ProxyFix

import hybridrec
from hybridrec.serving.service import RecommendationService

from .access import guard
from .audit import refuse_unlogged
from .browser_security import secure
from .context import set_context
from .endpoints.docs import docs_of
from .endpoints.health import health
from .endpoints.listenbrainz import is_listenbrainz, listenbrainz, refuse_listens
from .endpoints.page import page
from .endpoints.plays import plays
from .endpoints.recommendations import recommendations
from .endpoints.similar import similar
from .endpoints.tracks import tracks
from .endpoints.users import users
from .logs import log_requests
from .metrics import measure
from .problems import Problem, answer_errors, refuse_fields
from .rate_limit import RateLimit
from .request_parsing import StrictJson, UploadRequest
from .settings import ApiSettings
from .urls import IdConverter, keep_slashes

_ABOUT = (
    "A hybrid music recommender: audio embeddings blended with collaborative filtering. A track is "
    "recommended by its audio as soon as it is uploaded; with each play, behaviour counts for more "
    "of its score. Errors are problem documents (RFC 9457)."
)

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "Needed unless the service listens on a loopback address. Roles: read queries, "
    "write also adds, admin also deletes and lists users. A token of one user gives access to the "
    "data of that user only.",
}


def create_app(
    service: RecommendationService,
    *,
    settings: ApiSettings | None = None,
    rate_limit: RateLimit | None = None,
) -> OpenAPI:
    """Create the WSGI application.

    Args:
        service: must stay open while the application serves.
        settings: limits; the defaults suit a service on a loopback address.
        rate_limit: shared with other processes; None: one for this process, from the settings.
    """
    settings = settings or ApiSettings()
    app = _bare_app(settings)
    set_context(app, service, settings)
    answer_errors(app)
    log_requests(app)
    measure(app, service)
    secure(app)
    guard(app, rate_limit or RateLimit(settings.requests_per_minute))
    refuse_unlogged(app)
    for views in (recommendations, similar, tracks, plays, users, listenbrainz, health):
        app.register_api(views)
    app.register_blueprint(page)
    app.register_blueprint(docs_of(app))
    return app


def _refuse(error: ValidationError) -> Response:
    return refuse_listens(error) if is_listenbrainz() else refuse_fields(error)


def _bare_app(settings: ApiSettings) -> OpenAPI:
    app = OpenAPI(
        __name__,
        info=Info(title="hybridrec", version=hybridrec.__version__, description=_ABOUT),
        security_schemes={"token": _TOKEN},
        openapi_extensions={"security": [{"token": []}, {}]},
        validation_error_model=Problem,
        validation_error_callback=_refuse,
        doc_ui=False,
        static_folder=None,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.upload_limit_bytes
    app.json = StrictJson(app)
    app.request_class = UploadRequest
    app.url_map.converters["id"] = IdConverter
    wsgi_app = keep_slashes(app.wsgi_app)
    if settings.proxies:
        wsgi_app = ProxyFix(
            wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    app.wsgi_app = wsgi_app  # type: ignore[method-assign, assignment]
    return app
