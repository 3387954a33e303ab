"""Imports point down, and what only answers does not wait for what is slow to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "errors": 0,
    "config": 0,
    "data": 1,
    **dict.fromkeys(["audio", "encoder", "collaborative", "blend", "index", "storage", "evaluation", "datasets"], 2),
    "fitted": 3,
    "recommender": 3,
    "fitted_file": 3,
    "queries": 3,
    "ranking": 3,
    "workflows": 4,
    "serving": 5,
    "service": 6,
    "demo": 7,
    "api": 7,
    "cli": 8,
    "__main__": 9,
}
SLOW = ["torch", "librosa", "sklearn", "pandas", "scipy.stats"]
SOURCES = [*(ROOT / "hybridrec").rglob("*.py"), *(ROOT / "api").rglob("*.py"), *(ROOT / "datasets").rglob("*.py")]


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "hybridrec" else parts[0]


def rooms_imported(path: Path) -> set[str]:
    """The rooms of this project that a file names in its imports, wherever in the file they stand."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("hybridrec.")}


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.name != "__init__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_down(path: Path) -> None:
    own = room_of(path)
    for other in rooms_imported(path) - {own}:
        same_floor_is_fine = LAYERS[own] in {0, 3, 4}
        assert LAYERS[other] < LAYERS[own] or (LAYERS[other] == LAYERS[own] and same_floor_is_fine), (
            f"{own} may not import {other}"
        )


@pytest.mark.parametrize(
    "module",
    [
        "hybridrec",
        "hybridrec.serving.service",
        "hybridrec.cli",
        "hybridrec.api.server",
        "hybridrec.workflows.ingest.audio",
    ],
)
def test_answering_and_waiting_for_ears_import_nothing_slow(module: str) -> None:
    check = f"import sys, {module}; print([name for name in {SLOW} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", check], cwd="/", capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
