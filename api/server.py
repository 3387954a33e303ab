"""Serve a library over HTTP with gunicorn."""

from __future__ import annotations

import dataclasses
import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from hybridrec.errors import HybridrecError, InvalidInput
from hybridrec.storage.library import Library

from .settings import ApiSettings

if TYPE_CHECKING:
    from flask import Flask

_MAX_REQUEST_LINE_CHARACTERS = 8190  # an id of 512 characters, each up to 12 when encoded, and its query


def serve(
    library: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    threads: int = 8,
    settings: ApiSettings | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let the requests under way finish. Prints the address once it answers.

    Args:
        library: directory or database URL.
        host: a loopback address.
        port: TCP port; 0 takes a free one.
        workers: processes.
        threads: threads of each process.
        settings: limits.

    Raises:
        InvalidInput: for an address that others can reach.
        LibraryError: if the library cannot be opened.
    """
    require_loopback(host)
    Library.open(library).close()
    settings = settings or ApiSettings()
    settings = dataclasses.replace(settings, trusted_hosts=(*settings.trusted_hosts, host))
    _Server(library, _address(host, port), workers, threads, settings).run()


def require_loopback(host: str) -> None:
    """Refuse an address that other machines can reach: nothing asks them who they are.

    Raises:
        InvalidInput: for any address but a loopback one.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidInput(
            "without access tokens the server answers on loopback addresses only",
            got=host,
            fix="use 127.0.0.1, and put a proxy that asks for a password before it",
        )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; each worker opens the library for itself, after the fork."""

    def __init__(self, library: str | Path, address: str, workers: int, threads: int, settings: ApiSettings) -> None:
        self._library = library
        self._settings = settings
        self._options = {
            "bind": address,
            "workers": workers,
            "threads": threads,
            "worker_class": "gthread",
            "loglevel": "warning",
            "limit_request_line": _MAX_REQUEST_LINE_CHARACTERS,
            "control_socket_disable": True,
            "post_worker_init": _say_ready,
            "worker_exit": _close_service,
        }
        super().__init__()

    def load_config(self) -> None:
        """Hand our options to gunicorn, which calls this; older releases lack some of them."""
        for name in self._options.keys() & self.cfg.settings.keys():
            self.cfg.set(name, self._options[name])

    def load(self) -> Flask:
        """Make the application, in the worker that will serve it; what is wrong with the library stops the server."""
        from hybridrec.service import RecommendationService

        from .app import create_app

        try:
            self.service = RecommendationService(Library.open(self._library))
        except HybridrecError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        return create_app(self.service, settings=self._settings)


def _say_ready(worker: Any) -> None:
    if worker.age == 1:
        host, port = worker.sockets[0].getsockname()[:2]
        print(f"hybridrec answers on http://{_address(host, port)}/", flush=True)


def _close_service(_arbiter: Any, worker: Any) -> None:
    service = getattr(worker.app, "service", None)
    if service is not None:
        service.close()
