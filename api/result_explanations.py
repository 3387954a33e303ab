"""Why a result is where it is, in a sentence that a listener understands."""

from __future__ import annotations

from hybridrec.serving.answers import Hit

_SHARES = (
    (0.995, "All by sound"),
    (0.6, "Mostly by sound"),
    (0.4, "By sound and behaviour alike"),
    (0.005, "Mostly by behaviour"),
    (0.0, "All by behaviour"),
)


def explain(hit: Hit) -> str:
    """Say where the score of a result comes from and how many have played it."""
    share = next(words for least, words in _SHARES if hit.effective_audio_weight >= least)
    return f"{share}: {_played_by(hit.support)}"


def _played_by(support: int) -> str:
    if support == 0:
        return "nobody has played it yet"
    return "one listener has played it" if support == 1 else f"{support} listeners have played it"
