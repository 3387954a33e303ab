"""The commands, code and links of the README and of the documentation are real."""

from __future__ import annotations

import copy
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hybridrec.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_EXAMPLES = ("README.md", "tutorial.md")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def shown_commands(program: str) -> list[tuple[str, str]]:
    """A page, and a command in it. Where outputs are shown too, commands begin with "$ "."""
    return [
        (named(page), line.removeprefix("$ "))
        for page in PAGES
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith(f"$ {program}" if block.startswith("$ ") else program)
    ]


def without_files(command: click.Command) -> click.Command:
    """A copy of a command that takes files that are not there."""
    copied = copy.copy(command)
    copied.params = copy.deepcopy(command.params)
    for parameter in copied.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    return copied


@pytest.mark.parametrize(("page", "line"), shown_commands("hybridrec "))
def test_every_command_takes_the_options_it_is_shown_with(page: str, line: str) -> None:
    command: click.Command | None = main
    arguments = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), arguments.pop(0))
    assert command is not None, line
    with without_files(command).make_context(line, arguments):
        pass


@pytest.mark.parametrize(("page", "line"), shown_commands("make "))
def test_every_make_target_is_there(page: str, line: str) -> None:
    assert re.search(rf"^{shlex.split(line)[1]}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), shown_commands("python scripts/"))
def test_every_script_takes_the_options_it_is_shown_with(page: str, line: str) -> None:
    command = [sys.executable, str(ROOT / shlex.split(line)[1]), "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    options = [word for word in shlex.split(line) if word.startswith("--")]
    assert all(option in answer.stdout for option in options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "code"), [(named(page), code) for page in PAGES for code in blocks(page, "python")]
)
def test_every_python_example_runs(page: str, code: str) -> None:
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_of_the_repository(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    for link in links:
        if "://" not in link and not link.startswith("./docs/reference/openapi.json"):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.name in WITH_EXAMPLES], ids=named)
def test_examples_with_output_show_some(page: Path) -> None:
    outputs = [
        line
        for block in blocks(page, "console")
        if block.startswith("$ ")
        for line in block.splitlines()
    ]
    assert sum(not line.startswith("$ ") for line in outputs) > sum(
        line.startswith("$ ") for line in outputs
    )


@pytest.mark.training
@pytest.mark.slow
def test_the_examples_run_and_print_what_is_shown(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "scripts" / "readme_examples.py"),
        "--check",
        "--folder",
        str(tmp_path),
    ]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
