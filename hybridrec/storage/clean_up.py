"""What a library no longer needs: old models, and kept uploads that belong to no track."""

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
"""A file younger than this may belong to an upload that is just being stored."""


@dataclass(frozen=True)
class CleanedUp:
    """What was deleted.

    Attributes:
        models, encoders: versions.
        files: kept uploads without a track.
        file_bytes: how much they took.
    """

    models: int
    encoders: int
    files: int
    file_bytes: int


def clean_up(
    library: Library, keep: int = 3, settled_seconds: float = SETTLED_SECONDS
) -> CleanedUp:
    """Delete old versions of models and encoders, the files of no track, and what killed runs have left.

    What a process is working with, such as the spectrograms of a training, is left alone.

    Args:
        library: what to clean.
        keep: versions of each kind that stay, beside the one in use.
        settled_seconds: how long a file must have been there.

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
    held = locked_folders(library.files)
    there = [
        path
        for path in library.files.rglob("*")
        if _is_settled(path, before) and held.isdisjoint(path.parents)
    ]
    remove_abandoned(library.files.parent)
    _remove_old_scratch(library.files.parent, before)
    named = {library.files / name for name in library.kept_files()}
    orphans = (os.fsencode(path.relative_to(library.files)) for path in there if path not in named)
    sizes = [size for _, size in library.remove_unused(orphans)]
    return CleanedUp(models, encoders, len(sizes), sum(sizes))


def _is_settled(path: Path, before: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:  # whoever made it has deleted it meanwhile
        return False


def _remove_old_scratch(parent: Path, before: float) -> None:
    """Delete what restores of earlier releases have left when they were killed; those held no lock."""
    for folder in parent.glob(".restore.*"):
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
