# SPDX-License-Identifier: Apache-2.0
"""Starting again from a journal: its ledger, its orders and transfers, and the engine's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from tidegate.engine.inputs import OBSERVED, TERMS, Columns, Observed, Setting, quotes_of
from tidegate.engine.memory import Memory
from tidegate.engine.record_frames import BOOK, Book
from tidegate.execution.bookkeeping import Past
from tidegate.execution.record import EVENTS, Record, Writes
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import HEADER, Frame
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import Quote

RESTARTED, MANDATE_CHANGED = "restarted", "mandate_changed"


class Restarted(msgspec.Struct, frozen=True):
    """A `restarted` frame: when, and the memory with which the engine goes on."""

    ts_ms: int
    memory: Memory


class MandateChanged(msgspec.Struct, frozen=True):
    """A `mandate_changed` frame: when, the version of the mandate from then on, and who said so."""

    ts_ms: int
    mandate: str
    who: str


class Resumed(msgspec.Struct, frozen=True):
    """What an engine goes on with, and the version of the mandate under which it was, and from when
    its grid is counted; None where none was named."""

    record: Record
    past: Past
    memory: Memory
    quotes: Mapping[InstrumentId, Quote] = {}
    mandate: str | None = None
    start_ms: int | None = None


class _Decided(msgspec.Struct, frozen=True):
    memory: Memory


class _Refused(msgspec.Struct, frozen=True):
    ts_ms: int
    curable: bool = False


class _Posted(msgspec.Struct, frozen=True):
    postings: tuple[tuple[str, str, int, int, str], ...]

    @property
    def capital_micro(self) -> int:
        return sum(
            value_micro
            for account, _, _, value_micro, cause in self.postings
            if cause == "capital" and account.startswith("own/")
        )


class _Named(msgspec.Struct, frozen=True):
    mandate: str | None = None


class MandateFold:
    """The version of the mandate in force, as header, terms, approvals and changes name it."""

    def __init__(self) -> None:
        self.version: str | None = None

    def take(self, frame: Frame) -> None:
        """The next frame; kinds that name no mandate are passed over."""
        if frame.kind == TERMS:
            self.version = msgspec.json.decode(frame.payload, type=Setting).value().mandate.version
        elif frame.kind in (HEADER, "approved", MANDATE_CHANGED):
            named = msgspec.json.decode(frame.payload, type=_Named).mandate
            self.version = named or self.version


class MemoryFold:
    """The engine's memory as the journal's frames leave it, and the quotes that it saw last."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._columns = Columns()
        self.quotes: Mapping[InstrumentId, Quote] = {}
        self.start_ms: int | None = None

    def take(self, frame: Frame) -> None:
        """The next frame; kinds that leave no memory are passed over."""
        if frame.kind == "decision":
            self._memory = msgspec.json.decode(frame.payload, type=_Decided).memory
        elif frame.kind == "refused":
            refused = msgspec.json.decode(frame.payload, type=_Refused)
            self._memory = self._memory.refused(refused.ts_ms, refused.curable)
        elif frame.kind == OBSERVED:
            seen = msgspec.json.decode(frame.payload, type=Observed)
            self._columns = seen.columns.over(self._columns)
            self.quotes = quotes_of(seen, self._columns)
        elif frame.kind == TERMS:
            self.start_ms = msgspec.json.decode(frame.payload, type=Setting).start_ms
        elif frame.kind == RESTARTED:
            self._memory = msgspec.json.decode(frame.payload, type=Restarted).memory
        elif frame.kind == EVENTS and b'"capital"' in frame.payload:
            posted = msgspec.json.decode(frame.payload, type=_Posted)
            self._memory = self._memory.moved(posted.capital_micro)

    def restarted(self) -> Memory:
        """What a new process goes on with: a plan that was under way has stopped."""
        return self._memory.stopped()


def resume(
    frames: Iterable[Frame],
    journal: Writes,
    now_ms: int,
    mandate: str | None = None,
    changed_by: str = "",
) -> Resumed:
    """Go on from a journal's frames, and say so in it.

    Where it was under another mandate than that of version `mandate`, if one is given, the change
    is journalled in the name of `changed_by`; without a name it is refused. Raises `InputError` for
    that and for a journal that does not begin with a ledger's making; `InvariantError` where it
    contradicts itself."""
    fold, law = MemoryFold(), MandateFold()
    left = _through(frames, law.take)
    next(left, None)
    frame = next(left, None)
    if frame is None or frame.kind != BOOK:
        expected = f"expected a {BOOK!r} frame; nothing was sent yet: begin another journal"
        raise InputError("journal", "frame 1", expected)
    book = msgspec.json.decode(frame.payload, type=Book)
    record = Record(book.ledger(), journal, book.run)
    past = recover_run(_through(left, fold.take), record, book.contracts())
    if mandate is not None and not changed_by:
        expect_mandate(law.version, mandate)
    memory, at_ms = fold.restarted(), max(now_ms, record.ledger.ts_ms)
    record.note(RESTARTED, Restarted(at_ms, memory))
    if mandate is not None and law.version not in (None, mandate):
        record.note(MANDATE_CHANGED, MandateChanged(at_ms, mandate, changed_by))
    known = mandate or law.version
    return Resumed(record, past, memory, fold.quotes, known, fold.start_ms)


def expect_mandate(known: str | None, mandate: str) -> None:
    """Raise `InputError` where a journal was under another mandate than that of version `mandate`,
    and no `mandate_changed` frame in it names this one; `known` is `Resumed.mandate`."""
    if known not in (None, mandate):
        expected = f"expected {known}, under which the journal is, not {mandate}"
        raise InputError("journal", "mandate", f"{expected}: name who changed it")


def _through(frames: Iterable[Frame], take: Callable[[Frame], None]) -> Iterator[Frame]:
    for frame in frames:
        take(frame)
        yield frame


def resume_file(
    path: Path, now_ms: int, mandate: str | None = None, changed_by: str = ""
) -> Resumed:
    """Go on with the unsealed journal of `path` as `resume` does; a torn last frame is cut off.
    Raises `InputError` on any other damage too, and while another process writes it."""
    journal, frames = Journal.resume_reading(path, cut=True)
    try:
        return resume(frames, journal, now_ms, mandate, changed_by)
    except InputError:
        journal.close()
        raise
