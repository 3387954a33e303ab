"""What every answer says to browsers, and what no web page may make them do."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from .context import settings

CONTENT_POLICY = (
    "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTTPS_ONLY = f"max-age={365 * 24 * 3600}"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def secure(app: Flask) -> None:
    """Add the security headers to every answer; refuse other names of this host, and writes by other sites."""
    app.before_request(_refuse_other_names)
    app.before_request(_refuse_other_sites)
    app.after_request(_add_headers)


def _refuse_other_names() -> None:
    """Where no token is asked for, DNS rebinding must be. Werkzeug's `trusted_hosts` cannot hold an IPv6 address."""
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        name = None
    if not settings().require_tokens and name not in settings().trusted_hosts:
        abort(400, "this server does not go by the name in the Host header")


def _refuse_other_sites() -> None:
    """Needless where writing takes a token, which no other site has; and a proxy may know the host by another name."""
    origin = None if settings().require_tokens else request.headers.get("Origin")
    if request.method in _SAFE_METHODS or not origin:
        return
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        abort(400, "the Origin header names no site")
    if site != request.host:
        abort(403, "a page of another site may not write here")


def _add_headers(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.is_secure:
        answer.headers["Strict-Transport-Security"] = _HTTPS_ONLY
    if request.path.startswith("/v1/"):
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer
