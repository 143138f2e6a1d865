# SPDX-License-Identifier: Apache-2.0
"""A desk that always trades: hedged pairs and transfers at random instead of decisions.

It is for counting: the real desk, journal and recovery meet in seconds as many failed requests as a
book that decides every few minutes meets in hours.
"""

from __future__ import annotations

from random import Random

from tests.simulation.faults.plain_client import LIFE_MS, approve
from tidegate.model.actions import Action, Order, Transfer
from tidegate.simulation.faults.feed import FAULTS as FEED_FAULTS
from tidegate.simulation.faults.menu import Fault, Swarm, draw
from tidegate.simulation.faults.runner import CALM_TICKS, Result, Run
from tidegate.simulation.faults.small_book import COLLATERAL, INSTRUMENTS, PAIRS
from tidegate.simulation.faults.small_market import start_ms

LOOK_TICKS = 20
# About 600 dollars a leg: however many plans end early, what is naked stays small.
LOTS = {"alpha:BTCUSDT": 10, "beta:BTC": 1_000, "alpha:ETHUSDT": 20, "beta:ETH": 2_000}


# Nobody decides here, so nobody looks at quotes or holds back where a statement differs.
UNSEEN = frozenset((*FEED_FAULTS, Fault.BALANCE_WRONG, Fault.POSITION_WRONG, Fault.BIT_ROT))


def drawn(seed: int, ticks: int) -> Swarm:
    """What a seed orders, less what a desk alone cannot see."""
    begin = start_ms(ticks)
    return draw(seed, COLLATERAL, begin, begin + 1000 * ticks).less(UNSEEN)


class Trader:
    """Stands where the cycle does: begins a plan whenever none is being carried out."""

    def __init__(self, run: TradingRun) -> None:
        self._run = run

    def step(self, now_ms: int) -> None:
        run, process = self._run, self._run.process
        if process is None or (now_ms // 1000) % LOOK_TICKS:
            return
        standing = process.desk.standing(now_ms)
        if standing.busy or not run.trades:
            return
        record, steps = process.record, []
        for actions in run.plan(record.run):
            step = tuple(approve(run.site.gate, a, run.number(), now_ms + LIFE_MS) for a in actions)
            for approval in step:
                note = {"ts_ms": now_ms, "id": approval.id, "content": approval.content}
                note |= {"action": approval.action, "expires_ms": approval.expires_ms}
                record.note("approved", note)
            steps.append(step)
        process.desk.begin(tuple(steps), now_ms)


class TradingRun(Run):
    """A run whose process trades at random."""

    decides = False

    def __init__(self, swarm: Swarm, ticks: int) -> None:
        super().__init__(swarm, ticks)
        self.trades = True
        self._drawn, self._number = Random(f"{swarm.seed}:plans"), 0

    def number(self) -> int:
        self._number += 1
        return self._number

    def plan(self, run: str) -> list[list[Action]]:
        """One to three hedged slices, or money."""
        if self._drawn.random() < 0.1:
            source, end = self._drawn.sample(tuple(COLLATERAL), 2)
            quanta = self._drawn.randint(20, 500) * 1_000_000
            name = f"{run}{self.number()}.transfer"
            return [[Transfer(name, source, end, COLLATERAL[source], quanta, "test")]]
        pair = self._drawn.choice(PAIRS)
        side = self._drawn.choice((1, -1))
        return [
            [self._order(run, pair[0], side), self._order(run, pair[1], -side)]
            for _ in range(self._drawn.randint(1, 3))
        ]

    def _order(self, run: str, name: str, side: int) -> Order:
        lots = side * LOTS[name]
        return Order(f"{run}{self.number()}.{INSTRUMENTS[name].id}", name, lots, False, "test")

    def _start(self, now: int) -> None:
        super()._start(now)
        assert self.process is not None
        self.process.cycle = Trader(self)  # type: ignore[assignment]


def traded(swarm: Swarm, ticks: int) -> Result:
    """A whole run: trading under faults, then in the calm without beginning anything."""
    run = TradingRun(swarm, ticks)
    run.play(ticks)
    run.calm()
    run.trades = False
    run.play(CALM_TICKS)
    return run.finish()
