"""The connection to a library: SQLite in a file, or PostgreSQL, with the same promises.

One transaction writes at a time: on SQLite by `BEGIN IMMEDIATE`, on PostgreSQL by an advisory lock
that is held to its end. So a sequence number is visible before the next is taken, and two writers
never deadlock over the order of their rows. Readers see one snapshot and never wait for writers
(WAL on SQLite, REPEATABLE READ on PostgreSQL).

A bounded number of writers wait, for a bounded time (`write_queue.py`). A connection that the
server has closed is noticed at its first statement at the latest; the method is then run a second
time (`retry_once`), unless its transaction may have been committed.

A transaction is durable when `write()` is left. SQLite runs with synchronous=FULL: its log is on
the disk by then, and survives kill -9 and power cuts. PostgreSQL's default, synchronous_commit=on,
promises the same.

Because writers exclude one another, callers gather their data first and write then.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Table,
    Text,
    any_,
    create_engine,
    event,
    func,
    literal,
    make_url,
    or_,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    OperationalError,
    StatementError,
)

from hybridrec.errors import (
    Busy,
    Conflict,
    ConnectionLost,
    HybridrecError,
    InvalidInput,
    LibraryError,
    NotReady,
)
from hybridrec.storage.disk_errors import is_disk_full, storage_full
from hybridrec.storage.schema import checked_id
from hybridrec.storage.write_queue import WriteLimits, WriteQueue

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_PRAGMAS = (
    "busy_timeout=60000",  # milliseconds, for readers during recovery; writers set their own
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",  # deleted rows, such as a user's plays, do not stay in free pages
    # Pages of 4 KiB. A batch of plays changes many, which should not be copied back each time.
    "wal_autocheckpoint=8192",
    "cache_size=-32768",  # KiB
)
_WRITE = "hybridrec_write"
_WRITERS_LOCK = 0x68796272  # "hybr": the advisory lock of writers

_POSTGRESQL_LOCK_TIMEOUT = "55P03"
# The class of states about a limit of the program, such as the size of an index row.
_POSTGRESQL_LIMITS = "54"

T = TypeVar("T")
P = ParamSpec("P")


def retry_once(method: Callable[P, T]) -> Callable[P, T]:
    """Run a method a second time if the connection was lost before anything could be stored.

    Its arguments are used twice, so they must not be iterators.
    """

    @wraps(method)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except ConnectionLost:
            return method(*args, **kwargs)

    return tried


class Database:
    """Opens transactions, and raises the library's own errors where the driver fails."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.write_queue = WriteQueue(WriteLimits())

    @classmethod
    def in_file(cls, path: Path) -> Database:
        """SQLite in one file, which is created when it is first written."""
        engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return cls(engine)

    @classmethod
    def at_url(cls, location: str) -> Database:
        """PostgreSQL at a URL such as `postgresql://name:password@host/database`.

        Raises:
            InvalidInput: for a URL of another kind.
            NotReady: if the driver is not installed.
        """
        try:
            url = make_url(location)
        except (ArgumentError, ValueError):
            raise InvalidInput(
                "not a database URL", fix="write postgresql://name:password@host/database"
            ) from None
        if url.get_backend_name() != "postgresql":
            fix = "give a directory, or postgresql://name:password@host/database"
            raise InvalidInput(
                "a library is a directory or a PostgreSQL URL", got=url.drivername, fix=fix
            )
        try:
            return cls(create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True))
        except ModuleNotFoundError:
            fix = "pip install 'hybridrec[postgresql]'"
            raise NotReady("the driver for PostgreSQL is not installed", fix=fix) from None

    @property
    def location(self) -> str:
        """The file or URL of the database, without a password."""
        url = self.engine.url
        return (
            str(url.database)
            if url.get_backend_name() == "sqlite"
            else url.render_as_string(hide_password=True)
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction, which sees the library at one moment.

        Raises:
            LibraryError: if the database cannot be reached or is damaged.
        """
        options = (
            {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        )
        with (
            self._translate_errors(),
            self.engine.connect() as plain,
            plain.execution_options(**options).begin(),
        ):
            yield plain

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is stored when the block is left, or nothing if it raises.

        Raises:
            Busy: if others write for too long, or too many wait.
            StorageFull: if there is no room.
            LibraryError: if the database cannot be reached or is damaged.
        """
        done = False
        with (
            self.write_queue.turn() as seconds,
            self._translate_errors(lambda: not done),
            self.engine.connect() as plain,
        ):
            milliseconds = max(1, int(1000 * seconds))
            with plain.execution_options(**{_WRITE: milliseconds}).begin():
                if self.engine.dialect.name == "postgresql":
                    plain.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                    plain.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
                yield plain
                done = (
                    True  # from here on it may be committed, even where the server's answer is lost
                )

    def empty_log(self) -> None:
        """Checkpoint and truncate SQLite's log, so that nothing deleted is left in it.

        Transactions under way may prevent that; a later checkpoint overwrites it then.
        """
        if self.engine.dialect.name == "sqlite":
            with closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA busy_timeout=1000").close()
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
                connection.cursor().execute(f"PRAGMA {_PRAGMAS[0]}").close()

    @contextmanager
    def _translate_errors(self, is_repeatable: Callable[[], bool] = lambda: True) -> Iterator[None]:
        try:
            yield
        except StatementError as error:
            if isinstance(error.orig, HybridrecError):  # raised while the values were bound
                raise error.orig from None
            if isinstance(error, IntegrityError):
                reason = str(error.orig).partition("\n")[0]
                raise Conflict(
                    "this contradicts what is stored", got=reason, fix="look it up first"
                ) from error
            if not (isinstance(error, OperationalError) or type(error) is DatabaseError):
                raise
            raise self._translated(error, is_repeatable()) from error

    def _translated(self, error: DatabaseError, repeatable: bool) -> HybridrecError:
        """The library's error for one of the database's."""
        reason = str(error.orig).partition("\n")[0]
        if is_disk_full(error.orig):
            return storage_full(reason)
        state = getattr(error.orig, "sqlstate", None) or ""
        if state.startswith(_POSTGRESQL_LIMITS):
            logging.getLogger(__name__).warning("the database holds no such value: %s", reason)
            return InvalidInput(
                "a value is too long for the database", got=reason, fix="shorten it"
            )
        what = f"the library at {self.location} cannot be used"
        if (
            getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            or state == _POSTGRESQL_LOCK_TIMEOUT
        ):
            return Busy(what, got=reason, fix="another program writes to it; try again in a moment")
        fix = "check the disk, the rights and that nothing else holds it, or restore a backup"
        kind = ConnectionLost if error.connection_invalidated and repeatable else LibraryError
        return kind(what, got=reason, fix=fix)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # No BEGIN by the driver: its own comes too late for a snapshot; see `_begin_sqlite`.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    milliseconds = connection.get_execution_options().get(_WRITE)
    if milliseconds is not None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")
    connection.exec_driver_sql("BEGIN" if milliseconds is None else "BEGIN IMMEDIATE")


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    by: Sequence[str],
    unless_same: Sequence[str] = (),
) -> None:
    """Insert rows, or update the other given columns of those with the same `by` columns.

    If `unless_same` names columns, a row that differs in none of them is left as it is.
    """
    if not rows:
        return
    statement = _insert(connection, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in by}
    differs = [table.c[name].is_distinct_from(statement.excluded[name]) for name in unless_same]
    where = or_(*differs) if differs else None
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(by), set_=replaced, where=where),
        list(rows),
    )


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows that do not exist yet, and return how many were inserted."""
    if not rows:
        return 0
    statement = (
        _insert(connection, table)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )
    return connection.execute(statement, list(rows)).rowcount


def insert_returning(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> Sequence[Row[Any]]:
    """Insert the rows that do not exist yet, and return these with their new keys."""
    if not rows:
        return []
    statement = _insert(connection, table).on_conflict_do_nothing().returning(*table.c)
    return connection.execute(statement, list(rows)).all()


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import, and needless on SQLite

    return postgresql.insert(table)


def id_in(connection: Connection, column: Column[str], ids: Iterable[str]) -> ColumnElement[bool]:
    """The condition that a column is one of many ids, sent as one bound value.

    Databases limit the number of bound values, not the size of one.

    Raises:
        InvalidInput: for an id that no database can store.
    """
    checked = [checked_id(id_) for id_ in ids]
    if connection.dialect.name == "postgresql":
        return column == any_(literal(checked, ARRAY(Text)))
    return column.in_(select(func.json_each(json.dumps(checked)).table_valued("value").c.value))


def key_in(
    connection: Connection, column: ColumnElement[int], keys: Iterable[int]
) -> ColumnElement[bool]:
    """The condition that a column is one of many 64-bit integers, sent as one bound value."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(keys), ARRAY(BigInteger)))
    return column.in_(select(func.json_each(json.dumps(list(keys))).table_valued("value").c.value))


def batches(items: Iterable[T], size: int = 1000) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
