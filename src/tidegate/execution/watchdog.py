# SPDX-License-Identifier: Apache-2.0
"""The watchdog: sets the latch when the engine is silent, and while it is set, or should be and
cannot, takes every order off every venue, again and again, until each says that none is left; then
it goes on looking.

It has sessions of its own that can send nothing. Each venue is swept by a thread of its own, so
that one that does not answer holds up no other. Cancels go out first and are written down after:
a disk that fails must not keep an order alive, and is said loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Confirmation, Latch, VenueQuiet
from tidegate.execution.sweep import Round, sweep, sweep_problem
from tidegate.journal.frames import FrameError
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.times import format_time
from tidegate.ports import Stops

NAME = "watchdog"
# A round is a few requests; venues allow about ten a second, and the engine's own do not count now.
AGAIN_MS = 250
AGAIN_WHEN_QUIET_MS = 1_000
# How often a session is tried while nothing is wrong: one that cannot cancel is no session.
PROVE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time of day, and a clock that never steps; both in milliseconds."""

    wall_ms: Callable[[], int]
    steady_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Guard:
    """What is watched: the latch, the engine's pulse and the longest silence allowed, a session at
    each venue, and the file by which others see that the watchdog lives."""

    latch: Latch
    pulse: Pulse
    silence_ms: int
    sessions: Mapping[str, Stops]
    own_beat: Heartbeat


@dataclass(slots=True)
class _Kill:
    """What is known of the kill that is being carried out."""

    id: str
    seen_ms: int
    asked_ms: dict[str, int] = field(default_factory=dict)
    quiet: dict[str, VenueQuiet] = field(default_factory=dict)
    said: set[tuple[str, str]] = field(default_factory=set)
    told: dict[str, tuple[int, int | None]] = field(default_factory=dict)


class Watchdog:
    """Call `tick` often; it returns at once. `tell` is given one line for every alarm."""

    def __init__(
        self, guard: Guard, journal: Journal | None, clocks: Clocks, tell: Callable[[str], None]
    ) -> None:
        self._guard, self._journal, self._clocks, self._tell = guard, journal, clocks, tell
        # Trying a session that hangs must hold up no cancel.
        self._threads = ThreadPoolExecutor(2 * len(guard.sessions) + 1)
        self._tried: dict[str, Future[str]] = {}
        self._ill: dict[str, str] = {}
        self._prove_ms: dict[str, int] = {}
        self._running: dict[str, tuple[_Kill, Future[Round]]] = {}
        self._again_ms: dict[str, int] = {}
        self._kill: _Kill | None = None
        # The kill that was lifted last, so that it is not taken for the reason of the next stop.
        self._lifted = None if guard.latch.is_set() else self._kill_id()
        self._silent, self._beats = False, True
        # Why the latch should be set and is not yet, and why it could not be.
        self._owed, self._refusal = "", ""

    def tick(self) -> None:
        """Look at latch and pulse; start rounds where none runs; take up those that ended."""
        self._beat()
        self._check_pulse()
        self._set_what_is_owed()
        if not self._owed and not self._guard.latch.is_set():
            self._stand_down()
            self._prove_sessions()
            return
        kill, is_new = self._recognise(self._kill_id())
        self._begin_rounds(kill)
        if is_new:
            self._say_who(kill)
            self._confirm(kill)
        for venue, (of, future) in list(self._running.items()):
            if future.done():
                del self._running[venue]
                # A round that began before a newer kill says nothing of what came between.
                if of is kill:
                    self._take_up(kill, future.result())
                else:
                    self._write("round", future.result())

    def close(self) -> None:
        """Wait for rounds under way, and seal the journal."""
        self._threads.shutdown()
        if self._journal is not None:
            self._journal.seal()

    def _check_pulse(self) -> None:
        silence_ms = self._guard.pulse.silence_ms(self._clocks.steady_ms())
        if silence_ms <= self._guard.silence_ms:
            self._silent = False
        elif not self._silent:
            self._silent = True
            why = f"the engine has been silent for {silence_ms} ms"
            self._alarm(why)
            if not self._guard.latch.is_set():
                self._owed = why

    def _set_what_is_owed(self) -> None:
        """Set the latch for a silence, again and again: the disk may be read-only for a while."""
        if not self._owed:
            return
        if not self._guard.latch.is_set():
            try:
                self._guard.latch.set(NAME, self._owed, self._clocks.wall_ms())
            except InputError as error:
                self._say_refusal(str(error))
        if self._guard.latch.is_set():
            self._owed = self._refusal = ""

    def _say_refusal(self, words: str) -> None:
        if words != self._refusal:
            self._refusal = words
            self._alarm(f"the latch cannot be set: {words}; cancelling all the same")

    def _stand_down(self) -> None:
        if self._kill is None:
            return
        self._kill, self._silent, self._lifted = None, False, self._kill_id()
        self._again_ms.clear()
        self._guard.pulse.restart(self._clocks.steady_ms())
        self._alarm("the latch was lifted")
        self._write("lifted", {"kill": self._lifted})

    def _prove_sessions(self) -> None:
        """Ask each venue now and then what works, and say so where it does not answer."""
        now_ms = self._clocks.steady_ms()
        for venue in self._guard.sessions.keys() - self._tried.keys():
            if now_ms >= self._prove_ms.get(venue, now_ms):
                self._prove_ms[venue] = now_ms + PROVE_MS
                self._tried[venue] = self._threads.submit(self._try, venue)
        for venue, future in list(self._tried.items()):
            if future.done():
                del self._tried[venue]
                words = future.result()
                if words and words != self._ill.get(venue):
                    self._alarm(f"{venue}: A KILL COULD NOT CANCEL HERE NOW: {words}")
                self._ill[venue] = words

    def _try(self, venue: str) -> str:
        """Why a session is of no use; empty where it is."""
        try:
            return sweep_problem(self._guard.sessions[venue], venue)
        except Exception as error:
            return type(error).__name__

    def _recognise(self, name: str) -> tuple[_Kill, bool]:
        """The kill that is carried out, and whether it or its reason is new.

        The leave goes before the kill is written, so the name of an old one is seen for a moment.
        """
        kill = self._kill
        if kill is None or name != kill.id != self._lifted:
            kill = self._kill = _Kill(name, self._clocks.wall_ms())
            self._again_ms.clear()
            return kill, True
        is_new = kill.id != name
        if is_new:
            kill.id = name
            kill.told.clear()
        return kill, is_new

    def _begin_rounds(self, kill: _Kill) -> None:
        now_ms = self._clocks.steady_ms()
        for venue in self._guard.sessions.keys() - self._running.keys():
            if now_ms >= self._again_ms.get(venue, now_ms):
                self._running[venue] = (kill, self._threads.submit(self._round, venue))

    def _round(self, venue: str) -> Round:
        clock = self._clocks.wall_ms
        try:
            return sweep(self._guard.sessions[venue], venue, clock)
        except Exception as error:
            # Whatever a session does wrong, the next round must come.
            return Round(venue, clock(), (), None, clock(), (f"{type(error).__name__}",))

    def _say_who(self, kill: _Kill) -> None:
        said = None if kill.id == self._lifted else self._guard.latch.kill()
        who, why = (said.who, said.why) if said else ("somebody", "nobody has said why yet")
        if self._owed:
            who, why = NAME, self._owed
        self._alarm(f"STOPPED by {who}: {why}")
        self._write("seen", {"kill": kill.id, "who": who, "why": why})

    def _take_up(self, kill: _Kill, found: Round) -> None:
        kill.asked_ms.setdefault(found.venue, found.asked_ms)
        self._say_what_appeared(kill, found)
        self._say_problems(kill, found)
        before = kill.quiet.get(found.venue)
        cancelled = (before.cancelled if before else 0) + len(found.cancelled)
        left = None if found.left is None else len(found.left)
        kill.quiet[found.venue] = VenueQuiet(cancelled, left, found.ended_ms)
        if before is None or found.cancelled or found.problems or left != before.left:
            self._write("round", found)
        pause_ms = AGAIN_WHEN_QUIET_MS if left == 0 else AGAIN_MS
        self._again_ms[found.venue] = self._clocks.steady_ms() + pause_ms
        self._confirm(kill)

    def _say_what_appeared(self, kill: _Kill, found: Round) -> None:
        """An order after the venue said that none worked is one that should not have been sent."""
        before = kill.quiet.get(found.venue)
        if before is not None and before.left == 0:
            for order in {*found.cancelled, *(found.left or ())}:
                self._alarm(f"{found.venue}: ORDER {order} APPEARED AFTER THE KILL")

    def _say_problems(self, kill: _Kill, found: Round) -> None:
        for problem in found.problems:
            if (found.venue, problem) not in kill.said:
                kill.said.add((found.venue, problem))
                self._alarm(f"{found.venue}: {problem}")

    def _confirm(self, kill: _Kill) -> None:
        """Leave word once every venue was asked, and anew whenever what it says changes."""
        told = {venue: (said.cancelled, said.left) for venue, said in kill.quiet.items()}
        if len(told) < len(self._guard.sessions) or told == kill.told:
            return
        was_quiet = bool(kill.told) and all(left == 0 for _, left in kill.told.values())
        kill.told = told
        asked_ms = max(kill.asked_ms.values(), default=kill.seen_ms)
        word = Confirmation(kill.id, kill.seen_ms, asked_ms, dict(kill.quiet))
        try:
            self._guard.latch.confirm(word)
        except OSError as error:
            self._alarm(f"the confirmation cannot be written: {error.strerror}")
        self._write("confirmed", word)
        if word.quiet and not was_quiet:
            self._alarm("every venue says that no order works")

    def _kill_id(self) -> str:
        try:
            return self._guard.latch.kill_id
        except OSError:
            return "unreadable"

    def _beat(self) -> None:
        try:
            self._guard.own_beat.beat(self._clocks.wall_ms() * 1_000_000)
            self._beats = True
        except OSError as error:
            if self._beats:
                self._alarm(f"the watchdog's own heartbeat fails: {error.strerror}")
            self._beats = False

    def _alarm(self, words: str) -> None:
        self._tell(f"{format_time(self._clocks.wall_ms())} {words}")

    def _write(self, kind: str, payload: object) -> None:
        if self._journal is None:
            return
        try:
            self._journal.append(kind, payload)
        except (OSError, FrameError, InvariantError) as error:
            self._journal = None
            self._alarm(f"THE JOURNAL FAILS and is given up; cancelling goes on: {error}")
