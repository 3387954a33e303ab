"""Files of plays: what is read, what is refused and why, and that an import can be repeated."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridrec.data.plays import Play
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.plays import BadRow, BadRows, ingest_plays

EXPECTED = [Play("ann", "t2", 1_700_000_000.0, 0.5), Play("ann", "t1", weight=3.0)]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library", create=True) as opened:
        yield opened


def write(tmp_path: Path, content: str | bytes, name: str = "plays.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "user,track,played_at,fraction,weight\nann,t2,1700000000,0.5,\nann,t1,,,3\n",
        "user;track;played_at;fraction;weight\nann;t2;1700000000;0.5;\nann;t1;;;3",
        "user\ttrack\tplayed_at\tfraction\tweight\nann\tt2\t1.7e9\t0.5\t\nann\tt1\t\t\t3\n",
        "\ufeffUser, Track ,played_at,fraction,plays\r\n"
        '"ann", t2 ,2023-11-14T22:13:20Z,.5,\r\n\r\nann,"t1",,,3\r\n',
        "count,title,track,user,played_at,fraction\n"
        ",ignored,t2,ann,2023-11-14 23:13:20+01:00,0.5\n3,,t1,ann,,\n",
        b"\xff\xfe"
        + "user,track,played_at,fraction,weight\n"
        "ann,t2,2023-11-14T22:13:20,0.5,\nann,t1,,,3".encode("utf-16-le"),
    ],
    ids=[
        "commas",
        "semicolons",
        "tabs",
        "bom, crlf, quotes, blanks",
        "other order, alias, offset",
        "utf-16",
    ],
)
def test_delimited_text_is_read_in_its_dialects(
    library: Library, tmp_path: Path, content: str | bytes
) -> None:
    report = ingest_plays(library, write(tmp_path, content))
    assert (report.rows, report.added, report.repeated, report.n_bad) == (2, 2, 0, 0)
    assert library.user_plays("ann") == EXPECTED


def test_json_lines_are_read(library: Library, tmp_path: Path) -> None:
    lines = [
        {
            "user": "ann",
            "track": "t2",
            "played_at": "2023-11-14T22:13:20Z",
            "fraction": 0.5,
            "mood": "blue",
        },
        {"user": "ann", "track": "t1", "plays": 3, "played_at": None},
    ]
    path = write(tmp_path, "\n\n".join(map(json.dumps, lines)), "plays.jsonl")
    assert ingest_plays(library, path).ignored_columns == ("mood",)
    assert library.user_plays("ann") == EXPECTED


@pytest.mark.parametrize(
    "moment",
    [1_700_000_000, 1.7e9, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "2023-11-14T22:13:20"],
)
def test_parquet_is_read_with_times_of_any_type(
    library: Library, tmp_path: Path, moment: object
) -> None:
    columns = {
        "track": ["t2", "t1"],
        "user": ["ann", "ann"],
        "extra": [[1], [2]],
        "played_at": [moment, None],
        "fraction": pa.array([0.5, None], pa.float32()),
        "weight": [None, 3],
    }
    pq.write_table(pa.table(columns), tmp_path / "plays.parquet")
    assert ingest_plays(library, tmp_path / "plays.parquet").ignored_columns == ("extra",)
    assert library.user_plays("ann") == EXPECTED


def test_whole_numbers_are_ids_too(library: Library, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [7, 8], "track": [1.0, 2.0]}), tmp_path / "plays.parquet")
    ingest_plays(library, tmp_path / "plays.parquet")
    assert library.user_weights("7") == {"1": 1.0}


def test_a_file_without_a_header_is_read_when_its_columns_are_named(
    library: Library, tmp_path: Path
) -> None:
    path = write(tmp_path, "ann\tt1\t3\n", "10000.txt")
    with pytest.raises(
        InvalidInput, match="has no column user; got 'ann,t1,3'; name the columns in the first line"
    ):
        ingest_plays(library, path)
    ingest_plays(library, path, columns=["user", "track", "plays"])
    assert library.user_weights("ann") == {"t1": 3.0}


BAD = """user,track,played_at,fraction,weight
ann,t1,1700000000,,
,t1,,,
ann,,,,
ann,t1,yesterday,,
ann,t1,-5,,
ann,t1,1700000000000,,
ann,t1,,1.5,
ann,t1,,,many
ann,t1,,,nan
ann,t1
ann,"t
2",,,
bob,t1,,x,
"""
BAD_ROWS = [
    BadRow(3, "user", "", "user is missing"),
    BadRow(4, "track", "", "track is missing"),
    BadRow(
        5,
        "played_at",
        "yesterday",
        "played_at must be seconds since 1970 or ISO 8601, such as 2024-05-31T20:15:00Z",
    ),
    BadRow(6, "played_at", "-5", "played_at must be 0 to 3.25037e+10"),
    BadRow(7, "played_at", "1700000000000", "played_at must be 0 to 3.25037e+10"),
    BadRow(8, "fraction", "1.5", "fraction must be 0 to 1"),
    BadRow(9, "weight", "many", "weight must be a number"),
    BadRow(10, "weight", "nan", "weight must be -1e+06 to 1e+06"),
    BadRow(11, "row", "ann, t1", "the row has 2 cells where 5 are named"),
    BadRow(14, "fraction", "x", "fraction must be a number"),
]


def test_bad_rows_are_skipped_and_each_is_said_with_line_field_and_value(
    library: Library, tmp_path: Path
) -> None:
    report = ingest_plays(library, write(tmp_path, BAD), on_error="skip")
    assert list(report.bad) == BAD_ROWS
    assert (report.rows, report.n_bad, report.added) == (12, 10, 2)
    assert library.user_weights("ann") == {"t1": 1.0, "t\n2": 1.0}


def test_one_bad_row_stops_the_whole_file(library: Library, tmp_path: Path) -> None:
    with pytest.raises(
        BadRows, match=r"10 bad rows of 12, nothing of it was stored; got .line 3: user is missing"
    ) as error:
        ingest_plays(library, write(tmp_path, BAD))
    assert list(error.value.report.bad) == BAD_ROWS
    assert library.status()["plays"] == 0


def test_bad_rows_can_be_raised_anew_whatever_the_file_is_called(
    library: Library, tmp_path: Path
) -> None:
    with pytest.raises(BadRows, match=r"what ann has played\.csv has 10 bad rows") as error:
        ingest_plays(library, write(tmp_path, BAD, "what ann has played.csv"))
    again = copy.copy(error.value)
    assert (str(again), again.report) == (str(error.value), error.value.report)


def test_of_many_bad_rows_the_first_hundred_are_kept_and_all_counted(
    library: Library, tmp_path: Path
) -> None:
    report = ingest_plays(
        library, write(tmp_path, "user,track\n" + ",t\n" * 250 + "u,t\n"), on_error="skip"
    )
    assert (len(report.bad), report.n_bad, report.added) == (100, 250, 1)


def test_bad_lines_of_json_are_said(library: Library, tmp_path: Path) -> None:
    lines = [
        '{"user": "u", "track": "t"}',
        "{oops",
        "[1]",
        '{"user": true, "track": "t"}',
        '{"user": "u", "track": ["t"]}',
    ]
    lines += [
        '{"user": "u", "track": "\\ud83d"}',
        '{"user": "u", "track": "t", "weight": true}',
        '{"user": "u"}',
    ]
    report = ingest_plays(
        library, write(tmp_path, "\n".join(lines), "plays.ndjson"), on_error="skip"
    )
    assert report.added == 1
    assert [(row.line, row.field, row.why) for row in report.bad] == [
        (2, "row", "the line is not JSON"),
        (3, "row", "the line is not a JSON object"),
        (4, "user", "user must be text or a whole number"),
        (5, "track", "track must be text or a whole number"),
        (6, "track", "an id must be Unicode text without zero bytes"),
        (7, "weight", "weight must be a number"),
        (8, "track", "track is missing"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plays.csv", b"", "has no column user"),
        ("plays.csv", b"user,song\nu,t", "has no column track; got 'user,song'; name the columns"),
        ("plays.csv", b"user,track,plays,weight\nu,t,1,2", "has several columns for weight"),
        ("plays.csv", "user,track\nu,Bj\xf6rk".encode("latin1"), "is not UTF-8 text.*iconv"),
        (
            "plays.csv",
            b'user,track\nu,"' + b"x" * 200_000,
            "line 2 cannot be read; got 'field larger",
        ),
        ("plays.json", b'[{"user": "u"}]', "one JSON array, not JSON lines"),
        ("plays.parquet", b"PAR1 not really", "not Parquet, or damaged"),
        ("plays.xlsx", b"", r"of this kind is not known; got 'plays.xlsx'; use .csv, .tsv"),
    ],
)
def test_files_that_cannot_be_read_are_said(
    library: Library, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        ingest_plays(library, write(tmp_path, content, name), on_error="skip")


def test_missing_files_and_folders_are_said(library: Library, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        ingest_plays(library, tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidInput, match=r"cannot be read.*Is a directory"):
        ingest_plays(library, tmp_path / "folder.csv")


def test_an_import_can_be_repeated_and_resumed(library: Library, tmp_path: Path) -> None:
    rows = "".join(f"u{number % 50},t{number % 70},{number}\n" for number in range(12_000))
    path = write(tmp_path, "user,track,played_at\n" + rows)
    code = """
import os, signal, sys
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.plays import ingest_plays

class Dying(Library):
    def add_plays(self, plays):
        result = super().add_plays(plays)
        os.kill(os.getpid(), signal.SIGKILL)

with Dying.open(sys.argv[1]) as library:
    ingest_plays(library, sys.argv[2])
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "library"), str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert library.status()["plays"] == 10_000

    report = ingest_plays(library, path)
    assert (report.added, report.repeated) == (2_000, 10_000)
    assert ingest_plays(library, path).repeated == 12_000
    assert library.status()["plays"] == 12_000


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.binary(max_size=200))
def test_no_bytes_make_it_crash(library: Library, tmp_path: Path, rows: bytes) -> None:
    for name in ("plays.csv", "plays.jsonl", "plays.parquet"):
        with suppress(InvalidInput):
            ingest_plays(
                library, write(tmp_path, b"user,track,weight\n" + rows, name), on_error="skip"
            )


@pytest.mark.data
def test_real_play_counts_are_read(library: Library) -> None:
    data = os.environ.get("HYBRIDREC_DATA")
    if not data:
        pytest.skip("HYBRIDREC_DATA names no data folder")
    path = Path(data) / "taste_profile_head" / "10000.txt"
    report = ingest_plays(library, path, columns=["user", "track", "plays"])
    assert (report.rows, report.added, report.n_bad) == (42_739, 42_739, 0)
    assert library.interactions().matrix.shape == (1630, 9071)
