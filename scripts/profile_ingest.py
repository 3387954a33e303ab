"""Speed and memory of embedding a folder of audio, and the time of each stage.

Ingests the folder into a temporary library and prints tracks per second of wall-clock time and of
processor time, the peak memory of all processes together (shared pages counted once), and the
share of each stage. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes import Cost, measured


def main() -> None:
    """Parse the arguments, ingest, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="folder of audio")
    parser.add_argument("--workers", type=int, help="embedder processes (default: all cores)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as library:
        command = [sys.executable, "-m", "hybridrec", "ingest", "audio", str(arguments.directory)]
        workers = ["--workers", str(arguments.workers)] if arguments.workers else []
        cost = measured([*command, "--library", library, "--json", *workers])
    if cost.exit_code:
        sys.exit(cost.errors.strip())
    show(json.loads(cost.output), cost)


def show(report: dict[str, Any], cost: Cost) -> None:
    """Print the figures of a finished ingest."""
    tracks, stages = report["added"] + report["moved"], report["stage_seconds"]
    stage_seconds = sum(stages.values())
    print(f"{tracks} tracks in {report['seconds']:.1f} s; {len(report['failed'])} not read")
    print(f"{report['tracks_per_second']:.2f} tracks/s of wall-clock time")
    in_stages = f"{tracks / stage_seconds:.2f} in the stages alone"
    print(f"{tracks / cost.processor_seconds:.2f} tracks/core-second, {in_stages}")
    print(f"peak memory {cost.peak_bytes / 2**20:.0f} MiB, all processes")
    for stage, seconds in stages.items():
        share, each = seconds / stage_seconds, 1000 * seconds / tracks
        print(f"{stage:>10}: {seconds:7.2f} s  {share:6.1%}  {each:6.1f} ms a track")


if __name__ == "__main__":
    main()
