"""How fast a folder of audio is heard, with how much memory, and where the time goes.

Ingests the folder into a library that is thrown away and prints tracks a
second of wall-clock time and of processor time, the peak memory of all its
processes together (pages that they share counted once), and the share of each
stage. Linux only: it looks into /proc.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from pathlib import Path

from hybridrec.storage.library import Library
from hybridrec.workflows.ears import ensure_ears
from hybridrec.workflows.ingest_audio import IngestReport, ingest_audio

LOOK_EVERY_SECONDS = 1.0


class ProcessGroup:
    """Watches the memory and processor time of this process and all that it starts. A context manager.

    Attributes:
        peak_bytes: the most memory at any look.
        processor_seconds: by process id, as last seen.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.processor_seconds: dict[str, float] = {}
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._finished.wait(LOOK_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        memory_bytes = 0
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == os.getpgrp():
                    ticks = int(fields[11]) + int(fields[12])
                    self.processor_seconds[entry.name] = ticks / os.sysconf("SC_CLK_TCK")
                    lines = (entry / "smaps_rollup").read_text().splitlines()
                    memory_bytes += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except OSError:
                continue  # it has ended meanwhile
        self.peak_bytes = max(self.peak_bytes, memory_bytes)

    def __enter__(self) -> ProcessGroup:
        os.setpgid(0, 0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join()
        self._look()


def main() -> None:
    """Parse the arguments, ingest, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="folder of audio")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes that hear (default: all cores)")
    arguments = parser.parse_args()
    with ProcessGroup() as group, tempfile.TemporaryDirectory() as place, Library.open(place, create=True) as library:
        report = ingest_audio(
            library, arguments.directory, ensure_ears(library), workers=arguments.workers, progress=False
        )
    show(report, group)


def show(report: IngestReport, group: ProcessGroup) -> None:
    """Print the figures of a finished ingest."""
    processor_seconds = sum(group.processor_seconds.values())
    tracks, heard_seconds = report.added + report.moved, sum(report.stage_seconds.values())
    print(f"{tracks} tracks in {report.seconds:.1f} s; {len(report.failed)} not read")
    print(f"{report.tracks_per_second:.2f} tracks/s of wall-clock time")
    print(f"{tracks / processor_seconds:.2f} tracks/core-second, {tracks / heard_seconds:.2f} in the stages alone")
    print(f"peak memory {group.peak_bytes / 2**20:.0f} MiB, all processes")
    for stage, seconds in report.stage_seconds.items():
        print(
            f"{stage:>10}: {seconds:7.2f} s  {seconds / heard_seconds:6.1%}  {1000 * seconds / tracks:6.1f} ms a track"
        )


if __name__ == "__main__":
    main()
