"""Run the console examples of README.md and docs/, and write their real output beneath them.

An example is a fenced block of the language `console` whose commands begin with "$ ". All of them
run one after the other, page by page, in one folder that `hybridrec demo --no-serve` has filled.
Commands in other blocks are not run: they need files or time of the reader's own.

    python scripts/readme_examples.py             # rewrites the pages
    python scripts/readme_examples.py --check     # exit 1 where an output has another shape by now
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/tutorial.md")
EXAMPLE = re.compile(r"```console\n(?P<body>\$ .*?)```", re.S)
LONG_OUTPUT = 12
"""An output of more lines is shown up to this one, then "..."."""


def main() -> None:
    """Rewrite the pages, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a page is out of date"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to run; kept, so that a second run is quick"
    )
    chosen = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        runner(folder, "unused")("hybridrec demo --no-serve")
        outdated = [page for page in PAGES if not renew(ROOT / page, folder, chosen.check)]
    sys.exit(
        f"out of date: {', '.join(outdated)}; run python scripts/readme_examples.py"
        if outdated
        else 0
    )


def runner(folder: Path, library: str) -> Callable[[str], str]:
    """A function that runs a command in a folder, on this library, and returns what it prints."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "HYBRIDREC_LIBRARY": library, "COLUMNS": "100"}

    def run(command: str) -> str:
        print(f"$ {command}", file=sys.stderr)
        shell = ["/bin/bash", "-c", command]
        done = subprocess.run(
            shell, check=False, cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout.replace(f"{folder.resolve()}/", "")

    return run


def renew(page: Path, folder: Path, check: bool) -> bool:
    """Run the examples of a page on a new library; whether it was, or has been made, up to date."""
    shutil.rmtree(folder / "my-library", ignore_errors=True)
    run = runner(folder, "my-library")
    old = page.read_text(encoding="utf-8")
    new = EXAMPLE.sub(lambda block: renewed(block, run), old)
    if check:
        return shape(old) == shape(new)
    page.write_text(new, encoding="utf-8")
    return True


def renewed(block: re.Match[str], run: Callable[[str], str]) -> str:
    """A block with the outputs of its commands as they are now."""
    shown = "\n".join(line for command in commands(block["body"]) for line in example(command, run))
    return f"```console\n{shown}\n```"


def commands(body: str) -> Iterator[str]:
    """The commands of a block, without their outputs; a backslash goes on in the next line."""
    joined = body.replace("\\\n", "\\\0")
    for line in joined.splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ").replace("\\\0", "\\\n")


def example(command: str, run: Callable[[str], str]) -> list[str]:
    """The lines of a command and its output."""
    output = run(command).rstrip().splitlines()
    rest = ["..."] if len(output) > LONG_OUTPUT else []
    return [f"$ {command}", *(line.rstrip() for line in output[:LONG_OUTPUT]), *rest]


def shape(page: str) -> list[tuple[int, str]]:
    """Line count and words of each block: numbers and tracks differ between machines."""
    blocks = [block["body"].splitlines() for block in EXAMPLE.finditer(page)]
    outputs = [[line for line in block if not line.startswith("$ ")] for block in blocks]
    return [(len(block), re.sub(r"[^a-z ]+| +", " ", " ".join(block[:1]))) for block in outputs]


if __name__ == "__main__":
    main()
