"""The comparison that the index was chosen by still runs, with whatever libraries are installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare_indexes.py"
LIBRARIES = {"faiss-ivfpq": "faiss", "usearch-f16-l2": "usearch", "voyager": "voyager", "hnswlib-l2": "hnswlib"}


def compare(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True)


def test_every_installed_library_finds_the_best_of_a_small_catalogue(tmp_path: Path) -> None:
    names = [name for name, module in LIBRARIES.items() if importlib.util.find_spec(module)]
    if not names:
        pytest.skip("no library for approximate search is installed")
    answer = tmp_path / "answer.json"
    small = ["--tracks", "2000", "--candidates", "200", "--dimensions", "128", "--listeners", "10", "--threads", "1"]
    run = compare(*small, "--libraries", *names, "--json", str(answer))
    assert run.returncode == 0, run.stderr
    found = {each["name"]: each["found"][0] for each in json.loads(answer.read_text())["libraries"]}
    assert list(found) == names
    for name, each in found.items():
        assert each["recall"] > 0.95, name
        assert each["median_ms"] > 0, name
        assert name in run.stdout


@pytest.mark.skipif(importlib.util.find_spec("hnswlib") is not None, reason="hnswlib is installed")
def test_a_library_that_is_missing_is_named() -> None:
    run = compare("--tracks", "2000", "--libraries", "hnswlib")
    assert run.returncode == 1
    assert run.stderr.strip() == "hnswlib is not installed: pip install hnswlib"
