"""Old libraries are brought up to date, newer ones refused, and the tables are as described."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, insert, inspect, text

from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import LibraryError
from hybridrec.storage import migrations, schema
from hybridrec.storage.library import Library
from hybridrec.storage.migrations import MIGRATIONS, Migration, migrate

GOLDEN = Path(__file__).parent / "golden"


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
        assert library.status()["schema"] == len(MIGRATIONS)
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
        assert library.encoder() == "external:golden"


def _empty_of_schema(number: int, location: str, files: Path, patch: pytest.MonkeyPatch) -> None:
    """Make an empty library as it was at some schema."""
    with patch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", MIGRATIONS[:number])
        Library.open(location, create=True, files=files).close()


def _copy_golden(number: int, engine: Engine) -> None:
    """Put what the golden library of a schema holds into an empty one of the same schema."""
    with sqlite3.connect(":memory:") as golden, engine.begin() as connection:
        golden.executescript((GOLDEN / f"schema_{number}.sql").read_text(encoding="utf-8"))
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            if table.name != schema.migrations.name:
                cursor = golden.execute(f'SELECT * FROM "{table.name}"')
                names = [column[0] for column in cursor.description]
                rows = [dict(zip(names, row, strict=True)) for row in cursor]
                if rows:
                    connection.execute(insert(table), rows)
                if "key" in table.c and engine.dialect.name == "postgresql":
                    number = f"pg_get_serial_sequence('{table.name}', 'key')"
                    connection.execute(text(f"SELECT setval({number}, 100)"))


def test_names_texts_and_waiting_listens_of_schema_4_go_on_being_found(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _empty_of_schema(4, location, tmp_path / "files", monkeypatch)
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", MIGRATIONS[:4])
        with Library.open(location, files=tmp_path / "files") as library:
            _copy_golden(4, library.engine)
            with library.engine.begin() as connection:
                waiting = (
                    'INSERT INTO listens ("user", listened_at, artist, title, album, recording_mbid, plain_artist, '
                    "plain_title, start) VALUES ('bob', 5.0, :artist, 'Song', '', '', :artist, 'song', 'abc/son')"
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


def test_every_schema_has_its_golden_library() -> None:
    assert len(list(GOLDEN.glob("schema_*.sql"))) == len(MIGRATIONS)


def test_an_older_library_is_migrated_step_by_step(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(location, create=True, files=tmp_path) as library:
        library.add_plays([Play("u", "t")])
    moods = Migration(
        "moods",
        ("CREATE TABLE moods (key {key}, mood {id})", "INSERT INTO moods (mood) VALUES ('blue')"),
    )
    more = Migration("more moods", ("ALTER TABLE moods ADD COLUMN depth {double}",))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, moods, more))
    with Library.open(location, files=tmp_path) as library:
        with library.engine.connect() as connection:
            assert connection.execute(text("SELECT key, mood, depth FROM moods")).all() == [
                (1, "blue", None)
            ]
            names = (
                connection.execute(text("SELECT name FROM hybridrec_migrations ORDER BY number"))
                .scalars()
                .all()
            )
        assert names[-2:] == ["moods", "more moods"]
        assert library.user_weights("u") == {"t": 1.0}


def test_a_migration_that_fails_leaves_the_library_as_it_was(location: str, tmp_path: Path) -> None:
    broken = Migration(
        "broken", ("CREATE TABLE moods (key {key})", "CREATE TABLE tracks (key {key})")
    )
    with Library.open(location, create=True, files=tmp_path) as library:
        with (
            pytest.raises(Exception, match="already exists"),
            library._database.write() as connection,
        ):
            migrate(connection, (*MIGRATIONS, broken))
        assert not inspect(library.engine).has_table("moods")
        assert library.status()["schema"] == len(MIGRATIONS)


def test_a_library_of_a_newer_release_is_refused_untouched(location: str, tmp_path: Path) -> None:
    with (
        Library.open(location, create=True, files=tmp_path) as library,
        library.engine.begin() as connection,
    ):
        connection.execute(
            text("INSERT INTO hybridrec_migrations VALUES (999, 'from the future', 0)")
        )
    with pytest.raises(
        LibraryError, match=r"written by a newer hybridrec; got 'schema 999.*update hybridrec"
    ):
        Library.open(location, create=True, files=tmp_path)


def test_tokens_of_schema_5_that_were_made_for_a_user_serve_that_user_alone(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _empty_of_schema(5, location, tmp_path / "files", monkeypatch)
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", MIGRATIONS[:5])
        with (
            Library.open(location, files=tmp_path / "files") as library,
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
