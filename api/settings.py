"""What an operator may set of the HTTP service."""

from __future__ import annotations

from dataclasses import dataclass, field

from hybridrec.errors import InvalidInput

from .connections.limits import ConnectionLimits

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
REQUESTS_PER_MINUTE = 600
MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True)
class ApiSettings:
    """Limits of the HTTP service.

    Attributes:
        upload_limit_bytes: the largest audio file that is taken in.
        body_limit_bytes: the largest JSON body; a thousand plays need a tenth of the default.
        trusted_hosts: the names under which the service may be called where no token is asked for.
            A request for another name is refused, so that no web page can reach a loopback service
            by DNS rebinding.
        require_tokens: whether everything but the page's shell and the health checks wants a token.
        requests_per_minute: how many requests a token, or an address without one, may send,
            an upload counting as ten; None: as many as it likes.
        proxies: how many proxies stand in front, one behind the other. So many entries of the
            X-Forwarded-For, -Proto and -Host headers are believed; 0 believes none, for anybody can
            send such headers.
        connections: deadlines and bounds of the connections.
    """

    upload_limit_bytes: int = 100_000_000
    body_limit_bytes: int = 10_000_000
    trusted_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    require_tokens: bool = False
    requests_per_minute: int | None = None
    proxies: int = 0
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)

    def __post_init__(self) -> None:
        for name in ("upload_limit_bytes", "body_limit_bytes", "requests_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be 1 or more", got=value)
        if self.proxies < 0:
            raise InvalidInput("proxies must be 0 or more", got=self.proxies)
