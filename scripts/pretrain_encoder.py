"""Make the encoder that the package ships, from listed audio and two teachers.

    python scripts/fetch_free_music.py music --split train
    python scripts/pretrain_encoder.py encoder.safetensors music/manifest.tsv more/manifest.tsv \\
        --mn04 teacher/mn04_as.npz --musicnn musicnn/MSD_musicnn --device cuda

Goes on where it was interrupted, as long as the settings are the same. Ten minutes on a recent
GPU; on two cores take fewer and smaller steps, such as `--steps 1000 --scenes 24`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from hybridrec.encoder.distillation.training import DistillationConfig
from hybridrec.workflows.train.pretrain import Pretraining, pretrain_encoder, read_manifest


def main() -> None:
    """Parse the arguments and train."""
    recipe = DistillationConfig()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--mn04", type=Path, required=True, help="EfficientAT's mn04 as npz")
    parser.add_argument("--musicnn", type=Path, required=True, help="the folder MSD_musicnn")
    parser.add_argument("--work", type=Path, default=Path("pretraining"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=recipe.steps)
    parser.add_argument("--scenes", type=int, default=recipe.scenes_per_step)
    parser.add_argument("--seed", type=int, default=recipe.seed)
    arguments = parser.parse_args()
    start = time.monotonic()

    def log(step: int, losses: Mapping[str, float]) -> None:
        if step % 20 == 0:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {step}: {parts}, {time.monotonic() - start:.0f} s", flush=True)

    settings = Pretraining(
        arguments.mn04,
        arguments.musicnn,
        training=DistillationConfig(
            steps=arguments.steps, scenes_per_step=arguments.scenes, seed=arguments.seed
        ),
        device=arguments.device,
        workers=arguments.workers,
    )
    tracks = [track for manifest in arguments.manifests for track in read_manifest(manifest)]
    checkpoint = pretrain_encoder(tracks, arguments.work, settings, log)
    checkpoint.save(arguments.output)
    print(f"{arguments.output}: encoder {checkpoint.fingerprint}, {checkpoint.figures}")


if __name__ == "__main__":
    main()
