"""The benchmark of ingest compares what can run, and says what cannot."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def test_it_prints_a_row_for_each_analyser_that_runs_and_a_reason_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    bench_ingest = importlib.import_module("bench_ingest")
    commands: list[list[str]] = []

    def measured(command: Sequence[str]) -> Any:
        commands.append(list(command))
        if "bliss_audio" in command[2]:
            return bench_ingest.Cost(1, "", "No module named bliss_audio", 0.1, 0.1, 0)
        files = [argument for argument in command if argument.endswith(".mp3")]
        if command[1] == "-m":
            files = list(map(str, Path(command[5]).iterdir()))
        return bench_ingest.Cost(0, '{"failed": []}', "", 1.0, 1.0 + len(files), 2**20)

    monkeypatch.setattr(bench_ingest, "measured", measured)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp3").write_bytes(name.encode())
    arguments = ["--rounds", "1", "--memory", "5", "--other-python", "other"]
    monkeypatch.setattr(sys, "argv", ["bench_ingest.py", str(tmp_path), *arguments])
    bench_ingest.main()
    output = capsys.readouterr().out
    assert "bliss-audio cannot run here: No module named bliss_audio" in output
    rows = [line for line in output.splitlines() if line.startswith(("hybridrec", "pymusly"))]
    assert len(rows) == 3
    assert all("1000" in row and "0.75" in row for row in rows)  # 3 tracks in 4 core seconds
    assert "peak memory of hybridrec at 5 tracks: 1 MiB" in output
    assert {command[0] for command in commands} == {"other", sys.executable}
