"""Uploads: an audio file is one track, and is deleted with the last track that refers to it."""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError

from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict, HybridrecError, StorageFull
from hybridrec.storage import schema
from hybridrec.storage.clean_up import clean_up
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library


def upload(library: Library, tmp_path: Path, id_: str, audio: bytes) -> tuple[Track, bool]:
    path = tmp_path / f"{id_} {threading.get_ident()}"
    path.write_bytes(audio)
    track = Track(id_, content_hash=hashlib.sha256(audio).hexdigest())
    return library.add_upload(path, EmbeddedTrack(track, None, "encoder-1", np.ones(2, np.float32)))


def at_once(*calls: Any) -> list[Any]:
    """What several threads get that begin together: an answer or an error each."""
    answers: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(at: int) -> None:
        barrier.wait(30)
        try:
            answers[at] = calls[at]()
        except HybridrecError as error:
            answers[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_an_upload_is_kept_and_becomes_a_track(library: Library, tmp_path: Path) -> None:
    track, new = upload(library, tmp_path, "a", b"sound")
    assert (track.id, new, Path(track.path or "").read_bytes()) == ("a", True, b"sound")
    assert library.audio_file("a") == Path(track.path or "")
    assert upload(library, tmp_path, "b", b"sound") == (track, False)
    with pytest.raises(Conflict, match="belongs to a track with other audio"):
        upload(library, tmp_path, "a", b"other sound")
    assert [path for path in library.files.rglob("*") if path.is_file()] == [Path(track.path or "")]


def test_the_same_audio_under_two_ids_at_once_is_one_track(
    library: Library, tmp_path: Path
) -> None:
    for n in range(10):
        audio = f"sound {n}".encode()
        answers = at_once(
            *(partial(upload, library, tmp_path, f"{name}{n}", audio) for name in "ab")
        )
        assert sorted(new for _, new in answers) == [False, True]
        (id_,) = {track.id for track, _ in answers}
        assert library.audio_file(id_).read_bytes() == audio
        library.delete_track(id_)
        assert not list(library.files.glob("*/*"))


def test_two_audios_under_one_id_at_once_are_one_track_and_one_conflict(
    library: Library, tmp_path: Path
) -> None:
    for n in range(10):
        sounds = [f"{name} {n}".encode() for name in ("this", "that")]
        answers = at_once(*(partial(upload, library, tmp_path, f"t{n}", sound) for sound in sounds))
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "tuple"]
        kept = next(answer[0].content_hash for answer in answers if isinstance(answer, tuple))
        assert hashlib.sha256(library.audio_file(f"t{n}").read_bytes()).hexdigest() == kept


def test_an_upload_outlives_the_deletion_of_the_same_audio(
    library: Library, tmp_path: Path
) -> None:
    upload(library, tmp_path, "t", b"sound")

    def delete() -> None:
        library.delete_track("t")

    for _ in range(20):
        at_once(lambda: upload(library, tmp_path, "t", b"sound"), delete)
        upload(library, tmp_path, "t", b"sound")
        assert library.audio_file("t").read_bytes() == b"sound"


def test_a_file_stays_while_another_track_points_to_it(library: Library, tmp_path: Path) -> None:
    track, _ = upload(library, tmp_path, "a", b"sound")
    library.put_tracks([Track("b", path=track.path)])
    library.delete_track("a")
    assert library.audio_file("b").read_bytes() == b"sound"
    library.delete_track("b")
    assert not Path(track.path or "").exists()


def test_clean_up_leaves_what_an_upload_just_pointed_to(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = library.files / "or" / "orphan"
    orphan.parent.mkdir()
    orphan.write_bytes(b"sound")
    named = library.kept_files

    def meanwhile() -> list[str]:
        found = named()
        library.put_tracks([Track("late", path=str(orphan))])
        return found

    monkeypatch.setattr(library, "kept_files", meanwhile)
    assert clean_up(library, settled_seconds=-1).files == 0
    assert library.audio_file("late").read_bytes() == b"sound"


def test_the_database_itself_refuses_a_second_owner_of_an_audio(
    library: Library, tmp_path: Path
) -> None:
    upload(library, tmp_path, "a", b"sound")
    library.put_tracks([Track("b")])
    with library.engine.begin() as connection:
        hash_ = connection.scalar(select(schema.kept_files.c.content_hash))
        key = connection.scalar(select(schema.tracks.c.key).where(schema.tracks.c.id == "b"))
        with pytest.raises(IntegrityError):
            connection.execute(insert(schema.kept_files), {"content_hash": hash_, "track_key": key})


def test_a_full_disk_is_said_and_nothing_is_half_stored(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as small:
        small.setattr(shutil, "copyfile", full)
        with pytest.raises(StorageFull, match=r"no room .*nothing of it was stored.*make room"):
            upload(library, tmp_path, "a", b"sound")
    assert (library.track_ids(), [path for path in library.files.rglob("*") if path.is_file()]) == (
        [],
        [],
    )
    assert upload(library, tmp_path, "a", b"sound")[1]


def test_a_full_database_is_said_and_stores_nothing(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", create=True) as library:
        library.put_tracks([Track("before")])
        with library.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        library.engine.dispose()
        limit = lambda raw, _: raw.execute(f"PRAGMA max_page_count={pages + 4}")  # noqa: E731
        event.listen(library.engine, "connect", limit)
        with pytest.raises(StorageFull, match="no room"):
            library.put_tracks(Track(f"t{n}", title="x" * 1000) for n in range(1000))
        event.remove(library.engine, "connect", limit)
        library.engine.dispose()
        assert library.track_ids() == ["before"]


def test_clean_up_leaves_what_a_live_process_holds_and_takes_it_when_that_has_ended(
    library: Library,
) -> None:
    folder = library.files / "training"
    holding = (
        "import sys, pathlib; from hybridrec.storage.folder_locks import lock_folder\n"
        "with lock_folder(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holding, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        (folder / "spectrograms").mkdir()
        (folder / "spectrograms" / "a.npy").write_bytes(b"spectrogram")
        clean_up(library, settled_seconds=-1)
        assert (folder / "spectrograms" / "a.npy").is_file()
        process.kill()
    clean_up(library, settled_seconds=-1)
    assert not (folder / "spectrograms" / "a.npy").exists()
