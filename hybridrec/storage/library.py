"""The library: one catalogue with its plays, vectors and models, on disk or in a database."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, Table, func, select

from hybridrec.errors import LibraryError
from hybridrec.storage import schema
from hybridrec.storage.artefacts import ArtefactStore
from hybridrec.storage.catalogue import Catalogue
from hybridrec.storage.changes import ChangeFeed
from hybridrec.storage.database import Database, retry_once
from hybridrec.storage.embeddings import EmbeddingStore
from hybridrec.storage.interactions import InteractionStore
from hybridrec.storage.listens import ListenStore
from hybridrec.storage.music_folders import MusicFolderStore
from hybridrec.storage.play_samples import PlaySamples
from hybridrec.storage.plays import PlayStore
from hybridrec.storage.schema_version import NEWEST, read_schema_version, refuse_newer
from hybridrec.storage.stored_paths import StoredPaths, make_private
from hybridrec.storage.tokens import TokenStore
from hybridrec.storage.upload_folder import resolve_upload_folder
from hybridrec.storage.write_queue import WriteLimits

DATABASE_NAME = "library.sqlite3"
FILES_NAME = "files"


class Library(
    Catalogue,
    EmbeddingStore,
    PlayStore,
    PlaySamples,
    InteractionStore,
    ArtefactStore,
    ChangeFeed,
    TokenStore,
    ListenStore,
    MusicFolderStore,
):
    """A catalogue with its plays, vectors and models; its methods are those of its base classes.

    Safe to use from several threads, and from several processes that each open it. What a method
    has stored when it returns survives kill -9. Made by `Library.open`; it is a context manager.

    Attributes:
        files: the folder of uploads; a track's file there is deleted with the track.
        opened_at: the location as given to `open`, with the password of a database if it has one.
    """

    def __init__(self, database: Database, files: Path) -> None:
        self._database = database
        self.opened_at: str | Path = ""
        self._use_files(files)

    def _use_files(self, files: Path) -> None:
        self.files = files.absolute()
        self._paths = StoredPaths(self.files)

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        create: bool = False,
        files: Path | None = None,
        files_moved: bool = False,
    ) -> Library:
        """Open a library, and bring an older one up to date.

        Args:
            location: a directory, or a URL `postgresql://name:password@host/database`.
            create: make the library if there is none.
            files: where uploads are kept; by default `files` in the directory. For a library in a
                database it must be given once, and is remembered.
            files_moved: whether a library in a database is to remember another folder.

        Raises:
            LibraryError: if it is missing, damaged, no library, or newer than this program.
            InvalidInput: for a URL of an unknown kind, or if the folder of uploads is unknown or
                differs from the one that is remembered.
        """
        database, beside = _database(location, create)
        library = cls(database, files or beside or Path())
        library.opened_at = location
        try:
            library._bring_up_to_date(create)
            if beside is None:
                library._use_files(resolve_upload_folder(database, files, files_moved))
            library.files.mkdir(parents=True, exist_ok=True)
        except BaseException:
            library.close()
            raise
        return library

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self.close()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for queries that no method offers; write by the methods alone."""
        return self._database.engine

    @property
    def location(self) -> str:
        """The file or URL of the library, without a password."""
        return self._database.location

    def limit_writers(self, limits: WriteLimits) -> None:
        """Set how many writers of this process may wait, and for how long."""
        self._database.write_queue.limits = limits

    @retry_once
    def born(self) -> float:
        """When the library was made, UTC in seconds since 1970; it tells two libraries apart."""
        with self._database.read() as connection:
            return float(connection.scalar(select(func.min(schema.migrations.c.applied_at))))

    @retry_once
    def counts(self) -> dict[str, int]:
        """How many `tracks`, `users` and `plays` there are; takes a while on large tables."""
        with self._database.read() as connection:
            tables = (schema.tracks, schema.users, schema.plays)
            return {table.name: int(connection.scalar(_count(table)) or 0) for table in tables}

    @retry_once
    def status(self) -> dict[str, Any]:
        """The location of the library and how much is in it, as plain JSON values."""
        with self._database.read() as connection:
            number = read_schema_version(connection).number
        current = {kind: self.current(kind) for kind in ("encoder", "model", "tuning")}
        return {
            "library": self.location,
            "schema": number,
            **self.counts(),
            "waiting_listens": self.waiting_listens(),
            "embeddings": self.fingerprints(),
            "fingerprint": self.fingerprint(),
            **{kind: artefact and artefact.version for kind, artefact in current.items()},
        }

    def _bring_up_to_date(self, create: bool) -> None:
        with self._database.read() as connection:
            version = read_schema_version(connection)
        if version.number == 0 and not create:
            raise _missing(self.location)
        refuse_newer(version)
        if version != NEWEST:
            # Here, because most openings migrate nothing and need not wait for the import.
            from hybridrec.storage.migrations.runner import migrate

            with self._database.write() as connection:
                migrate(connection)


def _count(table: Table) -> Any:
    return select(func.count()).select_from(table)


def _database(location: str | Path, create: bool) -> tuple[Database, Path | None]:
    """The database at a location, and the folder of uploads beside it, None for a URL."""
    if "://" in str(location):
        return Database.at_url(str(location)), None
    directory = Path(location).absolute()
    path = directory / DATABASE_NAME
    if not path.is_file() and not create:
        raise _missing(str(directory))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            "the library's directory cannot be made",
            got=str(directory),
            fix="choose a place you may write to",
        ) from error
    if create:
        make_private(path)
    return Database.in_file(path), directory / FILES_NAME


def _missing(location: str) -> LibraryError:
    fix = "make one with `hybridrec ingest audio`, or give another --library"
    return LibraryError("there is no library here", got=location, fix=fix)
