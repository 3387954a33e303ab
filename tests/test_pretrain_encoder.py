"""Pretraining: what may be trained on, and what is held out together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from hybridrec.config import AudioConfig, EncoderConfig
from hybridrec.datasets.free_music import TABLE
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.distillation.targets import SIZES
from hybridrec.encoder.distillation.training import DistillationConfig
from hybridrec.errors import InvalidInput
from hybridrec.workflows.train import pretrain
from hybridrec.workflows.train.music import split_tracks
from hybridrec.workflows.train.pretrain import (
    LabelledTrack,
    Pretraining,
    families,
    pretrain_encoder,
    read_manifest,
)

pytestmark = pytest.mark.training


def manifest(folder: Path, rows: list[tuple[str, str, str, str]]) -> Path:
    path = folder / "manifest.tsv"
    lines = ["file\tcollection\tartist\tsplit", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_nothing_of_the_evaluation_split_is_trained_on(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        [
            ("a.ogg", "A", "", "train"),
            ("b.ogg", "B", "Bo", "eval"),
            ("c.ogg", "C", "", "train-aux"),
        ],
    )
    assert [track.file.name for track in read_manifest(path)] == ["a.ogg", "c.ogg"]


def test_training_and_evaluation_share_no_collection_and_no_artist() -> None:
    lines = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    column = {name: row for row, name in enumerate(lines[0])}
    trained = [line for line in lines[1:] if line[column["split"]] in ("train", "train-aux")]
    judged = [line for line in lines[1:] if line[column["split"]] == "eval"]
    assert len(trained) > 800
    for name in ("collection", "artist"):
        assert {line[column[name]] for line in trained}.isdisjoint(
            {line[column[name]] for line in judged} - {""}
        )


def test_tracks_that_share_an_artist_or_a_collection_are_one_family() -> None:
    tracks = [
        LabelledTrack(Path("1"), "game", ""),
        LabelledTrack(Path("2"), "game", "Ann"),
        LabelledTrack(Path("3"), "sequel", "Ann"),
        LabelledTrack(Path("4"), "other", "Bob"),
        LabelledTrack(Path("5"), "another", ""),
    ]
    family = families(tracks)
    assert family[Path("1")] == family[Path("2")] == family[Path("3")]
    assert len({family[Path(name)] for name in "345"}) == 3
    train_files, held_out = split_tracks([track.file for track in tracks], 0.4, 1, family)
    assert {family[path] for path in train_files}.isdisjoint({family[path] for path in held_out})


class Bands(nn.Module):
    """Stands for both teachers: how loud the bands of a scene are."""

    def __init__(self, mn04: Path, musicnn: Path) -> None:
        super().__init__()

    def forward(self, scenes: Tensor) -> Tensor:
        bins = torch.fft.rfft(scenes).abs()[:, : 70 * sum(SIZES)]
        return torch.log1p(bins.reshape(len(scenes), sum(SIZES), 70).mean(dim=2))


def test_a_manifest_becomes_an_encoder_evaluated_on_held_out_families(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "Teachers", Bands)
    times = np.arange(16000 * 4) / 16000
    rows = []
    for track in range(12):
        tone = np.sin(2 * np.pi * (200 + 300 * (track // 4)) * times)
        noise = np.random.default_rng(track).normal(size=len(times))
        soundfile.write(tmp_path / f"{track}.flac", 0.2 * tone + 0.02 * noise, 16000)
        rows.append((f"{track}.flac", f"game {track // 4}", "", "train"))
    settings = Pretraining(
        tmp_path,
        tmp_path,
        AudioConfig(sample_rate_hz=16000, fmax_hz=8000, n_mels=32, chunk_seconds=1.0),
        EncoderConfig(
            channels=(4, 8),
            blocks=(1,),
            expansion=(1,),
            fused_stages=1,
            features=8,
            embedding_size=8,
        ),
        DistillationConfig(steps=2, scenes_per_step=4, calibration_batches=3),
        held_out_share=0.4,
    )
    steps: list[int] = []
    tracks = read_manifest(manifest(tmp_path, rows))
    checkpoint = pretrain_encoder(
        tracks, tmp_path / "work", settings, lambda step, parts: steps.append(step)
    )
    assert steps == [1, 2]
    assert (checkpoint.figures["tracks"], checkpoint.figures["held_out"]) == (8, 4)
    assert checkpoint.weights["head.weight"].dtype == np.float16
    assert Checkpoint.from_bytes(checkpoint.to_bytes()).build().embed(
        np.zeros((2, 32, 40), dtype=np.float32)
    ).shape == (8,)


@pytest.mark.parametrize(
    ("header", "wrong"),
    [("file\tcollection\tsplit", "column artist"), ("file\tcollection\tartist\tsplit", "no track")],
)
def test_a_manifest_without_what_is_needed_is_refused(
    tmp_path: Path, header: str, wrong: str
) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text(
        header + "\n" + "\t".join(["a"] * header.count("\t")) + "\teval\n", encoding="utf-8"
    )
    with pytest.raises(InvalidInput, match=wrong):
        read_manifest(path)
