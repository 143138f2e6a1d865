# SPDX-License-Identifier: Apache-2.0
"""The watchdog stops all when it must, and believes only a venue that says that nothing works."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.venues.drill import NOW, house, slow
from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Confirmation, Kill, Latch
from tidegate.execution.sweep import sweep
from tidegate.execution.watchdog import Clocks, Guard, Watchdog
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError
from tidegate.model.replies import NotTaken, OrderReply, Statement, SweepReply, Unclear
from tidegate.venues.paper_house import PaperHouse

SILENCE_MS = 1_000
Reply = TypeVar("Reply")


class Session:
    """A session at one house that may be well, deaf to cancel-all, silent, hung or broken."""

    def __init__(self, venues: PaperHouse) -> None:
        self.venues, self.mood = venues, "well"
        self.freed, self._lock = threading.Event(), threading.Lock()

    def cancel_all(self, venue: str) -> SweepReply:
        if self.mood == "deaf":
            return NotTaken("status 429")
        return self._unless_ill() or self._safely(lambda: self.venues.cancel_all(venue))

    def cancel(self, venue: str, order: str) -> OrderReply:
        return self._unless_ill() or self._safely(lambda: self.venues.cancel(venue, order))

    def statement(self, venue: str) -> Statement | Unclear:
        return self._unless_ill() or self._safely(lambda: self.venues.statement(venue))

    def _unless_ill(self) -> Unclear | None:
        if self.mood == "hung":
            self.freed.wait(10)
        if self.mood == "broken":
            raise ValueError("a fault of the session")
        return Unclear("TimeoutError") if self.mood in ("hung", "silent") else None

    def _safely(self, ask: Callable[[], Reply]) -> Reply:
        with self._lock:
            return ask()


class FailingLatch(Latch):
    """A latch in a folder that can be read, and written to unless its disk is mounted read-only."""

    read_only = False

    def set(self, who: str, why: str, ts_ms: int) -> Kill:
        if self.read_only:
            raise InputError(str(self.folder), "latch", "read-only")
        return super().set(who, why, ts_ms)

    def confirm(self, confirmation: Confirmation) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, "read-only")
        super().confirm(confirmation)


class Drill:
    """A watchdog over two sessions at one house, an engine's heart, and clocks that we move."""

    def __init__(self, folder: Path) -> None:
        self.ms, self.said, self.closed = 0, list[str](), False
        Latch.create(folder / "latch")
        self.latch = FailingLatch(folder / "latch")
        self.heart = Heartbeat(folder / "beat")
        self.venues = house()
        self.sessions = {venue: Session(self.venues) for venue in ("alpha", "beta")}
        self.file = folder / "watchdog.journal"
        self.journal = Journal.create(self.file, {"writer": "test"}, durable=False)
        self.watchdog = self.new_watchdog(self.journal)

    def new_watchdog(self, journal: Journal | None) -> Watchdog:
        folder = self.latch.folder
        pulse, own = Pulse(folder.parent / "beat", self.ms), Heartbeat(folder / "watchdog.beat")
        guard = Guard(self.latch, pulse, SILENCE_MS, self.sessions, own)
        clocks = Clocks(lambda: NOW + self.ms, lambda: self.ms)
        return Watchdog(guard, journal, clocks, self.said.append)

    def run(self, until: Callable[[], bool], beating: bool = True) -> None:
        """Tick, ten milliseconds at a time, until something holds."""
        for _ in range(5_000):
            self.ms += 10
            if beating:
                self.heart.beat((NOW + self.ms) * 1_000_000)
            self.watchdog.tick()
            if until():
                return
            time.sleep(0.001)
        pytest.fail(f"nothing came of it: {self.said}")

    def quiet(self) -> bool:
        word = self.latch.confirmation()
        return word is not None and word.quiet

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.watchdog.close()
        self.journal.close()

    def kinds(self) -> list[str]:
        self.close()
        return [frame.kind for frame in read_frames(self.file)]


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    made = Drill(tmp_path)
    for approval in slow(3):
        made.venues.place(approval)
    yield made
    for session in made.sessions.values():
        session.mood = "well"
        session.freed.set()
    made.close()


def test_engine_that_lives_is_left_alone(drill: Drill) -> None:
    drill.run(lambda: drill.ms >= 3 * SILENCE_MS)
    assert not drill.latch.is_set()
    assert len(drill.venues.statement("alpha").working) == 3


@pytest.mark.parametrize("mood", ["silent", "broken"])
def test_session_that_could_not_cancel_is_told_before_any_kill(drill: Drill, mood: str) -> None:
    drill.sessions["beta"].mood = mood
    drill.run(lambda: drill.heard("beta: A KILL COULD NOT CANCEL HERE NOW"))
    assert not drill.heard("alpha: A KILL")
    assert not drill.latch.is_set()


def test_engine_that_is_silent_is_stopped_and_its_orders_are_cancelled(drill: Drill) -> None:
    drill.run(drill.quiet, beating=False)
    kill, word = drill.latch.kill(), drill.latch.confirmation()
    assert kill is not None
    assert word is not None
    assert (kill.who, kill.why) == ("watchdog", "the engine has been silent for 1010 ms")
    assert drill.venues.statement("alpha").working == ()
    assert {venue: said.cancelled for venue, said in word.venues.items()} == {"alpha": 3, "beta": 0}
    assert drill.kinds() == ["header", "seen", "round", "round", "confirmed", "seal"]


def test_latch_that_is_set_has_every_order_cancelled_and_says_who_and_why(drill: Drill) -> None:
    drill.latch.set("anna", "prices are wrong", NOW)
    drill.run(drill.quiet)
    assert drill.heard("STOPPED by anna: prices are wrong")
    assert drill.heard("every venue says that no order works")
    assert drill.venues.statement("alpha").working == ()


def test_watchdog_that_starts_after_a_kill_carries_it_out_and_says_whose(drill: Drill) -> None:
    drill.watchdog.close()
    drill.latch.set("anna", "before the start", NOW)
    drill.watchdog = drill.new_watchdog(None)
    drill.run(drill.quiet)
    assert drill.heard("STOPPED by anna: before the start")
    assert drill.venues.statement("alpha").working == ()


def test_venue_deaf_to_cancel_all_has_its_orders_cancelled_one_by_one(drill: Drill) -> None:
    drill.sessions["alpha"].mood = "deaf"
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    assert drill.heard("alpha: cancel all: not taken, status 429")


def test_venue_that_hangs_holds_up_no_other_and_is_not_called_quiet(drill: Drill) -> None:
    beta = drill.sessions["beta"]
    beta.mood = "hung"
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: drill.venues.statement("alpha").working == ())
    assert not drill.quiet()
    beta.freed.set()
    drill.run(lambda: drill.heard("beta: statement: unclear, TimeoutError"))
    word = drill.latch.confirmation()
    assert word is not None
    assert (word.quiet, word.venues["beta"].left) == (False, None)
    beta.mood = "well"
    drill.run(drill.quiet)


def test_session_that_breaks_is_named_and_the_next_round_comes(drill: Drill) -> None:
    drill.sessions["alpha"].mood = "broken"
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: drill.heard("alpha: ValueError"))
    drill.sessions["alpha"].mood = "well"
    drill.run(drill.quiet)


def test_order_that_appears_after_the_kill_is_told_loudly_and_cancelled(drill: Drill) -> None:
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    late = slow(1, sequence=2)[0]
    drill.venues.place(late)
    drill.run(lambda: drill.heard(f"alpha: ORDER {late.action.id} APPEARED AFTER THE KILL"))
    assert drill.venues.statement("alpha").working == ()


def test_second_kill_is_carried_out_and_confirmed_anew(drill: Drill) -> None:
    drill.latch.set("anna", "first", NOW)
    drill.run(drill.quiet)
    drill.latch.set("bert", "second", NOW + drill.ms)
    assert not drill.quiet()
    drill.run(drill.quiet)
    assert drill.heard("STOPPED by bert: second")


def test_latch_that_is_lifted_is_watched_as_at_the_start(drill: Drill) -> None:
    leave = (drill.latch.folder / "leave.json").read_bytes()
    drill.run(drill.quiet, beating=False)
    for kill in drill.latch.folder.glob("kill-*.json"):
        kill.unlink()
    (drill.latch.folder / "leave.json").write_bytes(leave)
    drill.run(lambda: drill.heard("the latch was lifted"), beating=False)
    lifted_ms = drill.ms
    drill.run(drill.latch.is_set, beating=False)
    assert drill.ms - lifted_ms == SILENCE_MS + 10


def test_journal_that_fails_keeps_no_order_alive(drill: Drill) -> None:
    drill.journal.close()
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    assert drill.heard("THE JOURNAL FAILS")
    assert drill.venues.statement("alpha").working == ()


def test_silent_engine_has_its_orders_cancelled_though_the_latch_cannot_be_set(
    drill: Drill,
) -> None:
    drill.latch.read_only = True
    drill.run(lambda: drill.heard("every venue says that no order works"), beating=False)
    assert drill.venues.statement("alpha").working == ()
    assert not drill.latch.is_set()
    drill.venues.place(slow(1, sequence=2)[0])
    drill.run(lambda: drill.venues.statement("alpha").working == (), beating=False)
    assert sum("the latch cannot be set" in line for line in drill.said) == 1
    assert drill.heard("STOPPED by watchdog: the engine has been silent for 1010 ms")


@pytest.mark.parametrize("beating", [False, True])
def test_latch_that_could_not_be_set_is_set_once_it_can_be(drill: Drill, beating: bool) -> None:
    drill.latch.read_only = True
    drill.run(lambda: drill.heard("the latch cannot be set"), beating=False)
    drill.run(lambda: drill.ms >= 3 * SILENCE_MS, beating=beating)
    drill.latch.read_only = False
    drill.run(drill.quiet, beating=beating)
    kill = drill.latch.kill()
    assert kill is not None
    assert (kill.who, kill.why) == ("watchdog", "the engine has been silent for 1010 ms")
    assert drill.latch.number == 1


def test_sweep_says_what_is_left_where_a_cancel_is_not_taken() -> None:
    venues = house()
    (order,) = slow(1)
    venues.place(order)

    class Stubborn(Session):
        def cancel(self, venue: str, order: str) -> OrderReply:
            return NotTaken("not now")

    session = Stubborn(venues)
    session.mood = "deaf"
    found = sweep(session, "alpha", lambda: NOW)
    assert (found.cancelled, found.left) == ((), (order.action.id,))
    assert len(found.problems) == 2
