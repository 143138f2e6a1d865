# SPDX-License-Identifier: Apache-2.0
"""Carries an outbox out: look, decide, remember, send. One sender for each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidegate.venues.vault.outbox import (
    TRANSFER_GAS,
    Attempt,
    Call,
    Entry,
    Resend,
    Sight,
    Sign,
    Step,
    Terms,
    Turn,
    Wait,
    decide,
)
from tidegate.venues.vault.outbox_log import OutboxLog


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction before it is signed; `to` is empty where it makes a contract."""

    nonce: int
    to: str
    data: str
    gas: int
    max_fee_wei: int
    tip_wei: int


class Key(Protocol):
    """Something that signs for one address on one chain."""

    @property
    def address(self) -> str:
        """The address, checksummed."""

    def sign(self, unsigned: Unsigned) -> tuple[str, str]:
        """Hash and bytes of the signed transaction, as `0x` text."""


class Node(Protocol):
    """The way to a chain, as a sender needs it."""

    async def look(self, address: str, entry: Entry, depth_blocks: int) -> Sight:
        """What the chain shows of an entry now; raises where it does not answer."""

    async def send(self, raw: str) -> str:
        """Hand a signed transaction over; the node's objection, empty where it has none.

        An objection is news and no proof: what was handed over may still be executed.
        """


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did: the entry thereafter, the decision, and the node's objection."""

    entry: Entry
    step: Step
    objection: str = ""


class Sender:
    """One key's outbox on one chain, carried out step by step.

    Whatever is interrupted, also between two lines of this class, is taken up by a new sender over
    the same file.
    """

    def __init__(self, log: OutboxLog, key: Key, node: Node, terms: Terms) -> None:
        self._log, self._key, self._node, self._terms = log, key, node, terms

    @property
    def address(self) -> str:
        """The address that sends."""
        return self._key.address

    def entry(self, id: str) -> Entry:
        """An entry by its id; raises `KeyError`."""
        return self._log.outbox.entries[id]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of every call that was ever queued."""
        return frozenset(self._log.outbox.entries)

    def queue(self, call: Call) -> None:
        """Take a call that is to be executed once; the same id again changes nothing."""
        self._log.queue(call)

    async def step(self) -> Progress | None:
        """Look at the entry whose turn it is and do what is to do; None where nothing is open."""
        entry = self._log.outbox.turn
        if entry is None:
            return None
        sight = await self._node.look(self.address, entry, self._terms.depth_blocks)
        step = decide(entry, sight, self._terms)
        first = isinstance(step, Sign) and entry.nonce is None
        if first and sight.nonce < self._log.outbox.next_nonce:
            # It lags, or the chain has lost what was final; a nonce is never used for another call.
            step = Wait("the node is behind what was settled")
        objection = await self._do(entry, step, sight.block_number)
        return Progress(self.entry(entry.call.id), step, objection)

    async def _do(self, entry: Entry, step: Step, block_number: int) -> str:
        if isinstance(step, Wait):
            return ""
        if isinstance(step, Resend):
            return await self._node.send(step.attempt.raw)
        if isinstance(step, Turn):
            self._log.turn(entry.call.id, step)
            return ""
        attempt = self._signed(entry.call, step, block_number)
        self._log.attempt(entry.call.id, step.nonce, attempt)
        return await self._node.send(attempt.raw)

    def _signed(self, call: Call, step: Sign, block_number: int) -> Attempt:
        fees = step.fees
        target = (self.address, "0x", TRANSFER_GAS) if step.cancels else _target(call)
        hash, raw = self._key.sign(Unsigned(step.nonce, *target, fees.max_fee_wei, fees.tip_wei))
        return Attempt(hash, raw, fees, block_number, step.cancels)


def _target(call: Call) -> tuple[str, str, int]:
    return call.to, call.data, call.gas
