"""Settings of the HTTP service."""

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
        upload_limit_bytes: largest audio file of an upload.
        body_limit_bytes: largest JSON body; 1000 plays need a tenth of the default.
        trusted_hosts: accepted host names if no tokens are required. Others are refused, so that
            no web page can reach a loopback service by DNS rebinding.
        require_tokens: whether all but the page's files and the health checks need a token.
        requests_per_minute: rate limit of a token, or of an address without one; an upload counts
            as ten. None: no limit.
        proxies: number of reverse proxies in front. That many entries of the X-Forwarded-For,
            -Proto and -Host headers are trusted; with 0 none, because clients can send them, too.
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
