"""The comparison of index libraries runs with those that are installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare_indexes.py"
LIBRARIES = {
    "faiss-ivfpq": "faiss",
    "usearch-f16": "usearch",
    "voyager": "voyager",
    "hnswlib": "hnswlib",
}


def test_every_installed_library_has_high_recall_on_a_small_catalogue(tmp_path: Path) -> None:
    names = [name for name, module in LIBRARIES.items() if importlib.util.find_spec(module)]
    if not names:
        pytest.skip("no library for approximate search is installed")
    answer = tmp_path / "answer.json"
    small = [
        "--tracks",
        "2000",
        "--candidates",
        "200",
        "--dimensions",
        "128",
        "--listeners",
        "10",
        "--threads",
        "1",
    ]
    command = [sys.executable, str(SCRIPT), *small, "--libraries", *names, "--json", str(answer)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = {each["name"]: each["found"][0] for each in json.loads(answer.read_text())["libraries"]}
    assert list(found) == names
    for name, each in found.items():
        assert min(each["recalls"]) > 0.95, name
        assert each["median_ms"] > 0, name
        assert name in run.stdout


def test_a_missing_library_is_named_at_once() -> None:
    without = (
        f"import runpy, sys; sys.modules['hnswlib'] = None;"
        f" sys.path.insert(0, {str(SCRIPT.parent)!r}); sys.argv[1:] = ['--libraries', 'hnswlib'];"
        f" runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.strip() == "hnswlib is not installed: pip install hnswlib"
