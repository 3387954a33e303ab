"""How fast a folder of audio is heard, with how much memory, and where the time goes.

Ingests the folder into a library that is thrown away and prints tracks a
second of wall-clock time and of processor time, the peak memory of all its
processes together (pages that they share counted once), and the share of each
stage. Linux only: it looks into /proc.
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="folder of audio")
    parser.add_argument("--workers", type=int, help="processes that hear (default: all cores)")
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
    heard_seconds = sum(stages.values())
    print(f"{tracks} tracks in {report['seconds']:.1f} s; {len(report['failed'])} not read")
    print(f"{report['tracks_per_second']:.2f} tracks/s of wall-clock time")
    print(f"{tracks / cost.processor_seconds:.2f} tracks/core-second, {tracks / heard_seconds:.2f} in the stages alone")
    print(f"peak memory {cost.peak_bytes / 2**20:.0f} MiB, all processes")
    for stage, seconds in stages.items():
        share, each = seconds / heard_seconds, 1000 * seconds / tracks
        print(f"{stage:>10}: {seconds:7.2f} s  {share:6.1%}  {each:6.1f} ms a track")


if __name__ == "__main__":
    main()
