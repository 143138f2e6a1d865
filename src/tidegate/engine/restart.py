# SPDX-License-Identifier: Apache-2.0
"""Starting again from a journal: its ledger, its orders and transfers, and the engine's memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tidegate.engine.memory import Memory
from tidegate.engine.record_frames import BOOK, Book
from tidegate.execution.bookkeeping import Past
from tidegate.execution.record import Record, Writes
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_frames, recover
from tidegate.journal.writer import Journal, partial_path
from tidegate.model.errors import InputError

RESTARTED = "restarted"


class Restarted(msgspec.Struct, frozen=True):
    """A `restarted` frame: when, and the memory with which the engine goes on."""

    ts_ms: int
    memory: Memory


class Resumed(msgspec.Struct, frozen=True):
    """What an engine goes on with."""

    record: Record
    past: Past
    memory: Memory


class _Decided(msgspec.Struct, frozen=True):
    memory: Memory


class _Refused(msgspec.Struct, frozen=True):
    ts_ms: int


class MemoryFold:
    """The engine's memory as the journal's frames leave it."""

    def __init__(self) -> None:
        self._memory = Memory()

    def take(self, frame: Frame) -> None:
        """The next frame; kinds that leave no memory are passed over."""
        if frame.kind == "decision":
            self._memory = msgspec.json.decode(frame.payload, type=_Decided).memory
        elif frame.kind == "refused":
            ts_ms = msgspec.json.decode(frame.payload, type=_Refused).ts_ms
            self._memory = self._memory.refused(ts_ms)
        elif frame.kind == RESTARTED:
            self._memory = msgspec.json.decode(frame.payload, type=Restarted).memory

    def restarted(self) -> Memory:
        """What a new process goes on with: a plan that was under way has stopped."""
        return self._memory.stopped()


def resume(frames: Iterable[Frame], journal: Writes, now_ms: int) -> Resumed:
    """Go on from a journal's frames, and say so in it. Raises `InputError` for a journal that does
    not begin with a ledger's making, `InvariantError` where it contradicts itself."""
    fold, left = MemoryFold(), iter(frames)
    next(left, None)
    frame = next(left, None)
    if frame is None or frame.kind != BOOK:
        expected = f"expected a {BOOK!r} frame; nothing was sent yet: begin another journal"
        raise InputError("journal", "frame 1", expected)
    book = msgspec.json.decode(frame.payload, type=Book)
    record = Record(book.ledger(), journal, book.run)
    past = recover_run(_through(left, fold), record, book.contracts())
    memory = fold.restarted()
    record.note(RESTARTED, Restarted(max(now_ms, record.ledger.ts_ms), memory))
    return Resumed(record, past, memory)


def _through(frames: Iterable[Frame], fold: MemoryFold) -> Iterable[Frame]:
    for frame in frames:
        fold.take(frame)
        yield frame


def resume_file(path: Path, now_ms: int) -> Resumed:
    """Go on with the unsealed journal of `path`; a torn last frame is cut off. Raises `InputError`
    on any other damage and while another process writes it."""
    recover(partial_path(path))
    journal = Journal.resume(path)
    return resume(read_frames(partial_path(path), sealed=False), journal, now_ms)
