# SPDX-License-Identifier: Apache-2.0
"""An outbox on disk: what it does is in its journal before it is done.

A signed transaction is forced to disk before it is sent; so a process that was killed finds what
it may have sent, asks the chain about it, and sends the same bytes again or nothing. The file is
locked: one key has one outbox, and one process writes it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.journal import Journal
from tidegate.journal.frames import HEADER, Frame
from tidegate.journal.writer import partial_path
from tidegate.model.errors import InputError
from tidegate.venues.vault.outbox import Attempt, Call, Outbox, Turn

QUEUED, ATTEMPTED, TURNED = "queued", "attempted", "turned"


class Attempted(msgspec.Struct, frozen=True):
    """That an attempt was signed for an entry."""

    id: str
    nonce: int
    attempt: Attempt


class Turned(msgspec.Struct, frozen=True):
    """That an entry came to another stage."""

    id: str
    turn: Turn


class OutboxLog:
    """The outbox of one key on one chain; every change is on disk when its method returns."""

    def __init__(self, path: Path, chain_id: int, address: str) -> None:
        """Begins the file, or goes on with it; raises `InputError` where it is another key's,
        another chain's or damaged, and while another process writes it."""
        self.outbox = Outbox()
        self._path, self._said = path, {"chain_id": chain_id, "address": address}
        if not partial_path(path).exists():
            self._journal = Journal.create(path, {"outbox": self._said}, durable=True)
            return
        self._journal, frames = Journal.resume_reading(path, cut=True)
        for frame in frames:
            self._recall(frame)

    def close(self) -> None:
        """Write no more."""
        self._journal.close()

    def queue(self, call: Call) -> None:
        """Take a call; one with an id that is known changes nothing."""
        after = self.outbox.queued(call)
        if after is not self.outbox:
            self._journal.append(QUEUED, call)
            self.outbox = after

    def attempt(self, id: str, nonce: int, attempt: Attempt) -> None:
        """Take a signed attempt, which may be sent thereafter."""
        after = self.outbox.attempted(id, nonce, attempt)
        self._journal.append(ATTEMPTED, Attempted(id, nonce, attempt))
        self.outbox = after

    def turn(self, id: str, turn: Turn) -> None:
        """Take what an entry has come to."""
        after = self.outbox.turned(id, turn)
        self._journal.append(TURNED, Turned(id, turn))
        self.outbox = after

    def _recall(self, frame: Frame) -> None:
        payload = frame.payload
        if frame.kind == HEADER:
            if msgspec.json.decode(payload, type=dict[str, object]).get("outbox") != self._said:
                expected = "expected the outbox of this key on this chain"
                raise InputError(str(self._path), "outbox", expected)
        elif frame.kind == QUEUED:
            self.outbox = self.outbox.queued(msgspec.json.decode(payload, type=Call))
        elif frame.kind == ATTEMPTED:
            seen = msgspec.json.decode(payload, type=Attempted)
            self.outbox = self.outbox.attempted(seen.id, seen.nonce, seen.attempt)
        elif frame.kind == TURNED:
            came = msgspec.json.decode(payload, type=Turned)
            self.outbox = self.outbox.turned(came.id, came.turn)
