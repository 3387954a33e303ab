"""The settings that tuning chose, with the evidence for the choice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.errors import LibraryError
from hybridrec.evaluation.former_keys import with_former_keys, with_present_keys
from hybridrec.evaluation.significance import Difference, Mean

FORMAT_VERSION = 2
"""Version 1 had the former keys."""

FORMER_KEYS = {
    "audio_weight": "audio_share",
    "user_ridge": "taste_ridge",
    "setting": "words",
    "folds": "cuts",
    "evaluated_users": "asked_users",
    "audio_against_chance": "sound",
}
"""Former names of JSON keys, by present name."""


@dataclass(frozen=True)
class Trial:
    """One setting on the validation folds.

    Attributes:
        setting: in words.
        ndcg: mean NDCG@20 over users by item popularity bucket, `all` first; only buckets with a
            held-out play.
        verdict: why it was not chosen, or "chosen".
    """

    setting: str
    ndcg: dict[str, float]
    verdict: str


@dataclass(frozen=True)
class CurvePoint:
    """Quality at one audio weight.

    Attributes:
        audio_weight: 0 to 1.
        ndcg: mean NDCG@20 over users by item popularity bucket, with its 95 % interval; only
            buckets with two users or more.
    """

    audio_weight: float
    ndcg: dict[str, Mean]


@dataclass(frozen=True)
class Tuning:
    """Settings for a library's recommender, and how they were found.

    Attributes:
        collaborative, projection, blend: the chosen settings, complete.
        trials: all settings that were tried, first of ALS, then of the weights.
        curve: quality against audio weight at the chosen settings; empty without audio.
        audio_against_chance: NDCG@20 of audio - NDCG@20 of random scores, among cold tracks;
            None without audio.
        data: what it was chosen on: numbers of users, tracks, pairs and folds, users by item
            popularity bucket, and the seed.
    """

    collaborative: CollaborativeConfig
    projection: ProjectionConfig
    blend: BlendConfig
    trials: tuple[Trial, ...]
    curve: tuple[CurvePoint, ...]
    audio_against_chance: Difference | None
    data: dict[str, Any]

    def in_words(self) -> str:
        """The chosen settings on one line."""
        return f"{self.collaborative.in_words()}; {self.blend.in_words()}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; renamed keys are repeated under their former names."""
        found: dict[str, Any] = with_former_keys(asdict(self), FORMER_KEYS)
        return {"version": FORMAT_VERSION, **found}

    def to_bytes(self) -> bytes:
        """JSON in UTF-8, to be stored; read by `from_bytes`."""
        return json.dumps({"version": FORMAT_VERSION, **asdict(self)}, allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Read what `to_bytes` wrote, in this version or an earlier one.

        Raises:
            LibraryError: if it is of a later version, or damaged.
        """
        try:
            # Version 1 had the former keys; present ones are left alone.
            stored = with_present_keys(json.loads(payload), FORMER_KEYS)
            if stored["version"] > FORMAT_VERSION:
                raise LibraryError(
                    "the stored tuning was written by a later release",
                    got=f"format version {stored['version']}",
                    fix="upgrade hybridrec",
                )
            return cls._from_dict(stored)
        # JSON errors are ValueErrors; wrong keys of a dataclass are TypeErrors.
        except (KeyError, TypeError, ValueError) as error:
            raise LibraryError(
                "the stored tuning is damaged", got=str(error), fix="run `hybridrec tune`"
            ) from None

    @classmethod
    def _from_dict(cls, stored: Mapping[str, Any]) -> Self:
        audio = stored["audio_against_chance"]
        return cls(
            CollaborativeConfig.from_dict(stored["collaborative"]),
            ProjectionConfig.from_dict(stored["projection"]),
            BlendConfig.from_dict(stored["blend"]),
            tuple(Trial(**trial) for trial in stored["trials"]),
            tuple(_curve_point(point) for point in stored["curve"]),
            None if audio is None else Difference(**audio),
            stored["data"],
        )


def _curve_point(stored: Mapping[str, Any]) -> CurvePoint:
    means = {bucket: Mean(**mean) for bucket, mean in stored["ndcg"].items()}
    return CurvePoint(stored["audio_weight"], means)
