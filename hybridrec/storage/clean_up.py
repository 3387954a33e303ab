"""Deleting what a library no longer needs: old models, and uploads that belong to no track."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from hybridrec.errors import InvalidInput
from hybridrec.storage.folder_locks import locked_folders
from hybridrec.storage.library import Library
from hybridrec.storage.staging import remove_abandoned

SETTLED_SECONDS = 3600.0
"""A file younger than this may belong to an upload in progress."""


@dataclass(frozen=True)
class CleanedUp:
    """What was deleted.

    Attributes:
        models, encoders: versions.
        files: uploads without a track.
        file_bytes: their size together.
    """

    models: int
    encoders: int
    files: int
    file_bytes: int


def clean_up(
    library: Library, keep: int = 3, settled_seconds: float = SETTLED_SECONDS
) -> CleanedUp:
    """Delete old models and encoders, uploads of no track, and what killed runs have left.

    Folders that a process has locked, such as the spectrograms of a training, are left alone.

    Args:
        library: what to clean.
        keep: versions of each kind to keep, beside the current one.
        settled_seconds: the least age of a file to be deleted.

    Raises:
        InvalidInput: if `keep` is below 1.
    """
    if keep < 1:
        raise InvalidInput("keep must be 1 or more", got=keep)
    models, encoders = (
        library.forget_artefacts("model", keep),
        library.forget_artefacts("encoder", keep),
    )
    before = time.time() - settled_seconds
    locked = locked_folders(library.files)
    settled = [
        path
        for path in library.files.rglob("*")
        if _is_settled(path, before) and locked.isdisjoint(path.parents)
    ]
    remove_abandoned(library.files.parent)
    _remove_old_scratch(library.files.parent, before)
    referenced = {library.files / name for name in library.kept_files()}
    orphans = (
        os.fsencode(path.relative_to(library.files)) for path in settled if path not in referenced
    )
    sizes = [size for _, size in library.remove_unused(orphans)]
    return CleanedUp(models, encoders, len(sizes), sum(sizes))


def _is_settled(path: Path, before: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:  # deleted meanwhile
        return False


def _remove_old_scratch(parent: Path, before: float) -> None:
    """Delete what killed restores of earlier releases have left, which held no lock."""
    for folder in parent.glob(".restore.*"):
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
