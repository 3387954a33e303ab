"""The temporary files of a server: a folder for each worker, and the figures that its workers add up.

Nothing here may end a worker: where the disk is full, it goes on without.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

from .settings import MULTIPROCESS_DIRECTORY

METRICS_FILE_BYTES = 2**20
"""Reserved for each file of figures; all routes with all their answers fill less than half of one."""

_FIGURES = ("gauge_livesum", "histogram")
_USED = slice(0, 4)
_log = logging.getLogger("hybridrec")


def make_temporary_folder() -> Path:
    """A folder for the temporary files of all processes. Must come before prometheus_client is imported."""
    temporary = Path(tempfile.mkdtemp(prefix="hybridrec-"))
    os.environ[MULTIPROCESS_DIRECTORY] = str(temporary / "metrics")
    (temporary / "metrics").mkdir()
    return temporary


def prepare_worker_files(temporary: Path, process: int) -> None:
    """Let this process keep its temporary files in a folder of its own, and reserve the space for its figures.

    prometheus_client maps its files; a page of one for which the disk has no space left would end the process
    (SIGBUS). Where none can be reserved, this process counts in its memory, alone.
    """
    try:
        own = worker_folder(temporary, process)
        own.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        for kind in _FIGURES:
            _reserve(_figures(kind, process))
    except OSError as error:
        _log.error(
            "no space for this worker's figures in %s, so /metrics lacks them: %s",
            temporary,
            error.strerror,
        )
        _forget_figures(process)
        _count_in_memory()


def remove_worker_files(temporary: Path, process: int) -> None:
    """A worker that is gone, however it ended, leaves no files and has nothing under way; what it counted stays."""
    shutil.rmtree(worker_folder(temporary, process), ignore_errors=True)
    for path in Path(os.environ[MULTIPROCESS_DIRECTORY]).glob(f"gauge_live*_{process}.db"):
        path.unlink(missing_ok=True)
    _give_back(_figures("histogram", process))


def worker_folder(temporary: Path, process: int) -> Path:
    """Where a worker keeps its temporary files."""
    return temporary / str(process)


def _figures(kind: str, process: int) -> Path:
    return Path(os.environ[MULTIPROCESS_DIRECTORY]) / f"{kind}_{process}.db"


def _reserve(path: Path) -> None:
    with path.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, METRICS_FILE_BYTES)


def _give_back(path: Path) -> None:
    """The space that a file of figures reserved and never used; its first four bytes say how much it did."""
    try:
        with path.open("r+b") as file:
            file.truncate(int.from_bytes(file.read(8)[_USED], "little"))
    except OSError:  # there is none
        return


def _forget_figures(process: int) -> None:
    for kind in _FIGURES:
        _figures(kind, process).unlink(missing_ok=True)


def _count_in_memory() -> None:
    from prometheus_client import values

    values.ValueClass = values.MutexValue
