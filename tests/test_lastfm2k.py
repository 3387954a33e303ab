"""Real plays are loaded completely, with the right audio, from the files of the data cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import support_of
from hybridrec.data.standardisation import column_scale, standardised
from hybridrec.datasets.lastfm2k import SPOTIFY_FOLDER, load_neural, load_spotify
from hybridrec.datasets.real_plays import RealPlays
from hybridrec.datasets.taste_profile import load_taste_profile
from hybridrec.errors import InvalidInput, NotFound


@pytest.mark.data
def test_lastfm2k_with_descriptors_is_as_its_card_says(data_directory: Path) -> None:
    plays = load_spotify(data_directory)
    assert plays.interactions.shape == (1881, 4629)
    assert plays.interactions.nnz == 63_961
    assert np.count_nonzero(support_of(plays.interactions) >= 5) == 1773
    assert plays.item_embeddings.shape == (4629, 9)
    assert np.abs(plays.item_embeddings).max() == 4.0
    np.testing.assert_allclose(plays.item_embeddings.mean(axis=0), 0, atol=0.1)


@pytest.mark.data
def test_a_play_count_is_at_its_user_and_artist(data_directory: Path) -> None:
    plays = load_spotify(data_directory)
    assert plays.interactions[plays.user_ids.row("2"), plays.track_ids.row("abc")] == pytest.approx(
        np.log2(1316)
    )


@pytest.mark.data
def test_an_artist_has_the_right_descriptors(data_directory: Path) -> None:
    plays = load_spotify(data_directory)
    energy = dict(zip(plays.track_ids, plays.item_embeddings[:, 2], strict=True))
    assert energy["slayer"] > 1.0
    assert energy["nick drake"] < 0.0


@pytest.mark.data
@pytest.mark.parametrize(("vectors", "length"), [("vggish", 128), ("whisper", 512)])
def test_neural_vectors_known_to_be_wrong_are_missing(
    data_directory: Path, vectors: str, length: int
) -> None:
    plays = load_neural(data_directory, vectors)
    missing = np.isnan(plays.item_embeddings).all(axis=1)
    assert plays.interactions.shape == (1858, 1425)
    assert plays.interactions.nnz == 56_345
    assert plays.item_embeddings.shape == (1425, length)
    assert np.count_nonzero(missing) == 224
    assert min(int(id_) for id_, gone in zip(plays.track_ids, missing, strict=True) if gone) == 1994


@pytest.mark.data
def test_both_kinds_of_vectors_have_the_same_play_counts(data_directory: Path) -> None:
    names, numbers = load_spotify(data_directory), load_neural(data_directory, "vggish")
    duran_duran = names.interactions[names.user_ids.row("2"), names.track_ids.row("duran duran")]
    assert (
        duran_duran == numbers.interactions[numbers.user_ids.row("2"), numbers.track_ids.row("51")]
    )


@pytest.mark.data
def test_the_taste_profile_is_as_its_card_says(data_directory: Path) -> None:
    plays = load_taste_profile(data_directory)
    assert plays.interactions.shape == (1630, 9071)
    assert plays.interactions.nnz == 42_739
    assert plays.item_embeddings is None
    user, song = "b80344d063b5ccb3212f76538f3d9e43d87dca9e", "SOBBMDR12A8C13253B"
    assert plays.interactions[plays.user_ids.row(user), plays.track_ids.row(song)] == pytest.approx(
        np.log2(3)
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"interactions\.csv.*give the folder"):
        load_spotify(tmp_path)


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / SPOTIFY_FOLDER).mkdir()
    (tmp_path / SPOTIFY_FOLDER / "interactions.csv").write_text(
        "userID,artist_key,plays\n2,abc,1\n"
    )
    with pytest.raises(
        InvalidInput,
        match=r"interactions\.csv is not the file that the data card describes.*6ad759",
    ):
        load_spotify(tmp_path)


def test_ids_and_vectors_must_match_the_plays() -> None:
    plays, users, tracks = sp.csr_matrix((2, 3)), IdMap(["a", "b"]), IdMap(["x", "y", "z"])
    with pytest.raises(InvalidInput, match="one row a user and one column a track"):
        RealPlays(users, users, plays, None)
    with pytest.raises(InvalidInput, match="one row a track"):
        RealPlays(users, tracks, plays, np.zeros((2, 9), dtype=np.float32))


def test_standardising_keeps_missing_rows_and_clips_outliers() -> None:
    vectors = np.append(
        np.random.default_rng(0).normal(5.0, 2.0, (200, 1)), [[1e4], [np.nan]], axis=0
    )
    found = standardised(vectors, *column_scale(vectors))
    assert found[-2] == 4.0
    assert np.isnan(found[-1])
    assert np.isfinite(found[:-1]).all()
