# SPDX-License-Identifier: Apache-2.0
"""A golden run that is stopped twice: by a person, and by the watchdog over an engine that hangs;
two people lift it each time."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.regressions.golden_scripts import FAST
from tests.regressions.golden_stage import Setup, Stage, mandate
from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Confirmation, Kill, Latch
from tidegate.execution.operators import public_key
from tidegate.execution.watchdog import Clocks, Guard, Watchdog
from tidegate.journal import Journal, partial_path, read_frames
from tidegate.model.errors import InputError
from tidegate.model.replies import (
    NotTaken,
    OrderReply,
    OrderStatus,
    Statement,
    SweepReply,
    Swept,
    Unclear,
)
from tidegate.model.times import SECOND_MS
from tidegate.simulation.faults.menu import Fault

SECRETS = {"ada": b"a" * 32, "bob": b"b" * 32}
SILENCE_MS = 5_000


class Late(Future[Any]):
    """What is done, and seen to be at the second look."""

    looks = 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1


class InOrder(dict[str, Any]):
    """Sessions whose venues are always gone through in order."""

    def keys(self) -> Any:
        return Names(sorted(super().keys()))


class Names(list[str]):
    def __sub__(self, others: Any) -> list[str]:
        return [name for name in self if name not in others]


class Inline:
    """Runs what it is given at once, so that rounds end in one order on every machine; each fifth
    is seen to be done at the next look."""

    count = 0

    def submit(self, run: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.count += 1
        done: Future[Any] = Late() if self.count % 5 == 0 else Future()
        done.set_result(run(*arguments))
        return done

    def shutdown(self) -> None:
        """Nothing runs."""


class Session:
    """A watchdog's session at one venue, in some mood."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.mood = stage, "well"

    def cancel_all(self, venue: str) -> SweepReply:
        if self.mood != "well":
            return self._ill() or NotTaken("status 429")
        server = self.stage.server
        working = server.statement(venue).working
        for order in working:
            server.cancel(venue, order)
        return Swept(venue, working, self.stage.now_ms)

    def cancel(self, venue: str, order: str) -> OrderReply:
        if order == "ghost":
            self.mood = "well"
            return OrderStatus(order, "cancelled", 0, self.stage.now_ms)
        if self.mood == "deaf":
            self.mood = "well"
            return Unclear("reset")
        return self._ill() or self.stage.server.cancel(venue, order)

    def statement(self, venue: str) -> Statement | Unclear:
        said = self._ill() or self.stage.server.statement(venue)
        if self.mood == "ghost" and isinstance(said, Statement):
            return msgspec.structs.replace(said, working=("ghost",))
        return said

    def _ill(self) -> Unclear | None:
        if self.mood == "broken":
            raise ValueError("a fault of the session")
        return Unclear("TimeoutError") if self.mood == "silent" else None


class Latched(Latch):
    """A latch whose disk may be read-only for a while."""

    read_only = False

    def set(self, who: str, why: str, ts_ms: int) -> Kill:
        if self.read_only:
            raise InputError("latch", "latch", "read-only")
        return super().set(who, why, ts_ms)

    def confirm(self, confirmation: Confirmation) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, "read-only")
        super().confirm(confirmation)


@dataclass
class Drill:
    """The watchdog of a stage, with all that it watches."""

    stage: Stage
    home: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    def __post_init__(self) -> None:
        stage, folder = self.stage, Path(self.home.name)
        Latch.create(folder / "latch")
        self.latch = Latched(folder / "latch")
        keys = "".join(f'{n} = "{public_key(s).hex()}"\n' for n, s in SECRETS.items())
        (self.latch.folder / "operators.toml").write_text(f"[operators]\n{keys}")
        self.heart, self.beats = Heartbeat(folder / "beat"), True
        self.file = folder / "watchdog.journal"
        self.journal = Journal.create(self.file, {"writer": "golden"}, durable=False)
        self.sessions = InOrder({venue: Session(stage) for venue in ("alpha", "beta")})
        guard = Guard(
            self.latch,
            Pulse(folder / "beat", 0),
            SILENCE_MS,
            self.sessions,
            Heartbeat(folder / "own"),
        )
        clocks = Clocks(lambda: stage.now_ms, lambda: stage.second * SECOND_MS)
        self.watchdog = Watchdog(
            guard, self.journal, clocks, lambda words: self.say("alarm", words)
        )
        self.watchdog._threads = Inline()  # type: ignore[assignment]
        stage.halted = lambda: "the latch is set" if self.latch.is_set() else None

    def say(self, what: str, words: object) -> None:
        """Words without the folder's name, which no two runs share."""
        text = str(words).replace(self.home.name, "HOME")
        self.stage.say(what, {"second": self.stage.second, "said": text})

    def tick(self) -> None:
        if self.beats:
            self.heart.beat(self.stage.now_ms * 1_000_000)
        self.watchdog.tick()

    def consent(self, who: str, key: str, late_ms: int = 0) -> None:
        try:
            given = self.latch.consent(who, SECRETS[key], self.stage.now_ms + late_ms)
            self.say("consents", f"{given}, set: {self.latch.is_set()}")
        except InputError as error:
            self.say("refused", error)

    def end(self) -> None:
        """Keep the watchdog's own journal, and take the folder away."""
        self.say("confirmation", msgspec.json.encode(self.latch.confirmation()).decode())
        self.watchdog.close()
        for frame in read_frames(partial_path(self.file), sealed=False):
            self.stage.say(f"watchdog {frame.kind}", frame.value())
        self.home.cleanup()


DRILLS: dict[int, Drill] = {}


def drill(stage: Stage) -> Drill:
    return DRILLS[id(stage)]


def begin(stage: Stage) -> None:
    DRILLS[id(stage)] = Drill(stage)


def each(stage: Stage) -> None:
    if id(stage) in DRILLS:
        drill(stage).tick()


def set_mood(venue: str, mood: str) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        drill(stage).sessions[venue].mood = mood

    return act


def stop(who: str, why: str) -> Callable[[Stage], None]:
    return lambda stage: drill(stage).latch.set(who, why, stage.now_ms) and None


def lift(who: str, key: str, late_ms: int = 0) -> Callable[[Stage], None]:
    return lambda stage: drill(stage).consent(who, key, late_ms)


def hang(stage: Stage) -> None:
    drill(stage).beats, stage.hung = False, True


def wake(stage: Stage) -> None:
    drill(stage).beats, stage.hung = True, False


def read_only(value: bool) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        drill(stage).latch.read_only = value

    return act


def lose_beat(stage: Stage) -> None:
    (Path(drill(stage).home.name) / "own").unlink()


def find_beat(stage: Stage) -> None:
    (Path(drill(stage).home.name) / "own").touch()


def end(stage: Stage) -> None:
    DRILLS.pop(id(stage)).end()


KILL = Setup(
    "kill",
    seed=5,
    seconds=1200,
    passages=FAST,
    mandate=mandate(limits={"naked_usd": 20_000.0}),
    chances={Fault.PARTIAL_FILL: 1.0},
    each=each,
    script={
        1: begin,
        60: set_mood("alpha", "silent"),
        130: set_mood("alpha", "well"),
        181: set_mood("beta", "deaf"),
        # An order rests, and its partner was not sent.
        182: stop("ada", "the desk sells\nwhat it should buy"),
        190: lift("ada", "ada"),
        195: lift("bob", "ada"),
        200: stop("bob", "not before I have looked"),
        204: lift("bob", "bob"),
        206: lift("ada", "ada", -3_700_000),
        207: lift("ada", "ada"),
        362: set_mood("beta", "deaf"),
        363: hang,
        366: read_only(True),
        380: read_only(False),
        384: set_mood("alpha", "broken"),
        390: set_mood("alpha", "well"),
        400: wake,
        430: lift("ada", "ada"),
        431: lift("bob", "bob"),
        440: set_mood("beta", "well"),
        700: stop("ada", "again"),
        705: lambda stage: (drill(stage).latch.folder / "leave.json").write_text("{}") and None,
        706: lift("ada", "bob"),
        720: set_mood("alpha", "ghost"),
        740: lose_beat,
        745: find_beat,
        760: lambda stage: drill(stage).journal.close(),
        761: set_mood("beta", "silent"),
        764: set_mood("beta", "well"),
        1190: end,
    },
)
