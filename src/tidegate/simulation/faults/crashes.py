# SPDX-License-Identifier: Apache-2.0
"""A scripted day, and the process killed at every place in it at which it can die.

Minutes with trades, partial fills, cancellations, a withdrawal under review, a silent reset and a
liquidation of a leg. The day is played again from its start for every boundary, since nothing is as
sure as doing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tidegate.model.actions import Transfer
from tidegate.model.events import LiquidationStarted
from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import Fault, Spell, Swarm
from tidegate.simulation.faults.runner import RESTART_TICKS_MAX, Result, Run
from tidegate.simulation.faults.small_market import start_ms

DAY_TICKS, CALM_TICKS = 480, 120
# Each boundary is a day to play, and the seeds before these cross many more than are needed.
BOUNDARIES_MIN, BOUNDARIES_MAX = 500, 720
_SEEDS = range(81, 500)
_BEGIN_MS = start_ms(DAY_TICKS)
_CHANCES = {
    Fault.PARTIAL_FILL: 0.6,
    Fault.REVIEW: 0.4,
    Fault.REPLY_LOST: 0.05,
    Fault.TORN_WRITE: 1.0,
}
# At 365 seconds any short is liquidated, wherever it is.
_SCRIPT = (
    (Fault.SILENT_RESET, "alpha", 290, 0.5),
    (Fault.LIQUIDATION, "alpha", 365, 0.9),
    (Fault.LIQUIDATION, "beta", 365, 0.9),
)


def _swarm(seed: int) -> Swarm:
    spells = (
        Spell(fault, venue, _BEGIN_MS + 1000 * at, _BEGIN_MS + 1000 * (at + 1), size)
        for fault, venue, at, size in _SCRIPT
    )
    return Swarm(seed, _CHANCES, tuple(spells))


@cache
def scripted_day() -> Swarm:
    """The first seed's script in which all comes about that a day is to have; raises `LookupError`
    where none has it."""
    for seed in _SEEDS:
        run = _played(_swarm(seed), ())
        if _has_all(run):
            return run.site.swarm
    raise LookupError("no seed has a liquidation, a cancellation and a transfer")


def _has_all(run: Run) -> bool:
    events = [entry.event for entry in run.site.server.history]
    journal = run.checker.journal
    return (
        BOUNDARIES_MIN <= run.site.boundaries.crossed <= BOUNDARIES_MAX
        and any(isinstance(event, LiquidationStarted) for event in events)
        and any(isinstance(action, Transfer) for action in journal.sent.values())
        and len(journal.cancelled) > 0
        and run.site.coverage.total(Fault.PARTIAL_FILL) > 5
    )


def play_day(kills: Iterable[int] = ()) -> tuple[Run, Result]:
    """The day with the process killed at the boundaries of these numbers, and the calm after it."""
    run = _played(scripted_day(), kills)
    return run, run.finish()


def _played(swarm: Swarm, kills: Iterable[int]) -> Run:
    run = Run(swarm, DAY_TICKS, Boundaries(at=frozenset(kills)))
    # Whoever dies in the calm may miss its only decision.
    run.decides = False
    run.play(DAY_TICKS)
    run.calm()
    run.play(CALM_TICKS)
    if run.process is None or run.site.boundaries.kills:
        run.play(2 * RESTART_TICKS_MAX)
    return run
