"""The README's commands and code are real."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hybridrec.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONSOLE = [line for block in re.findall(r"```console\n(.*?)```", README, re.S) for line in block.splitlines()]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.mark.parametrize("line", [line for line in CONSOLE if line.startswith("hybridrec ")])
def test_every_command_takes_the_options_it_is_shown_with(line: str) -> None:
    command: click.Command = main
    arguments = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    with command.make_context(line, arguments, resilient_parsing=False):
        pass


@pytest.mark.parametrize("line", [line for line in CONSOLE if line.startswith(("make ", "python "))])
def test_every_make_target_and_script_is_there(line: str) -> None:
    program, what = shlex.split(line)[:2]
    if program == "make":
        assert re.search(rf"^{what}:", (ROOT / "Makefile").read_text(), re.M)
    else:
        answer = subprocess.run([sys.executable, ROOT / what, "--help"], capture_output=True, text=True, check=True)
        options = [word for word in shlex.split(line) if word.startswith("--")]
        assert all(option in answer.stdout for option in options)


@pytest.mark.parametrize("code", PYTHON)
def test_every_example_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})
