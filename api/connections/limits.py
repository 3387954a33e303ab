"""How much one worker takes in at a time, and how long a client may take over it."""

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
"""How many bytes of a body are worth taking in, by the WSGI environment of its request; 0: none."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Deadlines and bounds of the connections of one worker.

    Attributes:
        header_seconds: from the connection to the end of the header, and once more for a TLS handshake.
        body_seconds: that a body may take, and beyond them a second for every `body_bytes_per_second`.
        body_bytes_per_second: see there.
        send_seconds: in which a client must take 48 KiB of an answer.
        held_bytes: of all bodies that are being received or read; one more is refused then.
    """

    header_seconds: float = 10.0
    body_seconds: float = 30.0
    body_bytes_per_second: int = 5_000
    send_seconds: float = 60.0
    held_bytes: int = 2**30


def most_connections(threads: int) -> int:
    """How many connections a worker of so many threads may hold, below the limit of its file descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _MOST
    own = _DESCRIPTORS_OF_A_WORKER + _DESCRIPTORS_OF_A_THREAD * threads
    return max(_FEWEST, min(max(descriptors - own, descriptors // 2), _MOST))
