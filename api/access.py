"""Who asks, whether she may, and how often."""

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
"""What needs no token: health, what a browser must load before it can ask for one, and the question whether a token
holds. None shows the library."""

_OF_ALL_USERS = frozenset({"users.list_users"})
"""What tells of everybody, and so takes the role admin."""

_READING_POSTS = frozenset({"similar.similar_to_audio"})
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEMES = frozenset({"bearer", "token"})
_UPLOAD_COST = 10


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: of her token, or `anonymous`.
        address: where the request came from.
        token: hers, where she gave one that holds.
    """

    name: str
    address: str
    token: Token | None = None


class _Unauthorized(HTTPException):
    """Nobody knows who she is: a 401 with a challenge, as RFC 6750 has it."""

    code = 401

    def __init__(self, description: str, **challenge: str) -> None:
        super().__init__(description)
        self._challenge = ", ".join(
            f'{name}="{value}"' for name, value in {"realm": "hybridrec", **challenge}.items()
        )

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """The challenge, beside the usual ones."""
        return [
            *super().get_headers(*args, **kwargs),
            ("WWW-Authenticate", f"Bearer {self._challenge}"),
        ]


class _Insufficient(_Unauthorized):
    """She is known, but may not."""

    code = 403
    fix = "use a token of a higher role; an operator makes one with `hybridrec token create`"


class _OfAnother(_Insufficient):
    """She may, but not with what belongs to others."""

    fix = "ask for the user of your token alone; an operator makes others with `hybridrec token create --user`"


def guard(app: Flask, rate_limit: RateLimit) -> None:
    """Let only those in who may do what they ask for, no faster than they may."""

    @app.before_request
    def admit() -> None:
        token = token_in(service(), request.headers.get("Authorization", ""))
        g.caller = Caller(token.name if token else "anonymous", request.remote_addr or "", token)
        if request.endpoint not in HEALTH:
            _slow_down(rate_limit, g.caller)
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
    """Whether the caller may be told what the library holds."""
    return not settings().require_tokens or caller().token is not None


def role_for(endpoint: str | None, method: str) -> Role | None:
    """The role that a call needs, or None for what is public; a call that nobody thought of needs one, too."""
    if endpoint in PUBLIC:
        return None
    if endpoint in _OF_ALL_USERS:
        return "admin"
    if method in _READING_METHODS or endpoint in _READING_POSTS:
        return "read"
    return "admin" if method == "DELETE" else "write"


def require(role: Role | None) -> None:
    """Refuse a caller without a token of this role: 401 without one that holds, 403 where it allows less."""
    token = caller().token
    if role is None or (token is not None and token.allows(role)):
        return
    if token is not None:
        what = f"this needs a token of the role {role}; yours is {token.role}"
        raise _Insufficient(what, error="insufficient_scope", scope=role)
    if "Authorization" in request.headers:
        raise _Unauthorized("the token is not known here, or was revoked", error="invalid_token")
    raise _Unauthorized("this needs an access token")


def require_users(users: Iterable[str]) -> None:
    """Refuse a caller whose token serves one person what concerns another: 403."""
    token = caller().token
    if settings().require_tokens and token is not None and not all(map(token.serves, users)):
        raise _OfAnother(
            f"this token serves the user {token.person} alone", error="insufficient_scope"
        )


def _require_own(role: Role | None) -> None:
    """An address that names a user is of that user; what takes an admin and names none concerns everybody."""
    user, token = (request.view_args or {}).get("user"), caller().token
    if user is not None:
        require_users([user])
    elif role == "admin" and token is not None and token.person is not None:
        raise _OfAnother(
            f"this token serves the user {token.person} alone", error="insufficient_scope"
        )


def token_in(service: RecommendationService, authorization: str) -> Token | None:
    """The token that an Authorization header holds, where there is one that holds."""
    scheme, _, given = authorization.strip().partition(" ")
    return service.library.token(given.strip()) if scheme.lower() in _SCHEMES and given else None


def _slow_down(rate_limit: RateLimit, who: Caller) -> None:
    cost = _UPLOAD_COST if request.mimetype == "multipart/form-data" else 1
    seconds = rate_limit.wait_seconds(counted_by(who), cost, time.monotonic())
    if seconds:
        raise TooManyRequests(
            "these are more requests than one caller may send", retry_after=math.ceil(seconds)
        )


def counted_by(who: Caller) -> str:
    """What the requests of one caller are counted by: her token, or the network that she asks from."""
    return f"token {who.name}" if who.token else f"address {_network(who.address)}"


def _network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: one household has as many of those as it likes."""
    try:
        known = ipaddress.ip_address(
            address.partition("%")[0]
        )  # a proxy may name the interface, too
    except ValueError:
        return address
    return address if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))
