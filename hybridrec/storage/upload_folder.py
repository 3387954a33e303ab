"""The folder in which a library in a database keeps its uploads: given once, then remembered."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import select

from hybridrec.errors import InvalidInput
from hybridrec.storage import schema
from hybridrec.storage.database import Database, upsert

_SETTING = "files"


def resolve_upload_folder(database: Database, given: Path | None, moved: bool) -> Path:
    """The folder of uploads, as given or as the library remembers it; it is remembered when given.

    Args:
        database: of a library that is up to date.
        given: what the caller says; None takes what the library remembers.
        moved: whether the files were moved there, and the library is to remember the new place.

    Raises:
        InvalidInput: if neither is known, or they differ and nothing was moved.
    """
    setting = select(schema.settings.c.value).where(schema.settings.c.name == _SETTING)
    with database.read() as connection:
        remembered = connection.scalar(setting)
    if given is None:
        return _required(remembered, database.location)
    folder = os.path.abspath(given)
    if remembered not in (None, folder) and not moved:
        fix = (
            f"give --files {remembered}, or say that they were moved: hybridrec move-files {folder}"
        )
        raise InvalidInput("the library keeps its uploads elsewhere", got=folder, fix=fix)
    if remembered != folder:
        with database.write() as connection:
            row = {"name": _SETTING, "value": schema.checked_id(folder)}
            upsert(connection, schema.settings, [row], by=("name",))
    return Path(folder)


def _required(remembered: str | None, location: str) -> Path:
    if remembered is None:
        fix = (
            "give --files DIRECTORY or set HYBRIDREC_FILES, once;"
            " earlier releases used hybridrec-files in the folder they were started in"
        )
        raise InvalidInput("where does this library keep its uploads", got=location, fix=fix)
    return Path(remembered)
