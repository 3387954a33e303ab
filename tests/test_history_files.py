"""Histories that listeners take along from ListenBrainz, Last.fm and Spotify."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridrec.cli import main
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest import documents
from hybridrec.workflows.ingest.history_files import HistoryFormat, HistoryReport, ingest_history

NOON = 1_706_702_400.0  # 2024-01-31 12:00 UTC
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


def listenbrainz(
    artist: str, title: str, moment: float = NOON, mbid: str | None = None
) -> dict[str, object]:
    info = {"recording_mbid": mbid} if mbid else {}
    about = {
        "artist_name": artist,
        "track_name": title,
        "release_name": None,
        "additional_info": info,
    }
    return {"listened_at": int(moment), "track_metadata": about}


def spotify(artist: str | None, title: str | None, ms_played: int = 90_000) -> dict[str, object]:
    names = {"artist_name": artist, "album_name": "Album"}
    return {
        "ts": "2024-01-31T12:00:00Z",
        "ms_played": ms_played,
        "master_metadata_track_name": title,
        **{f"master_metadata_album_{name}": value for name, value in names.items()},
        "skipped": False,
    }


LINES = "\n".join(
    json.dumps(one) for one in (listenbrainz("Björk", "Jóga"), listenbrainz("?", "x", mbid=MBID))
)
FILES: dict[str, tuple[HistoryFormat, str]] = {
    "lines.jsonl": ("listenbrainz", LINES),
    "array.json": ("listenbrainz", json.dumps([json.loads(line) for line in LINES.splitlines()])),
    "headless.csv": (
        "lastfm",
        'Bjork,Homogenic,Joga,"31 Jan 2024 12:00"\nLow,"A, B",Words,31 Jan 2024 12:00\n',
    ),
    "stats.csv": (
        "lastfm",
        "Artist;Album;Track;Date#ann\nBjörk;;Jóga;1706702400000\nLow;;Words;1706702400000\n",
    ),
    "export.csv": (
        "lastfm",
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
        '1706702400,"31 Jan 2024, 12:00",Björk,,Homogenic,,Jóga,\n'
        f'1706702400,"31 Jan 2024, 12:00",?,,,,x,{MBID}\n',
    ),
    "Streaming_History_Audio_2024.json": (
        "spotify",
        json.dumps([spotify("Björk", "Jóga"), spotify("Low", "Words")]),
    ),
}


@pytest.fixture
def catalogue(library: Library) -> Library:
    library.put_tracks(
        [
            Track("joga", title="Jóga", artist="Björk", duration_seconds=180.0),
            Track("words", title="Words", artist="Low", recording_mbid=MBID),
        ]
    )
    return library


@pytest.mark.parametrize("name", FILES)
def test_each_history_is_read_once_however_often_it_is_given(
    catalogue: Library, tmp_path: Path, name: str
) -> None:
    kind, text = FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert ingest_history(catalogue, tmp_path / name, kind, "ann") == HistoryReport(2, 2, 0, 0, 0)
    assert ingest_history(catalogue, tmp_path / name, kind, "ann") == HistoryReport(2, 0, 0, 2, 0)
    plays = catalogue.user_plays("ann")
    assert {(play.track, play.played_at) for play in plays} == {("joga", NOON), ("words", NOON)}
    assert {play.fraction for play in plays} == ({0.5, None} if kind == "spotify" else {None})


def test_an_archive_may_stay_zipped(catalogue: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("listens/2024/1.jsonl", LINES)
        archive.writestr("feedback.jsonl", '{"recording_msid": "x"}')
        archive.writestr("user.json", '{"username": "ann"}')
    assert ingest_history(catalogue, tmp_path / "export.zip", "listenbrainz", "ann").added == 2


def test_skips_podcasts_and_broken_entries_are_left_out(catalogue: Library, tmp_path: Path) -> None:
    entries = [
        spotify("Björk", "Jóga", 5000),
        spotify(None, None),
        {"ts": "?"},
        17,
        spotify("Nobody", "Nothing"),
    ]
    (tmp_path / "x.json").write_text(json.dumps(entries))
    assert ingest_history(catalogue, tmp_path / "x.json", "spotify", "ann") == HistoryReport(
        5, 0, 1, 0, 4
    )


def test_a_file_of_another_kind_is_said(catalogue: Library, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("Dear diary")
    with pytest.raises(InvalidInput, match=r"the history is not JSON; got 'x\.json"):
        ingest_history(catalogue, tmp_path / "x.json", "spotify", "ann")


def test_the_command_asks_whose_history_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(LINES)
    command = [
        "ingest",
        "plays",
        str(tmp_path / "x.jsonl"),
        "--history",
        "listenbrainz",
        "--library",
        str(tmp_path / "l"),
    ]
    answer = CliRunner().invoke(main, command)
    assert (answer.exit_code, "give --user" in answer.output) == (2, True)
    answer = CliRunner().invoke(main, [*command, "--user", "ann"])
    assert (
        answer.output == "2 rows: 0 plays added, 2 wait for their track, 0 repeated, 0 left out\n"
    )


def zipped(
    path: Path, pieces: Iterable[bytes], name: str = "Streaming_History_Audio_1.json"
) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for piece in pieces:
            file.write(piece)
    return path


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


MEGABYTE = b" " * 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "pieces",
    [
        [b'["', *[MEGABYTE] * 60, b'"]'],
        [b"[", *[MEGABYTE] * 60, b"]"],
        [b"[" * 3_000_000],
        [b'{"a":' * 500_000],
        [b"[{", *[b'"k":1,' * 100_000] * 60],
        [b'{"ts": "', *[MEGABYTE] * 60],
    ],
    ids=["text", "spaces", "depth", "objects", "keys", "line"],
)
def test_an_archive_that_unpacks_to_one_huge_entry_is_refused_in_little_memory(
    catalogue: Library, tmp_path: Path, pieces: list[bytes]
) -> None:
    path = zipped(tmp_path / "x.zip", pieces)
    assert path.stat().st_size < 1_000_000

    def read() -> None:
        with pytest.raises(
            InvalidInput,
            match=r"longer than 1,000,000 bytes; got 'x\.zip|deeper than 100|is not JSON",
        ):
            ingest_history(catalogue, path, "spotify", "ann")

    assert peak_bytes(read) < 40_000_000


@pytest.mark.slow
def test_many_entries_of_an_archive_are_read_in_little_memory(
    catalogue: Library, tmp_path: Path
) -> None:
    skip = json.dumps(spotify(None, None)).encode() + b","
    pieces = [b"[", *[skip * 1000] * 60, json.dumps(spotify("Low", "Words")).encode(), b"]"]
    path = zipped(tmp_path / "x.zip", pieces)
    reports: list[HistoryReport] = []
    assert (
        peak_bytes(lambda: reports.append(ingest_history(catalogue, path, "spotify", "ann")))
        < 30_000_000
    )
    assert reports == [HistoryReport(60_001, 1, 0, 0, 60_000)]


def test_an_archive_that_states_too_much_is_refused_unread(
    catalogue: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_UNPACKED_BYTES", 1000)
    path = zipped(tmp_path / "x.zip", [b"[", b" " * 1000, b"]"])
    with pytest.raises(
        InvalidInput, match=r"unpacks to more than 1,000 bytes; got 'x\.zip: 1,002'"
    ):
        ingest_history(catalogue, path, "spotify", "ann")


def test_an_archive_that_unpacks_to_more_than_it_states_is_refused(
    catalogue: Library, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "x.zip", [b"[" + b"17," * 100_000 + b"17]"])
    content = path.read_bytes()
    stated = struct.pack("<L", 300_004)
    assert stated in content
    path.write_bytes(content.replace(stated, struct.pack("<L", 3000)))
    with pytest.raises(InvalidInput, match=r"the file cannot be read|is not JSON"):
        ingest_history(catalogue, path, "spotify", "ann")


@pytest.mark.parametrize("kind", ["lastfm", "spotify", "listenbrainz"])
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00garbage", b"PK\x03\x04broken", b"a,b\n" + b"x" * 2_000_000, b'"' * 200_001],
)
def test_broken_files_of_a_history_are_said(
    catalogue: Library, tmp_path: Path, kind: HistoryFormat, content: bytes
) -> None:
    (tmp_path / "x").write_bytes(content)
    with suppress(InvalidInput):
        assert ingest_history(catalogue, tmp_path / "x", kind, "ann").added == 0


def test_an_entry_that_cannot_be_stored_is_reported_and_the_others_are_taken(
    catalogue: Library, tmp_path: Path
) -> None:
    entries = [spotify("Björk", "Jóga"), spotify("x" * 10_241, "Words"), spotify("Low", "Words")]
    (tmp_path / "x.json").write_text(json.dumps(entries))
    report = ingest_history(catalogue, tmp_path / "x.json", "spotify", "ann")
    assert (report.rows, report.added, report.left_out, report.n_bad) == (3, 2, 0, 1)
    assert (report.bad[0].line, "artist may have at most 10240" in report.bad[0].why) == (2, True)
    command = ["ingest", "plays", str(tmp_path / "x.json"), "--history", "spotify", "--user", "ann"]
    answer = CliRunner().invoke(main, [*command, "--library", str(tmp_path / "other")])
    assert "line 2: artist may have at most 10240 characters" in answer.stderr
    assert "0 left out, 1 too long" in answer.stdout
