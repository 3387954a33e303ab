"""The tuning that a library stores, shared by `fit` and `tune`."""

from __future__ import annotations

from hybridrec.evaluation.tuning_report import Tuning
from hybridrec.storage.library import Library


def tuned(library: Library) -> Tuning | None:
    """The stored choice of settings, or None before `tune`.

    Raises:
        LibraryError: if it was written by a later release, or is damaged.
    """
    if library.current("tuning") is None:
        return None
    return Tuning.from_bytes(library.artefact_bytes("tuning"))
