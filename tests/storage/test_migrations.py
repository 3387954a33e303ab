"""Old libraries are brought up to date, newer ones refused, and the tables are as described."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, insert, inspect, text

from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import LibraryError
from hybridrec.storage import library as library_module
from hybridrec.storage import schema, schema_version
from hybridrec.storage.library import Library
from hybridrec.storage.migrations import runner
from hybridrec.storage.schema_version import NEWEST, SchemaVersion, read_schema_version
from hybridrec.storage.text_index import put_all_texts

GOLDEN = Path(__file__).parent / "golden"
MIGRATIONS = Path(runner.__file__).parent


def test_the_tables_are_those_that_the_schema_describes(library: Library) -> None:
    found = inspect(library.engine)
    tables = {
        name
        for name in found.get_table_names()
        if not name.startswith(("track_search", "track_grams"))
    }
    assert tables == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        columns = {column["name"]: column["nullable"] for column in found.get_columns(name)}
        assert list(columns) == [column.name for column in table.columns]
        keys = set(found.get_pk_constraint(name)["constrained_columns"])
        assert keys == {column.name for column in table.primary_key}
        for column in table.columns:
            if not column.primary_key:
                assert columns[column.name] == column.nullable, f"{name}.{column.name}"
        described = {(key.parent.name, key.target_fullname) for key in table.foreign_keys}
        assert described == {
            (own, f"{key['referred_table']}.{other}")
            for key in found.get_foreign_keys(name)
            for own, other in zip(key["constrained_columns"], key["referred_columns"], strict=True)
        }


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("schema_*.sql")), ids=lambda path: path.stem)
def test_a_library_of_an_earlier_release_opens_with_all_that_is_in_it(
    path: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "library.sqlite3") as old:
        old.executescript(path.read_text(encoding="utf-8"))
    with Library.open(tmp_path) as library:
        assert library.status()["schema"] == NEWEST.number
        assert library.track("t1").title == "Blåbær"
        assert library.user_plays("ann") == [
            Play("ann", "t1", 1_700_000_000.5, 0.75),
            Play("ann", "t2", weight=3.0),
        ]
        assert library.embeddings("external:golden").vectors.tolist() == [
            [0.6000000238418579, 0.800000011920929]
        ]
        assert library.artefact_bytes("model") == b"second"
        assert library.artefact_bytes("model", 1) == b"first"
        assert library.file_stamps()["/music/t1.flac"].size_bytes == 1234
        assert library.fingerprint() == "external:golden"


def _library_of_schema(number: int, location: str, files: Path) -> Library:
    """An empty library as release 0.1 left it at some schema: with a log of migrations alone.

    Its upload folder is known, and it is not brought up to date.
    """
    database, _ = library_module._database(location, create=True)
    with database.write() as connection:
        runner.create_tables(connection, number)
        schema.revisions.drop(connection)
        row = {"name": "files", "value": str(files)}
        connection.execute(insert(schema.settings), row)
    return Library(database, files)


def _copy_golden(number: int, engine: Engine) -> None:
    """Put what the golden library of a schema holds into an empty one of the same schema."""
    with sqlite3.connect(":memory:") as golden, engine.begin() as connection:
        golden.executescript((GOLDEN / f"schema_{number}.sql").read_text(encoding="utf-8"))
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            if not table.name.startswith((schema.migrations.name, "track_search", "track_grams")):
                cursor = golden.execute(f'SELECT * FROM "{table.name}"')
                names = [column[0] for column in cursor.description]
                rows = [dict(zip(names, row, strict=True)) for row in cursor]
                if rows:
                    connection.execute(insert(table), rows)
                if "key" in table.c and engine.dialect.name == "postgresql":
                    sequence = f"pg_get_serial_sequence('{table.name}', 'key')"
                    connection.execute(text(f"SELECT setval({sequence}, 100)"))
        if number >= 5:  # the first schema with an index of texts, which has no rows of its own
            put_all_texts(connection)


def test_names_texts_and_waiting_listens_of_schema_4_go_on_being_found(
    location: str, tmp_path: Path
) -> None:
    with _library_of_schema(4, location, tmp_path / "files") as library:
        _copy_golden(4, library.engine)
        with library.engine.begin() as connection:
            waiting = (
                'INSERT INTO listens ("user", listened_at, artist, title, album, recording_mbid,'
                " plain_artist, plain_title, start)"
                " VALUES ('bob', 5.0, :artist, 'Song', '', '', :artist, 'song', 'abc/son')"
            )
            connection.execute(text(waiting), {"artist": "xyz " * 600})
            connection.execute(text(waiting), {"artist": "Abc"})
    with Library.open(location, files=tmp_path / "files") as library:
        assert [track.id for track in library.find_tracks("blabær")] == ["t1"]
        known = library.track("t1")
        assert library.add_listens([Listen("carla", 7.0, known.artist, known.title)]).added == 1
        before = library.waiting_listens()
        library.put_tracks([Track("new", title="Song", artist="ABC")])
        assert library.user_weights("bob") == {"new": 1.0}
        assert library.waiting_listens() == before - 1
        library.put_tracks([Track("long", title="Song", artist="xyz " * 249)])
        assert library.user_weights("bob") == {"new": 1.0, "long": 1.0}


def test_every_schema_has_its_golden_library_and_its_migration() -> None:
    numbers = list(range(1, NEWEST.number + 1))
    golden = sorted(path.name for path in GOLDEN.glob("schema_*.sql"))
    assert golden == [f"schema_{number}.sql" for number in numbers]
    versions = sorted(path.name[:5] for path in (MIGRATIONS / "versions").glob("v*.py"))
    assert versions == [f"v{number:04}" for number in numbers]


@pytest.mark.parametrize("number", range(1, NEWEST.number + 1))
def test_a_library_of_each_schema_goes_over_to_alembic_without_loss(
    number: int, location: str, tmp_path: Path
) -> None:
    with _library_of_schema(number, location, tmp_path / "files") as library:
        _copy_golden(number, library.engine)
        before = _rows(library.engine)
        with library._database.read() as connection:
            assert read_schema_version(connection) == SchemaVersion(number, has_revision=False)
    with Library.open(location, files=tmp_path / "files") as library:
        with library._database.read() as connection:
            assert read_schema_version(connection) == NEWEST
        after = _rows(library.engine)
        assert {name: after[name] for name in before} == before
        log = text("SELECT number FROM hybridrec_migrations ORDER BY number")
        with library.engine.connect() as connection:
            assert list(connection.scalars(log)) == list(range(1, NEWEST.number + 1))
        assert library.track("t1").title == "Blåbær"
        assert [track.id for track in library.find_tracks("blabær")] == ["t1"]


def _rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What the tables that are in all schemas hold, in the columns that are in all schemas."""
    columns = {
        "tracks": "key, id, title, artist, album, path, content_hash, searchable",
        "file_stamps": "path, size_bytes, mtime_ns, content_hash, track_key",
        "embeddings": "fingerprint_key, track_key, vector",
        "users": "key, id",
        "plays": "user_key, track_key, played_at, fraction, weight",
        "artefacts": "kind, version, fingerprint, summary, sha256",
        "artefact_parts": "kind, version, part, payload",
        "current_artefacts": "kind, version",
        "changes": "kind, subject, seq",
    }
    with engine.connect() as connection:
        return {
            table: sorted(map(tuple, connection.execute(text(f"SELECT {names} FROM {table}"))))
            for table, names in columns.items()
        }


def test_threads_may_create_libraries_at_the_same_time(tmp_path: Path) -> None:
    def create(number: int) -> object:
        with Library.open(tmp_path / str(number), create=True) as library:
            return library.status()["schema"]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(create, range(16))) == [NEWEST.number] * 16


def _add_migrations(tmp_path: Path, patch: pytest.MonkeyPatch, *statements: str) -> None:
    """Let the program know further migrations, of one statement each."""
    copy = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copy)
    for number, statement in enumerate(statements, start=NEWEST.number + 1):
        (copy / "versions" / f"v{number:04}_more.py").write_text(
            f'''"""Migration {number}."""
from hybridrec.storage.migrations.dialects import execute
revision = "{number:04}"
down_revision = "{number - 1:04}"
def upgrade():
    execute("{statement}")
'''
        )
    newest = SchemaVersion(NEWEST.number + len(statements), has_revision=True)
    patch.setattr(runner, "LOCATION", str(copy))
    for module in (runner, library_module, schema_version):
        patch.setattr(module, "NEWEST", newest)


def test_an_older_library_is_migrated_step_by_step(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    with Library.open(location, create=True, files=files) as library:
        library.add_plays([Play("u", "t")])
    _add_migrations(
        tmp_path,
        monkeypatch,
        "CREATE TABLE moods (key {key}, mood {id})",
        "ALTER TABLE moods ADD COLUMN depth {double}",
    )
    with Library.open(location, files=files) as library:
        with library.engine.connect() as connection:
            assert connection.execute(text("SELECT key, mood, depth FROM moods")).all() == []
            log = text("SELECT name FROM hybridrec_migrations ORDER BY number")
            names = list(connection.scalars(log))
        assert names[-2:] == ["Migration 8.", "Migration 9."]
        assert library.status()["schema"] == NEWEST.number + 2
        assert library.user_weights("u") == {"t": 1.0}


def test_a_migration_that_fails_leaves_the_library_as_it_was(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    Library.open(location, create=True, files=files).close()
    with monkeypatch.context() as broken:
        statements = "CREATE TABLE moods (key {key})", "CREATE TABLE tracks (key {key})"
        _add_migrations(tmp_path, broken, *statements)
        with pytest.raises(Exception, match="already exists"):
            Library.open(location, files=files)
    with Library.open(location, files=files) as library:
        assert not inspect(library.engine).has_table("moods")
        assert library.status()["schema"] == NEWEST.number


@pytest.mark.parametrize("releases_before_alembic", [False, True])
def test_a_library_of_a_newer_release_is_refused_untouched(
    location: str, tmp_path: Path, releases_before_alembic: bool
) -> None:
    with (
        Library.open(location, create=True, files=tmp_path) as library,
        library.engine.begin() as connection,
    ):
        if releases_before_alembic:
            schema.revisions.drop(connection)
            row = "INSERT INTO hybridrec_migrations VALUES (999, 'from the future', 0)"
            connection.execute(text(row))
        else:
            connection.execute(text("UPDATE hybridrec_revision SET version_num = '0999'"))
    with pytest.raises(
        LibraryError, match=r"written by a newer hybridrec; got 'schema 999.*update hybridrec"
    ):
        Library.open(location, create=True, files=tmp_path)


def test_a_library_of_an_unknown_revision_is_refused(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.engine.begin() as connection,
    ):
        connection.execute(text("UPDATE hybridrec_revision SET version_num = 'abc'"))
    with pytest.raises(LibraryError, match=r"unknown revision; got 'abc'; update hybridrec"):
        Library.open(tmp_path)


def test_tokens_of_schema_5_that_were_made_for_a_user_serve_that_user_alone(
    location: str, tmp_path: Path
) -> None:
    with (
        _library_of_schema(5, location, tmp_path / "files") as library,
        library.engine.begin() as connection,
    ):
        for name, listener in (("phone", "ann"), ("ben", "ben")):
            row = {"name": name, "listener": listener, "digest": name}
            columns = "INSERT INTO tokens (name, role, listener, digest, created_at)"
            connection.execute(
                text(f"{columns} VALUES (:name, 'write', :listener, :digest, 1)"), row
            )
    with Library.open(location, files=tmp_path / "files") as library:
        assert [(token.listener, token.person) for token in library.tokens()] == [
            ("ann", "ann"),
            ("ben", None),
        ]
