"""The first rows of the Echo Nest Taste Profile: real plays, no audio; see taste_profile.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import build_interactions

from .real_plays import RealPlays, checked_file

FILE = "taste_profile_head/10000.txt"
SHA256 = "c5e0427ba4001024e328a1b2bcf49cb6ff1c0f5319b0b0feb1113253721a2a98"


def load_taste_profile(data: Path) -> RealPlays:
    """1,630 users, 9,071 songs, no audio.

    Args:
        data: the folder that holds `taste_profile_head/`.

    Raises:
        NotFound: if the file is missing.
        InvalidInput: if the file is not the one that the data card describes.
    """
    path = checked_file(data / FILE, SHA256)
    plays = pd.read_csv(path, sep="\t", names=["user", "song", "plays"], keep_default_na=False)
    users, songs = IdMap(np.unique(plays["user"])), IdMap(np.unique(plays["song"]))
    interactions = build_interactions(
        users.rows(plays["user"]),
        songs.rows(plays["song"]),
        plays["plays"].to_numpy(dtype=np.float64),
        (len(users), len(songs)),
    )
    return RealPlays(users, songs, interactions, None)
