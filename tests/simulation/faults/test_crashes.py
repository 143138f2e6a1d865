# SPDX-License-Identifier: Apache-2.0
"""A process killed at any boundary of a day, and again while it recovers: nothing is lost.

Each case plays the whole day again. The number of the boundary is in the failure.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.faults.mortal_process import Parent
from tests.soak import Budget
from tidegate.simulation.faults.crashes import BOUNDARIES_MIN, play_day
from tidegate.simulation.faults.menu import Fault, Swarm

PARTS = 6
# In a recovery, the boundaries until the engine has asked every venue.
RECOVERY, EVERY = 24, 72
SIGKILLS, SOAK_DAYS, LIFE_S = 10, 50, 0.2


@pytest.fixture(scope="module")
def boundaries() -> int:
    """How many the day has."""
    run, result = play_day()
    assert not result.failures, result.failures
    assert run.site.boundaries.crossed >= BOUNDARIES_MIN
    return run.site.boundaries.crossed


def ended_well(kills: tuple[int, ...]) -> str:
    """What went wrong after these kills; nothing did where it is empty."""
    run, result = play_day(kills)
    if result.figures["kills"] != len(kills):
        return f"killed at {kills}: {result.figures['kills']} kills"
    if result.halted is not None:
        # A journal without its first frame is refused; then nothing may have been sent.
        return f"killed at {kills}: {result.halted}" if run.site.server.seen.acted else ""
    return "".join(f"\nkilled at {kills}: {line}" for line in result.failures)


@pytest.mark.parametrize("part", range(PARTS))
def test_process_killed_at_any_boundary_of_the_day_ends_with_its_venues_books(
    part: int, boundaries: int
) -> None:
    found = [ended_well((at,)) for at in range(1 + part, boundaries + 1, PARTS)]
    assert not any(found), "".join(found)


def test_process_killed_again_in_its_recovery_ends_with_its_venues_books(
    boundaries: int,
) -> None:
    pairs = [
        (first, first + 1 + (index * 5 + step) % RECOVERY)
        for index, first in enumerate(range(20, boundaries - RECOVERY, EVERY))
        for step in range(0, RECOVERY, 4)
    ]
    found = [ended_well(pair) for pair in pairs]
    assert not any(found), "".join(found)


def killed_day(seed: int, folder: Path) -> int:
    """How often the process of a day was killed; fails where its end is not its venues'."""
    chances = {Fault.PARTIAL_FILL: 0.5, Fault.REPLY_LOST: 0.1}
    parent = Parent(Swarm(seed, chances), 600, folder)
    parent.day(LIFE_S)
    accounts, left = parent.done
    seen = parent.site.server.seen
    assert not [*seen.repeated, *seen.collided, *left], f"seed {seed}"
    assert set(seen.acted.values()) <= {1}, f"seed {seed}"
    for venue, ours in accounts.items():
        theirs = parent.site.server.exchange.account(venue)
        assert ours.positions == theirs.positions, f"seed {seed}: {venue}"
        assert {a: q for a, q in ours.balances.items() if q} == theirs.balances, f"seed {seed}"
    return parent.kills


def test_process_killed_many_times_by_signal_ends_every_day_with_its_venues_books(
    tmp_path: Path,
) -> None:
    kills, seed = 0, 0
    while kills < SIGKILLS:
        seed += 1
        kills += killed_day(seed, tmp_path)


@pytest.mark.soak(promise="R3", weight=4)
def test_process_killed_in_fresh_days_ends_each_with_its_venues_books(
    budget: Budget, tmp_path: Path
) -> None:
    kills = 0

    def judge(seed: int) -> None:
        nonlocal kills
        kills += killed_day(seed, tmp_path)

    budget.each("day", judge, SOAK_DAYS)
    budget.figures.append(f"{kills:,} kills of a real process by SIGKILL")
