"""Serve a library over HTTP with gunicorn."""

from __future__ import annotations

import dataclasses
import gc
import ipaddress
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from hybridrec.errors import InvalidInput
from hybridrec.storage.library import Library

from .connections.worker import BufferingWorker
from .library_startup import StartupApplication
from .logs import logging_settings
from .rate_limit import RateLimit
from .settings import REQUESTS_PER_MINUTE, ApiSettings
from .worker_files import make_temporary_folder, prepare_worker_files, remove_worker_files

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from hybridrec.serving.service import RecommendationService

AUDIT_NAME = "audit.jsonl"
_MEMORY = "/dev/shm"  # noqa: S108 (no file of a known name; where gunicorn's signs of life need no disk)
_MAX_REQUEST_LINE_CHARACTERS = (
    8190  # an id of 512 characters, each up to 12 when encoded, and its query
)


def serve(
    library: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    threads: int = 8,
    files: Path | None = None,
    settings: ApiSettings | None = None,
    log_requests: bool | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let the requests under way finish. Prints the address once it answers.

    Args:
        library: directory or database URL.
        host: an address of this machine; on any but a loopback one, and behind a proxy, every call wants a
            token, and each caller is held to `REQUESTS_PER_MINUTE` unless the settings say otherwise.
        port: TCP port; 0 takes a free one.
        workers: processes.
        threads: how many requests each process answers at a time.
        files: the folder of uploads, for a library in a database that does not know it yet.
        settings: limits.
        log_requests: whether each request is logged; None: where tokens are asked for. Writes always are,
            in the file `audit.jsonl` of the library's directory.
        certificate, key: PEM files; with them, HTTPS is spoken.

    Raises:
        InvalidInput: for an address that others can reach, while the library has no token.
        LibraryError: if the library cannot be opened.
    """
    settings = settings or ApiSettings()
    with Library.open(library, files=files) as opened:
        has_tokens = opened.has_tokens()
        audit_log = opened.files.with_name(AUDIT_NAME)
    settings = for_address(settings, host, has_tokens)
    if log_requests is None:
        log_requests = settings.require_tokens
    options = {
        "bind": _address(host, port),
        "workers": workers,
        "logconfig_dict": logging_settings(audit_log, log_requests),
        "certfile": certificate and str(certificate),
        "keyfile": key and str(key),
    }
    _Server(library, settings, options, make_temporary_folder(), threads).run()


def for_address(settings: ApiSettings, host: str, has_tokens: bool) -> ApiSettings:
    """The settings as an address calls for them: what others can reach asks who they are, and bounds their pace.

    Raises:
        InvalidInput: if tokens are needed and there is none.
    """
    if settings.proxies or not is_loopback(host):
        rate_limit = settings.requests_per_minute or REQUESTS_PER_MINUTE
        settings = dataclasses.replace(
            settings, require_tokens=True, requests_per_minute=rate_limit
        )
    if settings.require_tokens and not has_tokens:
        raise InvalidInput(
            "there is no access token yet, and without one nobody could ask this server anything",
            got=host,
            fix="make one with `hybridrec token create NAME --role admin`, or serve this machine alone, at 127.0.0.1",
        )
    return dataclasses.replace(settings, trusted_hosts=(*settings.trusted_hosts, host))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; each worker opens the library for itself, after the fork."""

    def __init__(
        self,
        library: str | Path,
        settings: ApiSettings,
        options: dict[str, Any],
        temporary: Path,
        threads: int,
    ) -> None:
        self.temporary = temporary
        self.threads = threads
        self.limits = settings.connections
        self.service: RecommendationService | None = None
        self._library = library
        self._settings = settings
        self._startup: StartupApplication | None = None
        self._rate_limit = RateLimit(
            settings.requests_per_minute
        )  # made before the fork, and so of all workers together
        self._options = (
            options
            | {
                "worker_class": BufferingWorker,
                "worker_tmp_dir": _MEMORY if os.access(_MEMORY, os.W_OK) else None,
                "loglevel": "warning",
                "forwarded_allow_ips": "",  # gunicorn would believe what a client on loopback says of itself
                "limit_request_line": _MAX_REQUEST_LINE_CHARACTERS,
                "control_socket_disable": True,
                "on_starting": _import_application,
                "post_fork": _give_files,
                "post_worker_init": _say_ready,
                "worker_exit": _close_service,
                "child_exit": _remove_files,
                "on_exit": _forget_all,
            }
        )
        super().__init__()

    def load_config(self) -> None:
        """Hand our options to gunicorn, which calls this."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> StartupApplication:
        """Make the application, in the worker that will serve it; it opens the library as soon as that can be."""
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")  # requests and workers are parallel already
        self._startup = StartupApplication(self._application)
        return self._startup

    def body_limit(self, environ: dict[str, Any]) -> int:
        """See `body_limits`; nothing is worth taking in while there is no library."""
        from .body_limits import body_limit

        return 0 if self.service is None else body_limit(self.service, self._settings, environ)

    def close(self) -> None:
        """Close the library in the worker that ends."""
        if self._startup is not None:
            self._startup.close()
        if self.service is not None:
            self.service.close()

    def _application(self) -> WSGIApplication:
        from hybridrec.serving.service import RecommendationService

        from .app import create_app

        service = RecommendationService(Library.open(self._library))
        application = create_app(service, settings=self._settings, rate_limit=self._rate_limit)
        self.service = service
        return application


def _import_application(_arbiter: Any) -> None:
    """Import once for all workers, before they are forked: each starts at once, and what it needs lies in memory once.

    What is imported stays; frozen, no worker looks through it for garbage, which would copy it.
    """
    import hybridrec.api.app
    import hybridrec.api.body_limits  # noqa: F401

    gc.freeze()


def _say_ready(worker: Any) -> None:
    if worker.age == 1:
        host, port = worker.sockets[0].getsockname()[:2]
        scheme = "https" if worker.cfg.is_ssl else "http"
        print(f"hybridrec answers on {scheme}://{_address(host, port)}/", flush=True)


def _close_service(_arbiter: Any, worker: Any) -> None:
    worker.app.close()


def _give_files(_arbiter: Any, worker: Any) -> None:
    prepare_worker_files(worker.app.temporary, worker.pid)


def _remove_files(_arbiter: Any, worker: Any) -> None:
    remove_worker_files(worker.app.temporary, worker.pid)


def _forget_all(arbiter: Any) -> None:
    shutil.rmtree(arbiter.app.temporary, ignore_errors=True)
