"""The audit log: private to its owner, without ids of forgotten users, checked before a write."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from hybridrec.api.audit import ALARM, AUDIT, AuditFile
from hybridrec.api.log_format import json_lines
from hybridrec.api.settings import ApiSettings
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

PLAYS = {"plays": [{"user": "ada", "track": "calm-00"}]}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The audit log of all applications."""
    path = tmp_path / "audit" / "audit.jsonl"
    path.parent.mkdir()
    handler = AuditFile(str(path), delay=True)
    handler.setFormatter(json_lines())
    monkeypatch.setattr(AUDIT, "level", logging.INFO)
    AUDIT.addHandler(handler)
    yield path
    AUDIT.removeHandler(handler)
    handler.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_only_its_owner_may_read_the_audit_log(client: FlaskClient, audit: Path) -> None:
    before = os.umask(0)
    try:
        assert client.post("/v1/plays", json=PLAYS).status_code == 200
    finally:
        os.umask(before)
    assert audit.stat().st_mode & 0o777 == 0o600
    assert len(lines(audit)) == 1


def test_only_its_owner_may_read_a_library(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Library.open(tmp_path / "library", create=True) as library:
            library.create_token("ann", "read")
            kept = [path for path in (tmp_path / "library").iterdir() if path.is_file()]
            assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    finally:
        os.umask(before)


def test_a_write_that_cannot_be_logged_is_refused(
    client: FlaskClient, service: RecommendationService, audit: Path
) -> None:
    audit.parent.rmdir()
    answers = [client.post("/v1/plays", json=PLAYS), client.delete("/v1/users/user-00")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "audit log" in answers[0].get_json(force=True)["detail"]
    assert service.user_plays("ada") == []
    assert service.user_plays("user-00")
    assert client.get("/v1/users").status_code == 200
    audit.parent.mkdir()
    assert client.post("/v1/plays", json=PLAYS).status_code == 200
    assert len(lines(audit)) == 1


def test_a_full_disk_of_the_audit_log_is_reported(
    client: FlaskClient,
    service: RecommendationService,
    audit: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 10, 10, 10, 0, 255))
    monkeypatch.setattr("os.fstatvfs", lambda _: full)
    assert client.post("/v1/plays", json=PLAYS).status_code == 507
    assert service.user_plays("ada") == []


def test_a_write_that_could_not_be_logged_after_all_is_an_error_in_the_log(
    client: FlaskClient,
    service: RecommendationService,
    audit: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(AuditFile, "ensure_writable", lambda _: audit.parent.rmdir())
    monkeypatch.setattr(AuditFile, "reopenIfNeeded", lambda _: os.stat(audit.parent))
    assert client.post("/v1/plays", json=PLAYS).status_code == 200
    (alarm,) = [record for record in caplog.records if record.name == ALARM.name]
    assert (alarm.levelname, alarm.msg["added"]) == ("ERROR", 1)
    assert service.user_plays("ada")


def test_a_deleted_user_is_not_named(
    service: RecommendationService,
    connect: Callable[..., FlaskClient],
    audit: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="hybridrec.requests")
    client = connect(service, ApiSettings(require_tokens=True))
    mine = {"Authorization": f"Bearer {service.library.create_token('user-00', 'admin')}"}
    assert client.delete("/v1/users/user-00", headers=mine).status_code == 204
    (line,) = lines(audit)
    name = hashlib.sha256(b"user-00").hexdigest()
    assert (line["subject"], line["caller"]) == ({"user_sha256": name}, f"sha256:{name}")
    assert "user-00" not in audit.read_text()
    assert "user-00" not in str(
        [record.__dict__ for record in caplog.records if record.name == "hybridrec.requests"]
    )
