"""The demo can be interrupted while its server runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from hybridrec.storage.library import Library

SCRIPT = """
import sys
from pathlib import Path
from hybridrec.cli.serve import _become_server
from hybridrec.datasets.synthetic import synthesise_catalogue

place = Path(sys.argv[1])
synthesise_catalogue(place / "music", tracks=16, progress=False)
_become_server(place / "library", 0)
"""


@pytest.mark.server
def test_an_interrupted_demo_ends_without_a_message(tmp_path: Path) -> None:
    Library.open(tmp_path / "library", create=True).close()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        line = demo.stdout.readline()
        assert line.startswith("hybridrec answers on http://127.0.0.1:")
        assert requests.get(f"{line.split()[-1]}healthz", timeout=60).ok
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal sends it
        output, errors = demo.communicate(timeout=120)
    lines = [
        line for line in errors.splitlines() if "was sent SIGQUIT!" not in line
    ]  # the server's log of its end
    assert (output, lines) == ("", [])
