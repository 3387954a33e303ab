"""Lay out a library by its embeddings: tracks that sound alike are placed close to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from hybridrec.errors import InvalidInput, NotReady
from hybridrec.evaluation.library_map import TAGS, Layout, LibraryMap, tag_agreement
from hybridrec.storage.library import Library

FEWEST_TRACKS = 5
PERPLEXITY = 30.0
"""Of t-SNE; with fewer than 91 tracks, a third of the number of neighbours."""


def map_library(library: Library, *, k: int = 10, most: int = 5000, seed: int = 0) -> LibraryMap:
    """Lay out the tracks of a library by the embeddings of its current encoder.

    Two layouts: principal components (PCA), which preserve large distances, and t-SNE (van der
    Maaten and Hinton 2008), which preserves neighbourhoods.

    Args:
        library: with embeddings.
        k: nearest neighbours per track that are compared by tag.
        most: number of tracks on the map; of more, a random sample is drawn.
        seed: of the sample and of t-SNE.

    Raises:
        NotReady: if the library has no embeddings.
        InvalidInput: if it has fewer than `FEWEST_TRACKS`.
    """
    encoder = library.fingerprint()
    if encoder is None:
        raise NotReady("the library has no embeddings", fix="run `hybridrec ingest audio`")
    embedded = library.embeddings(encoder)
    n = len(embedded.ids)
    if n < FEWEST_TRACKS:
        raise InvalidInput(
            f"a map needs {FEWEST_TRACKS} tracks with audio or more", got=n, fix="ingest more audio"
        )
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:most])
    vectors, ids = embedded.vectors[rows], [embedded.ids[row] for row in rows]
    by_id = library.tracks(ids)
    tracks = [by_id[id_] for id_ in ids]
    agreements = {tag: tag_agreement(tracks, vectors, tag, k) for tag in TAGS}
    layouts = {"t-SNE": _t_sne(vectors, seed), "PCA": _pca(vectors, seed)}
    found = {tag: agreement for tag, agreement in agreements.items() if agreement}
    return LibraryMap(tracks, layouts, found, n - len(rows))


def _pca(vectors: NDArray[np.float32], seed: int) -> Layout:
    return _scaled(PCA(2, random_state=seed).fit_transform(vectors))


def _t_sne(vectors: NDArray[np.float32], seed: int) -> Layout:
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    layout = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return _scaled(layout.fit_transform(vectors))


def _scaled(positions: NDArray[np.floating]) -> Layout:
    """Centre positions `(n, 2)` and scale them to -1..1, by the same factor in both directions."""
    centred = positions - (positions.max(axis=0) + positions.min(axis=0)) / 2
    # The floor keeps tracks with identical embeddings from dividing by zero.
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-12), dtype=np.float32)
