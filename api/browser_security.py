"""Security headers for browsers, and refusal of requests by pages of other sites."""

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
    """Add security headers to every response; refuse unknown Host headers and foreign origins."""
    app.before_request(_refuse_unknown_hosts)
    app.before_request(_refuse_other_sites)
    app.after_request(_add_headers)


def _refuse_unknown_hosts() -> None:
    """Prevent DNS rebinding, which could reach a loopback service without tokens.

    Werkzeug's `trusted_hosts` does not support IPv6 addresses.
    """
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        name = None
    if not settings().require_tokens and name not in settings().trusted_hosts:
        abort(400, "the Host header names another host than this server")


def _refuse_other_sites() -> None:
    """Prevent cross-site requests that write.

    With tokens there is no need: no other site has one, and a proxy may use another host name.
    """
    origin = None if settings().require_tokens else request.headers.get("Origin")
    if request.method in _SAFE_METHODS or not origin:
        return
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        abort(400, "the Origin header is not a valid origin")
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
