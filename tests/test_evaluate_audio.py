"""Ears are judged on any folder with a label table: figures, controls, changed copies, and a report to read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from hybridrec.audio.melspec import mel_bank
from hybridrec.cli import main
from hybridrec.config import AudioConfig, EncoderConfig, TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.evaluation.audio_page import as_html, in_words
from hybridrec.evaluation.audio_report import AudioReport
from hybridrec.workflows.evaluate.audio import Against, evaluate_audio
from hybridrec.workflows.evaluate.audio_systems import baselines_near
from hybridrec.workflows.evaluate.label_table import LabelledFiles, read_label_table

RATE_HZ = 16000
AUDIO = AudioConfig(sample_rate_hz=RATE_HZ, fmax_hz=8000, n_mels=32, chunk_seconds=1.0, chunks_per_track=4)
SHAPE = EncoderConfig(channels=(8, 16), texture_size=8, embedding_size=16, bands=8)
ENCODER = Checkpoint.of(new_encoder(SHAPE, AUDIO.n_mels, seed=3), AUDIO, mel_bank(AUDIO))
ARTISTS, EACH, SECONDS = 3, 4, 8
AGAINST = Against(scratch=None)
READERS = ("hearing.ears.decode_chunks", "evaluate.audio_systems.decode_chunks", "evaluate.robustness.read_middle")
BRIEF = TrainingConfig(epochs=1, steps_per_epoch=2, tracks_per_step=4, seconds_per_track=8.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three artists with four tracks each: an artist keeps to her own few partials; the last file is no music."""
    folder = tmp_path_factory.mktemp("music")
    times = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    rows = ["file\tartist\tcollection"]
    for artist in range(ARTISTS):
        partials = np.random.default_rng(artist).uniform(100, 6000, 6)
        for track in range(EACH):
            rng = np.random.default_rng(100 * artist + track)
            tones = partials * rng.uniform(0.98, 1.02, 6)
            sound = sum(rng.uniform(0.5, 1) * np.sin(2 * np.pi * hz * times) for hz in tones)
            name = f"artist{artist}-{track}.flac"
            soundfile.write(folder / name, 0.05 * sound + 0.01 * rng.normal(size=len(times)), RATE_HZ)
            rows.append(f"{name}\tArtist {artist}\t{'' if track else 'single <b>'}")
    (folder / "broken.flac").write_bytes(b"fLaC but no more")
    (folder / "labels.tsv").write_text("\n".join([*rows, "broken.flac\tArtist 0\t"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def tracks(folder: Path) -> LabelledFiles:
    return read_label_table(folder / "labels.tsv", folder, ["artist", "collection"])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def report(tracks: LabelledFiles, work: Path) -> AudioReport:
    return evaluate_audio(tracks, ENCODER, work, AGAINST)


def maps(report: AudioReport) -> dict[str, float]:
    return {each.system: each.figures["map"].mean for each in report.labels[0].systems}


def test_ears_stand_beside_all_others_and_above_the_shuffled_control(report: AudioReport) -> None:
    by_artist = report.labels[0]
    assert (by_artist.label, by_artist.queries, by_artist.groups) == ("artist", 12, 3)
    assert list(maps(report)) == [
        *("hybridrec, these ears", "hybridrec, shipped", "untrained network"),
        *("MFCC mean and deviation", "mel mean and deviation", "shuffled control"),
    ]
    assert maps(report)["mel mean and deviation"] == 1.0
    assert maps(report)["shuffled control"] < 0.7


def test_every_figure_has_its_interval_and_every_other_system_its_difference(report: AudioReport) -> None:
    ours, *others = report.labels[0].systems
    for figure in ours.figures.values():
        assert 0 <= figure.low <= figure.mean <= figure.high <= 1
    assert ours.gain is None
    for other in others:
        assert other.gain is not None
        assert other.gain.mean == pytest.approx(ours.figures["map"].mean - other.figures["map"].mean)
        assert other.p_corrected is not None
        assert other.gain.p_value <= other.p_corrected <= 1


def test_a_label_that_no_four_tracks_share_is_not_reported(report: AudioReport) -> None:
    assert [each.label for each in report.labels] == ["artist"]


def test_a_file_that_cannot_be_heard_is_named_and_left_out(report: AudioReport) -> None:
    assert report.tracks == 12
    assert [Path(path).name for path in report.skipped] == ["broken.flac"]


def test_tracks_know_themselves_after_changes(report: AudioReport) -> None:
    squeezed, softer, elsewhere = report.changes
    assert "32 kbit/s MP3" in squeezed.change
    assert softer.recall.mean == 1.0
    assert elsewhere.recall.mean > 4 / 12  # by chance 1 in 12
    assert any("4 to 4 s long" in note for note in report.notes)


def test_all_chunks_are_compared_with_the_default_number(report: AudioReport) -> None:
    (by_artist,) = report.chunks
    assert by_artist.label == "artist"
    assert by_artist.gain.mean == pytest.approx(by_artist.some.mean - by_artist.every.mean)


def test_chunks_that_cover_every_track_have_no_price(tracks: LabelledFiles, work: Path) -> None:
    whole = replace(ENCODER, audio=replace(AUDIO, chunks_per_track=SECONDS))
    found = evaluate_audio(tracks, whole, work, replace(AGAINST, changes=False))
    assert found.chunks == []
    assert "covers" not in in_words(found)
    assert "cover every track whole" in in_words(found)


def test_a_second_run_hears_nothing_again_and_finds_the_same(
    tracks: LabelledFiles, work: Path, report: AudioReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise AssertionError("a file was heard again")

    embedded = tracks.only({path for path in tracks.files if "artist" in path.name})
    for place in (
        "hearing.ears.decode_chunks",
        "evaluate.audio_systems.decode_chunks",
        "evaluate.robustness.read_middle",
    ):
        monkeypatch.setattr(f"hybridrec.workflows.{place}", no_more)
    again = evaluate_audio(embedded, ENCODER, work, AGAINST)
    assert replace(again, seconds=0.0, skipped={}) == replace(report, seconds=0.0, skipped={})


def test_a_file_that_changed_is_heard_anew(tracks: LabelledFiles, folder: Path, tmp_path: Path) -> None:
    quiet = replace(AGAINST, changes=False)
    before = evaluate_audio(tracks, ENCODER, tmp_path, quiet)
    first, second = (folder / f"artist0-{n}.flac" for n in (0, 1))
    kept = first.read_bytes()
    try:
        first.write_bytes((folder / "artist2-0.flac").read_bytes())
        assert maps(evaluate_audio(tracks, ENCODER, tmp_path, quiet)) != maps(before)
    finally:
        first.write_bytes(kept)
    assert second.exists()


def test_ears_from_scratch_are_trained_once(tracks: LabelledFiles, tmp_path: Path) -> None:
    against = Against(scratch=BRIEF, changes=False)
    found = maps(evaluate_audio(tracks, ENCODER, tmp_path, against))["hybridrec, from scratch"]
    (trained,) = tmp_path.glob("ears-from-scratch-*.safetensors")
    before = trained.stat().st_mtime_ns
    assert maps(evaluate_audio(tracks, ENCODER, tmp_path, against))["hybridrec, from scratch"] == found
    assert trained.stat().st_mtime_ns == before


def test_baselines_are_vectors_or_nearnesses_in_the_order_of_their_own_names(tmp_path: Path) -> None:
    place = tmp_path / "baselines.npz"
    vectors, near = np.eye(3, 2, dtype=np.float32), np.arange(9, dtype=np.float32).reshape(3, 3)
    np.savez(place, clip=np.array(["a", "b", "c"]), theirs=vectors, theirs_near=near)
    found = baselines_near(place, ["c", "a"])
    np.testing.assert_array_equal(found["theirs_near"], [[8, 6], [2, 0]])
    np.testing.assert_array_equal(found["theirs"], [[0, 0], [0, 1]])


def test_baselines_that_are_none_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "baselines.npz"
    np.savez(place, clip=np.array(["a", "b"]), theirs=np.ones((3, 2)))
    with pytest.raises(InvalidInput, match="a row for each of 2 tracks"):
        baselines_near(place, ["a"])
    with pytest.raises(NotFound, match="not among the baselines"):
        baselines_near(place, ["z"])
    np.savez(place, clip=np.array(["a"]), theirs=np.array([{"a": 1}]))
    with pytest.raises(InvalidInput, match="cannot be read"):
        baselines_near(place, ["a"])
    place.write_text("no archive")
    with pytest.raises(InvalidInput, match="cannot be read"):
        baselines_near(place, ["a"])


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("file\tartist\nartist0-0.flac\tA\n", InvalidInput, "needs the column collection"),
        ("name\tartist\tcollection\nx\tA\tB\n", InvalidInput, "needs the column clip or file"),
        ("file\tartist\tcollection\n", InvalidInput, "has no rows"),
        ("file\tartist\tcollection\nnone.flac\tA\tB\n", NotFound, "is not there"),
        ("file\tartist\tcollection\nartist0-0.flac\tA\tB\nartist0-0.flac\tA\tB\n", InvalidInput, "listed twice"),
    ],
)
def test_a_label_table_that_cannot_be_used_says_why(
    folder: Path, tmp_path: Path, text: str, kind: type[Exception], says: str
) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text(text)
    with pytest.raises(kind, match=says):
        read_label_table(table, folder, ["artist", "collection"])


def test_too_few_labels_are_said_before_anything_else_is_heard(folder: Path, tmp_path: Path) -> None:
    few = read_label_table(folder / "labels.tsv", folder, ["collection"])
    with pytest.raises(InvalidInput, match="no label stands for 4 tracks"):
        evaluate_audio(few, ENCODER, tmp_path, AGAINST)


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", "audio", *map(str, arguments)])


def test_the_command_prints_tables_and_writes_json_and_a_page(
    folder: Path, work: Path, tmp_path: Path, report: AudioReport
) -> None:
    encoder, page, figures = tmp_path / "ears.safetensors", tmp_path / "report.html", tmp_path / "report.json"
    ENCODER.save(encoder)
    answer = evaluate(
        *(folder, "--encoder", encoder, "--work", work, "--scratch-epochs", "0"),
        *("--json", figures, "--html", page),
    )
    assert answer.exit_code == 0, answer.output
    assert "by artist" in answer.output
    assert "half volume" in answer.output
    assert json.loads(figures.read_text())["fingerprint"] == ENCODER.fingerprint
    html = page.read_text()
    assert "<svg" in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_page_escapes_what_it_was_told(report: AudioReport) -> None:
    (by_artist,) = report.labels
    told = replace(report, labels=[replace(by_artist, label="<script>")], skipped={"<img>": "why"})
    assert "<script>" not in as_html(told)
    assert "<img>" not in as_html(told)


def test_one_pair_of_ears_at_a_time(folder: Path, tmp_path: Path) -> None:
    ENCODER.save(tmp_path / "ears.safetensors")
    answer = evaluate(folder, "--encoder", tmp_path / "ears.safetensors", "--library", tmp_path)
    assert answer.exit_code == 2
    assert "one pair of ears at a time" in answer.output
