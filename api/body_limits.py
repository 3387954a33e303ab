"""How many bytes of a request body are received before the application sees the request."""

from __future__ import annotations

from typing import Any

from hybridrec.errors import LibraryError
from hybridrec.serving.service import RecommendationService

from .access import token_in
from .endpoints.listenbrainz import MAX_BODY_BYTES, listenbrainz
from .settings import ApiSettings


def body_limit(
    service: RecommendationService, settings: ApiSettings, environ: dict[str, Any]
) -> int:
    """The most bytes of a body that are buffered; 0 for callers without a needed token.

    Endpoints with smaller limits check them themselves.

    Args:
        service: its library has the tokens.
        settings: of the application.
        environ: the WSGI environment of the request.
    """
    if settings.require_tokens and not _is_known(service, environ.get("HTTP_AUTHORIZATION", "")):
        return 0
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return settings.upload_limit_bytes
    is_listens = environ.get("PATH_INFO", "").startswith(f"{listenbrainz.url_prefix}/")
    return MAX_BODY_BYTES if is_listens else settings.body_limit_bytes


def _is_known(service: RecommendationService, authorization: str) -> bool:
    try:
        return token_in(service, authorization) is not None
    except LibraryError:  # the application answers with the error
        return False
