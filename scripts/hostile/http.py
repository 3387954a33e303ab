"""Hostile requests to the HTTP server, each sent beside a well-behaved client."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException

HELD_SECONDS = 5.0
"""How long slow clients keep their connections, in seconds."""

ANSWER_SECONDS = 120.0
HEAD = b"POST /v1/plays HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
FORM = "multipart/form-data; boundary=b"

Send = Callable[[str, Callable[[], None]], str]


@dataclass(frozen=True)
class Case:
    """One request, or several at once.

    Attributes:
        request: its description.
        send: sends it to a host and port, calls when the other client may begin, and returns the
            answer in a few words.
    """

    request: str
    send: Send


def post(path: str, kind: str, body: bytes, headers: dict[str, str] | None = None) -> Send:
    """One POST."""

    def send(place: str, begin: Callable[[], None]) -> str:
        begin()
        client = HTTPConnection(place, timeout=ANSWER_SECONDS)
        try:
            client.request("POST", path, body, {"Content-Type": kind, **(headers or {})})
            answer = client.getresponse()
            return f"{answer.status}, {len(answer.read()) / 1000:.1f} kB"
        except (OSError, HTTPException) as error:
            return type(error).__name__
        finally:
            client.close()

    return send


def hold(sent: bytes, count: int) -> Send:
    """Several connections that send this and then nothing more."""

    def send(place: str, begin: Callable[[], None]) -> str:
        host, _, port = place.rpartition(":")
        became: Counter[str] = Counter()
        with ExitStack() as stack:
            for _ in range(count):
                try:
                    client = stack.enter_context(
                        socket.create_connection((host, int(port)), timeout=5)
                    )
                    client.sendall(sent)
                    became["held"] += 1
                except OSError as error:
                    became[type(error).__name__] += 1
            begin()
            time.sleep(HELD_SECONDS)
        return ", ".join(f"{number} {name}" for name, number in became.items())

    return send


def once(sent: bytes) -> Send:
    """One connection that sends this and reads the answer."""

    def send(place: str, begin: Callable[[], None]) -> str:
        host, _, port = place.rpartition(":")
        begin()
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(sent)
            try:
                return client.recv(12).decode("latin-1").removeprefix("HTTP/1.1 ")
            except OSError as error:
                return type(error).__name__

    return send


def _plays(unknown: int) -> bytes:
    extras = {f"{n:040d}": "x" * 150 for n in range(unknown)}
    return json.dumps(
        {"plays": [{"user": "a", "track": "t", **extras} for _ in range(1000)]}
    ).encode()


def _keys(count: int) -> bytes:
    return json.dumps({str(n): 1 for n in range(count)}, separators=(",", ":")).encode()


def _parts(count: int) -> bytes:
    head = '--b\r\nContent-Disposition: form-data; name="a{}"; filename="x"\r\n\r\nx\r\n'
    return "".join(head.format(n) for n in range(count)).encode() + b"--b--\r\n"


as_json = partial(post, "/v1/plays", "application/json")
ONE_PLAY = json.dumps({"plays": [{"user": "a", "track": "track-0000"}]}).encode()

CASES = (
    Case("8 connections that are silent", hold(b"", 8)),
    Case("8 connections that stall in the header", hold(HEAD, 8)),
    Case("8 connections that stall in a body", hold(HEAD + b"Content-Length: 100\r\n\r\n{", 8)),
    Case(
        "8 connections that stall in a chunk",
        hold(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", 8),
    ),
    Case("1,010 connections that are silent", hold(b"", 1010)),
    Case("JSON of 900,000 unknown keys, 9 MB", as_json(_keys(900_000))),
    Case("JSON of 250,000 unknown keys", as_json(_keys(250_000))),
    Case("1,000 plays with 45 long extras each, 9 MB", as_json(_plays(45))),
    Case("1,000 plays with 15 long extras each, 3 MB", as_json(_plays(15))),
    Case("a form of 1,001 files", post("/v1/tracks", FORM, _parts(1001))),
    Case("Origin: http://[::1", as_json(ONE_PLAY, {"Origin": "http://[::1"})),
    Case("a chunk of size zz", once(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n")),
)
