"""A sentence for listeners on where the score of a result comes from."""

from __future__ import annotations

from hybridrec.serving.answers import Hit

_SHARES = (
    (0.995, "Audio alone"),
    (0.6, "Mostly audio"),
    (0.4, "Audio and behaviour in equal parts"),
    (0.005, "Mostly behaviour"),
    (0.0, "Behaviour alone"),
)


def explain(hit: Hit) -> str:
    """Describe a result by its effective audio weight and its support."""
    share = next(words for least, words in _SHARES if hit.effective_audio_weight >= least)
    return f"{share}: {_played_by(hit.support)}"


def _played_by(support: int) -> str:
    if support == 0:
        return "nobody has played it yet"
    return "one listener has played it" if support == 1 else f"{support} listeners have played it"
