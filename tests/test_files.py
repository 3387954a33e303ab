"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hybridrec.files import replacing, sha256_of, write_atomically


def test_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    write_atomically(target, b"first")
    write_atomically(target, b"second")
    assert target.read_bytes() == b"second"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_content_and_no_partial_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def fail_midway() -> None:
        with replacing(target) as partial:
            partial.write_bytes(b"half")
            assert target.read_bytes() == b"old"
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"  # whose block ended last
    assert list(tmp_path.iterdir()) == [target]


def test_the_hash_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == sha256_of(content)
    assert sha256_of(content) == hashlib.sha256(content).hexdigest()
