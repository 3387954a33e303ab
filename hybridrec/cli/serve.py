"""Commands that serve: `hybridrec serve | demo`."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

import click

from hybridrec.cli.shared import DIRECTORY, FILE, given_files, print_answer, with_library


@click.command()
@with_library
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="TCP port; 0 takes a free one."
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Server processes.")
@click.option(
    "--tokens", "require_tokens", is_flag=True, help="Require tokens on a loopback address, too."
)
@click.option(
    "--behind-proxies",
    "proxies",
    type=click.IntRange(0, 10),
    default=0,
    help="Number of reverse proxies in front; their X-Forwarded headers are trusted and tokens "
    "required.",
)
@click.option(
    "--certificate", type=FILE, default=None, help="PEM file of the certificate, for HTTPS."
)
@click.option("--key", type=FILE, default=None, help="PEM file of the certificate's key.")
@click.option(
    "--requests-per-minute",
    type=click.IntRange(1),
    default=None,
    show_default="600; no limit on a loopback address",
    help="Rate limit of one token or address; an upload counts as ten.",
)
@click.option(
    "--log-requests/--no-log-requests",
    default=None,
    show_default="if tokens are required",
    help="Log every request, as JSON on standard error.",
)
def serve(
    library: str,
    host: str,
    port: int,
    workers: int,
    require_tokens: bool,
    proxies: int,
    certificate: Path | None,
    key: Path | None,
    requests_per_minute: int | None,
    log_requests: bool | None,
) -> None:
    """Serve the HTTP API and the web page.

    Except on a loopback address without a proxy, every call needs an access token: create tokens
    with `hybridrec token create`.
    """
    try:
        from hybridrec.api.server import serve as run
        from hybridrec.api.settings import ApiSettings
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error}; install the server with: pip install 'hybridrec[server]'"
        ) from None
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    settings = ApiSettings(
        require_tokens=require_tokens, requests_per_minute=requests_per_minute, proxies=proxies
    )
    run(
        library,
        host,
        port,
        workers,
        files=given_files(library),
        settings=settings,
        log_requests=log_requests,
        certificate=certificate,
        key=key,
    )


@click.command()
@click.option(
    "--music", type=DIRECTORY, default=None, help="Folder of your own music to use instead."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hybridrec-demo"),
    help="Folder for the music and the library of the demo.",
)
@click.option("--serve/--no-serve", "serving", default=True, help="Serve the web page at the end.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="TCP port of the web page."
)
def demo(music: Path | None, directory: Path, serving: bool, port: int) -> None:
    """Ingest, train, fit, recommend and serve on synthesised music; nothing is downloaded."""
    from hybridrec.demo import prepare_demo

    library = prepare_demo(directory, music=music, say=click.echo, show=print_answer)
    if serving:
        _become_server(library, port)


def _become_server(library: Path, port: int) -> None:
    """Replace this program by the server: forked workers would run its exit handlers again."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    command = [
        "serve",
        "--library",
        str(library.absolute()),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "hybridrec", *command])  # noqa: S606 - none of it comes from outside
