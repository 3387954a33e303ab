"""Extract files from Debian and Ubuntu packages without installing them and without root.

`apt-cache` lists the packages of a mirror, `apt-get download` fetches one and checks
its hash, and `dpkg-deb` turns it into a stream of files, of which only the named
ones are written.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hybridrec.errors import HybridrecError, NotReady

ZIP_PREFIX = "zip/"  # marks a member inside a zip archive of the package
ARCHIVE_SUFFIXES = (".zip", ".pk3", ".love")
MAX_FILE_BYTES = 512 * 2**20
MAX_ARCHIVE_BYTES = 8 * 2**30


class PackageError(HybridrecError):
    """A package could not be downloaded or read."""


@dataclass(frozen=True)
class Package:
    """Entry of the package lists: the version that would be downloaded, and its size."""

    name: str
    version: str
    size_bytes: int


def find_packages(names: Iterable[str]) -> dict[str, Package]:
    """Look packages up in the machine's package lists; absent packages are left out.

    Raises:
        NotReady: if this is not Debian or Ubuntu, or if its package lists are empty.
    """
    _require_tools()
    # apt itself is in every list that is not empty.
    command = ["apt-cache", "show", "--no-all-versions", "apt", *names]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    packages = [_parse_package(paragraph) for paragraph in result.stdout.split("\n\n")]
    found = {package.name: package for package in packages if package is not None}
    if not found:
        raise NotReady(
            "the package lists of this machine are empty", fix="run `sudo apt-get update` once"
        )
    return found


def _require_tools() -> None:
    for tool in ("apt-cache", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise NotReady(
                "free music is extracted from Debian packages",
                got=f"no {tool}",
                fix="use Debian or Ubuntu",
            )


def _parse_package(paragraph: str) -> Package | None:
    """Parse a paragraph of the lists; None if the package cannot be downloaded."""
    fields = dict(
        line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
    )
    if not {"Package", "Version", "Size", "Filename"} <= fields.keys():
        return None
    return Package(fields["Package"], fields["Version"], int(fields["Size"]))


def download(package: Package, directory: Path) -> Path:
    """Download a package into an existing directory and return its path.

    Raises:
        PackageError: with the first error line of apt.
    """
    command = [
        "apt-get",
        "-q",
        "-o",
        "Acquire::Retries=3",
        "download",
        f"{package.name}={package.version}",
    ]
    result = subprocess.run(  # noqa: S603
        command, cwd=directory, capture_output=True, text=True, check=False
    )
    debs = sorted(directory.glob(f"{package.name}_*.deb"))
    if result.returncode != 0 or not debs:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        raise PackageError(f"could not download: {errors[0] if errors else 'no reason given'}")
    return debs[0]


def extract(deb: Path, targets: Mapping[str, Path]) -> set[str]:
    """Extract named files from a package.

    Only the named members are written, and only to the targets given here; paths
    inside the package or its archives never decide where a file is written.

    Args:
        deb: the package.
        targets: for each member (`usr/share/...`, or `zip/...` inside the package's
            own zip archive) its target path. The parent directories must exist.

    Returns:
        The members that were found and written.

    Raises:
        PackageError: if the package is damaged.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as unpacker:
        assert unpacker.stdout is not None
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar:
                found = _extract_from_tar(tar, targets, scratch=deb.with_suffix(".archive"))
        except tarfile.TarError as error:
            raise PackageError(f"the package is damaged: {error}") from error
    if unpacker.returncode != 0:
        raise PackageError("the package is damaged: dpkg-deb stopped early")
    return found


def _extract_from_tar(tar: tarfile.TarFile, targets: Mapping[str, Path], scratch: Path) -> set[str]:
    found: set[str] = set()
    in_archives = {member for member in targets if member.startswith(ZIP_PREFIX)}
    for entry in tar:
        name = entry.name.removeprefix("./")
        if not entry.isfile():
            continue
        if name in targets and entry.size <= MAX_FILE_BYTES:
            _write(tar.extractfile(entry), targets[name])
            found.add(name)
        elif (
            in_archives - found
            and name.endswith(ARCHIVE_SUFFIXES)
            and entry.size <= MAX_ARCHIVE_BYTES
        ):
            _write(tar.extractfile(entry), scratch)
            found |= _extract_from_zip(
                scratch, {member: targets[member] for member in in_archives - found}
            )
            scratch.unlink()
    return found


def _extract_from_zip(archive: Path, targets: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    try:
        with zipfile.ZipFile(archive) as zipped:
            sizes = {info.filename: info.file_size for info in zipped.infolist()}
            for member, target in targets.items():
                name = member.removeprefix(ZIP_PREFIX)
                if sizes.get(name, MAX_FILE_BYTES + 1) <= MAX_FILE_BYTES:
                    with zipped.open(name) as source:
                        _write(source, target)
                    found.add(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        # Damaged, encrypted or unsupported compression: the caller reports the rest as missing.
        return found
    return found


def _write(source: IO[bytes] | None, target: Path) -> None:
    """Write a stream beside its target and rename it, so that the target is never partial."""
    assert source is not None
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as sink:
        shutil.copyfileobj(source, sink, 2**20)
    partial.replace(target)
