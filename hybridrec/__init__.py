"""hybridrec: a music recommender that blends audio embeddings and collaborative filtering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybridrec.model.recommender import HybridRecommender as HybridRecommender

    __version__: str

__all__ = ["HybridRecommender", "__version__"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): commands and servers start without what they do not need."""
    if name == "HybridRecommender":
        from hybridrec.model.recommender import HybridRecommender

        return HybridRecommender
    if name == "__version__":
        from importlib.metadata import version

        return version("hybridrec")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
