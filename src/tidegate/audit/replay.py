# SPDX-License-Identifier: Apache-2.0
"""Replay: every decision of a journal made again from its journalled inputs, by the engine itself.

The real cycle runs with a feed, venues and programmes that answer from the journal; each frame that
it would write, postings of events, decisions, plans' approvals and the result, must be the
journal's next one to the byte. What is taken from the journal and not derived: what venues and
markets did, the outlook, solvers' answers (solved again within a tolerance), and the peak of equity
where the engine looked at its book between two decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from tidegate.audit.difference import Difference, Differs, differs
from tidegate.audit.doubts import Doubts
from tidegate.audit.recorded import (
    STOPPED,
    Compared,
    Frames,
    Interrupted,
    RecordedDesk,
    RecordedVenues,
    Scene,
    payload,
)
from tidegate.audit.resolving import RecordedTools
from tidegate.engine.cycle import BLIND, Cycle, Tools, World
from tidegate.engine.inputs import OBSERVED, OUTLOOK, TERMS
from tidegate.engine.memory import Tally
from tidegate.engine.record_frames import (
    BOOK,
    INPUTS_VERSION,
    RESULT,
    Book,
    Happened,
    conclude,
)
from tidegate.engine.restart import MANDATE_CHANGED, RESTARTED, MandateChanged, Restarted
from tidegate.execution.doubts import SETTLED
from tidegate.execution.record import EVENTS, Record
from tidegate.journal.frames import SEAL, Frame
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.times import SECOND_MS
from tidegate.risk.gate import Gate

# Approvals of a replay reach no venue, so that their key need not be a secret.
KEY = b"replay"
SENT = frozenset(("submitted", "sent"))
# What came of what was sent, and what venues said of our accounts.
DONE = frozenset(
    (
        *("replied", "cancelling", STOPPED, "break", "agreed"),
        *("unbookable", "ignored", "day", SETTLED, BLIND),
    )
)
# What the engine may stumble over where a journal's inputs cannot have been an engine's.
_CONTRADICTIONS = (
    *(InvariantError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError),
)
# Told after every frame taken, with the share of the file behind it.
Progress = Callable[[float], None]


class Replayed(msgspec.Struct, frozen=True):
    """What a replay came to: frames that are equal, decisions and solves made again, what solving
    again showed and which fields of answers were not the same to the bit, the longest time between
    two decisions, the head of an equal journal, and the first difference of another."""

    frames: int
    decisions: int
    solves: int
    resolved: dict[str, int]
    moved: tuple[str, ...]
    gap_ms_max: int
    head: str | None
    difference: Difference | None


class Replay:
    """One journal on its way through the engine."""

    def __init__(self, path: Path, resolves: bool, progress: Progress | None) -> None:
        self._path, self._progress = path, progress
        self.frames = Frames(read_frames(path))
        self.tools = RecordedTools(self.frames, resolves)
        self._scene = Scene()
        self._desk = RecordedDesk(self._scene)
        self.cycle: Cycle | None = None
        self._decided_ms: int | None = None
        self.gap_ms_max = 0

    def run(self) -> str:
        """Make all decisions again and return the head; raises `Differs` and `InputError`."""
        self._record = self._opened()
        size_bytes = self._path.stat().st_size
        while (frame := self.frames.ahead()).kind != SEAL:
            try:
                self._derive(frame)
            except _CONTRADICTIONS as error:
                told = f"the engine stops: {type(error).__name__}: {error}"
                raise differs(self.frames.ahead(), "payload", "a frame", told) from None
            if self.frames.ahead() is frame:
                raise differs(frame, "payload", "a frame", "nothing")
            if self._progress is not None:
                self._progress(frame.end_bytes / size_bytes)
        if self.cycle is None:
            raise self._without_inputs()
        return self._record.journal.seal()

    def _derive(self, frame: Frame) -> None:
        """Write again what begins with a frame, or take what is not derived."""
        if frame.kind == EVENTS:
            happened = payload(frame, Happened)
            self._record.take(happened.events, happened.lines, happened.ts_ms)
        elif frame.kind in SENT:
            self._desk.sent(frame)
            self.frames.take()
        elif frame.kind in DONE:
            if self.frames.take().kind == STOPPED:
                self._desk.end()
        elif frame.kind == MANDATE_CHANGED:
            self._scene.mandate = payload(self.frames.take(), MandateChanged).mandate
        elif frame.kind in (TERMS, OUTLOOK, OBSERVED):
            self._decide_if_done()
        elif frame.kind == RESTARTED:
            self._restart(payload(frame, Restarted).ts_ms)
        elif frame.kind != RESULT:
            raise differs(frame, "kind", frame.kind, "nothing")
        elif self.cycle is None:
            raise self._without_inputs()
        else:
            conclude(self._record, self.tally)

    @property
    def tally(self) -> Tally:
        """How often the engine decided and solved so far."""
        return self.cycle.tally if self.cycle is not None else Tally()

    def _opened(self) -> Record:
        header = self.frames.take().value()
        self._policy, mandate = header.get("policy", "unknown"), header.get("mandate")
        self._scene.mandate = None if mandate is None else str(mandate)
        frame = self.frames.ahead()
        if frame.kind != BOOK:
            raise self._without_inputs()
        book = payload(frame, Book)
        if book.inputs != INPUTS_VERSION:
            expected = f"expected inputs of version {INPUTS_VERSION}, not {book.inputs}"
            raise InputError(str(self._path), f"frame {frame.sequence}", expected)
        try:
            ledger = book.ledger()
        except _CONTRADICTIONS as error:
            told = f"unreadable: {type(error).__name__}: {error}"
            raise differs(frame, "instruments", told, "instruments") from None
        record = Record(ledger, Compared(self.frames), book.run)
        record.note(BOOK, book)
        self.frames.doubts = Doubts(book.contracts())
        return record

    def _without_inputs(self) -> InputError:
        expected = f"expected decisions with their inputs; policy {self._policy!r} journals none"
        return InputError(str(self._path), "journal", expected)

    def _decide_if_done(self) -> None:
        """A decision, or what there is of one in whose middle the process died."""
        try:
            self._decide()
        except Interrupted:
            while self.frames.ahead().kind != RESTARTED:
                self.frames.take()

    def _restart(self, ts_ms: int) -> None:
        self._desk.forget()
        memory = self.frames.memory.restarted()
        self._record.note(RESTARTED, Restarted(ts_ms, memory))
        if self.cycle is not None:
            self.cycle = self._cycle()
            self.cycle.recall(memory, self.frames.memory.quotes)

    def _decide(self) -> None:
        scene, seen = self._scene, self._scene.look(self.frames)
        self.frames.doubts.hold(seen, scene.seen.standing)
        ts_ms = scene.seen.ts_ms
        cycle = self.cycle = self.cycle or self._cycle()
        since = scene.setting.start_ms if self._decided_ms is None else self._decided_ms
        if ts_ms - since > scene.terms.mandate.mandate.watch_interval_s * SECOND_MS:
            # The engine may have looked at its book since, and seen it worth more; capital that
            # came before that look is in the peak that it then wrote.
            cycle.follow_capital()
            cycle.memory = cycle.memory.seen(scene.seen.peak_micro)
        self.gap_ms_max, self._decided_ms = max(self.gap_ms_max, ts_ms - since), ts_ms
        cycle.step(ts_ms, scene.seen.since_ms)
        if self.frames.ahead().sequence <= seen.sequence:
            raise differs(seen, "ts_ms", ts_ms, "no decision at this time")

    def _cycle(self) -> Cycle:
        scene, gate = self._scene, Gate(KEY)
        made = self.tools
        tools = Tools(made.allocate, made.relieve, scene.setting.reduces, made.join)
        world = World(scene, RecordedVenues(scene), gate, self._record, self._desk)
        return Cycle(world, lambda _: scene.terms, scene, scene.setting.start_ms, tools)


def replay(path: Path, resolves: bool = True, progress: Progress | None = None) -> Replayed:
    """Make a journal's decisions again, with solvers asked again unless `resolves` is false.

    Raises: `InputError` where the file is no sealed journal, is damaged, or holds no inputs.
    """
    run, head, difference = Replay(path, resolves, progress), None, None
    try:
        head = run.run()
    except Differs as found:
        difference = found.difference
    return Replayed(
        run.frames.taken,
        run.tally.decisions,
        run.tally.solves,
        dict(run.tools.found),
        tuple(sorted(run.tools.moved)),
        run.gap_ms_max,
        head,
        difference,
    )
