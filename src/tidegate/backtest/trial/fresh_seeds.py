# SPDX-License-Identifier: Apache-2.0
"""What the demo's policies did over many fresh seeds, and which of these the demo shows.

`benchmarks/demo_seed.py --write` plays the seeds and writes the file that is read here.
"""

from __future__ import annotations

from importlib.resources import files

import msgspec

from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.worlds import WORLDS

FILE = "fresh_seeds.json"


class Line(msgspec.Struct, frozen=True):
    """One policy over all seeds: means, and in how many it was liquidated and had legs at the
    struck venue."""

    label: str
    liquidated: int
    struck: int
    calm_carry: float
    opening_cost: float
    loss: float
    calm_leverage: float


class FreshSeeds(msgspec.Struct, frozen=True):
    """Lines of the demo's policies, and of plain rules at Tidegate's average leverage; `struck`
    counts the seeds that strike every policy, `shown` is the demo's."""

    crisis: str
    first_seed: int
    seeds: int
    struck: int
    shown: int
    distance: float
    world_parameters: str
    lines: tuple[Line, ...]
    equal: tuple[Line, ...]


def fresh_seeds() -> FreshSeeds:
    """The figures that the package carries."""
    content = files("tidegate.backtest.trial").joinpath(FILE).read_bytes()
    return msgspec.json.decode(content, type=FreshSeeds)


def fresh_seeds_of(contest: Contest) -> FreshSeeds | None:
    """The figures, if they are of this contest's crisis and world as it is now."""
    found = fresh_seeds()
    same = (found.crisis, found.world_parameters) == (contest.crisis, WORLDS["first"]().digest)
    return found if same and contest.world == "first" else None
