"""Last.fm-2K: real play counts of artists, with audio vectors; lastfm2k.md is its data card.

Each artist is treated as a track.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import build_interactions
from hybridrec.data.standardisation import column_scale, standardised

from .real_plays import RealPlays, checked_file

SPOTIFY_FOLDER = "lastfm2k_hetrec_spotify9"
NEURAL_FOLDER = "lastfm2k_vggish_whisper"
SHA256 = {
    "interactions.csv": "6ad759db8cb32bf4f3377dc748dd0598103b9b3ac55177987a53ac27adce0e12",
    "item_features.csv": "d75ad06242353c69d9ca4f2c24837416c3a9f8867187c0910d423b541f8986c5",
    "lfm2k.inter": "a555d4b0bfabe0a11d1758c667eb9a29e574a60bd563848a73f5a6fccda1b0f9",
    "lfm2k_og_ids.inter": "59ceba4991b4769ee2cddd4f5528c1dcc3963779a8b6ab5e993e1c3cedb767a6",
    "user_artists.dat": "001400dc3c7d2667fca6e4ea6dc6acc31a9dd28ad5cd0f74cea988c019934d3b",
    "vggish.npy": "50dfedcc27f88929006bc4f425c94c55aa4bce177749b2f93e55fb3d8ac4018c",
    "whisper.npy": "2a2690ff74430711e5a9e22889b5b40cc1b931f6250f25501192d7d63cf98995",
}
DESCRIPTORS = [
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "loudness",
    "speechiness",
    "tempo",
    "valence",
]
LAST_ID_WITH_AUDIO = 1992  # the neural vectors of later ids belong to other artists


def load_spotify(data: Path) -> RealPlays:
    """1,881 users and 4,629 artists with nine audio descriptors each, standardised and clipped.

    Args:
        data: the folder that holds `lastfm2k_hetrec_spotify9/`.

    Raises:
        NotFound: if a file is missing.
        InvalidInput: if a file is not the one that the data card describes.
    """
    folder = data / SPOTIFY_FOLDER
    plays = _read(folder / "interactions.csv", ",", dtype={"artist_key": str})
    features = _read(folder / "item_features.csv", ",", dtype={"artist_key": str})
    vectors = features[DESCRIPTORS].to_numpy(dtype=np.float64)
    users, tracks, counts = plays["userID"], plays["artist_key"], plays["plays"]
    return _joined(users, tracks, counts, features["artist_key"], vectors)


def load_neural(data: Path, vectors: str) -> RealPlays:
    """The same users, 1,425 artists, 1,201 of them with neural vectors, standardised.

    Args:
        data: the folder that holds `lastfm2k_vggish_whisper/`.
        vectors: `vggish` (128-d) or `whisper` (512-d).

    Raises:
        NotFound: if a file is missing.
        InvalidInput: if a file is not the one that the data card describes.
    """
    folder = data / NEURAL_FOLDER
    rows = _read(folder / "lfm2k.inter", "\t")["itemID"].to_numpy()
    pairs = _read(folder / "lfm2k_og_ids.inter", "\t")
    counts = _read(folder / "user_artists.dat", "\t").set_index(["userID", "artistID"])["weight"]
    keys = pd.MultiIndex.from_frame(pairs[["userID", "itemID"]])
    plays = counts.reindex(keys).to_numpy(dtype=np.float64)
    file = checked_file(folder / f"{vectors}.npy", SHA256[f"{vectors}.npy"])
    embeddings = np.load(file, allow_pickle=False).astype(np.float64)
    artists = np.zeros(len(embeddings), dtype=np.int64)
    artists[rows] = pairs["itemID"]
    embeddings[artists > LAST_ID_WITH_AUDIO] = np.nan
    tracks = pairs["itemID"].astype(str)
    return _joined(pairs["userID"], tracks, plays, artists.astype(str), embeddings)


def _read(path: Path, separator: str, **options: object) -> pd.DataFrame:
    checked = checked_file(path, SHA256[path.name])
    return pd.read_csv(checked, sep=separator, keep_default_na=False, **options)


def _joined(
    users: pd.Series,
    tracks: pd.Series,
    plays: pd.Series,
    track_ids: pd.Series,
    vectors: np.ndarray,
) -> RealPlays:
    user_ids, all_tracks = IdMap(str(user) for user in np.unique(users)), IdMap(track_ids)
    interactions = build_interactions(
        user_ids.rows(users.astype(str)),
        all_tracks.rows(tracks),
        np.asarray(plays, dtype=np.float64),
        (len(user_ids), len(all_tracks)),
    )
    embeddings = standardised(vectors, *column_scale(vectors))
    return RealPlays(user_ids, all_tracks, interactions, embeddings)
