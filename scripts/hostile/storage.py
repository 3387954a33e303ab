"""What hostile requests cost the storage of a library: seconds and memory.

    python scripts/hostile/storage.py [--tracks 8000] [--library postgresql://...]

Prints one row a request. Without --library, a library is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hybridrec.data.listens import Listen
from hybridrec.data.tracks import Track
from hybridrec.errors import HybridrecError
from hybridrec.storage.library import Library
from hybridrec.storage.write_queue import SERVING
from hybridrec.workflows.ingest.history_files import ingest_history

LISTENS = 1000
ARTIST = "The Band"


@dataclass(frozen=True)
class Cost:
    """The cost of a request.

    Attributes:
        request: its description.
        cpu_seconds: of this process.
        wall_seconds: until the answer.
        became: the answer, or the error.
        grown_megabytes: by how much the peak memory of the process grew.
    """

    request: str
    cpu_seconds: float
    wall_seconds: float
    became: str
    grown_megabytes: float


def measure(request: str, work: Callable[[], object]) -> Cost:
    """Do the work and measure its cost; a refusal is an answer."""
    before, cpu, wall = _peak_megabytes(), time.process_time(), time.monotonic()
    try:
        became = repr(work())
    except HybridrecError as error:
        became = f"{type(error).__name__}: {error.what}"
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return Cost(request, cpu, wall, became[:90], _peak_megabytes() - before)


def costs(library: Library, tracks: int, scratch: Path) -> Iterator[Cost]:
    """Each request with its cost, on a library with so many tracks of one artist."""
    titles = (f"Evening song {n} of the long days" for n in range(tracks))
    library.put_tracks(Track(f"t{n}", title=title, artist=ARTIST) for n, title in enumerate(titles))
    for name, listens in _submissions().items():
        yield measure(name, lambda listens=listens: library.add_listens(listens))  # type: ignore[misc]
    yield measure(
        "a query of 890 characters that expand", lambda: library.find_tracks("\ufdfa" * 890)
    )
    yield measure("a query of 400 words", lambda: library.find_tracks("evening " + "so " * 400))
    archive = _bomb(scratch / "history.zip")
    megabytes = archive.stat().st_size / 1e6
    request = f"a history of {megabytes:.1f} MB that unpacks to 2,000 MB"
    yield measure(request, lambda: ingest_history(library, archive, "spotify", "u"))
    yield measure("a play while another program writes", lambda: _write_while_locked(library))
    yield measure("a read while another program writes", lambda: _read_while_locked(library))


def _submissions() -> dict[str, list[Listen]]:
    feat, asides = " feat " * 1600, "x (feat " * 1200
    return {
        "1,000 listens, misspelt, of the artist": [
            Listen("u", 1e9 + n, ARTIST, f"Evenin song {n} of the long days")
            for n in range(LISTENS)
        ],
        "1,000 listens, of no track, of the artist": [
            Listen("u", 1.1e9 + n, ARTIST, f"Unknown song {n}") for n in range(LISTENS)
        ],
        "1,000 listens with names of 10 kB": [
            Listen("u", 1.2e9 + n, f"{feat}{n}", f"{asides}{n}") for n in range(LISTENS)
        ],
    }


def _bomb(path: Path) -> Path:
    name = "Streaming_History_Audio_1.json"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(b'["')
        for _ in range(2000):
            member.write(b" " * 1_000_000)
    return path


def _write_while_locked(library: Library) -> None:
    library.limit_writers(SERVING)
    with _held(library):
        library.put_tracks([Track("late")])


def _read_while_locked(library: Library) -> int:
    with _held(library):
        return len(library.find_tracks("evening", limit=50))


@contextmanager
def _held(library: Library) -> Iterator[None]:
    with Library.open(library.opened_at) as other, other._database.write():
        yield


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--tracks", type=int, default=8000, help="of one artist")
    parser.add_argument(
        "--library", default=None, help="an empty database; by default a temporary folder"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        place = arguments.library or scratch / "library"
        files = scratch / "files" if arguments.library else None
        print(f"{'CPU s':>8} {'wall s':>8} {'MB more':>8}  request")
        with Library.open(place, create=True, files=files) as library:
            for cost in costs(library, arguments.tracks, scratch):
                seconds = f"{cost.cpu_seconds:8.2f} {cost.wall_seconds:8.2f}"
                print(f"{seconds} {cost.grown_megabytes:8.0f}  {cost.request}: {cost.became}")


if __name__ == "__main__":
    main()
