# SPDX-License-Identifier: Apache-2.0
"""Makes a vault from the shipped contracts, each transaction through an outbox.

Every step has an id of its own, so a deployment that was interrupted goes on where it stood when
it is begun again with the same ids; nothing is made twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256

from tidegate.model.errors import InputError
from tidegate.venues.vault.limits import GroupLimit, VenueLimit
from tidegate.venues.vault.node import ChainNode
from tidegate.venues.vault.outbox import Call, Entry, Stage
from tidegate.venues.vault.reading import POLICY
from tidegate.venues.vault.sender import Progress, Sender

CREATION_GAS = 8_000_000
CALL_GAS = 1_000_000
LASTS_S = 3_600
Pause = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BookLimit:
    """The policy's limits on the whole book (`RiskPolicy.vy`); shares in basis points."""

    idle_min_bps: int
    turnover_max_bps: int
    loss_max_bps: int
    loss_budget_bps: int
    forget_s: int
    quota_bps: int
    unwind_bps: int

    @property
    def terms(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a vault is made of: `name` and `symbol` are those of its share; `curator`, `allocator`
    and `sentinel` are addresses, no two the same and none the owner's; times as in
    `CapitalVault.vy`."""

    asset: str
    name: str
    symbol: str
    curator: str
    allocator: str
    sentinel: str
    delay_s: int = 2 * 86_400
    unlock_s: int = 7 * 86_400
    notice_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Setup:
    """What the curator announces before the first deposit, when nothing waits."""

    signers: tuple[str, ...]
    threshold: int
    book: BookLimit
    groups: dict[int, GroupLimit] = field(default_factory=dict)
    venues: dict[str, VenueLimit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployed:
    """Where the contracts of a vault stand, and the block of its first log at the latest."""

    anchor: str
    vault: str
    policy: str
    first_block: int


async def settle(sender: Sender, id: str, pause: Pause) -> Entry:
    """Step until a call has ended, with a pause where nothing happened; the entry thereafter."""
    while sender.entry(id).is_open:
        progress = await sender.step()
        if not _moved(progress):
            await pause()
    return sender.entry(id)


def _moved(progress: Progress | None) -> bool:
    return progress is not None and hasattr(progress.step, "stage")


class Deployer:
    """Makes contracts with one sender and calls them with others."""

    def __init__(
        self, node: ChainNode, pause: Pause | None = None, call_gas: int = CALL_GAS
    ) -> None:
        """`pause` is waited for between two looks, by default the node's own; `call_gas` is what
        a call may use."""
        self._node, self._pause, self._call_gas = node, pause or node.pause, call_gas

    async def create(self, sender: Sender, id: str, contract: str, *args: object) -> str:
        """Make a shipped contract; its address. Raises `InputError` unless that is done."""
        data = self._node.creation(contract, *args)
        entry = await self._done(sender, id, "", data, CREATION_GAS)
        return created(sender.address, entry.nonce or 0)

    async def call(
        self, sender: Sender, id: str, contract: str, address: str, name: str, *args: object
    ) -> Entry:
        """Call a shipped contract; raises `InputError` unless that is done."""
        data = self._node.data(contract, name, *args)
        return await self._done(sender, id, address, data, self._call_gas)

    async def _done(self, sender: Sender, id: str, to: str, data: str, gas: int) -> Entry:
        if id not in sender.ids:
            deadline_s = (await self._node.block()).ts_s + LASTS_S
            sender.queue(Call(id, to, data, gas, deadline_s))
        entry = await settle(sender, id, self._pause)
        if (entry.call.to, entry.call.data) != (to, data):
            raise InputError("vault", id, "expected the same call as before under this id")
        if entry.stage is not Stage.DONE:
            raise InputError("vault", id, f"expected it done, is {entry.stage}: {entry.reason}")
        return entry

    async def vault(self, owner: Sender, plan: Blueprint) -> Deployed:
        """Anchor, vault and policy; the owner is who sends."""
        anchor = await self.create(owner, "make anchor", "AuditAnchor")
        roles = [plan.curator, plan.allocator, plan.sentinel]
        times = (plan.delay_s, plan.unlock_s, plan.notice_s)
        about = (plan.asset, plan.name, plan.symbol, anchor, roles, times)
        vault = await self.create(owner, "make vault", "CapitalVault", *about)
        policy = await self.create(owner, "make policy", "RiskPolicy", vault, plan.delay_s)
        receipt = owner.entry("make vault").receipt
        return Deployed(anchor, vault, policy, receipt.block_number if receipt else 0)

    async def set_up(self, curator: Sender, made: Deployed, setup: Setup) -> None:
        """Signers, policy, limits and venues, announced and carried out by the curator."""
        vault, policy = ("CapitalVault", made.vault), ("RiskPolicy", made.policy)
        signers = list(setup.signers)
        await self.carry_out(curator, *vault, "set_signers", signers, setup.threshold)
        await self.carry_out(curator, *vault, "appoint", POLICY, made.policy)
        await self.carry_out(curator, *policy, "set_book_limit", setup.book.terms)
        for group, limit in setup.groups.items():
            terms = (limit.cap, limit.cap_bps)
            await self.carry_out(curator, *policy, "set_group_limit", group, terms)
        for adapter, venue in setup.venues.items():
            await self.carry_out(curator, *vault, "add_venue", adapter)
            await self.carry_out(curator, *policy, "set_venue_limit", adapter, _terms(venue))

    async def carry_out(
        self, curator: Sender, contract: str, address: str, name: str, *args: object
    ) -> None:
        """Announce a change and carry it out at once, which an empty vault allows."""
        data = self._node.data(contract, name, *args)
        for step in ("submit", "execute"):
            id = f"{step} {name} {address} {sha256(data.encode()).hexdigest()}"
            await self.call(curator, id, contract, address, step, bytes.fromhex(data[2:]))


def created(sender: str, nonce: int) -> str:
    """The address of the contract that a sender makes with a nonce: the last 20 bytes of
    keccak256(rlp([sender, nonce])), checksummed (Ethereum yellow paper, section 7 and appendix B).
    """
    from eth_utils.address import to_checksum_address
    from eth_utils.crypto import keccak

    parts = b"\x94" + bytes.fromhex(sender.removeprefix("0x")) + _rlp(nonce)
    return str(to_checksum_address(keccak(bytes([0xC0 + len(parts)]) + parts)[-20:]))


def _rlp(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return digits if 0 < number < 0x80 else bytes([0x80 + len(digits)]) + digits


def _terms(limit: VenueLimit) -> tuple[int, ...]:
    return tuple(getattr(limit, name) for name in limit.__slots__)
