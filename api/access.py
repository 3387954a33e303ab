"""Authentication by token, authorisation by role and user, and the rate limit of a caller."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request
from werkzeug.exceptions import HTTPException, TooManyRequests

from hybridrec.serving.service import RecommendationService
from hybridrec.storage.tokens import Role, Token

from .context import service, settings
from .rate_limit import RateLimit

HEALTH = frozenset({"health.healthz", "health.readyz"})
PUBLIC = HEALTH | {
    *("page.index", "page.static", "docs.swagger", "docs.openapi", "docs.static"),
    "listenbrainz.validate_token",
}
"""Endpoints without a token: health, the files of the page, and the validation of a token.

None of them shows data of the library."""

_OF_ALL_USERS = frozenset({"users.list_users"})
"""Endpoints that show data of all users, and so need the role admin."""

_READING_POSTS = frozenset({"similar.similar_to_audio"})
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEMES = frozenset({"bearer", "token"})
_UPLOAD_COST = 10


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: name of the token, or `anonymous`.
        address: IP address that the request came from.
        token: the token, if a valid one was sent.
    """

    name: str
    address: str
    token: Token | None = None


class _Unauthorized(HTTPException):
    """The caller is not authenticated: 401 with a challenge (RFC 6750)."""

    code = 401

    def __init__(self, description: str, **challenge: str) -> None:
        super().__init__(description)
        self._challenge = ", ".join(
            f'{name}="{value}"' for name, value in {"realm": "hybridrec", **challenge}.items()
        )

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """The usual headers and the challenge."""
        return [
            *super().get_headers(*args, **kwargs),
            ("WWW-Authenticate", f"Bearer {self._challenge}"),
        ]


class _InsufficientRole(_Unauthorized):
    """The role of the token does not allow this: 403."""

    code = 403
    fix = "use a token of a higher role; an operator makes one with `hybridrec token create`"


class _WrongUser(_InsufficientRole):
    """The token is of one user, and this concerns another: 403."""

    fix = (
        "ask for the user of your token only; an operator makes other tokens with "
        "`hybridrec token create --user`"
    )


def guard(app: Flask, rate_limit: RateLimit) -> None:
    """Check the token, role, user and rate of every request before it is answered."""

    @app.before_request
    def admit() -> None:
        token = token_in(service(), request.headers.get("Authorization", ""))
        g.caller = Caller(token.name if token else "anonymous", request.remote_addr or "", token)
        if request.endpoint not in HEALTH:
            _check_rate(rate_limit, g.caller)
        if settings().require_tokens:
            role = role_for(request.endpoint, request.method)
            require(role)
            _require_own(role)


def caller() -> Caller:
    """Who sent this request."""
    who = g.caller
    assert isinstance(who, Caller)
    return who


def may_know() -> bool:
    """Whether the caller may see data of the library."""
    return not settings().require_tokens or caller().token is not None


def role_for(endpoint: str | None, method: str) -> Role | None:
    """The role that a request needs, None if it is public.

    Endpoints that are not listed need a role by their method, so a new one is never open.
    """
    if endpoint in PUBLIC:
        return None
    if endpoint in _OF_ALL_USERS:
        return "admin"
    if method in _READING_METHODS or endpoint in _READING_POSTS:
        return "read"
    return "admin" if method == "DELETE" else "write"


def require(role: Role | None) -> None:
    """Refuse a caller without this role: 401 without a valid token, 403 with a lower role."""
    token = caller().token
    if role is None or (token is not None and token.allows(role)):
        return
    if token is not None:
        detail = f"this needs a token of the role {role}; yours is {token.role}"
        raise _InsufficientRole(detail, error="insufficient_scope", scope=role)
    if "Authorization" in request.headers:
        raise _Unauthorized("the token is not known here, or was revoked", error="invalid_token")
    raise _Unauthorized("this needs an access token")


def require_users(users: Iterable[str]) -> None:
    """Refuse with 403 if the token is of one user and other users are concerned."""
    token = caller().token
    if settings().require_tokens and token is not None and not all(map(token.serves, users)):
        raise _WrongUser(
            f"this token serves the user {token.person} alone", error="insufficient_scope"
        )


def _require_own(role: Role | None) -> None:
    """Refuse a token of one user on paths of other users, and on admin endpoints of all users."""
    user, token = (request.view_args or {}).get("user"), caller().token
    if user is not None:
        require_users([user])
    elif role == "admin" and token is not None and token.person is not None:
        raise _WrongUser(
            f"this token serves the user {token.person} alone", error="insufficient_scope"
        )


def token_in(service: RecommendationService, authorization: str) -> Token | None:
    """The valid token in an Authorization header, or None."""
    scheme, _, given = authorization.strip().partition(" ")
    return service.library.token(given.strip()) if scheme.lower() in _SCHEMES and given else None


def _check_rate(rate_limit: RateLimit, who: Caller) -> None:
    cost = _UPLOAD_COST if request.mimetype == "multipart/form-data" else 1
    seconds = rate_limit.wait_seconds(counted_by(who), cost, time.monotonic())
    if seconds:
        raise TooManyRequests("too many requests by one caller", retry_after=math.ceil(seconds))


def counted_by(who: Caller) -> str:
    """The key by which requests of one caller are counted: the token, or else the network."""
    return f"token {who.name}" if who.token else f"address {_network(who.address)}"


def _network(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 one, in which a client chooses its address."""
    try:
        # a proxy may add the network interface, as in fe80::1%eth0
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))
