"""Train the ears that the package ships on a manifest of freely licensed music.

    python scripts/fetch_free_music.py free_music --split train
    python scripts/pretrain_encoder.py free_music/manifest.tsv encoder.safetensors

Goes on where it was interrupted, as long as the settings are the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from hybridrec.config import TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.training import EpochReport
from hybridrec.workflows.train.encoder import Recipe
from hybridrec.workflows.train.pretrain import pretrain_encoder

TRAINING = TrainingConfig(
    epochs=6,
    steps_per_epoch=50,
    tracks_per_step=96,
    averaging=0.99,
    held_out_share=0.1,
    seconds_per_track=150.0,
)


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--work", type=Path, default=Path("pretraining"), help="for spectrograms and the state"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start-from", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--device", default="cpu")
    for field in dataclasses.fields(TRAINING):
        default = getattr(TRAINING, field.name)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(default), default=default
        )
    arguments = parser.parse_args()
    training = TrainingConfig(
        **{field.name: getattr(arguments, field.name) for field in dataclasses.fields(TRAINING)}
    )
    start = time.monotonic()

    def log(report: EpochReport) -> None:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in report.figures.items())
        print(
            f"epoch {report.epoch}: loss {report.loss:.3f}, {figures}, {time.monotonic() - start:.0f} s",
            flush=True,
        )

    encoder = pretrain_encoder(
        arguments.manifest,
        arguments.work,
        Recipe(training=training),
        seed=arguments.seed,
        start_from=Checkpoint.load(arguments.start_from) if arguments.start_from else None,
        on_epoch=log,
        show_progress=True,
        device=arguments.device,
    )
    encoder.checkpoint.save(arguments.output)
    print(f"{encoder.in_words()}; held out: {encoder.after}; {arguments.output}")


if __name__ == "__main__":
    main()
