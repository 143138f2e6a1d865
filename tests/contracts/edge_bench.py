# SPDX-License-Identifier: Apache-2.0
"""A vault over test venues, made and used by the edge alone, on any chain that can be mined."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.venues.vault.deploying import (
    Blueprint,
    BookLimit,
    Deployed,
    Deployer,
    Setup,
    settle,
)
from tidegate.venues.vault.edge import VaultEdge
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.limits import GroupLimit, VenueLimit
from tidegate.venues.vault.node import ChainNode
from tidegate.venues.vault.orders import Signature, sign_order
from tidegate.venues.vault.outbox import Entry, Terms
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.reading import Place, Reader
from tidegate.venues.vault.sender import Sender
from tidegate.venues.vault.state import Move, Order, VaultState

USD, GWEI, DAY_S = 10**6, 10**9, 86_400
DEPTH = 3
ROOT = "0x" + "a1" * 32
DEPOSIT = 1_000 * USD
TERMS = Terms(fee_ceiling_wei=100 * GWEI, gas_ceiling=10**7, depth_blocks=DEPTH)
BOOK = BookLimit(1_000, 50_000, 100, 300, 30 * DAY_S, 100, 100)
LIMIT = VenueLimit(2**100, 6_000, 0, 12_000, DAY_S, 0)


def secret(name: str) -> bytes:
    """The key of a name; test keys, known to all."""
    return hashlib.sha256(f"tidegate test {name}".encode()).digest()


@dataclass
class Bench:
    """People, contracts and files of one vault. `mine` makes a block, `fund` gives gas money, and
    `chain` is the chain itself where it lies in this process."""

    node: ChainNode
    chain_id: int
    folder: Path
    mine: Callable[[], Awaitable[None]]
    fund: Callable[[str], Awaitable[None]]
    terms: Terms = TERMS
    chain: Any = None
    logs: dict[str, OutboxLog] = field(default_factory=dict)
    senders: dict[str, Sender] = field(default_factory=dict)
    token: str = ""
    venues: list[str] = field(default_factory=list)
    made: Deployed | None = None

    @property
    def vault(self) -> str:
        assert self.made is not None
        return self.made.vault

    def key(self, name: str) -> VaultKey:
        return VaultKey(secret(name), self.chain_id)

    async def sender(self, name: str) -> Sender:
        """The sender of a name; its outbox is on disk, and is taken up if it was closed."""
        if name not in self.senders:
            key = self.key(name)
            await self.fund(key.address)
            self.logs[name] = OutboxLog(self.folder / name, self.chain_id, key.address)
            self.senders[name] = Sender(self.logs[name], key, self.node, self.terms)
        return self.senders[name]

    def forget(self) -> None:
        """What the end of our process does: nothing but the files is left."""
        for log in self.logs.values():
            log.close()
        self.logs, self.senders = {}, {}

    @property
    def signers(self) -> list[VaultKey]:
        return [self.key(f"signer {i}") for i in range(3)]

    async def build(self, venues: int = 2) -> None:
        """Token, vault, test venues and limits, then a deposit."""
        await self.make()
        for _ in range(venues):
            await self.add_test_venue()
        await self.open()

    async def make(self) -> None:
        """Token, anchor, vault and policy."""
        deployer, owner = Deployer(self.node, self.mine), await self.sender("owner")
        about = ("Test dollar", "TUSD", 6)
        self.token = await deployer.create(owner, "token", "TestToken", *about)
        people = [self.key(name).address for name in ("curator", "allocator", "sentinel")]
        self.made = await deployer.vault(owner, Blueprint(self.token, "Tidegate", "TIDE", *people))

    async def add_test_venue(self) -> None:
        deployer, owner = Deployer(self.node, self.mine), await self.sender("owner")
        id, where = f"venue {len(self.venues)}", (self.token, self.vault)
        self.venues.append(await deployer.create(owner, id, "TestVenue", *where))

    async def open(self, limit: VenueLimit = LIMIT) -> None:
        """Signers, limits and every venue so far, then a deposit."""
        assert self.made is not None
        deployer, curator = Deployer(self.node, self.mine), await self.sender("curator")
        signers = tuple(key.address for key in self.signers)
        groups, limits = {0: GroupLimit(2**100, 9_500)}, dict.fromkeys(self.venues, limit)
        await deployer.set_up(curator, self.made, Setup(signers, 2, BOOK, groups, limits))
        await self.deposit(DEPOSIT)

    async def deposit(self, amount: int) -> None:
        holder, deployer = await self.sender("holder"), Deployer(self.node, self.mine)
        token, vault = ("TestToken", self.token), ("CapitalVault", self.vault)
        await deployer.call(holder, "mint", *token, "mint", holder.address, amount)
        await deployer.call(holder, "approve", *token, "approve", self.vault, amount)
        await deployer.call(holder, "deposit", *vault, "deposit", amount, holder.address)

    def reader(self, depth: int = DEPTH) -> Reader:
        assert self.made is not None
        names = {adapter: f"venue {i}" for i, adapter in enumerate(self.venues)}
        return Reader(self.node, Place(self.vault, self.made.first_block, names), depth)

    async def edge(self) -> VaultEdge:
        edge = VaultEdge(self.node, self.reader(), await self.sender("allocator"))
        await edge.state()
        return edge

    async def order(self, *moves: Move, **changes: Any) -> tuple[Order, list[Signature]]:
        """An order on the vault as it is at the head, and two signatures."""
        reader = self.reader(0)
        state = await reader.state()
        given = {
            "nonce": state.nonce,
            "deadline_s": state.ts_s + 3_600,
            "snapshot": ROOT,
            "min_total_quanta": 1,
            **changes,
        }
        order, domain = Order(**given, moves=moves), await reader.domain()
        return order, [sign_order(order, domain, key) for key in self.signers[:2]]

    def move(self, venue: int, quanta: int) -> Move:
        return Move(self.venues[venue], quanta, abs(quanta))

    async def settle(self, id: str) -> Entry:
        return await settle(await self.sender("allocator"), id, self.mine)

    async def count(self, event: str, nonce: int | None = None) -> int:
        """How often the chain as it stands has an event of the vault."""
        head = await self.node.block()
        logs = await self.node.logs("CapitalVault", self.vault, 0, head.number)
        return sum(
            log.name == event and (nonce is None or log.args.get("nonce") == nonce) for log in logs
        )

    async def money(self) -> tuple[int, ...]:
        """Tokens in the vault and at each venue, counted by the token itself."""
        head = await self.node.block()
        holders = (self.vault, *self.venues)
        ask = self.node.view
        return tuple(
            [await ask("TestToken", self.token, "balanceOf", it, at=head.number) for it in holders]
        )

    async def calls(self, name: str) -> int:
        """Transactions that the chain has of a key."""
        head = await self.node.block()
        return await self.node.count(self.key(name).address, head.number)


async def rest(bench: Bench, blocks: int = DEPTH) -> None:
    """Let so many blocks pass."""
    for _ in range(blocks):
        await bench.mine()


def shares(state: VaultState) -> Sequence[int]:
    """Value of each venue, in the vault's order."""
    return [venue.value_quanta for venue in state.venues]


def going(test: Awaitable[None]) -> None:
    """Run a test to its end."""

    async def whole() -> None:
        await test

    asyncio.run(whole())
