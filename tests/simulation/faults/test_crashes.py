# SPDX-License-Identifier: Apache-2.0
"""A process killed at any boundary of a day, and again while it recovers: nothing is lost.

Each case plays the whole day again. The number of the boundary is in the failure.
"""

from __future__ import annotations

import pytest

from tidegate.model.actions import Transfer
from tidegate.model.events import Filled, LiquidationStarted
from tidegate.simulation.faults.crashes import play_day
from tidegate.simulation.faults.menu import Fault
from tidegate.simulation.faults.runner import Result, Run

PARTS, BOUNDARIES_MIN = 6, 500
# In a recovery, the boundaries until the engine has asked every venue.
RECOVERY, EVERY = 24, 48


@pytest.fixture(scope="module")
def day() -> tuple[Run, Result]:
    return play_day()


def ended_well(kills: tuple[int, ...]) -> str:
    """What went wrong after these kills; nothing did where it is empty."""
    run, result = play_day(kills)
    if result.figures["kills"] != len(kills):
        return f"killed at {kills}: {result.figures['kills']} kills"
    if result.halted is not None:
        # A journal without its first frame is refused; then nothing may have been sent.
        return f"killed at {kills}: {result.halted}" if run.site.server.seen.acted else ""
    return "".join(f"\nkilled at {kills}: {line}" for line in result.failures)


def test_scripted_day_has_all_that_it_is_to_die_in(day: tuple[Run, Result]) -> None:
    run, result = day
    history = [entry.event for entry in run.site.server.history]
    sent = run.checker.journal.sent.values()
    assert result.figures["boundaries"] >= BOUNDARIES_MIN
    assert not result.failures, result.failures
    assert any(isinstance(event, LiquidationStarted) for event in history)
    assert any(isinstance(action, Transfer) for action in sent)
    assert run.checker.journal.cancelled
    assert run.site.coverage.total(Fault.PARTIAL_FILL) > 5
    assert sum(isinstance(event, Filled) for event in history) > 30


@pytest.mark.parametrize("part", range(PARTS))
def test_process_killed_at_any_boundary_of_the_day_ends_with_its_venues_books(
    part: int, day: tuple[Run, Result]
) -> None:
    last = day[1].figures["boundaries"]
    found = [ended_well((at,)) for at in range(1 + part, last + 1, PARTS)]
    assert not any(found), "".join(found)


def test_process_killed_again_in_its_recovery_ends_with_its_venues_books(
    day: tuple[Run, Result],
) -> None:
    last = day[1].figures["boundaries"]
    pairs = [
        (first, first + 1 + (index * 5 + step) % RECOVERY)
        for index, first in enumerate(range(20, last - RECOVERY, EVERY))
        for step in range(0, RECOVERY, 4)
    ]
    found = [ended_well(pair) for pair in pairs]
    assert not any(found), "".join(found)
