"""Evaluation of an encoder on a labelled folder: metrics, controls, changed copies, the report."""

from __future__ import annotations

import json
import os
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
from hybridrec.evaluation.audio_report import AudioReport
from hybridrec.pages.audio import as_html, as_text
from hybridrec.workflows.evaluate.audio import ComparisonOptions, evaluate_audio
from hybridrec.workflows.evaluate.audio_systems import baseline_similarities
from hybridrec.workflows.evaluate.label_table import LabelledFiles, read_label_table

pytestmark = pytest.mark.training

RATE_HZ = 16000
AUDIO = AudioConfig(
    sample_rate_hz=RATE_HZ, fmax_hz=8000, n_mels=32, chunk_seconds=1.0, chunks_per_track=4
)
SHAPE = EncoderConfig(
    channels=(16, 32), blocks=(1,), expansion=(2,), fused_stages=1, features=64, embedding_size=16
)
ENCODER = Checkpoint.of(new_encoder(SHAPE, AUDIO.n_mels, seed=3), AUDIO, mel_bank(AUDIO))
ARTISTS, EACH, SECONDS = 3, 4, 12
OPTIONS = ComparisonOptions(scratch=None)
READERS = (
    "hybridrec.embedder.embedder.decode_chunks",
    "hybridrec.workflows.evaluate.audio_systems.decode_chunks",
    "hybridrec.workflows.evaluate.robustness.decode_chunks",
    "hybridrec.workflows.evaluate.robustness.read_middle",
)
BRIEF = TrainingConfig(epochs=1, steps_per_epoch=2, tracks_per_step=4, seconds_per_track=12.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three artists with four tracks each, told apart by their partials, and one broken file."""
    folder = tmp_path_factory.mktemp("music")
    times = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    rows = ["file\tartist\tcollection"]
    for artist in range(ARTISTS):
        partials = np.random.default_rng(artist).uniform(100, 6000, 6)
        for track in range(EACH):
            rng = np.random.default_rng(100 * artist + track)
            tones = partials * rng.uniform(0.98, 1.02, 6)
            music = sum(rng.uniform(0.5, 1) * np.sin(2 * np.pi * hz * times) for hz in tones)
            name = f"artist{artist}-{track}.flac"
            samples = 0.05 * music + 0.01 * rng.normal(size=len(times))
            soundfile.write(folder / name, samples, RATE_HZ)
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
    return evaluate_audio(tracks, ENCODER, work, OPTIONS)


def maps(report: AudioReport) -> dict[str, float]:
    return {each.system: each.figures["map"].mean for each in report.labels[0].systems}


def test_the_encoder_is_listed_first_and_beats_the_shuffled_control(report: AudioReport) -> None:
    by_artist = report.labels[0]
    assert (by_artist.label, by_artist.queries, by_artist.groups) == ("artist", 12, 3)
    assert list(maps(report)) == [
        *("hybridrec, this encoder", "hybridrec, shipped", "untrained network"),
        *("MFCC mean and deviation", "mel mean and deviation", "shuffled control"),
    ]
    assert maps(report)["mel mean and deviation"] == 1.0
    assert maps(report)["shuffled control"] < 0.7


def test_metrics_have_intervals_and_other_systems_differences(report: AudioReport) -> None:
    ours, *others = report.labels[0].systems
    for figure in ours.figures.values():
        assert 0 <= figure.low <= figure.mean <= figure.high <= 1
    assert ours.gain is None
    for other in others:
        assert other.gain is not None
        difference = ours.figures["map"].mean - other.figures["map"].mean
        assert other.gain.mean == pytest.approx(difference)
        assert other.p_holm is not None
        assert other.gain.p_value <= other.p_holm <= 1


def test_a_label_shared_by_fewer_than_four_tracks_is_not_reported(report: AudioReport) -> None:
    assert [each.label for each in report.labels] == ["artist"]


def test_a_file_that_cannot_be_decoded_is_named_and_left_out(report: AudioReport) -> None:
    assert report.tracks == 12
    assert [Path(path).name for path in report.skipped] == ["broken.flac"]


def test_changed_copies_find_their_originals(report: AudioReport) -> None:
    compressed, quieter, other_excerpt = report.robustness
    assert "32 kbit/s MP3" in compressed.change
    assert quieter.recall.mean == 1.0
    assert other_excerpt.recall.mean > 4 / 12  # by chance 1 in 12
    assert any("6 to 6 s long" in note for note in report.notes)


def test_all_chunks_are_compared_with_the_default_number(report: AudioReport) -> None:
    (by_artist,) = report.chunks
    assert by_artist.label == "artist"
    difference = by_artist.default_chunks.mean - by_artist.all_chunks.mean
    assert by_artist.gain.mean == pytest.approx(difference)


def test_chunks_that_cover_every_track_are_not_compared(tracks: LabelledFiles, work: Path) -> None:
    whole = replace(ENCODER, audio=replace(AUDIO, chunks_per_track=SECONDS))
    found = evaluate_audio(tracks, whole, work, replace(OPTIONS, robustness=False))
    assert found.chunks == []
    assert "cover every track whole" in as_text(found)


def test_a_second_run_decodes_nothing_and_finds_the_same(
    tracks: LabelledFiles, work: Path, report: AudioReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise AssertionError("a file was decoded again")

    embedded = tracks.only({path for path in tracks.files if "artist" in path.name})
    for reader in READERS:
        monkeypatch.setattr(reader, no_more)
    again = evaluate_audio(embedded, ENCODER, work, OPTIONS)
    assert replace(again, seconds=0.0, skipped={}) == replace(report, seconds=0.0, skipped={})


def test_a_changed_file_is_embedded_again(
    tracks: LabelledFiles, folder: Path, tmp_path: Path
) -> None:
    options = replace(OPTIONS, robustness=False)
    before = evaluate_audio(tracks, ENCODER, tmp_path, options)
    first, second = (folder / f"artist0-{n}.flac" for n in (0, 1))
    original, facts = first.read_bytes(), first.stat()
    try:
        first.write_bytes((folder / "artist2-0.flac").read_bytes())
        assert maps(evaluate_audio(tracks, ENCODER, tmp_path, options)) != maps(before)
    finally:
        first.write_bytes(original)
        os.utime(first, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # vectors are cached by it
    assert second.exists()


def test_an_encoder_from_scratch_is_trained_once(tracks: LabelledFiles, tmp_path: Path) -> None:
    options = ComparisonOptions(scratch=BRIEF, robustness=False)
    found = maps(evaluate_audio(tracks, ENCODER, tmp_path, options))
    (trained,) = tmp_path.glob("encoder-from-scratch-*.safetensors")
    before = trained.stat().st_mtime_ns
    assert "hybridrec, from scratch" in found
    assert maps(evaluate_audio(tracks, ENCODER, tmp_path, options)) == found
    assert trained.stat().st_mtime_ns == before


def test_baselines_are_vectors_or_similarities_in_the_order_of_their_names(tmp_path: Path) -> None:
    place = tmp_path / "baselines.npz"
    vectors = np.eye(3, 2, dtype=np.float32)
    square = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.savez(place, clip=np.array(["a", "b", "c"]), vectors=vectors, similarities=square)
    found = baseline_similarities(place, ["c", "a"])
    np.testing.assert_array_equal(found["similarities"], [[8, 6], [2, 0]])
    np.testing.assert_array_equal(found["vectors"], [[0, 0], [0, 1]])


def test_unusable_baselines_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "baselines.npz"
    np.savez(place, clip=np.array(["a", "b"]), theirs=np.ones((3, 2)))
    with pytest.raises(InvalidInput, match="a row for each of 2 tracks"):
        baseline_similarities(place, ["a"])
    with pytest.raises(NotFound, match="not among the baselines"):
        baseline_similarities(place, ["z"])
    np.savez(place, clip=np.array(["a"]), theirs=np.array([{"a": 1}]))
    with pytest.raises(InvalidInput, match="cannot be read"):
        baseline_similarities(place, ["a"])
    place.write_text("no archive")
    with pytest.raises(InvalidInput, match="cannot be read"):
        baseline_similarities(place, ["a"])


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("file\tartist\nartist0-0.flac\tA\n", InvalidInput, "needs the column collection"),
        ("name\tartist\tcollection\nx\tA\tB\n", InvalidInput, "needs the column clip or file"),
        ("file\tartist\tcollection\n", InvalidInput, "has no rows"),
        ("file\tartist\tcollection\nnone.flac\tA\tB\n", NotFound, "does not exist"),
        (
            "file\tartist\tcollection\nartist0-0.flac\tA\tB\nartist0-0.flac\tA\tB\n",
            InvalidInput,
            "listed twice",
        ),
    ],
)
def test_an_unusable_label_table_is_refused(
    folder: Path, tmp_path: Path, text: str, kind: type[Exception], message: str
) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text(text)
    with pytest.raises(kind, match=message):
        read_label_table(table, folder, ["artist", "collection"])


def test_too_few_labels_are_refused(folder: Path, tmp_path: Path) -> None:
    few = read_label_table(folder / "labels.tsv", folder, ["collection"])
    with pytest.raises(InvalidInput, match="no label has 4 tracks"):
        evaluate_audio(few, ENCODER, tmp_path, OPTIONS)


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", "audio", *map(str, arguments)])


def test_the_command_prints_tables_and_writes_json_and_a_page(
    folder: Path, work: Path, tmp_path: Path, report: AudioReport
) -> None:
    encoder, page = tmp_path / "encoder.safetensors", tmp_path / "report.html"
    figures = tmp_path / "report.json"
    ENCODER.save(encoder)
    answer = evaluate(
        *(folder, "--encoder", encoder, "--work", work, "--scratch-epochs", "0"),
        *("--json", figures, "--html", page),
    )
    assert answer.exit_code == 0, answer.output
    assert "by artist" in answer.output
    assert "half volume" in answer.output
    written = json.loads(figures.read_text())
    assert written["fingerprint"] == ENCODER.fingerprint
    assert written["ears"] == written["encoder"]  # the former name
    assert written["changes"] == written["robustness"]
    html = page.read_text()
    assert "<svg" in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_page_escapes_labels_paths_and_names(report: AudioReport) -> None:
    (by_artist,) = report.labels
    systems = [replace(by_artist.systems[0], system="<b>"), *by_artist.systems[1:]]
    labels = [replace(by_artist, label="<script>", systems=systems)]
    page = as_html(replace(report, labels=labels, skipped={"<img>": "why"}))
    assert not any(tag in page for tag in ("<script>", "<img>", "<b>"))
    assert all(tag in page for tag in ("&lt;script&gt;", "&lt;img&gt;", "&lt;b&gt;"))


def test_one_encoder_is_evaluated_at_a_time(folder: Path, tmp_path: Path) -> None:
    ENCODER.save(tmp_path / "encoder.safetensors")
    given = ("--encoder", tmp_path / "encoder.safetensors", "--library", tmp_path)
    answer = evaluate(folder, *given)
    assert answer.exit_code == 2
    assert "one encoder is evaluated at a time" in answer.output
