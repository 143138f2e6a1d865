# SPDX-License-Identifier: Apache-2.0
"""The engine in a process of its own on a real journal, its venues in the parent over a pipe.

The parent may kill it at any instant. What it asked for is done or not, as with any venue.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from tidegate.engine.cycle import Cycle, World
from tidegate.engine.record_frames import open_record
from tidegate.engine.restart import Resumed, resume_file
from tidegate.execution.desk import Desk
from tidegate.execution.record import Record
from tidegate.journal import Journal, partial_path
from tidegate.model.errors import InputError
from tidegate.risk.gate import Gate
from tidegate.simulation.faults.feed import TapeFeed
from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import Swarm
from tidegate.simulation.faults.site import CANARY, Site
from tidegate.simulation.faults.small_book import (
    INSTRUMENTS,
    MANDATE,
    STABLE_MICRO,
    TurningOutlook,
    exchange_terms,
    terms_at,
)
from tidegate.simulation.faults.small_market import STEP_MS, make_tape, start_ms

SLACK_STEPS, CALM_TICKS = 30, 200
# Where a life ends before its recovery does, no day would come to its end.
KILLS_A_DAY = 40
REFUSED = 2
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


class PipeGateway:
    """A gateway whose every method is answered by the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __getattr__(self, name: str) -> Any:
        def ask(*words: object) -> object:
            self._pipe.send((name, words))
            return self._pipe.recv()

        return ask


def engine(pipe: Connection, path: str, swarm: Swarm, ticks: int) -> None:
    """The child: start from the journal, work a second at a time, and say what the ledger has."""
    gateway, begin = PipeGateway(pipe), start_ms(ticks)
    now = gateway.advance(0)
    try:
        record, resumed = _started(Path(path), now)
    except InputError:
        os._exit(REFUSED)
    tape = make_tape(swarm, begin, ticks * 1000 // STEP_MS + SLACK_STEPS)
    feed = TapeFeed(tape, INSTRUMENTS)
    past = resumed.past if resumed else None
    desk = Desk(gateway, record, (MANDATE.limits, INSTRUMENTS), past=past)
    world = World(feed, gateway, Gate(CANARY), record, desk)
    cycle = Cycle(world, terms_at(exchange_terms()), TurningOutlook(swarm.seed), begin)
    if resumed is not None:
        cycle.recall(resumed.memory, resumed.quotes)
    end = begin + 1000 * ticks
    while (now := gateway.advance(1000)) <= end + 1000 * CALM_TICKS:
        desk.tick(now)
        if now <= end:
            cycle.step(now)
    desk.standing(now)
    accounts = {venue: record.ledger.account(venue) for venue in ("alpha", "beta")}
    left = [r.order.id for r in desk.books.open_orders]
    pipe.send(("done", (accounts, left)))


def _started(path: Path, now: int) -> tuple[Record, Resumed | None]:
    if partial_path(path).exists():
        resumed = resume_file(path, now, MANDATE.version)
        return resumed.record, resumed
    journal = Journal.create(path, {"mandate": MANDATE.version}, durable=True)
    return open_record(INSTRUMENTS, STABLE_MICRO, {}, journal, journal.run), None


class Parent:
    """The venues of one day, and the lives of the process that trades on them."""

    def __init__(self, swarm: Swarm, ticks: int, folder: Path) -> None:
        self.site = Site(swarm, ticks, Boundaries())
        self._swarm, self._ticks, self._path = swarm, ticks, folder / f"day{swarm.seed}.journal"
        self._rng = Random(f"{swarm.seed}:kill -9")
        self.kills = 0
        self.done: Any = None

    def live(self, seconds: float | None) -> None:
        """One life of the process, ended by SIGKILL after some seconds, or by its end."""
        ours, theirs = _CONTEXT.Pipe()
        words = (theirs, str(self._path), self._swarm, self._ticks)
        child = _CONTEXT.Process(target=engine, args=words)
        child.start()
        theirs.close()
        timer = threading.Timer(seconds or 0.0, os.kill, (child.pid, signal.SIGKILL))
        self._serve(ours, timer if seconds else None)
        timer.cancel()
        child.join()
        # Any other end is an error of the process, and no day would come to its end with it.
        assert child.exitcode in (0, -signal.SIGKILL, REFUSED), f"ended with {child.exitcode}"
        self.site.wire.disconnect()
        self.kills += child.exitcode == -signal.SIGKILL
        if child.exitcode == REFUSED:
            # Without a first frame nothing can have been sent.
            assert not self.site.server.seen.acted
            partial_path(self._path).unlink()

    def _serve(self, pipe: Connection, timer: threading.Timer | None) -> None:
        try:
            while True:
                name, words = pipe.recv()
                if timer is not None:
                    timer.start()
                    timer = None
                if name == "done":
                    self.done = words
                    return
                pipe.send(self._answer(name, words))
        except (EOFError, OSError):
            return

    def _answer(self, name: str, words: tuple[Any, ...]) -> object:
        wire = self.site.wire
        if name == "advance":
            if self._is_over:
                wire.calm()
            wire.advance(self.site.now_ms + words[0])
            return self.site.now_ms
        return getattr(wire, name)(*words)

    @property
    def _is_over(self) -> bool:
        return self.site.now_ms >= self.site.begin_ms + 1000 * self._ticks

    def day(self, longest_s: float) -> None:
        """Lives one after another, until one comes to the day's end; the last is not cut short."""
        while self.done is None and not self._is_over and self.kills < KILLS_A_DAY:
            self.live(longest_s * self._rng.random() + 0.001)
        while self.done is None:
            self.live(None)
