"""Embeddings do not depend on how the audio was stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from audio_files import RATE_HZ, WRITERS, melody, write_sound

from hybridrec.audio.stages import STAGES, StageClock
from hybridrec.config import AudioLimits
from hybridrec.embedder.embedder import Embedder
from hybridrec.embedder.library_encoder import encoder_in_use, ensure_encoder
from hybridrec.encoder.checkpoint import Checkpoint, shipped, write_tensors
from hybridrec.errors import AudioError, InvalidInput, NotReady
from hybridrec.storage.library import Library

pytestmark = pytest.mark.slow

FORMATS = ("flac", "mp3", "opus", "ogg")


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    """The encoder that comes with hybridrec."""
    return Embedder(shipped())


@pytest.fixture(scope="module")
def shipped_embedder() -> Embedder:
    """The encoder that comes with hybridrec."""
    return Embedder(shipped())


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return WRITERS["flac"](tmp_path / "song.flac", melody(10))


def test_an_embedding_is_a_finite_vector_of_unit_length(encoder: Embedder, song: Path) -> None:
    embedded = encoder.embed(song)
    assert embedded.embedding.shape == (128,)
    assert embedded.embedding.dtype == np.float32
    assert np.linalg.norm(embedded.embedding) == pytest.approx(1, abs=1e-5)
    assert embedded.duration_seconds == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("which", ["encoder", "shipped_embedder"])
def test_the_format_of_a_file_changes_little(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    encoder, music = request.getfixturevalue(which), melody(8, seed=1)
    vectors = np.array(
        [encoder.embed(WRITERS[e](tmp_path / f"x.{e}", music)).embedding for e in (*FORMATS, "m4a")]
    )
    assert (vectors @ vectors.T).min() >= 0.98


def test_the_volume_of_a_file_changes_nothing(encoder: Embedder, tmp_path: Path) -> None:
    full, half = (
        write_sound(tmp_path / f"{g}", g * melody(10), "WAV", "PCM_24") for g in (1.0, 0.5)
    )
    assert encoder.embed(full).embedding @ encoder.embed(half).embedding > 0.9999


def test_other_music_is_further_away_than_another_copy(
    encoder: Embedder, tmp_path: Path, song: Path
) -> None:
    copy, other = (
        WRITERS["mp3"](tmp_path / "copy", melody(10)),
        WRITERS["flac"](tmp_path / "other", melody(10, seed=5)),
    )
    original = encoder.embed(song).embedding
    similarity = original @ encoder.embed(copy).embedding
    assert similarity > original @ encoder.embed(other).embedding


@pytest.mark.data
def test_the_format_changes_little_on_real_music(
    shipped_embedder: Embedder, data_directory: Path, tmp_path: Path
) -> None:
    clips = sorted((data_directory / "music" / "clips").glob("*.opus"))[::60]
    for clip in clips:
        samples, rate_hz = soundfile.read(clip, dtype="float32")
        music = soxr.resample(samples, rate_hz, RATE_HZ)[: 15 * RATE_HZ]
        vectors = np.array(
            [
                shipped_embedder.embed(WRITERS[e](tmp_path / f"x.{e}", music)).embedding
                for e in FORMATS
            ]
        )
        assert (vectors @ vectors.T).min() >= 0.98, clip.name


def test_one_second_gets_an_answer(encoder: Embedder, tmp_path: Path) -> None:
    embedded = encoder.embed(WRITERS["mp3"](tmp_path / "x", melody(1)))
    assert np.isfinite(embedded.embedding).all()
    assert embedded.duration_seconds == pytest.approx(1, abs=0.1)


def test_silence_is_an_error_and_not_a_vector(encoder: Embedder, tmp_path: Path) -> None:
    silence = WRITERS["mp3"](tmp_path / "silence.mp3", np.zeros(5 * RATE_HZ, dtype=np.float32))
    with pytest.raises(AudioError, match=r"silence\.mp3: it holds no sound"):
        encoder.embed(silence)


def test_several_threads_get_the_same_embedding(encoder: Embedder, song: Path) -> None:
    alone = encoder.embed(song).embedding
    with ThreadPoolExecutor(4) as pool:
        for embedded in pool.map(encoder.embed, [song] * 8):
            np.testing.assert_allclose(embedded.embedding, alone, atol=1e-5)


def test_the_clock_gets_every_stage(encoder: Embedder, song: Path) -> None:
    clock = StageClock()
    encoder.embed(song, clock)
    assert set(clock.seconds) == set(STAGES)
    assert min(clock.seconds.values()) > 0


def test_an_embedder_from_bytes_is_the_same(shipped_embedder: Embedder, song: Path) -> None:
    again = Embedder.from_checkpoint(shipped().to_bytes())
    assert again.fingerprint == shipped_embedder.fingerprint
    np.testing.assert_array_equal(
        again.embed(song).embedding, shipped_embedder.embed(song).embedding
    )


def test_an_embedder_keeps_the_limits(library: Library, song: Path) -> None:
    with pytest.raises(AudioError, match="too long"):
        Embedder.from_checkpoint(ensure_encoder(library), AudioLimits(max_seconds=5)).embed(song)


def test_bytes_that_are_no_checkpoint_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not a readable checkpoint"):
        Embedder.from_checkpoint(b"not a checkpoint")


def test_a_library_without_an_encoder_says_how_to_get_one(library: Library) -> None:
    with pytest.raises(
        NotReady, match="no encoder; run `hybridrec ingest audio` or `hybridrec train-encoder`"
    ):
        encoder_in_use(library)


def test_a_library_gets_the_shipped_encoder_once(library: Library) -> None:
    first = ensure_encoder(library)
    assert first == shipped().to_bytes()
    assert ensure_encoder(library) == first
    assert [artefact.version for artefact in library.artefacts("encoder")] == [1]
    assert Checkpoint.from_bytes(encoder_in_use(library)).fingerprint == library.fingerprint()


def test_an_encoder_of_an_older_release_gives_way_to_the_shipped_one(library: Library) -> None:
    bias = {"head.bias": np.zeros(2, dtype=np.float32)}
    payload = write_tensors(bias, {"version": 2, "fingerprint": "0123456789abcdef"})
    library.save_artefact("encoder", payload, "0123456789abcdef", {})
    library.set_fingerprint("0123456789abcdef")
    with pytest.raises(InvalidInput, match=r"older version.*ingest audio.*go on working"):
        Embedder.from_checkpoint(encoder_in_use(library))
    assert ensure_encoder(library) == shipped().to_bytes()
    assert ensure_encoder(library) == shipped().to_bytes()
    assert [artefact.version for artefact in library.artefacts("encoder")] == [1, 2]


def test_an_encoder_that_did_not_make_the_librarys_embeddings_is_not_used(library: Library) -> None:
    ensure_encoder(library)
    library.set_fingerprint("external:other")
    with pytest.raises(NotReady, match="another encoder than its own; got 'external:other'"):
        encoder_in_use(library)
