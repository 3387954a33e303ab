"""Compares our ingest with bliss-audio and pymusly, on the same MP3 files in one run.

    python scripts/bench_ingest.py DIRECTORY [--tracks 40] [--rounds 3] [--other-python PYTHON]

DIRECTORY holds MP3 files. The other two are not dependencies: `pip install bliss-audio pymusly`,
here or in an environment of their own, whose Python is given as --other-python (pymusly needs the
program ffmpeg). Each runs in a process of its own, once with one track, which shows the cost of
starting, and once with all. The cheapest round counts. If a wheel of bliss-audio dies of an
illegal instruction, it was built for a newer processor; try bliss-audio==0.1.11.

Then the peak memory of our ingest by number of tracks is measured: with another ID3v1 tag
appended, a file counts as another track. Linux only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import Cost, measured

from hybridrec.pages.table import text_table

BLISS = "import sys; from bliss_audio import Song; [Song(path).analysis for path in sys.argv[1:]]"
MUSLY = (
    "import sys; from pymusly import MuslyJukebox; jukebox = MuslyJukebox('timbre');"
    " [jukebox.track_from_audiofile(path, {length}, {start}) for path in sys.argv[1:]]"
)


@dataclass(frozen=True)
class Analyser:
    """Another analyser of music.

    Attributes:
        package: that has it.
        program: Python code that analyses the files it gets as arguments.
    """

    package: str
    program: str


ANALYSERS = {
    "bliss-audio": Analyser("bliss-audio", BLISS),
    "pymusly, the middle 60 s": Analyser("pymusly", MUSLY.format(length=60, start=-48)),
    "pymusly, whole tracks": Analyser("pymusly", MUSLY.format(length=0, start=0)),
}
OURS = "hybridrec"


def main() -> None:
    """Parse the arguments, run the comparison, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="folder of MP3 files")
    parser.add_argument("--tracks", type=int, default=40, help="how many of them (default 40)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default 3)")
    parser.add_argument(
        "--other-python", default=sys.executable, help="Python that has bliss-audio and pymusly"
    )
    parser.add_argument(
        "--memory",
        type=int,
        nargs="*",
        default=[50, 200],
        help="numbers of tracks to measure the memory with",
    )
    chosen = parser.parse_args()
    files = sorted(chosen.directory.rglob("*.mp3"))[: chosen.tracks]
    if len(files) < 2:
        sys.exit(f"two MP3 files or more are needed; {chosen.directory} holds {len(files)}")
    costs = compare(files, chosen.rounds, chosen.other_python)
    print_costs(costs, len(files))
    for count in chosen.memory:
        mebibytes = peak_bytes(files, count) / 2**20
        print(f"peak memory of {OURS} at {count} tracks: {mebibytes:.0f} MiB, all processes")


def compare(files: Sequence[Path], rounds: int, other_python: str) -> dict[str, tuple[Cost, Cost]]:
    """The cheapest round of each analyser that can run: with one track, and with all."""
    running: dict[str, Analyser | None] = {OURS: None, **ANALYSERS}
    best: dict[str, tuple[Cost, Cost]] = {}
    for _ in range(rounds):
        for name, analyser in list(running.items()):
            costs = [run(analyser, other_python, some) for some in (files[:1], files)]
            failed = next((cost for cost in costs if cost.exit_code), None)
            if failed:
                print(f"{name} cannot run here: {why(failed)}")
                del running[name]
                continue
            earlier = best.get(name, costs)
            one, all_ = (
                min(pair, key=lambda cost: cost.processor_seconds)
                for pair in zip(costs, earlier, strict=True)
            )
            best[name] = (one, all_)
    return best


def run(analyser: Analyser | None, other_python: str, files: Sequence[Path]) -> Cost:
    """Analyse files, by another analyser or by our ingest."""
    if analyser:
        return measured([other_python, "-c", analyser.program, *map(str, files)])
    with tempfile.TemporaryDirectory() as place:
        music = Path(place) / "music"
        music.mkdir()
        for number, path in enumerate(files):
            (music / f"{number:04}.mp3").symlink_to(path.resolve())
        return ingest(music, Path(place) / "library")


def ingest(music: Path, library: Path) -> Cost:
    """Our ingest of a folder, as a user starts it."""
    command = ["hybridrec", "ingest", "audio", str(music), "--library", str(library), "--json"]
    cost = measured([sys.executable, "-m", *command])
    if not cost.exit_code and json.loads(cost.output)["failed"]:
        sys.exit(f"not all files could be embedded: {json.loads(cost.output)['failed'][0]}")
    return cost


def why(cost: Cost) -> str:
    """Why a command failed, in a line."""
    if cost.exit_code < 0:
        return f"it died of {signal.strsignal(-cost.exit_code)}"
    return (cost.errors.strip().splitlines() or ["it printed nothing"])[-1]


def print_costs(costs: dict[str, tuple[Cost, Cost]], tracks: int) -> None:
    """Print a row each: the whole run, and the cost of each track after the first."""
    ours_run, ours_track = (each[OURS] for each in (whole_run(costs), by_track(costs, tracks)))
    rows = []
    for name, (_, all_) in costs.items():
        core_seconds, each = all_.processor_seconds, by_track(costs, tracks)[name]
        times = f"{core_seconds / ours_run:.1f}", f"{each / ours_track:.1f}"
        figures = (
            f"{all_.seconds:.1f}",
            f"{core_seconds:.1f}",
            f"{tracks / core_seconds:.2f}",
            f"{1000 * each:.0f}",
        )
        rows.append((name, *figures, *times))
    header = (
        "wall s",
        "core s",
        "tracks/core s",
        "core ms a further track",
        "ours faster: run",
        "a further track",
    )
    print(text_table((f"{tracks} tracks", *header), rows))


def whole_run(costs: dict[str, tuple[Cost, Cost]]) -> dict[str, float]:
    """Processor seconds for all tracks, starting included."""
    return {name: all_.processor_seconds for name, (_, all_) in costs.items()}


def by_track(costs: dict[str, tuple[Cost, Cost]], tracks: int) -> dict[str, float]:
    """Processor seconds a track beyond the first."""
    return {
        name: (all_.processor_seconds - one.processor_seconds) / (tracks - 1)
        for name, (one, all_) in costs.items()
    }


def peak_bytes(files: Sequence[Path], count: int) -> int:
    """Peak memory of our ingest of so many different tracks."""
    with tempfile.TemporaryDirectory() as place:
        music = Path(place) / "music"
        music.mkdir()
        for number in range(count):
            copy = music / f"{number:04}.mp3"
            shutil.copyfile(files[number % len(files)], copy)
            with copy.open("ab") as file:
                file.write(b"TAG" + f"Track {number}".encode().ljust(125, b"\0"))
        return ingest(music, Path(place) / "library").peak_bytes


if __name__ == "__main__":
    main()
