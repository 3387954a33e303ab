"""How well ears find clips of the same artist and of the same collection.

    python scripts/bench_clips.py FOLDER [--encoder encoder.safetensors]

FOLDER holds `labels.tsv` (tab-separated: clip, collection, artist, ...) and the clips in `clips/`. Each clip whose
label has four clips or more is a query that ranks all others with such a label.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from hybridrec.encoder.checkpoint import Checkpoint, shipped
from hybridrec.evaluation.retrieval import cosines, group_retrieval
from hybridrec.workflows.ears import Ears


def main() -> None:
    """Parse the arguments, hear the clips, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", type=Path, help="default: the ears that hybridrec ships")
    arguments = parser.parse_args()
    ears = Ears(Checkpoint.load(arguments.encoder) if arguments.encoder else shipped())
    with (arguments.folder / "labels.tsv").open(encoding="utf-8", newline="") as file:
        clips = list(csv.DictReader(file, delimiter="\t"))
    vectors = np.stack([ears.hear(arguments.folder / "clips" / clip["clip"]).embedding for clip in clips])
    figures: dict[str, object] = {"encoder": ears.fingerprint, "clips": len(clips)}
    for label in ("artist", "collection"):
        names = sorted({clip[label] for clip in clips} - {""})
        groups = np.array([names.index(clip[label]) if clip[label] else -1 for clip in clips])
        figures[label] = group_retrieval(cosines(vectors), groups).means()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
