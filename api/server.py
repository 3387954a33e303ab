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
_MEMORY = "/dev/shm"  # noqa: S108 (heartbeat files of gunicorn have random names; no disk needed)
# an id of 512 characters, each up to 12 when encoded, and the query
_MAX_REQUEST_LINE_CHARACTERS = 8190


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
    """Serve until SIGINT or SIGTERM, then finish requests in progress.

    Prints the address once the first worker is ready.

    Args:
        library: directory or database URL.
        host: address to listen on. On any but a loopback address, and behind a proxy, tokens are
            required and `REQUESTS_PER_MINUTE` is the default rate limit.
        port: TCP port; 0 takes a free one.
        workers: number of processes.
        threads: the most requests that a process answers at a time.
        files: folder of uploads, for a library in a database that has none recorded yet.
        settings: limits.
        log_requests: whether to log each request; None: if tokens are required. Writes are always
            logged, to `audit.jsonl` in the library's directory.
        certificate, key: PEM files, for HTTPS.

    Raises:
        InvalidInput: if tokens are required and the library has none.
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
    """The settings for an address: if other machines can reach it, tokens and a rate limit.

    Raises:
        InvalidInput: if tokens are required and there is none.
    """
    if settings.proxies or not is_loopback(host):
        rate_limit = settings.requests_per_minute or REQUESTS_PER_MINUTE
        settings = dataclasses.replace(
            settings, require_tokens=True, requests_per_minute=rate_limit
        )
    if settings.require_tokens and not has_tokens:
        raise InvalidInput(
            "there is no access token yet, and this server would answer nobody without one",
            got=host,
            fix="make one with `hybridrec token create NAME --role admin`, or serve this machine "
            "alone, at 127.0.0.1",
        )
    return dataclasses.replace(settings, trusted_hosts=(*settings.trusted_hosts, host))


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; each worker opens the library itself, after the fork."""

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
        # created before the fork, so that all workers share it
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._options = options | {
            "worker_class": BufferingWorker,
            "worker_tmp_dir": _MEMORY if os.access(_MEMORY, os.W_OK) else None,
            "loglevel": "warning",
            "forwarded_allow_ips": "",  # else gunicorn trusts X-Forwarded-* of loopback
            "limit_request_line": _MAX_REQUEST_LINE_CHARACTERS,
            "control_socket_disable": True,
            "on_starting": _import_application,
            "post_fork": _prepare_files,
            "post_worker_init": _print_address,
            "worker_exit": _close_service,
            "child_exit": _remove_files,
            "on_exit": _remove_folder,
        }
        super().__init__()

    def load_config(self) -> None:
        """Pass the options to gunicorn, which calls this."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> StartupApplication:
        """Create the application in the worker; it opens the library as soon as possible."""
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")  # requests and workers run in parallel already
        self._startup = StartupApplication(self._application)
        return self._startup

    def body_limit(self, environ: dict[str, Any]) -> int:
        """See `body_limits`; 0 until the library is open."""
        from .body_limits import body_limit

        return 0 if self.service is None else body_limit(self.service, self._settings, environ)

    def close(self) -> None:
        """Close the library when the worker ends."""
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
    """Import before the fork: workers start fast and share the memory of the modules.

    Frozen objects are ignored by the garbage collector, which would otherwise copy their pages.
    """
    import hybridrec.api.app
    import hybridrec.api.body_limits  # noqa: F401

    gc.freeze()


def _print_address(worker: Any) -> None:
    if worker.age == 1:
        host, port = worker.sockets[0].getsockname()[:2]
        scheme = "https" if worker.cfg.is_ssl else "http"
        print(f"hybridrec answers on {scheme}://{_address(host, port)}/", flush=True)


def _close_service(_arbiter: Any, worker: Any) -> None:
    worker.app.close()


def _prepare_files(_arbiter: Any, worker: Any) -> None:
    prepare_worker_files(worker.app.temporary, worker.pid)


def _remove_files(_arbiter: Any, worker: Any) -> None:
    remove_worker_files(worker.app.temporary, worker.pid)


def _remove_folder(arbiter: Any) -> None:
    shutil.rmtree(arbiter.app.temporary, ignore_errors=True)
