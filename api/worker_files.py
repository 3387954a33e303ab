"""Temporary files of a server: a folder for each worker, and the files of its metrics.

No error here may stop a worker: on a full disk it runs without these files.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

from .settings import MULTIPROCESS_DIRECTORY

METRICS_FILE_BYTES = 2**20
"""Reserved for each file of metrics; all routes with all statuses fill less than half of it."""

_METRIC_KINDS = ("gauge_livesum", "histogram")
_USED_BYTES = slice(0, 4)
_log = logging.getLogger("hybridrec")


def make_temporary_folder() -> Path:
    """Create the folder of all processes; must be called before prometheus_client is imported."""
    temporary = Path(tempfile.mkdtemp(prefix="hybridrec-"))
    os.environ[MULTIPROCESS_DIRECTORY] = str(temporary / "metrics")
    (temporary / "metrics").mkdir()
    return temporary


def prepare_worker_files(temporary: Path, process: int) -> None:
    """Give this process a folder for temporary files, and reserve space for its metrics.

    prometheus_client maps its files into memory; writing to a page for which the disk has no space
    left would kill the process (SIGBUS). If none can be reserved, it counts in memory only.
    """
    try:
        own = worker_folder(temporary, process)
        own.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        for kind in _METRIC_KINDS:
            _reserve(_metrics_file(kind, process))
    except OSError as error:
        _log.error(
            "no space for this worker's metrics in %s, so /metrics lacks them: %s",
            temporary,
            error.strerror,
        )
        _remove_metrics_files(process)
        _count_in_memory()


def remove_worker_files(temporary: Path, process: int) -> None:
    """Remove the files and gauges of a worker that has ended; its counts are kept."""
    shutil.rmtree(worker_folder(temporary, process), ignore_errors=True)
    for path in Path(os.environ[MULTIPROCESS_DIRECTORY]).glob(f"gauge_live*_{process}.db"):
        path.unlink(missing_ok=True)
    _free_unused(_metrics_file("histogram", process))


def worker_folder(temporary: Path, process: int) -> Path:
    """The folder for temporary files of a worker."""
    return temporary / str(process)


def _metrics_file(kind: str, process: int) -> Path:
    return Path(os.environ[MULTIPROCESS_DIRECTORY]) / f"{kind}_{process}.db"


def _reserve(path: Path) -> None:
    with path.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, METRICS_FILE_BYTES)


def _free_unused(path: Path) -> None:
    """Free the unused rest of a file of metrics; its first four bytes are the bytes used."""
    try:
        with path.open("r+b") as file:
            file.truncate(int.from_bytes(file.read(8)[_USED_BYTES], "little"))
    except OSError:  # there is no such file
        return


def _remove_metrics_files(process: int) -> None:
    for kind in _METRIC_KINDS:
        _metrics_file(kind, process).unlink(missing_ok=True)


def _count_in_memory() -> None:
    from prometheus_client import values

    values.ValueClass = values.MutexValue
