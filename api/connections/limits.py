"""Limits of the connections of one worker, in bytes and seconds."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_FEWEST = 16
_MOST = 2**15
_DESCRIPTORS_OF_A_THREAD = 16
_DESCRIPTORS_OF_A_WORKER = 128

BodyLimit = Callable[[dict[str, Any]], int]
"""The most bytes of a body to receive, by the WSGI environment of its request."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Deadlines and bounds of the connections of one worker.

    Attributes:
        header_seconds: until the end of the header, and as long again for a TLS handshake.
        body_seconds: for a body, plus one second for every `body_bytes_per_second` of it.
        body_bytes_per_second: the slowest rate of a long body.
        send_seconds: in which a client must read 48 KiB of a response.
        held_bytes: of all bodies that are buffered; further ones are refused.
    """

    header_seconds: float = 10.0
    body_seconds: float = 30.0
    body_bytes_per_second: int = 5_000
    send_seconds: float = 60.0
    held_bytes: int = 2**30


def most_connections(threads: int) -> int:
    """The most connections of a worker, such that its limit of file descriptors is not reached."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _MOST
    own = _DESCRIPTORS_OF_A_WORKER + _DESCRIPTORS_OF_A_THREAD * threads
    return max(_FEWEST, min(max(descriptors - own, descriptors // 2), _MOST))
