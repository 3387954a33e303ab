"""Imports point down without a circle, and what must start fast imports nothing slow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STOREYS = [
    {"errors", "settings"},
    {"config", "files"},
    {"data"},
    {
        "audio",
        "blend",
        "collaborative",
        "datasets",
        "encoder",
        "evaluation",
        "index",
        "storage",
    },
    {"model", "embedder"},
    {"pages", "servers", "serving", "workflows"},
    {"api", "demo"},
    {"cli"},
    {"__main__"},
]
"""From the lowest up: a package imports only from lower storeys, never from its own."""

SAME_STOREY = {("config", "files"), ("settings", "errors"), ("workflows", "pages")}
"""Imports within a storey that are meant: the first of a pair may import the second."""

OPEN_EXCEPTIONS: set[tuple[str, str]] = set()
"""Imports that still break the order."""

SLOW = ["torch", "librosa", "sklearn", "pandas", "scipy.stats"]
SOURCES = [
    *(ROOT / "hybridrec").rglob("*.py"),
    *(ROOT / "api").rglob("*.py"),
    *(ROOT / "datasets").rglob("*.py"),
]
STOREY_OF = {package: n for n, storey in enumerate(STOREYS) for package in storey}


def package_of(path: Path) -> str:
    """`storage` for hybridrec/storage/tokens.py, `api` for api/app.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "hybridrec" else parts[0]


def imported_packages(path: Path) -> set[str]:
    """The packages of this project that a file imports, anywhere in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            in_package = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= in_package if node.module == "hybridrec" else {node.module}
    return {name.split(".")[1] for name in names if name.startswith("hybridrec.")}


IMPORTS = {
    (package_of(path), other)
    for path in SOURCES
    if path != ROOT / "hybridrec" / "__init__.py"
    for other in imported_packages(path) - {package_of(path)} & STOREY_OF.keys()
}


def test_every_package_has_a_storey() -> None:
    found = {package_of(path) for path in SOURCES if path != ROOT / "hybridrec" / "__init__.py"}
    assert found <= STOREY_OF.keys()


@pytest.mark.parametrize(("package", "other"), sorted(IMPORTS))
def test_imports_point_down(package: str, other: str) -> None:
    if (package, other) in SAME_STOREY | OPEN_EXCEPTIONS:
        return
    assert STOREY_OF[other] < STOREY_OF[package], f"{package} may not import {other}"


def test_no_exception_is_kept_that_is_no_longer_needed() -> None:
    assert OPEN_EXCEPTIONS <= IMPORTS


def imported_by(module: str, candidates: list[str]) -> list[str]:
    """Which of the candidates are loaded after `import module` in a fresh process."""
    check = f"import sys, {module}; print(*[name for name in {candidates} if name in sys.modules])"
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
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
def test_serving_and_embedding_processes_start_without_slow_libraries(module: str) -> None:
    assert imported_by(module, SLOW) == []


@pytest.mark.parametrize("module", ["hybridrec", "hybridrec.cli", "hybridrec.errors"])
def test_import_needs_neither_arrays_nor_a_database(module: str) -> None:
    heavy = ["numpy", "scipy", "sqlalchemy", "pandas", "torch", "implicit", "pydantic"]
    assert imported_by(module, heavy) == []


def test_help_of_every_command_imports_few_modules() -> None:
    check = (
        "import sys; from click.testing import CliRunner; from hybridrec.cli import main;"
        " before = set(sys.modules); result = CliRunner().invoke(main, ['--help']);"
        " assert result.exit_code == 0 and 'recommend' in result.output, result.output;"
        " print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd="/", capture_output=True, text=True, check=True
    )
    assert not {"numpy", "scipy", "sqlalchemy", "pandas", "torch"} & set(done.stdout.split())


def test_the_recommender_is_imported_on_first_use() -> None:
    check = (
        "import sys, hybridrec; assert 'numpy' not in sys.modules;"
        " from hybridrec import HybridRecommender, __version__;"
        " print(HybridRecommender.__name__, __version__[0].isdigit())"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["HybridRecommender", "True"]
