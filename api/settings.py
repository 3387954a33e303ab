"""What an operator may set of the HTTP service."""

from __future__ import annotations

from dataclasses import dataclass

from hybridrec.errors import InvalidInput

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ApiSettings:
    """Limits of the HTTP service.

    Attributes:
        upload_limit_bytes: the largest audio file that is taken in.
        body_limit_bytes: the largest JSON body; a thousand plays need a tenth of the default.
        trusted_hosts: the names under which the service may be called. A request for another
            name is refused, so that no web page can reach a loopback service by DNS rebinding.
    """

    upload_limit_bytes: int = 100_000_000
    body_limit_bytes: int = 10_000_000
    trusted_hosts: tuple[str, ...] = LOOPBACK_HOSTS

    def __post_init__(self) -> None:
        for name in ("upload_limit_bytes", "body_limit_bytes"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be 1 or more", got=getattr(self, name))
