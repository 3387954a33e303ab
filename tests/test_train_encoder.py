"""From audio files to an encoder: decoded once, resumed, evaluated on held-out tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from hybridrec.config import AudioConfig, EncoderConfig, TrainingConfig
from hybridrec.encoder.training import EpochReport
from hybridrec.errors import InvalidInput
from hybridrec.storage.library import Library
from hybridrec.workflows.train import encoder as encoder_workflow
from hybridrec.workflows.train.encoder import (
    Recipe,
    TrainedEncoder,
    train_encoder,
    train_library_encoder,
)
from hybridrec.workflows.train.music import split_tracks

pytestmark = pytest.mark.training

RATE_HZ = 16000
AUDIO = AudioConfig(sample_rate_hz=RATE_HZ, fmax_hz=8000, n_mels=32, chunk_seconds=1.0)
SHAPE = EncoderConfig(
    channels=(8, 8, 16),
    blocks=(1, 1),
    expansion=(1, 2),
    fused_stages=1,
    features=8,
    embedding_size=16,
)
BRIEF = TrainingConfig(
    epochs=2, steps_per_epoch=3, tracks_per_step=8, held_out_share=0.25, seconds_per_track=4
)
RECIPE = Recipe(audio=AUDIO, encoder=SHAPE, training=BRIEF)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen tracks of 11 s, each a chord of its own in noise, and some files that are none."""
    folder = tmp_path_factory.mktemp("music")
    times = np.arange(11 * RATE_HZ) / RATE_HZ
    for track in range(12):
        rng = np.random.default_rng(track)
        chord = sum(np.sin(2 * np.pi * hz * times) for hz in rng.uniform(80, 4000, 4))
        soundfile.write(
            folder / f"track{track:02}.flac",
            0.1 * chord + 0.05 * rng.normal(size=len(times)),
            RATE_HZ,
        )
    soundfile.write(folder / "jingle.wav", np.sin(800 * times[:RATE_HZ]), RATE_HZ)
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0 not music")
    return folder


def learn(music: Path, work: Path, seed: int = 0, **more: object) -> TrainedEncoder:
    return train_encoder(music, work, RECIPE, seed=seed, **more)  # type: ignore[arg-type]


def test_a_folder_becomes_an_encoder_with_a_held_out_figure(music: Path, tmp_path: Path) -> None:
    encoder = learn(music, tmp_path)
    assert (encoder.tracks, encoder.held_out) == (9, 3)
    assert encoder.checkpoint.audio == AUDIO
    assert [report.epoch for report in encoder.reports] == [1, 2]
    assert 0 <= encoder.checkpoint.figures["recall_at_1"] <= 1
    assert encoder.checkpoint.fingerprint in encoder.in_words()


def test_files_that_cannot_be_learnt_from_are_named_with_a_reason(
    music: Path, tmp_path: Path
) -> None:
    skipped = learn(music, tmp_path).skipped
    assert {Path(path).name for path in skipped} == {"cover.jpg", "jingle.wav"}
    assert "too short to train on" in skipped[str(music / "jingle.wav")]


def test_the_same_seed_gives_the_same_encoder(music: Path, tmp_path: Path) -> None:
    one, same, other = (
        learn(music, tmp_path / name, seed).checkpoint
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


def test_an_interrupted_training_goes_on_without_decoding_again(
    music: Path, tmp_path: Path
) -> None:
    def interrupt(report: EpochReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(music, tmp_path / "work", on_epoch=interrupt)
    decoded = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "spectrograms").iterdir()
    }
    seen: list[EpochReport] = []
    resumed = learn(music, tmp_path / "work", on_epoch=seen.append).checkpoint
    assert [report.epoch for report in seen] == [2]
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "spectrograms").iterdir()
    } == decoded
    straight = learn(music, tmp_path / "straight").checkpoint
    for name, tensor in straight.weights.items():
        np.testing.assert_allclose(resumed.weights[name], tensor, atol=1e-5, err_msg=name)


def test_fine_tuning_returns_the_better_of_start_and_result(music: Path, tmp_path: Path) -> None:
    start = learn(music, tmp_path).checkpoint
    encoder = train_encoder(music, tmp_path, Recipe(training=BRIEF), seed=0, start_from=start)
    improved = encoder.after["recall_at_1"] > encoder.before["recall_at_1"]
    assert (
        (encoder.checkpoint.fingerprint != start.fingerprint)
        == improved
        == (not encoder.kept_start)
    )
    assert ("did not improve" in encoder.in_words()) == encoder.kept_start
    assert encoder.checkpoint.audio == AUDIO


def test_too_little_music_is_refused(music: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="4 tracks or more"):
        train_encoder([music / "track00.flac", music / "cover.jpg"], tmp_path, RECIPE)


def test_groups_are_held_out_as_a_whole() -> None:
    files = [Path(f"{track}.ogg") for track in range(20)]
    albums = {path: f"album {row // 4}" for row, path in enumerate(files)}
    train_files, held_out = split_tracks(files, 0.4, 3, albums)
    assert len(held_out) == 8
    assert sorted(train_files + held_out) == sorted(files)
    assert {albums[path] for path in train_files}.isdisjoint({albums[path] for path in held_out})


def test_a_library_takes_the_new_encoder_and_keeps_no_spectrograms(
    music: Path, tmp_path: Path
) -> None:
    with Library.open(tmp_path / "library", create=True) as library:
        encoder = train_library_encoder(library, music, epochs=1)
        current = library.current("encoder")
        assert current is not None
        assert current.fingerprint == encoder.checkpoint.fingerprint
        assert library.artefact_bytes("encoder") == encoder.checkpoint.to_bytes()
        assert not (library.files / "training").exists()


def test_a_trained_start_is_changed_slowly(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = learn(music, tmp_path / "start").checkpoint
    rates = []

    def spy(*arguments: object, **settings: object) -> TrainedEncoder:
        recipe = arguments[2]
        assert isinstance(recipe, Recipe)
        rates.append(recipe.training.learning_rate)
        return train_encoder(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(encoder_workflow, "train_encoder", spy)
    with Library.open(tmp_path / "library", create=True) as library:
        train_library_encoder(library, music, epochs=1, start_from=start)
        train_library_encoder(library, music, epochs=1)
    assert rates[0] < rates[1] / 10
