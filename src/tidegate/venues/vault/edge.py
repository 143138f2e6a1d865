# SPDX-License-Identifier: Apache-2.0
"""A vault as its allocator uses it: read it, bring signed orders, follow them until they are final.

An order has two locks against being executed twice: the nonce of the key that sends it, which the
outbox gives to it alone, and the order's own nonce, which the vault uses up.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model.errors import InputError
from tidegate.venues.vault.node import ChainNode, Reverted
from tidegate.venues.vault.orders import Signature, collect
from tidegate.venues.vault.outbox import PPM, Call, Entry
from tidegate.venues.vault.reading import Reader
from tidegate.venues.vault.sender import Progress, Sender
from tidegate.venues.vault.state import Move, Order, VaultState

GAS_MARGIN_PPM = 300_000  # venues' gas moves with their state between estimate and inclusion
REFUSED_GAS = 1_000_000  # a call that reverts now has no estimate; its dry run says why


class VaultEdge:
    """One vault: `reader` looks, `sender` is the allocator's."""

    def __init__(self, node: ChainNode, reader: Reader, sender: Sender) -> None:
        self._node, self._reader, self._sender = node, reader, sender

    async def state(self) -> VaultState:
        """The vault at a block deep enough to stay; raises as `Reader.state`."""
        return await self._reader.state()

    async def submit(self, id: str, order: Order, signatures: Sequence[Signature]) -> Entry:
        """Queue an order under our id; the same id again changes nothing and gives what it became.

        Raises `InputError` where a move has no least outcome, a move is nothing, a signature is not
        its signer's, or there are too few. What the chain refuses is seen at the next step, as
        the entry's reason.
        """
        if id in self._sender.ids:
            return self._sender.entry(id)
        check_moves(order.moves)
        if not self._reader.ledger.threshold:
            await self._reader.state()
        domain, ledger = await self._reader.domain(), self._reader.ledger
        content = collect(order, domain, signatures, ledger.signers, ledger.threshold)
        moves = [move.terms for move in order.moves]
        data = self._node.data("CapitalVault", "rebalance", order.terms, moves, list(content))
        gas = await self._gas(domain.vault, data)
        self._sender.queue(Call(id, domain.vault, data, gas, order.deadline_s))
        return self._sender.entry(id)

    async def _gas(self, to: str, data: str) -> int:
        try:
            least = await self._node.gas(self._sender.address, to, data)
        except Reverted:
            return REFUSED_GAS
        return least + least * GAS_MARGIN_PPM // PPM

    async def step(self) -> Progress | None:
        """One step of the outbox; None where nothing is open."""
        return await self._sender.step()

    def entry(self, id: str) -> Entry:
        """What an order has come to; raises `KeyError` where none has that id."""
        return self._sender.entry(id)


def check_moves(moves: Sequence[Move]) -> None:
    """Hold that each move says what must come of it, at least, and at most."""
    for move in moves:
        if move.quanta == 0:
            raise InputError("order", move.adapter, "expected a move of something")
        if not 0 < move.least_quanta <= abs(move.quanta):
            expected = "expected a least outcome above zero and not above the move"
            raise InputError("order", move.adapter, expected)
