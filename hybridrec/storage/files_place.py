"""Where a library in a database keeps its uploads: said once, remembered by the library, never guessed."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import select

from hybridrec.errors import InvalidInput
from hybridrec.storage import schema
from hybridrec.storage.database import Database, upsert
from hybridrec.storage.paths import FILES_VARIABLE

_SETTING = "files"


def place_of_files(database: Database, given: Path | None, moved: bool) -> Path:
    """The folder of the kept files.

    Args:
        database: of a library that is up to date.
        given: what the caller says; None takes the environment's HYBRIDREC_FILES, and without it what
            the library remembers.
        moved: whether the files were moved there, and the library is to remember it.

    Raises:
        InvalidInput: if nobody has said, or it differs from what the library remembers.
    """
    said = given or (Path(os.environ[FILES_VARIABLE]) if os.environ.get(FILES_VARIABLE) else None)
    setting = select(schema.settings.c.value).where(schema.settings.c.name == _SETTING)
    with database.read() as connection:
        known = connection.scalar(setting)
    if said is None:
        return _remembered(known, database.location)
    place = os.path.abspath(said)
    if known not in (None, place) and not moved:
        fix = f"give --files {known}, or say that they were moved: hybridrec move-files {place}"
        raise InvalidInput("the library keeps its uploads elsewhere", got=place, fix=fix)
    if known != place:
        with database.write() as connection:
            row = {"name": _SETTING, "value": schema.checked_id(place)}
            upsert(connection, schema.settings, [row], by=("name",))
    return Path(place)


def _remembered(known: str | None, location: str) -> Path:
    if known is None:
        fix = (
            f"give --files DIRECTORY or set {FILES_VARIABLE}, once;"
            " earlier releases used hybridrec-files in the folder they were started in"
        )
        raise InvalidInput("where does this library keep its uploads", got=location, fix=fix)
    return Path(known)
