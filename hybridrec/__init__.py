"""hybridrec: a music recommender that hears the tracks and knows the taste."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybridrec.model.recommender import HybridRecommender as HybridRecommender

__all__ = ["HybridRecommender", "__version__"]

__version__ = version("hybridrec")


def __getattr__(name: str) -> Any:
    if name == "HybridRecommender":
        from hybridrec.model.recommender import HybridRecommender

        return HybridRecommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
