"""A library seen from above: every heard track at a place, near to what sounds like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.evaluation.retrieval import neighbourhood_agreement
from hybridrec.storage.library import Library

TAGS = ("genre", "artist", "album")
FEWEST_TRACKS = 5
PERPLEXITY = 30.0
"""Of t-SNE; fewer tracks take a third of their number."""

Layout = NDArray[np.float32]
"""Places `(n_tracks, 2)` float32, -1 to 1."""


@dataclass(frozen=True)
class Agreement:
    """How often near tracks share a tag.

    Attributes:
        tag: a field of a track.
        tracks, values: tracks that have it, and how many different ones.
        k: nearest neighbours that were looked at, in the full embedding space.
        share, chance: of the neighbours, how many share the tag; and how many would at random.
    """

    tag: str
    tracks: int
    values: int
    k: int
    share: float
    chance: float

    def in_words(self) -> str:
        """One sentence for people."""
        return (
            f"{self.share:.0%} of a track's {self.k} nearest neighbours are of the same {self.tag};"
            f" at random {self.chance:.0%} ({self.tracks} tracks, {self.values} different)"
        )


@dataclass(frozen=True)
class LibraryMap:
    """Tracks with their places.

    Attributes:
        tracks: in the order of the places.
        layouts: by name.
        agreements: by tag; only tags that tracks have.
        left_out: heard tracks beyond those that were asked for.
    """

    tracks: list[Track]
    layouts: dict[str, Layout]
    agreements: dict[str, Agreement]
    left_out: int

    def tag(self, wanted: str | None) -> str:
        """The tag that is wanted, or the first of `TAGS` that tracks have.

        Raises:
            InvalidInput: if no two tracks have it.
        """
        for tag in TAGS if wanted is None else [wanted]:
            if tag in self.agreements:
                return tag
        fix = f"use one of {', '.join(self.agreements)}" if self.agreements else "tag the files and ingest them again"
        raise InvalidInput(f"no two tracks have the tag {wanted or ' or '.join(TAGS)}", fix=fix)

    def largest(self, tag: str, most: int) -> list[str]:
        """The values of a tag that most tracks have, the largest first."""
        values, counts = np.unique([getattr(t, tag) for t in self.tracks if getattr(t, tag)], return_counts=True)
        return [str(values[row]) for row in np.argsort(-counts, kind="stable")[:most]]


def map_library(library: Library, *, k: int = 10, most: int = 5000, seed: int = 0) -> LibraryMap:
    """Lay a library's tracks out by what the ears it goes by have heard.

    By principal components (PCA), which keep what is far apart apart, and by t-SNE (van der
    Maaten and Hinton 2008), which keeps near neighbours together.

    Args:
        library: with embeddings.
        k: nearest neighbours that are asked whether they share a tag.
        most: tracks on the map; of more, so many are drawn at random.
        seed: draws those tracks, and t-SNE's course.

    Raises:
        NotReady: if the library has no embeddings.
        InvalidInput: if it has too few.
    """
    encoder = library.encoder()
    if encoder is None:
        raise NotReady("the library has heard nothing", fix="run `hybridrec ingest audio`")
    embedded = library.embeddings(encoder)
    if len(embedded.ids) < FEWEST_TRACKS:
        raise InvalidInput(
            f"a map needs {FEWEST_TRACKS} tracks or more", got=len(embedded.ids), fix="ingest more audio"
        )
    rows = np.sort(np.random.default_rng(seed).permutation(len(embedded.ids))[:most])
    vectors, ids = embedded.vectors[rows], [embedded.ids[row] for row in rows]
    known = library.tracks(ids)
    tracks = [known[id_] for id_ in ids]
    agreements = {tag: _agreement(tracks, vectors, tag, k) for tag in TAGS}
    layouts = {"t-SNE": _t_sne(vectors, seed), "PCA": _scaled(PCA(2, random_state=seed).fit_transform(vectors))}
    found = {tag: agreement for tag, agreement in agreements.items() if agreement}
    return LibraryMap(tracks, layouts, found, len(embedded.ids) - len(rows))


def _t_sne(vectors: NDArray[np.float32], seed: int) -> Layout:
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return _scaled(TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors))


def _scaled(places: NDArray[np.floating]) -> Layout:
    centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-12), dtype=np.float32)


def _agreement(tracks: list[Track], vectors: NDArray[np.float32], tag: str, k: int) -> Agreement | None:
    """None where fewer than two tracks have the tag."""
    tagged = [row for row, track in enumerate(tracks) if getattr(track, tag)]
    if len(tagged) < 2:
        return None
    values, groups = np.unique([getattr(tracks[row], tag) for row in tagged], return_inverse=True)
    k = min(k, len(tagged) - 1)
    share, chance = neighbourhood_agreement(vectors[tagged], groups, k)
    return Agreement(tag, len(tagged), len(values), k, share, chance)
