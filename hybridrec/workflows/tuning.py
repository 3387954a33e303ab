"""What `tune` chose for a library, and the evidence that it was chosen by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.errors import LibraryError
from hybridrec.evaluation.significance import Difference, Mean
from hybridrec.storage.library import Library

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Trial:
    """One setting on the validation cuts, figures being NDCG@20.

    Attributes:
        words: the setting, as a table shows it.
        ndcg: by bucket, `all` first, the mean over users; only buckets in which there was something to find.
        verdict: why it was not chosen, or "chosen".
    """

    words: str
    ndcg: dict[str, float]
    verdict: str


@dataclass(frozen=True)
class CurvePoint:
    """Quality at one audio share.

    Attributes:
        audio_share: 0 to 1.
        ndcg: by bucket, the mean over users with the ends of its 95 % interval; only buckets with two users or more.
    """

    audio_weight: float
    ndcg: dict[str, Mean]


@dataclass(frozen=True)
class Tuning:
    """Settings for a library's recommender, and how they were found.

    Attributes:
        collaborative, projection, blend: what was chosen, all filled in.
        trials: all settings that were tried: first of ALS, then of the weighting layer.
        curve: quality against the audio share, at the chosen settings.
        sound: how much better sound ranks cold tracks than chance does, NDCG@20; None without audio.
        data: what it was chosen on: counts of users, tracks and pairs, the cuts and the seed.
    """

    collaborative: CollaborativeConfig
    projection: ProjectionConfig
    blend: BlendConfig
    trials: tuple[Trial, ...]
    curve: tuple[CurvePoint, ...]
    sound: Difference | None
    data: dict[str, Any]

    def in_words(self) -> str:
        """What was chosen, on one line."""
        return f"{self.collaborative.in_words()}; {self.blend.in_words()}"

    def to_bytes(self) -> bytes:
        """JSON in UTF-8; `from_bytes` takes it back."""
        return json.dumps({"version": FORMAT_VERSION, **asdict(self)}, allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            LibraryError: if it is of a newer version, or something else.
        """
        try:
            told = json.loads(payload)
            if told["version"] > FORMAT_VERSION:
                raise LibraryError(
                    "the tuning is newer than this program", got=told["version"], fix="upgrade hybridrec"
                )
            return cls(
                CollaborativeConfig.from_dict(told["collaborative"]),
                ProjectionConfig.from_dict(told["projection"]),
                BlendConfig.from_dict(told["blend"]),
                tuple(Trial(**trial) for trial in told["trials"]),
                tuple(_curve_point(point) for point in told["curve"]),
                None if told["sound"] is None else Difference(**told["sound"]),
                told["data"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LibraryError("the stored tuning is damaged", got=str(error), fix="run `hybridrec tune`") from None


def tuned(library: Library) -> Tuning | None:
    """What was chosen for a library, or None before `tune`."""
    return None if library.current("tuning") is None else Tuning.from_bytes(library.artefact_bytes("tuning"))


def _curve_point(stored: Mapping[str, Any]) -> CurvePoint:
    """A point of the curve; files of earlier releases name the weight `audio_share`."""
    weight = stored["audio_share"] if "audio_share" in stored else stored["audio_weight"]
    return CurvePoint(weight, _means(stored["ndcg"]))


def _means(told: Mapping[str, Mapping[str, float]]) -> dict[str, Mean]:
    return {bucket: Mean(**mean) for bucket, mean in told.items()}
