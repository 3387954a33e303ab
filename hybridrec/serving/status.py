"""What a service tells of itself: whether it is ready, and figures for an operator."""

from __future__ import annotations

from collections.abc import Mapping

from hybridrec.serving.live_model import LiveModel


def readiness(live: LiveModel, counts: Mapping[str, int]) -> dict[str, object]:
    """Whether recommendations can be given, from what, and if not, why.

    Args:
        live: the model that serves.
        counts: of the library, by `tracks`, `users` and `plays`.
    """
    totals, state = live.totals, live.state
    why = "" if totals.scorable else "no track has audio or plays yet: run `hybridrec ingest audio`"
    return {
        "ready": totals.scorable > 0,
        "why": why,
        "tracks": counts["tracks"],
        "embedded": totals.embedded,
        "users": counts["users"],
        "plays": counts["plays"],
        "model_version": state.version,
        "fingerprint": state.fingerprint,
    }


def figures(live: LiveModel, counts: Mapping[str, int]) -> dict[str, tuple[float, str]]:
    """Figures by name, each with its meaning; `counts` as above."""
    totals, version = live.totals, live.state.version or 0
    indexes = live.model.fitted_model.indexes
    fresh = 0 if indexes is None else len(indexes.fresh)
    cold_share = totals.cold / totals.scorable if totals.scorable else 0.0
    return {
        "library_tracks": (counts["tracks"], "Tracks of the library"),
        "library_users": (counts["users"], "Users of the library"),
        "library_plays": (counts["plays"], "Plays of the library"),
        "index_tracks": (totals.scorable, "Tracks that can be recommended"),
        "index_embedded_tracks": (totals.embedded, "Tracks that can be recommended by audio"),
        "index_heard_tracks": (totals.embedded, "Former name of index_embedded_tracks"),
        "index_fresh_tracks": (fresh, "Tracks beside the index, scored one by one"),
        "cold_share": (cold_share, "Share of the recommendable tracks that nobody has played"),
        "model_version": (version, "Version of the model in use; 0 before the first fit"),
    }
