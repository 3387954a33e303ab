"""Evaluate the blend and its baselines on public data sets, each tuned in the training part.

    python scripts/bench_blend.py --data FOLDER [--seeds 0 1 2] [--set spotify] [--hide pairs]
        [--json FILE] [--html FILE]

FOLDER holds the data sets as datasets/lastfm2k.md and datasets/taste_profile.md describe them. A
fifth of the pairs (or all plays of a fifth of the tracks) is held out with each seed. Settings
are chosen on validation folds of the rest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hybridrec.data.splits import split_cold_tracks, split_pairs
from hybridrec.datasets.lastfm2k import load_neural, load_spotify
from hybridrec.datasets.real_plays import RealPlays
from hybridrec.datasets.taste_profile import load_taste_profile
from hybridrec.pages.plays import as_html, as_text
from hybridrec.workflows.evaluate.plays import IN_WORDS, evaluate_plays

SETS = ("spotify", "vggish", "whisper", "taste-profile")
SPLITS = {"pairs": split_pairs, "tracks": split_cold_tracks}


def main() -> None:
    """Parse the arguments, evaluate, print the tables."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", choices=SETS, default="spotify")
    parser.add_argument("--hide", choices=sorted(SPLITS), default="pairs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--html", type=Path)
    chosen = parser.parse_args()
    plays = load(chosen.data, chosen.set)
    evaluation = evaluate_plays(
        [SPLITS[chosen.hide](plays.interactions, seed=seed) for seed in chosen.seeds],
        plays.item_embeddings,
        about=f"{chosen.set}; {IN_WORDS[chosen.hide]}; seeds {', '.join(map(str, chosen.seeds))}",
        seeds=chosen.seeds,
        show_progress=True,
    )
    report = evaluation.report
    print(as_text(report))
    if chosen.json:
        chosen.json.write_text(json.dumps(report.to_dict(), indent=2), encoding="utf-8")
    if chosen.html:
        chosen.html.write_text(as_html(report, evaluation.runs[0].tuning), encoding="utf-8")


def load(data: Path, name: str) -> RealPlays:
    """One of the data sets."""
    if name == "taste-profile":
        return load_taste_profile(data)
    return load_spotify(data) if name == "spotify" else load_neural(data, name)


if __name__ == "__main__":
    main()
