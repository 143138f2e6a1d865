# SPDX-License-Identifier: Apache-2.0
"""A scripted day, and the process killed at every place in it at which it can die.

Ten minutes with trades, partial fills, cancellations, a withdrawal under review, a silent reset and
a liquidation of a leg. It is played again from the start for every boundary, since nothing is as
sure as doing it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import Fault, Spell, Swarm
from tidegate.simulation.faults.runner import CALM_TICKS, Result, Run
from tidegate.simulation.faults.small_market import start_ms

DAY_TICKS = 480
DAY_SEED = 5
_BEGIN_MS = start_ms(DAY_TICKS)
_SCRIPT = ((Fault.SILENT_RESET, "alpha", 290, 0.5), (Fault.LIQUIDATION, "beta", 365, 0.9))
DAY = Swarm(
    DAY_SEED,
    {
        Fault.PARTIAL_FILL: 0.6,
        Fault.REVIEW: 0.4,
        Fault.REPLY_LOST: 0.05,
        Fault.TORN_WRITE: 1.0,
    },
    tuple(
        Spell(fault, venue, _BEGIN_MS + 1000 * at, _BEGIN_MS + 1000 * (at + 1), size)
        for fault, venue, at, size in _SCRIPT
    ),
)


def play_day(kills: Iterable[int] = ()) -> tuple[Run, Result]:
    """The day with the process killed at the boundaries of these numbers, and the calm after it."""
    run = Run(DAY, DAY_TICKS, Boundaries(at=frozenset(kills)))
    run.play(DAY_TICKS)
    run.calm()
    run.play(CALM_TICKS)
    return run, run.finish()
