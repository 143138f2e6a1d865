# SPDX-License-Identifier: Apache-2.0
"""The world as a journal remembers it: what the engine meets when its decisions are made again.

Frames are looked at ahead of the engine for what goes into it, and taken when the engine writes
the same frame again, to the byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from tidegate.audit.difference import differs, other_payload
from tidegate.audit.doubts import Doubts
from tidegate.engine.inputs import (
    OBSERVED,
    OUTLOOK,
    TERMS,
    Columns,
    Expected,
    Observed,
    Setting,
    quotes_of,
    snapshot_of,
)
from tidegate.engine.outlook import Outlook
from tidegate.engine.restart import RESTARTED, MemoryFold
from tidegate.execution.desk import Standing, Steps
from tidegate.journal.frames import Frame
from tidegate.journal.writer import encode_payload
from tidegate.model.actions import Order
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import MarketSnapshot
from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.risk.gate import Approval
from tidegate.risk.plan import Terms

Payload = TypeVar("Payload", bound=msgspec.Struct)

STOPPED = "stopped"


class Frames:
    """Frames in order, with a look ahead; the last one is the seal and is never passed. `memory` is
    what the frames behind us leave the engine, `doubts` what they leave unsettled."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._rest = frames
        self._ahead: deque[Frame] = deque()
        self.taken = 0
        self.memory = MemoryFold()
        # From where the contracts are known on.
        self.doubts = Doubts({})

    def ahead(self, places: int = 0) -> Frame:
        """The frame that many places ahead, or the last one."""
        while len(self._ahead) <= places:
            frame = next(self._rest, None)
            if frame is None:
                break
            self._ahead.append(frame)
        return self._ahead[min(places, len(self._ahead) - 1)]

    def take(self) -> Frame:
        """The next frame, which is then behind us."""
        frame = self.ahead()
        self.doubts.take(frame)
        # Whether there is one more is known only by looking.
        if frame is not self.ahead(1):
            self._ahead.popleft()
        self.taken += 1
        self.memory.take(frame)
        return frame


def payload(frame: Frame, kind: type[Payload]) -> Payload:
    """A frame's content; raises `Differs` where it cannot be read."""
    try:
        return msgspec.json.decode(frame.payload, type=kind)
    except UNREADABLE_JSON as error:
        raise differs(
            frame, "payload", f"unreadable: {error}", f"{frame.kind} as written"
        ) from None


class Interrupted(Exception):
    """The process died here, in the middle of a decision; the next one begins with its frame."""


class Compared:
    """Takes what a record writes and compares it with the journal's next frame."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def append(self, kind: str, payload: object) -> int:
        """Pass the next frame, or raise `Differs` where it is not the same to the byte."""
        frame, derived = self._frames.ahead(), encode_payload(payload)
        if frame.kind == RESTARTED != kind:
            raise Interrupted
        if frame.kind != kind:
            raise differs(frame, "kind", frame.kind, kind)
        if frame.payload != derived:
            raise other_payload(frame, derived)
        return self._frames.take().sequence

    def seal(self) -> str:
        """Pass the seal and return its hash."""
        return self._frames.take().digest.hex()


class Scene:
    """What the engine sees at one decision, from the frames before that decision."""

    def __init__(self) -> None:
        self.setting: Setting
        self.terms: Terms
        self.outlook: Outlook
        self.seen: Observed
        # Its version; None until a mandate was named.
        self.mandate: str | None = None
        self._columns = Columns()
        self._snapshot: MarketSnapshot

    def look(self, frames: Frames) -> Frame:
        """Read ahead up to the next `observed` frame, which is returned and not yet taken."""
        place, first = 0, frames.ahead()
        while (frame := frames.ahead(place)).kind in (TERMS, OUTLOOK):
            self._set(frame)
            place += 1
        if frame.kind == RESTARTED:
            raise Interrupted
        if frame.kind != OBSERVED:
            raise differs(frame, "kind", frame.kind, f"{OBSERVED}, after {first.kind}")
        self.seen = payload(frame, Observed)
        self._columns = self.seen.columns.over(self._columns)
        try:
            self._snapshot = snapshot_of(self.seen, quotes_of(self.seen, self._columns))
        except ValueError as error:
            raise differs(frame, "columns", f"unreadable: {error}", "one row a name") from None
        return frame

    def _set(self, frame: Frame) -> None:
        try:
            if frame.kind == TERMS:
                self.setting = payload(frame, Setting)
                self.terms = self.setting.value()
                self._hold_to_mandate(frame)
            else:
                self.outlook = payload(frame, Expected).value()
        except ValueError as error:
            raise differs(frame, "payload", f"unreadable: {error}", "values as written") from None

    def _hold_to_mandate(self, frame: Frame) -> None:
        version = self.terms.mandate.version
        if self.mandate not in (None, version):
            raise differs(frame, "terms.mandate", version, str(self.mandate))
        self.mandate = version

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """The market that the decision saw."""
        return msgspec.structs.replace(self._snapshot, ts_ms=ts_ms, frozen_venues=frozen)

    def at(self, ts_ms: int) -> Outlook:
        """The outlook in force."""
        return self.outlook


class RecordedDesk:
    """Execution as it stood. When it sent, and what came of it, is taken from the frames; that it
    sent what was approved, each once, in the plan's order and its time, and nothing of a plan that
    had ended, is not."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        # With the time before which each may not be sent.
        self._due: deque[tuple[Approval, int]] = deque()
        # A plan took another's place, and that the other has stopped is still to be said.
        self._replaces = False

    def standing(self, now_ms: int) -> Standing:
        """How execution stood at the decision; what is not under way is not sent any more."""
        found = self._scene.seen.standing
        if not found.busy:
            self.forget()
        return found

    def calls(self, now_ms: int) -> bool:
        """Whether execution had called for the decision."""
        return self._scene.seen.called

    def begin(self, steps: Steps, now_ms: int, offsets_ms: tuple[int, ...] = ()) -> None:
        """What came of it are the frames that follow."""
        self._replaces = self._scene.seen.standing.busy
        times = [now_ms + offset for offset in offsets_ms or (0,) * len(steps)]
        self._due = deque((a, time) for step, time in zip(steps, times, strict=True) for a in step)

    def end(self) -> None:
        """A plan was stopped, and nothing more of it may be sent: the plan before, where this one
        took its place, else this one."""
        if self._replaces:
            self._replaces = False
        else:
            self._due.clear()

    def forget(self) -> None:
        """No plan is under way, or its process died."""
        self._replaces = False
        self._due.clear()

    def sent(self, frame: Frame) -> None:
        """Hold a submission against the approval that was due; raises `Differs`."""
        if self._replaces:
            raise differs(frame, "kind", frame.kind, STOPPED)
        if not self._due:
            raise differs(frame, "approval", frame.kind, "nothing to send")
        approval, from_ms = self._due.popleft()
        kind = "submitted" if isinstance(approval.action, Order) else "sent"
        if frame.kind != kind:
            raise differs(frame, "kind", frame.kind, kind)
        stated = frame.value()
        derived = {
            "approval": approval.id,
            "content": approval.content,
            "ts_ms": stated.get("ts_ms"),
        }
        if stated != derived:
            raise other_payload(frame, encode_payload(derived))
        ts_ms = derived["ts_ms"]
        if type(ts_ms) is not int or not from_ms <= ts_ms <= approval.expires_ms:
            raise differs(frame, "ts_ms", ts_ms, f"from {from_ms} to {approval.expires_ms}")

    def stop(self, now_ms: int, why: str) -> None:
        """What came of it are the frames before the decision."""

    def heeded(self) -> None:
        """The next decision's frame says what is to be known then."""

    def mended(self, coins: frozenset[str]) -> None:
        """The next decision's frame says which coins are apart."""


class RecordedVenues:
    """What venues announced at the decision."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announced a freeze."""
        return self._scene.seen.frozen_venues

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing traded."""
        return self._scene.seen.out_venues

    def stable_micro(self) -> dict[str, int]:
        """What dollar coins were worth."""
        return self._scene.seen.stable_micro

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place in the venue's deleveraging queue."""
        return self._scene.seen.adl_ranks.get(instrument)
