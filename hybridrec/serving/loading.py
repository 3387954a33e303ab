"""Loads the live model of a library from this machine's serving files, and writes these files.

A large catalogue is written by a process of its own, so that the one that serves keeps its
processor time and memory:

    python -P -m hybridrec.serving.loading < request.json
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from hybridrec.model.store import INDEXED_FROM
from hybridrec.serving.files import ServingFiles
from hybridrec.serving.live_model import LiveModel
from hybridrec.storage.library import Library

_MODULE = "hybridrec.serving.loading"  # not __name__, which is __main__ in the other process
_log = logging.getLogger("hybridrec")


def load_live_model(library: Library) -> LiveModel:
    """A live model with all changes applied, from files that all processes share.

    Files that are missing, unreadable, of another release or outgrown are written again. Where
    they cannot be written, the model is built in this process alone.

    Raises:
        LibraryError: if the library cannot be read, or its model is damaged or too new.
    """
    files = serving_files(library)
    try:
        with files.locked():
            live = _read(library, files)
            if live is None or live.is_outgrown:
                _write(library, files)
                live = _read(library, files)
    except OSError as error:
        folder = library.files.parent
        _log.warning("cannot write to %s, so nothing is shared: %s", folder, error.strerror)
        live = None
    if live is None:
        live = LiveModel.built(library)
        live.catch_up()
    return live


def serving_files(library: Library) -> ServingFiles:
    """The serving files of a library on this machine."""
    folder = library.files.with_name(f"{library.files.name}-serving")
    return ServingFiles(folder, f"{library.born()} {library.location}")


def _read(library: Library, files: ServingFiles, *, mapped: bool = True) -> LiveModel | None:
    """A live model from the files with all changes applied; None if they are of no use."""
    state = files.read(mapped=mapped)
    # A lower number in the library: it was restored from a backup since.
    if state is None or library.seq() < state.seq:
        return None
    live = LiveModel(library, state)
    if live.is_superseded():
        return None
    live.catch_up()
    return None if live.is_superseded() else live


def _write(library: Library, files: ServingFiles) -> None:
    """Write the files, in another process where the catalogue is large."""
    if library.status()["tracks"] < INDEXED_FROM:
        _write_in_this_process(library, files)
        return
    # By standard input: a location may hold a password, and everybody can read a command line.
    request = json.dumps({"location": str(library.opened_at), "files": str(library.files)})
    # -P: nothing is imported from the working directory.
    command = [sys.executable, "-P", "-m", _MODULE]
    subprocess.run(command, input=request, text=True, check=False)  # noqa: S603 - fixed arguments


def _write_in_this_process(library: Library, files: ServingFiles) -> None:
    live = _read(library, files, mapped=False)  # an index that is mapped cannot be added to
    if live is None:
        live = LiveModel.built(library)
        live.catch_up()
    indexes = live.model.fitted_model.indexes
    if indexes is not None:
        indexes.take_in(live.model.tracks)
    files.write(live.state)


def main() -> None:
    """Write the files of the library that standard input names, as JSON."""
    request = json.loads(sys.stdin.read())
    with Library.open(request["location"], files=Path(request["files"])) as library:
        _write_in_this_process(library, serving_files(library))


if __name__ == "__main__":
    main()
