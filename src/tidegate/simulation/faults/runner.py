# SPDX-License-Identifier: Apache-2.0
"""One seed: a safety phase in which faults are on, then a liveness phase in which they are not.

In the safety phase nothing forbidden may happen; in the liveness phase all must come right within
so many ticks. The phases are those of TigerBeetle's simulator, which found bugs with them that
either alone would hide.
"""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from tidegate.model.errors import InputError
from tidegate.model.times import SECOND_MS
from tidegate.simulation.faults.checkers import TruthChecker
from tidegate.simulation.faults.kill import Boundaries, Killed
from tidegate.simulation.faults.menu import Fault, Swarm, draw
from tidegate.simulation.faults.site import Process, Site, boot
from tidegate.simulation.faults.small_book import COLLATERAL
from tidegate.simulation.faults.small_market import market_faults, start_ms
from tidegate.simulation.faults.spells import Spells

TICKS, CALM_TICKS = 5_000, 200
RESTART_TICKS_MAX = 30


@dataclass(slots=True)
class Result:
    """What became of a seed: failures, each a line, and what the run was worth."""

    seed: int
    ticks: int
    failures: list[str] = field(default_factory=list)
    coverage: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    figures: dict[str, int] = field(default_factory=dict)
    halted: str | None = None
    digest: str = ""


class Run:
    """A site, the process on it, and those who watch; `decides` is false where no cycle does."""

    decides = True

    def __init__(self, swarm: Swarm, ticks: int, boundaries: Boundaries | None = None) -> None:
        chance = swarm.chance(Fault.KILL)
        self.site = Site(swarm, ticks, boundaries or Boundaries(swarm.seed, chance))
        self.checker = TruthChecker(self.site)
        self.result = Result(swarm.seed, ticks)
        self.process: Process | None = None
        self._rng = Random(f"{swarm.seed}:runner")
        self._spells, self._market = self.site.process_spells(), Spells(market_faults(swarm))
        self._restart_tick, self._hung = 0, False
        self.tick = self.starts = 0
        self._broken = False

    def play(self, ticks: int) -> None:
        """Let seconds pass, until the engine refuses to start or contradicts itself."""
        for _ in range(ticks):
            if self.result.halted is not None or self._broken:
                return
            self.step()

    def step(self) -> None:
        """One second."""
        self.tick += 1
        now = self.site.begin_ms + self.tick * SECOND_MS
        self.site.wire.advance(now)
        if self._spells.due(now) or self._market.due(now):
            self._strike(now)
        if not self._hung:
            self._work(now)
        self.checker.after_tick()
        self._collect()

    def calm(self) -> None:
        """Faults end: nothing new goes wrong from here on."""
        self.site.wire.calm()
        self.site.boundaries.chance = 0.0
        self._spells.stop()
        self.site.disk.full = self.site.disk.fails_next = False
        self._hung = self.checker.hung = False
        self._restart_tick = min(self._restart_tick, self.tick)

    def finish(self) -> Result:
        """Judge the end and return what became of the run."""
        result, site = self.result, self.site
        if result.halted is None and not self._broken:
            self.checker.at_end()
            self._collect()
            self._judge_end()
        result.coverage = site.coverage.counts
        result.digest = sha256(site.disk.durable).hexdigest()
        result.figures = {
            "requests": site.wire.traffic.requests,
            "ambiguous": site.wire.traffic.ambiguous,
            "boundaries": site.boundaries.crossed,
            "kills": site.boundaries.kills,
            "starts": self.starts,
            "orders": len(site.server.seen.acted),
            "reservations": self.checker.reservations,
            "frames": sum(self.checker.journal.frames.values()),
            "longest naked s": self.checker.longest_naked_ms // SECOND_MS,
        }
        return result

    def _work(self, now: int) -> None:
        """Let the engine work for a second, or start it; it may die of either."""
        try:
            if self.process is None:
                if self.tick >= self._restart_tick:
                    self._start(now)
            else:
                self.process.tick(now)
        except Killed:
            self.site.coverage.around(Fault.KILL)
            self._die()
        except OSError:
            self._die()
        except Exception as error:
            if isinstance(error, InputError) and self.process is None:
                self.result.halted = f"refused to start: {error}"
                return
            place = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
            self._broken = True
            self._fail(f"engine: {type(error).__name__} at {name}: {error}")

    def _start(self, now: int) -> None:
        self.starts += 1
        content = bytes(self.site.disk.durable)
        self.process = self.checker.process = boot(self.site, content, now)
        self.checker.journal.cut(len(self.site.disk.durable))

    def _die(self) -> None:
        """The process is gone, and with it all that was not forced to disk."""
        site, torn = self.site, self._rng.random() < self.site.swarm.chance(Fault.TORN_WRITE)
        if torn:
            site.coverage.around(Fault.TORN_WRITE)
        site.disk.crash(torn=torn)
        site.wire.disconnect()
        self.process = self.checker.process = None
        self._restart_tick = self.tick + self._rng.randint(1, RESTART_TICKS_MAX)

    def _strike(self, now: int) -> None:
        """Begin and end what strikes the process, and count what the tape brings."""
        for spell in self._market.turn(now)[0]:
            self.site.coverage.around(spell.fault)
        for spell in self._spells.turn(now)[0]:
            self.site.coverage.around(spell.fault)
            if spell.fault is Fault.FORCE_FAILED:
                self.site.disk.fails_next = True
            elif spell.fault is Fault.BIT_ROT and len(self.site.disk.durable):
                self.site.disk.rot()
                self._die()
        self.site.disk.full = self._spells.holds(Fault.DISK_FULL, "")
        self._hung = self.checker.hung = self._spells.holds(Fault.HANG, "")

    def _collect(self) -> None:
        for found in (self.checker.found, self.checker.journal.found):
            for line in found:
                self._fail(line)
            found.clear()

    def _fail(self, line: str) -> None:
        again = f"tidegate faults --first-seed {self.result.seed} --seeds 1"
        if self.result.ticks != TICKS:
            again += f" --ticks {self.result.ticks}"
        self.result.failures.append(
            f"seed {self.result.seed}, tick {self.tick}: {line} (again: {again})"
        )

    def _judge_end(self) -> None:
        """Liveness: nothing unknown, books equal, no lock left, and a decision was reached."""
        process = self.process
        if process is None:
            self._fail("R7: the engine does not live")
            return
        for record in process.desk.books.open_orders:
            self._fail(f"R7: {record.order.id} is still {record.state.value}")
        for sent in process.desk.books.open_transfers:
            if sent.may_leave:
                self._fail(f"R7: {sent.transfer.id} is still {sent.leg.value}")
        for venue in self.site.server.venues:
            ours, theirs = (
                process.record.ledger.account(venue),
                self.site.server.exchange.account(venue),
            )
            quanta = {a: q for a, q in ours.balances.items() if q}
            if ours.positions != theirs.positions or quanta != {
                a: q for a, q in theirs.balances.items() if q
            }:
                self._fail(f"R7: the ledger differs from {venue}")
        for venue in process.desk.breaks:
            self._fail(f"R15: {venue} is still locked")
        if self.checker.naked_ms:
            self._fail("R7: a coin is still unhedged beyond the limit")
        if (
            self.decides
            and self.checker.journal.decided_ms < self.site.now_ms - CALM_TICKS * SECOND_MS
        ):
            self._fail("R7: nothing was decided since the faults ended")


def run_seed(seed: int, ticks: int = TICKS, without: frozenset[Fault] = frozenset()) -> Result:
    """Play one seed through both phases; faults of `without` are left out."""
    begin = start_ms(ticks)
    swarm = draw(seed, COLLATERAL, begin, begin + ticks * SECOND_MS).less(without)
    run = Run(swarm, ticks)
    run.play(ticks)
    run.calm()
    run.play(CALM_TICKS)
    return run.finish()
