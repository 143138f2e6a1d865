# SPDX-License-Identifier: Apache-2.0
"""Which seed the demo shows: of 1 to 60, the one at which what happens is most like the mean.

Calm carry and loss of `tidegate=4` and `threshold=4` are counted in standard deviations from their
means over those seeds; the seed at the least distance is the demo's. Takes some minutes.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence

from tidegate.backtest.trial.demo import read_policies
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import Job, play_all

SEEDS = range(1, 61)
POLICIES = "tidegate,threshold,desk,per-venue,fixed"
MEASURED = [(p, f) for p in ("tidegate", "threshold") for f in ("calm_carry", "loss")]


def typical(scores: Sequence[Score]) -> list[tuple[float, int]]:
    """Distance from the means, and seed, nearest first."""
    squares = dict.fromkeys((s.seed for s in scores), 0.0)
    for policy, field in MEASURED:
        found = {s.seed: getattr(s, field) for s in scores if s.policy == policy}
        mean, spread = statistics.mean(found.values()), statistics.pstdev(found.values())
        for seed, value in found.items():
            squares[seed] += ((value - mean) / spread) ** 2
    return sorted((math.sqrt(square), seed) for seed, square in squares.items())


def main() -> None:
    """Play the seeds and print the choice, and what happened to each policy over all of them."""
    specs = read_policies(POLICIES)
    jobs = [Job("first", "freeze", seed, specs) for seed in SEEDS]
    scores = play_all(jobs, None, os.cpu_count() or 1, lambda done, total: None)
    for distance, seed in typical(scores)[:3]:
        print(f"seed {seed}: {distance:.2f} standard deviations from the means")
    for spec in specs:
        own = [s for s in scores if s.label == spec.label]
        print(
            f"{spec.label:12} liquidated {sum(s.liquidated for s in own):2} of {len(own)}, "
            f"calm carry {statistics.mean(s.calm_carry for s in own):.3%}, "
            f"loss {statistics.mean(s.loss for s in own):.3%}, "
            f"positions left {statistics.mean(s.left or 0.0 for s in own):.0%}"
        )


if __name__ == "__main__":
    main()
