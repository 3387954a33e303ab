"""Settings, as frozen dataclasses that are passed in and never read from globals.

Units are in the names. An unknown key is an error, so that a misspelt setting is never
replaced by a default in silence.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from pydantic import Field

from hybridrec.settings import Settings, require, settings

Placement = Literal["k-means", "random"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)


@settings
class AudioConfig(Settings):
    """How audio becomes log-mel chunks. Part of the fingerprint: a change makes another encoder.

    Attributes:
        sample_rate_hz: everything is resampled to this.
        fft_samples, hop_samples: length and distance of the spectrogram's frames.
        n_mels, fmin_hz, fmax_hz: number and range of the mel bands.
        level_floor_db: sound this far below the chunk's mean level begins to vanish.
        chunk_seconds: length of a chunk.
        chunks_per_track: how many chunks, regularly spaced, represent a track.
    """

    sample_rate_hz: int = Field(22050, ge=8000, le=96000)
    fft_samples: int = Field(1024, gt=0)
    hop_samples: int = Field(441, gt=0)
    n_mels: int = Field(96, ge=8, le=512)
    fmin_hz: float = Field(30.0, ge=0)
    fmax_hz: float = 10_000.0
    level_floor_db: float = Field(60.0, gt=0, le=120)
    chunk_seconds: float = Field(5.0, ge=0.5, le=60)
    chunks_per_track: int = Field(6, ge=1, le=1000)

    def __post_init__(self) -> None:
        require(
            self.hop_samples <= self.fft_samples,
            "hop_samples must be 1 to fft_samples",
            self.hop_samples,
        )
        require(self.fmin_hz < self.fmax_hz, "fmin_hz must be below fmax_hz", self.fmin_hz)
        nyquist = "fmax_hz must be at most half the sample rate"
        require(self.fmax_hz <= self.sample_rate_hz / 2, nyquist, self.fmax_hz)

    @property
    def chunk_samples(self) -> int:
        """Samples in one chunk, at `sample_rate_hz`."""
        return round(self.chunk_seconds * self.sample_rate_hz)

    @property
    def chunk_frames(self) -> int:
        """Spectrogram frames in one chunk, frames centred on their samples."""
        return 1 + self.chunk_samples // self.hop_samples


@settings
class AudioLimits(Settings):
    """What a file may cost before it is refused, whatever its header claims.

    Attributes:
        min_seconds, max_seconds: duration. A file shorter than a chunk is repeated to fill it.
        max_file_bytes: size of the file.
        max_channels, max_sample_rate_hz: of the decoded audio.
        silence_dbfs: a chunk whose peak stays below this level, against full scale, is silent.
        max_embedding_seconds: wall-clock time that an embedder process spends on one file
            before it is ended.
        max_memory_bytes: what such a process may allocate beyond what it needs to start.
    """

    RENAMED: ClassVar[dict[str, str]] = {"max_hearing_seconds": "max_embedding_seconds"}

    min_seconds: float = Field(0.5, gt=0)
    max_seconds: float = 4 * 3600.0
    max_file_bytes: int = Field(4 * 1024**3, ge=1)
    max_channels: int = Field(16, ge=1)
    max_sample_rate_hz: int = Field(384_000, ge=8000)
    silence_dbfs: float = Field(-70.0, lt=0)
    max_embedding_seconds: float = Field(120.0, gt=0)
    max_memory_bytes: int = Field(1024**3, ge=2**26)

    def __post_init__(self) -> None:
        below = "min_seconds must be below max_seconds"
        require(self.min_seconds < self.max_seconds, below, self.min_seconds)


@settings
class CollaborativeConfig(Settings):
    """Implicit-feedback ALS (Hu, Koren and Volinsky 2008), with `implicit`'s names of settings.

    Attributes:
        factors: length of the vectors; at most the number of users or tracks is used.
        regularization: None derives a strength from the plays.
        alpha: multiplies the confidences; None derives one from the plays, see
            `collaborative.als.suitable_config`.
        iterations: of the alternation.
    """

    factors: int = Field(128, ge=1, le=1024)
    regularization: float | None = Field(None, ge=0)
    alpha: float | None = Field(None, gt=0)
    iterations: int = Field(15, ge=1, le=1000)

    def in_words(self) -> str:
        """The settings on one line."""
        named = {"regularization": self.regularization, "alpha": self.alpha}
        given = [f"{name} {value:.3g}" for name, value in named.items() if value is not None]
        return ", ".join([f"{self.factors} factors", *given])


@settings
class ProjectionConfig(Settings):
    """The maps between audio embeddings and ALS factors.

    Attributes:
        landmarks: tracks that every track is compared with; the length of the audio features.
        placement: `k-means`, or `random`, which is faster and a little worse.
        width: of the kernel, in typical distances between two tracks.
        metric_share: how far the embedding space is stretched along the directions that
            separate listeners (the learned metric), 0 to 1.
        ridge: of the map from audio features to the directions of factors.
        trust: number of listeners at which a track counts half in fitting that map.
        user_ridge: of each user's regression on the audio features of the tracks played.
        popularity_discount: a play counts support ** -this in that regression.
    """

    RENAMED: ClassVar[dict[str, str]] = {"taste_ridge": "user_ridge"}

    landmarks: int = Field(128, ge=1, le=4096)
    placement: Placement = "k-means"
    width: float = Field(0.47, gt=0, le=100)
    metric_share: float = Field(0.75, ge=0, le=1)
    ridge: float = Field(0.3, gt=0)
    trust: float = Field(5.0, ge=0)
    user_ridge: float = Field(30.0, gt=0)
    popularity_discount: float = Field(0.5, ge=0, le=1)


@settings
class BlendConfig(Settings):
    """How audio and behaviour are weighted.

    Attributes:
        audio_weight: audio weight of a track with very many listeners, 0 to 1; a query may
            ask for another.
        half_life: number of listeners at which behaviour has half of the weight it can get.
    """

    RENAMED: ClassVar[dict[str, str]] = {"audio_share": "audio_weight"}

    audio_weight: float = Field(0.15, ge=0, le=1)
    half_life: float = Field(0.1, ge=0, le=1e6)

    def in_words(self) -> str:
        """The settings on one line."""
        return f"audio weight {self.audio_weight:g}, half-life {self.half_life:g}"


@settings
class AugmentConfig(Settings):
    """How chunks are changed in training as recordings and copies differ; each has a switch.

    Attributes:
        gain, gain_db: louder or softer by up to this, against the level floor.
        noise, noise_min_db, noise_max_db: white noise, this far below the track's mean level.
        pitch, pitch_mels: higher or lower by up to this many mel bands.
        tempo, tempo_share: faster or slower by up to this share.
        time_mask, time_mask_share: hide a stretch of frames, up to this share of the chunk.
        frequency_mask, frequency_mask_share: hide a stretch of mel bands, up to this share.
    """

    gain: bool = True
    gain_db: float = Field(6.0, ge=0, le=60)
    noise: bool = True
    noise_min_db: float = Field(20.0, ge=0)
    noise_max_db: float = 50.0
    pitch: bool = True
    pitch_mels: int = Field(3, ge=0, le=32)
    tempo: bool = True
    tempo_share: float = Field(0.15, ge=0, lt=0.5)
    time_mask: bool = True
    time_mask_share: float = Field(0.2, ge=0, lt=1)
    frequency_mask: bool = True
    frequency_mask_share: float = Field(0.15, ge=0, lt=1)

    def __post_init__(self) -> None:
        ordered = "noise_min_db must be 0 to noise_max_db"
        require(self.noise_min_db <= self.noise_max_db, ordered, self.noise_min_db)


@settings
class EncoderConfig(Settings):
    """The shape of the chunk encoder.

    Attributes:
        channels: of the first convolution, then of each stage; each keeps every second mel and
            frame.
        blocks: number of blocks of each stage.
        expansion: how many times more channels the blocks of a stage have inside.
        fused_stages: this many stages convolve all channels together, the others each channel
            separately.
        features: found in a chunk, before mean and deviation over time are taken.
        embedding_size: length of the embedding.
    """

    channels: tuple[int, ...] = (24, 40, 56, 112, 208)
    blocks: tuple[int, ...] = (2, 2, 4, 4)
    expansion: tuple[int, ...] = (2, 3, 4, 4)
    fused_stages: int = Field(2, ge=0, le=5)
    features: int = Field(640, ge=1, le=8192)
    embedding_size: int = Field(128, ge=2, le=4096)

    def __post_init__(self) -> None:
        require(2 <= len(self.channels) <= 6, "channels must name 2 to 6 sizes", self.channels)
        sizes = all(1 <= size <= 4096 for size in self.channels)
        require(sizes, "channels must be 1 to 4096 each", self.channels)
        for name in ("blocks", "expansion"):
            values = getattr(self, name)
            fits = len(values) == len(self.channels) - 1 and all(1 <= n <= 32 for n in values)
            require(fits, f"{name} must be 1 to 32 for each stage", values)


@settings
class TrainingConfig(Settings):
    """Contrastive training of the encoder.

    Attributes:
        epochs, steps_per_epoch: each epoch ends with a held-out figure and a checkpoint.
        tracks_per_step: tracks in a step, two views of each.
        learning_rate, weight_decay: AdamW, after a linear warm-up over `warmup_share` of all
            steps, then a cosine to 0.
        temperature: of the NT-Xent loss; a lower one weighs the nearest negatives more.
        averaging: decay of the running mean of the weights; 0 keeps the last weights.
        held_out_share: share of the tracks that are held out for the retrieval figure.
        seconds_per_track: how much of a track, around its middle, is read.
    """

    epochs: int = Field(4, ge=1)
    steps_per_epoch: int = Field(20, ge=1)
    tracks_per_step: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warmup_share: float = Field(0.1, ge=0, lt=1)
    temperature: float = Field(0.1, gt=0)
    averaging: float = Field(0.95, ge=0, lt=1)
    held_out_share: float = Field(0.1, gt=0, lt=1)
    seconds_per_track: float = Field(60.0, ge=2)
