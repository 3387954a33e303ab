"""Settings, as frozen dataclasses that are passed in and never read from globals.

Units are in the names. `from_dict` refuses unknown keys, so that a misspelt
setting is an error and not a silent default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from hybridrec.errors import InvalidInput

Placement = Literal["k-means", "random"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)


@dataclass(frozen=True)
class _Settings:
    """What all settings share: building from and turning into plain dictionaries."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the settings from a mapping.

        Raises:
            InvalidInput: for a key that is no setting, or a value out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInput(
                f"unknown setting for {cls.__name__}",
                got=unknown[0],
                fix=f"use one of {', '.join(sorted(known))}",
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` takes them back."""
        return dataclasses.asdict(self)


def _require(condition: bool, what: str, got: object) -> None:
    if not condition:
        raise InvalidInput(what, got=got, fix="choose a value in that range")


@dataclass(frozen=True)
class AudioConfig(_Settings):
    """How sound becomes log-mel chunks. Part of the fingerprint: change one, change the ears.

    Attributes:
        sample_rate_hz: everything is resampled to this.
        fft_samples, hop_samples: length and distance of the spectrogram's frames.
        n_mels, fmin_hz, fmax_hz: bands of the mel filterbank and where they begin and end; codecs at low rates leave
            little above `fmax_hz`.
        level_floor_db: sound this far below the track's mean level begins to vanish.
        chunk_seconds: length of a chunk.
        chunks_per_track: how many chunks stand for a track, regularly spaced.
    """

    sample_rate_hz: int = 22050
    fft_samples: int = 1024
    hop_samples: int = 512
    n_mels: int = 88
    fmin_hz: float = 30.0
    fmax_hz: float = 8300.0
    level_floor_db: float = 40.0
    chunk_seconds: float = 3.0
    chunks_per_track: int = 10

    def __post_init__(self) -> None:
        _require(8000 <= self.sample_rate_hz <= 96000, "sample_rate_hz must be 8000 to 96000", self.sample_rate_hz)
        _require(self.fft_samples >= self.hop_samples > 0, "hop_samples must be 1 to fft_samples", self.hop_samples)
        _require(8 <= self.n_mels <= 512, "n_mels must be 8 to 512", self.n_mels)
        _require(0 <= self.fmin_hz < self.fmax_hz, "fmin_hz must be below fmax_hz", self.fmin_hz)
        _require(self.fmax_hz <= self.sample_rate_hz / 2, "fmax_hz must be at most half the sample rate", self.fmax_hz)
        _require(0 < self.level_floor_db <= 120, "level_floor_db must be above 0 and at most 120", self.level_floor_db)
        _require(0.5 <= self.chunk_seconds <= 60, "chunk_seconds must be 0.5 to 60", self.chunk_seconds)
        _require(1 <= self.chunks_per_track <= 1000, "chunks_per_track must be 1 to 1000", self.chunks_per_track)

    @property
    def chunk_samples(self) -> int:
        """Samples in one chunk, at `sample_rate_hz`."""
        return round(self.chunk_seconds * self.sample_rate_hz)

    @property
    def chunk_frames(self) -> int:
        """Spectrogram frames in one chunk, frames centred on their samples."""
        return 1 + self.chunk_samples // self.hop_samples


@dataclass(frozen=True)
class AudioLimits(_Settings):
    """What a file may ask of us before it is refused; no claim in its header can cost more.

    Attributes:
        min_seconds, max_seconds: duration. What is shorter than a chunk is repeated to fill it.
        max_file_bytes: size of the file.
        max_channels, max_sample_rate_hz: of the sound in it.
        silence_dbfs: a chunk whose peak stays below this level, against full scale, is silent.
        max_hearing_seconds: wall-clock time that a process spends on one file before it is ended.
        max_memory_bytes: what such a process may allocate beyond what it needs to be ready.
    """

    min_seconds: float = 0.5
    max_seconds: float = 4 * 3600.0
    max_file_bytes: int = 4 * 1024**3
    max_channels: int = 16
    max_sample_rate_hz: int = 384_000
    silence_dbfs: float = -70.0
    max_embedding_seconds: float = 120.0
    max_memory_bytes: int = 1024**3

    def __post_init__(self) -> None:
        _require(0 < self.min_seconds < self.max_seconds, "min_seconds must be below max_seconds", self.min_seconds)
        _require(self.max_file_bytes > 0, "max_file_bytes must be 1 or more", self.max_file_bytes)
        _require(self.max_channels > 0, "max_channels must be 1 or more", self.max_channels)
        _require(self.max_sample_rate_hz >= 8000, "max_sample_rate_hz must be 8000 or more", self.max_sample_rate_hz)
        _require(self.silence_dbfs < 0, "silence_dbfs must be below 0", self.silence_dbfs)
        _require(self.max_embedding_seconds > 0, "max_hearing_seconds must be above 0", self.max_embedding_seconds)
        _require(self.max_memory_bytes >= 2**26, "max_memory_bytes must be 67108864 or more", self.max_memory_bytes)


@dataclass(frozen=True)
class AugmentConfig(_Settings):
    """How chunks are changed in training as recordings and copies differ; each change has its own switch.

    Attributes:
        gain, gain_db: louder or softer by up to this, against the level floor.
        noise, noise_min_db, noise_max_db: white noise, this far below the track's mean level.
        pitch, pitch_mels: higher or lower by up to this many mel bands.
        tempo, tempo_share: faster or slower by up to this share.
        time_mask, time_mask_share: hide a stretch of frames, up to this share of the chunk.
        frequency_mask, frequency_mask_share: hide a stretch of mel bands, up to this share of them.
    """

    gain: bool = True
    gain_db: float = 6.0
    noise: bool = True
    noise_min_db: float = 20.0
    noise_max_db: float = 50.0
    pitch: bool = True
    pitch_mels: int = 3
    tempo: bool = True
    tempo_share: float = 0.15
    time_mask: bool = True
    time_mask_share: float = 0.2
    frequency_mask: bool = True
    frequency_mask_share: float = 0.15

    def __post_init__(self) -> None:
        _require(0 <= self.gain_db <= 60, "gain_db must be 0 to 60", self.gain_db)
        _require(
            0 <= self.noise_min_db <= self.noise_max_db, "noise_min_db must be 0 to noise_max_db", self.noise_min_db
        )
        _require(0 <= self.pitch_mels <= 32, "pitch_mels must be 0 to 32", self.pitch_mels)
        _require(0 <= self.tempo_share < 0.5, "tempo_share must be 0 to below 0.5", self.tempo_share)
        _require(0 <= self.time_mask_share < 1, "time_mask_share must be 0 to below 1", self.time_mask_share)
        _require(
            0 <= self.frequency_mask_share < 1, "frequency_mask_share must be 0 to below 1", self.frequency_mask_share
        )


@dataclass(frozen=True)
class CollaborativeConfig(_Settings):
    """Implicit-feedback ALS (Hu, Koren and Volinsky 2008), as `implicit` names its settings.

    Attributes:
        factors: length of the vectors; at most the number of users or tracks is used.
        regularization: None takes a strength that suits the plays.
        alpha: multiplies the confidences; None takes one that suits the plays, see
            `collaborative.als.suitable_config`.
        iterations: of the alternation.
    """

    factors: int = 128
    regularization: float | None = None
    alpha: float | None = None
    iterations: int = 15

    def __post_init__(self) -> None:
        _require(1 <= self.factors <= 1024, "factors must be 1 to 1024", self.factors)
        _require(
            self.regularization is None or self.regularization >= 0,
            "regularization must be 0 or more",
            self.regularization,
        )
        _require(self.alpha is None or self.alpha > 0, "alpha must be above 0", self.alpha)
        _require(1 <= self.iterations <= 1000, "iterations must be 1 to 1000", self.iterations)

    def in_words(self) -> str:
        """The settings on one line."""
        given = {"regularization": self.regularization, "alpha": self.alpha}
        told = [f"{name} {value:.3g}" for name, value in given.items() if value is not None]
        return ", ".join([f"{self.factors} factors", *told])


@dataclass(frozen=True)
class ProjectionConfig(_Settings):
    """How embeddings are brought among tastes.

    Attributes:
        landmarks: points of the sound space that all tracks are compared with; the length of the audio features.
        placement: `k-means`, or `random`, which is quicker and a little worse.
        width: of the kernel, in typical distances between two tracks.
        metric_share: how far the space of sound is stretched along what tells tastes apart, 0 to 1.
        ridge: of the map from audio features to the directions of factors.
        trust: listeners at which a track's factors count half in learning that map.
        taste_ridge: of a user's own regression on the audio features of what she played.
        popularity_discount: a play counts support ** -this for that regression.
    """

    landmarks: int = 128
    placement: Placement = "k-means"
    width: float = 0.47
    metric_share: float = 0.75
    ridge: float = 0.3
    trust: float = 5.0
    user_ridge: float = 30.0
    popularity_discount: float = 0.5

    def __post_init__(self) -> None:
        _require(1 <= self.landmarks <= 4096, "landmarks must be 1 to 4096", self.landmarks)
        _require(self.placement in PLACEMENTS, f"placement must be one of {', '.join(PLACEMENTS)}", self.placement)
        _require(0 < self.width <= 100, "width must be above 0, to 100", self.width)
        _require(0 <= self.metric_share <= 1, "metric_share must be 0 to 1", self.metric_share)
        _require(self.ridge > 0, "ridge must be above 0", self.ridge)
        _require(self.trust >= 0, "trust must be 0 or more", self.trust)
        _require(self.user_ridge > 0, "taste_ridge must be above 0", self.user_ridge)
        _require(0 <= self.popularity_discount <= 1, "popularity_discount must be 0 to 1", self.popularity_discount)


@dataclass(frozen=True)
class BlendConfig(_Settings):
    """How sound and behaviour are weighed.

    Attributes:
        audio_share: audio weight of a track that everybody has played, 0 to 1.
        half_life: at this many listeners, behaviour has earned half of what it can earn.
    """

    audio_weight: float = 0.15
    half_life: float = 0.1

    def __post_init__(self) -> None:
        _require(0 <= self.audio_weight <= 1, "audio_share must be 0 to 1", self.audio_weight)
        _require(0 <= self.half_life <= 1e6, "half_life must be 0 to 1000000 listeners", self.half_life)

    def in_words(self) -> str:
        """The settings on one line."""
        return f"audio share {self.audio_weight:g}, half-life {self.half_life:g}"


@dataclass(frozen=True)
class EncoderConfig(_Settings):
    """The shape of the chunk encoder: convolutions beside statistics of texture.

    Attributes:
        channels: filters of each convolution, 3 x 3, which keeps every second mel and frame.
        paired_stage: after this convolution it is looked which patterns come together.
        pairs: of how many mixtures of those patterns.
        bands: into how many bands the mels are averaged where their covariance is taken.
        texture_size: length of the half of the embedding that texture gives.
        embedding_size: length of the embedding; the rest of it is what the convolutions give.
        convolution_share: how much of the cosine of two embeddings the convolutions decide, 0 to 1.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    paired_stage: int = 3
    pairs: int = 24
    bands: int = 22
    texture_size: int = 64
    embedding_size: int = 128
    convolution_share: float = 0.15

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        _require(1 <= len(self.channels) <= 6, "channels must name 1 to 6 stages", self.channels)
        _require(all(1 <= c <= 4096 for c in self.channels), "channels must be 1 to 4096 each", self.channels)
        _require(1 <= self.paired_stage <= 6, "paired_stage must be 1 to 6", self.paired_stage)
        _require(1 <= self.pairs <= 256, "pairs must be 1 to 256", self.pairs)
        _require(1 <= self.bands <= 128, "bands must be 1 to 128", self.bands)
        _require(2 <= self.embedding_size <= 4096, "embedding_size must be 2 to 4096", self.embedding_size)
        _require(
            1 <= self.texture_size < self.embedding_size,
            "texture_size must be 1 to below embedding_size",
            self.texture_size,
        )
        _require(0 <= self.convolution_share <= 1, "convolution_share must be 0 to 1", self.convolution_share)


@dataclass(frozen=True)
class TrainingConfig(_Settings):
    """Contrastive training of the encoder: how long, how large the steps, what counts as alike.

    Attributes:
        epochs, steps_per_epoch: the length; a held-out figure and a checkpoint come after each epoch.
        tracks_per_step: tracks in a step, each heard twice.
        learning_rate, weight_decay: AdamW, after a linear warm-up over `warmup_share` of all steps, then a cosine to 0.
        temperature: of the NT-Xent loss; lower looks harder at the nearest other tracks.
        texture_rate: learning rate of the texture head in shares of `learning_rate`; it starts from a good place.
        averaging: decay of the running mean of the weights that is kept in the end; 0 keeps the last weights.
        held_out_share: share of the tracks that are never trained on and give the retrieval figure.
        seconds_per_track: how much of a track, around its middle, is read.
    """

    epochs: int = 4
    steps_per_epoch: int = 20
    tracks_per_step: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_share: float = 0.1
    temperature: float = 0.1
    texture_rate: float = 0.001
    averaging: float = 0.95
    held_out_share: float = 0.1
    seconds_per_track: float = 60.0

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs must be 1 or more", self.epochs)
        _require(self.steps_per_epoch >= 1, "steps_per_epoch must be 1 or more", self.steps_per_epoch)
        _require(self.tracks_per_step >= 2, "tracks_per_step must be 2 or more", self.tracks_per_step)
        _require(self.learning_rate > 0, "learning_rate must be above 0", self.learning_rate)
        _require(self.weight_decay >= 0, "weight_decay must be 0 or more", self.weight_decay)
        _require(0 <= self.warmup_share < 1, "warmup_share must be 0 to 1", self.warmup_share)
        _require(self.temperature > 0, "temperature must be above 0", self.temperature)
        _require(0 <= self.texture_rate <= 1, "texture_rate must be 0 to 1", self.texture_rate)
        _require(0 <= self.averaging < 1, "averaging must be 0 to below 1", self.averaging)
        _require(0 < self.held_out_share < 1, "held_out_share must be between 0 and 1", self.held_out_share)
        _require(self.seconds_per_track >= 2, "seconds_per_track must be 2 or more", self.seconds_per_track)
