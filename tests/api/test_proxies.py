"""Forwarded headers are trusted only if the operator says that there is a proxy."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from servers import running

from hybridrec.api.server import for_address
from hybridrec.api.settings import ApiSettings
from hybridrec.cli import main
from hybridrec.errors import InvalidInput
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "music.example",
}
PLAYS = {"plays": [{"user": "ada", "track": "calm-00"}]}


def from_address(address: str) -> dict[str, str]:
    """Headers that a proxy adds for an address; the client has sent the first entry."""
    return {"X-Forwarded-For": f"198.51.100.1, {address}"}


def test_each_client_behind_a_proxy_has_its_own_rate_limit(
    service: RecommendationService, connect: Callable[..., FlaskClient]
) -> None:
    client = connect(service, ApiSettings(requests_per_minute=6, proxies=1))
    assert client.get("/v1/users", headers=from_address("203.0.113.7")).status_code == 200
    assert client.get("/v1/users", headers=from_address("203.0.113.7")).status_code == 429
    assert client.get("/v1/users", headers=from_address("203.0.113.8")).status_code == 200


def test_a_forged_address_does_not_change_the_rate_limit(
    service: RecommendationService, connect: Callable[..., FlaskClient]
) -> None:
    client = connect(service, ApiSettings(requests_per_minute=6))
    assert client.get("/v1/users", headers=from_address("203.0.113.7")).status_code == 200
    assert client.get("/v1/users", headers=from_address("203.0.113.8")).status_code == 429


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "127.0.0.1"), (1, "203.0.113.7"), (2, "198.51.100.1")]
)
def test_the_audit_log_has_the_address_of_the_client(
    service: RecommendationService,
    connect: Callable[..., FlaskClient],
    caplog: pytest.LogCaptureFixture,
    proxies: int,
    address: str,
) -> None:
    caplog.set_level("INFO", logger="hybridrec.audit")
    client = connect(service, ApiSettings(proxies=proxies))
    assert (
        client.post("/v1/plays", json=PLAYS, headers=from_address("203.0.113.7")).status_code == 200
    )
    (written,) = [
        vars(record)["msg"] for record in caplog.records if record.name == "hybridrec.audit"
    ]
    assert written["address"] == address


def test_behind_a_proxy_tokens_are_required() -> None:
    settings = for_address(ApiSettings(proxies=1), "127.0.0.1", has_tokens=True)
    assert (settings.require_tokens, settings.requests_per_minute) == (True, 600)
    with pytest.raises(InvalidInput, match="there is no access token yet"):
        for_address(ApiSettings(proxies=1), "127.0.0.1", has_tokens=False)


def headers_of(
    address: str, context: ssl.SSLContext | None = None, **headers: str
) -> dict[str, str]:
    """The headers of an answer."""
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=600, context=context) as answer:
        return dict(answer.headers)


@pytest.mark.server
@pytest.mark.parametrize("proxies", [0, 1])
def test_https_is_recognised_by_the_proxy_only(
    fitted_library: Library, tmp_path: Path, proxies: int
) -> None:
    fitted_library.create_token("ann", "read")
    with running(tmp_path / "library", options=f"--behind-proxies {proxies}") as (_, address):
        assert ("Strict-Transport-Security" in headers_of(address, None, **FORWARDED)) == bool(
            proxies
        )
        assert "Strict-Transport-Security" not in headers_of(address)


@pytest.mark.server
def test_a_server_with_a_certificate_speaks_https(fitted_library: Library, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    names = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([openssl, *asked.split(), *names], check=True, capture_output=True)
    options = f"--certificate {certificate} --key {key}"
    with running(tmp_path / "library", options=options) as (_, address):
        assert address.startswith("https://")
        headers = headers_of(address, ssl.create_default_context(cafile=certificate))
        assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_certificate_without_its_key_is_a_usage_error(
    fitted_library: Library, tmp_path: Path
) -> None:
    (tmp_path / "certificate.pem").touch()
    place = f"--library {tmp_path / 'library'} --certificate {tmp_path / 'certificate.pem'}"
    answer = CliRunner().invoke(main, ["serve", *place.split()])
    assert (answer.exit_code, "--certificate and --key go together" in answer.output) == (2, True)


def test_a_negative_number_of_proxies_is_refused() -> None:
    with pytest.raises(InvalidInput, match="proxies must be 0 or more"):
        ApiSettings(proxies=-1)
