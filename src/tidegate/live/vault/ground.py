# SPDX-License-Identifier: Apache-2.0
"""People who have keys, on a chain of one's own: where the demonstration's vault stands.

Every transaction of theirs is signed and goes through its sender's outbox, as on any other chain.
The keys are made from names, so that a run can be told again; they are known to all and worth
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from tidegate.live.vault.local_chain import LocalChain
from tidegate.model.errors import ensure
from tidegate.venues.vault.deploying import Deployer
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.logs import Log
from tidegate.venues.vault.node import Block
from tidegate.venues.vault.outbox import Call, Terms
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Sender, Unsigned

T = TypeVar("T")
GWEI = 10**9
GAS_CALL = 8_000_000
TERMS = Terms(fee_ceiling_wei=500 * GWEI, gas_ceiling=10**7, depth_blocks=0)


@dataclass(frozen=True, slots=True)
class Forced:
    """A transaction that was sent without being tried before: where it is, and why it reverted;
    `reason` is empty where it did not."""

    transaction: str
    block_number: int
    reason: str


class Ground:
    """One chain and the people on it; `wait` lets time pass there."""

    def __init__(self, folder: Path, chain: LocalChain) -> None:
        """`folder` keeps the outboxes."""
        self.chain, self.node = chain, chain.node
        self._folder, self._runner = folder, asyncio.Runner()
        self.run: Callable[[Awaitable[Any]], Any] = lambda answer: self._runner.run(_whole(answer))
        self.chain_id = int(self.run(self.node.chain_id()))
        self._senders: dict[str, Sender] = {}
        self._logs: list[OutboxLog] = []
        self._calls = 0
        self.deployer = Deployer(self.node, self._mine, GAS_CALL)

    def close(self) -> None:
        """Close the outboxes and the way to the chain, which its maker ends."""
        for log in self._logs:
            log.close()
        self.run(self.node.close())
        self._runner.close()

    @property
    def now_s(self) -> int:
        """The second of the newest block."""
        return self._head().ts_s

    def wait(self, until_s: int) -> None:
        """Make a block at that second."""
        self.chain.wait(until_s)

    def mine(self, blocks: int = 1) -> None:
        """Make blocks, a second apart."""
        self.chain.mine(blocks)

    def key(self, name: str) -> VaultKey:
        """The key of a name."""
        return VaultKey(sha256(f"tidegate vault demo {name}".encode()).digest(), self.chain_id)

    def address(self, name: str) -> str:
        """The address of a name."""
        return self.key(name).address

    def sender(self, name: str, terms: Terms = TERMS) -> Sender:
        """The outbox of a name, with money for gas."""
        if name not in self._senders:
            key = self.key(name)
            self.chain.gift(key.address)
            log = OutboxLog(self._folder / f"{name}.outbox", self.chain_id, key.address)
            self._logs.append(log)
            self._senders[name] = Sender(log, key, self.node, terms)
        return self._senders[name]

    def create(self, name: str, contract: str, *args: object) -> str:
        """Make a shipped contract in a name; its address."""
        made = self.deployer.create(self.sender(name), self._next(), contract, *args)
        return str(self.run(made))

    def call(self, name: str, contract: tuple[str, str], function: str, *args: object) -> None:
        """Call a contract (kind, address) in a name; raises `InputError` with its reason."""
        sender = self.sender(name)
        self.run(self.deployer.call(sender, self._next(), *contract, function, *args))

    def refusal(self, name: str, contract: tuple[str, str], function: str, *args: object) -> str:
        """Why a contract would refuse a call in a name now; empty where it would not."""
        data = self.node.data(contract[0], function, *args)
        call = Call("", contract[1], data, GAS_CALL, 0)
        return str(self.run(self.node.dry_run(self.sender(name).address, call)))

    def force(self, name: str, contract: tuple[str, str], function: str, *args: object) -> Forced:
        """Send a call in a name past its outbox, which would not send what is refused: nothing is
        tried before, and the gas is set by hand. It takes a nonce, so nothing may be open."""
        key, data = self.key(name), self.node.data(contract[0], function, *args)
        address, head = self.sender(name).address, self._head()
        nonce = self.run(self.node.count(address, head.number))
        fees = 2 * head.base_fee_wei + GWEI, GWEI
        hash, raw = key.sign(Unsigned(nonce, contract[1], data, GAS_CALL, *fees))
        objection = self.run(self.node.send(raw))
        self.mine()
        receipt = self.run(self.node.receipt(hash))
        ensure(receipt is not None, f"{function}: the node did not include it: {objection}")
        call, before = Call("", contract[1], data, GAS_CALL, 0), receipt.block_number - 1
        reason = "" if receipt.success else self.run(self.node.dry_run(address, call, before))
        return Forced(hash, receipt.block_number, reason)

    def view(self, contract: tuple[str, str], function: str, *args: object) -> Any:
        """What a contract says at the head."""
        return self.run(self.node.view(*contract, function, *args, at=self._head().number))

    def logs(self, contract: tuple[str, str], first: int) -> Sequence[Log]:
        """A contract's logs from a block to the head."""
        found: Sequence[Log] = self.run(self.node.logs(*contract, first, self._head().number))
        return found

    def _head(self) -> Block:
        found: Block = self.run(self.node.block())
        return found

    def _next(self) -> str:
        self._calls += 1
        return f"call {self._calls}"

    async def _mine(self) -> None:
        self.chain.mine(1)


async def _whole(answer: Awaitable[T]) -> T:
    return await answer
