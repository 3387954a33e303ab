"""Freely licensed game music from Debian and Ubuntu packages; data card: free_music.md."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from tqdm import tqdm

from hybridrec.errors import InvalidInput

from .debian import ZIP_PREFIX, Package, PackageError, download, extract, find_packages

TABLE = Path(__file__).with_name("free_music.tsv")
SPLITS = ("train", "train-aux", "eval")
RECORDING_SPLITS = ("train", "eval")
MANIFEST_NAME = "manifest.tsv"
MANIFEST_COLUMNS = ("file", "collection", "artist", "title", "genre", "licence", "split", "source")


@dataclass(frozen=True)
class FreeTrack:
    """One row of the table.

    Attributes:
        package: the Debian package that holds the track.
        path_in_package: path from the root; `zip/...` is inside the package's own zip archive.
        collection: the soundtrack that it belongs to.
        artist, title, genre: as tagged or as the package states; empty if unknown.
        licence: as the package states it.
        seconds: length.
        kind: `recording`, or `module-render` and `midi-render` for files that need a player.
        split: `train`, `train-aux` or `eval`; no artist or collection is in both train and eval.
    """

    package: str
    path_in_package: str
    collection: str
    artist: str
    title: str
    genre: str
    licence: str
    seconds: float
    kind: str
    split: str

    @property
    def file(self) -> str:
        """Path of the fetched track below the target directory: `package/name`."""
        path = self.path_in_package
        for prefix in (ZIP_PREFIX, "usr/share/", "games/"):
            path = path.removeprefix(prefix)
        return f"{self.package}/{path.replace('/', '__')}"


@dataclass(frozen=True)
class FetchReport:
    """Result of a fetch.

    Attributes:
        fetched: number of files fetched now.
        skipped_present: number of files that were present already.
        missing: (package, reason) for each package or file that could not be fetched.
        manifest: path of the table of all files in the directory.
    """

    fetched: int
    skipped_present: int
    manifest: Path
    missing: list[tuple[str, str]] = field(default_factory=list)


def read_free_music(table: Path = TABLE) -> list[FreeTrack]:
    """The table of freely licensed music, 1,174 tracks."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [
        FreeTrack(**{**row, "seconds": float(row["seconds"])})  # type: ignore[arg-type]
        for row in rows
    ]


def fetch_free_music(
    directory: str | Path,
    *,
    split: str | None = None,
    packages: Iterable[str] | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> FetchReport:
    """Fetch soundtracks from Debian or Ubuntu packages, small packages first.

    Files that are present already are not fetched again, so an interrupted fetch
    resumes. Each file is written whole or not at all, and each package is deleted
    once its music is extracted. Run one fetch per directory at a time.

    Args:
        directory: target of the music, as `package/name`, and of `manifest.tsv`.
        split: `train`, `eval`, or `train-aux` (modules and MIDI files, which need a
            player); None takes every recording.
        packages: only these packages; None for all.
        limit: maximum number of tracks; None for all.
        progress: whether to show a progress bar.

    Raises:
        InvalidInput: for an unknown split, package or limit, or packages with nothing in the split.
        NotReady: if this is not Debian or Ubuntu, or if its package lists are empty.
    """
    wanted = _select(split, None if packages is None else set(packages))
    if limit is not None and limit < 1:
        raise InvalidInput("limit must be 1 or more", got=limit, fix="leave it out for all tracks")
    directory = Path(directory)
    available = find_packages({track.package for track in wanted})
    unknown = Package("", "", 0)
    wanted.sort(key=lambda track: available.get(track.package, unknown).size_bytes)
    return _fetch(directory, wanted[:limit], available, progress)


def _select(split: str | None, packages: set[str] | None) -> list[FreeTrack]:
    if split is not None and split not in SPLITS:
        raise InvalidInput("unknown split", got=split, fix=f"use one of {', '.join(SPLITS)}")
    tracks = read_free_music()
    if packages is not None:
        unknown = sorted(packages - {track.package for track in tracks})
        if unknown:
            raise InvalidInput(
                "no such package in free_music.tsv",
                got=unknown[0],
                fix="name a package of that table",
            )
    splits = RECORDING_SPLITS if split is None else (split,)
    chosen = [
        track
        for track in tracks
        if track.split in splits and (packages is None or track.package in packages)
    ]
    if not chosen:
        raise InvalidInput(
            "these packages have nothing in that split", got=split, fix="name their split"
        )
    return chosen


def _fetch(
    directory: Path, wanted: Sequence[FreeTrack], available: dict[str, Package], progress: bool
) -> FetchReport:
    manifest = _Manifest(directory)
    absent = [track for track in wanted if not (directory / track.file).exists()]
    by_package: dict[str, list[FreeTrack]] = {}
    for track in absent:
        by_package.setdefault(track.package, []).append(track)
    total_bytes = sum(available[name].size_bytes for name in by_package if name in available)
    missing: list[tuple[str, str]] = []
    with tqdm(total=total_bytes, unit="B", unit_scale=True, disable=not progress) as bar:
        for name, tracks in by_package.items():
            bar.set_description(name)
            missing += [
                (name, reason) for reason in _fetch_package(directory, available.get(name), tracks)
            ]
            manifest.add(wanted, available)
            bar.update(available[name].size_bytes if name in available else 0)
    manifest.add(wanted, available)
    fetched = sum((directory / track.file).exists() for track in absent)
    return FetchReport(fetched, len(wanted) - len(absent), manifest.path, missing)


def _fetch_package(
    directory: Path, package: Package | None, tracks: Sequence[FreeTrack]
) -> list[str]:
    """Fetch the tracks of one package; return the reason for each one that is missing."""
    if package is None:
        return ["no such package in this machine's package lists"]
    scratch = directory / ".fetching"
    shutil.rmtree(scratch, ignore_errors=True)  # left by a fetch that was killed
    scratch.mkdir(parents=True)
    (directory / package.name).mkdir(exist_ok=True)
    try:
        targets = {track.path_in_package: directory / track.file for track in tracks}
        found = extract(download(package, scratch), targets)
    except PackageError as error:
        return [str(error)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [f"version {package.version} has no {path}" for path in targets if path not in found]


class _Manifest:
    """`manifest.tsv`: labels, licence and source of each file in the directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / MANIFEST_NAME
        self._rows: dict[str, dict[str, str]] = {}
        if self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as lines:
                self._rows = {row["file"]: row for row in csv.DictReader(lines, delimiter="\t")}

    def add(self, tracks: Iterable[FreeTrack], available: dict[str, Package]) -> None:
        """Add the files that exist now; rows of known files keep their source version."""
        for track in tracks:
            if track.file not in self._rows and (self.path.parent / track.file).exists():
                package = available.get(track.package)
                source = f"{track.package}={package.version}" if package else track.package
                labels = {item.name: str(getattr(track, item.name)) for item in fields(track)}
                row = {**labels, "file": track.file, "source": source}
                self._rows[track.file] = {column: row[column] for column in MANIFEST_COLUMNS}
        self._save()

    def _save(self) -> None:
        partial = self.path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, MANIFEST_COLUMNS, delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows[file] for file in sorted(self._rows))
        partial.replace(self.path)
