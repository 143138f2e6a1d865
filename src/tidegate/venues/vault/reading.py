# SPDX-License-Identifier: Apache-2.0
"""Reads a vault at one block: the fold of its logs, held against what the contracts say there.

What is read stands `depth_blocks` behind the head, so that a reorganisation of that depth changes
nothing that was read. Logs are folded once; where the block that they were folded to is no longer
on the chain, they are folded anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.model.errors import InputError
from tidegate.venues.vault.limits import (
    GroupLimit,
    Limits,
    ToldVenue,
    VenueLimit,
    venue_states,
)
from tidegate.venues.vault.logs import Disagreement, Ledger, fold, reconcile
from tidegate.venues.vault.node import Block, ChainNode, Reverted
from tidegate.venues.vault.orders import Domain
from tidegate.venues.vault.state import BookLimits, VaultState, VenueState

POLICY = 32  # the flag of that role in `book.vy`: the sixth
NOBODY = "0x" + "00" * 20
# Of the shipped contracts those whose ABI has what is asked of every token and every adapter.
TOKEN, ADAPTER = "TestToken", "TestVenue"


class Moved(Exception):
    """The chain was reorganised while it was read; read again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vault stands, from which block its logs begin, and what its venues are called."""

    vault: str
    first_block: int
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fixed:
    """What never changes at a vault."""

    asset: str
    decimals: int
    anchor: str
    share_name: str


class Reader:
    """One vault over one node; `state` is what it is at a block deep enough to stay."""

    def __init__(self, node: ChainNode, place: Place, depth_blocks: int) -> None:
        self._node, self._place, self._depth = node, place, depth_blocks
        self._fixed: Fixed | None = None
        self._chain_id = 0
        self._folded_to: Block | None = None
        self.ledger = Ledger()

    async def domain(self) -> Domain:
        """Where orders of this vault hold."""
        fixed = await self._constants()
        return Domain(fixed.share_name, self._chain_id, self._place.vault)

    async def state(self, depth_blocks: int | None = None) -> VaultState:
        """The vault at that depth behind the head, or at the reader's.

        Raises `Disagreement` where the logs and the contracts differ, `Moved` where the chain
        changed meanwhile, `InputError` where there is no vault at that block.
        """
        depth = self._depth if depth_blocks is None else depth_blocks
        head = await self._node.block()
        if head.number - depth < self._place.first_block:
            raise InputError("vault", "depth", f"expected it to be {depth} blocks old")
        block = await self._node.block(head.number - depth)
        fixed = await self._constants()
        await self._fold_to(block, fixed)
        state = await self._told(block, fixed)
        if (await self._node.block(block.number)).hash != block.hash:
            raise Moved
        return state

    async def _constants(self) -> Fixed:
        if self._fixed is None:
            at = (await self._node.block()).number
            try:
                asset, anchor, name = [
                    await self._vault(x, at) for x in ("asset", "anchor", "name")
                ]
                decimals = await self._node.view(TOKEN, asset, "decimals", at=at)
            except Reverted:
                raise InputError("vault", self._place.vault, "expected a vault there") from None
            self._chain_id = await self._node.chain_id()
            self._fixed = Fixed(asset, int(decimals), anchor, name)
        return self._fixed

    async def _vault(self, name: str, at: int, *args: Any) -> Any:
        return await self._node.view("CapitalVault", self._place.vault, name, *args, at=at)

    async def _fold_to(self, block: Block, fixed: Fixed) -> None:
        start = await self._start(block)
        vault = self._place.vault
        logs = await self._node.logs("CapitalVault", vault, start, block.number)
        anchored = await self._node.logs("AuditAnchor", fixed.anchor, start, block.number)
        logs += [log for log in anchored if log.args.get("publisher") == vault]
        logs.sort(key=lambda log: (log.block_number, log.index))
        self.ledger, self._folded_to = fold(self.ledger, logs), block

    async def _start(self, block: Block) -> int:
        """The first block whose logs are not folded; forgets what the chain has dropped."""
        old = self._folded_to
        kept = old is not None and old.number <= block.number
        if old is not None and kept and (await self._node.block(old.number)).hash == old.hash:
            return old.number + 1
        self.ledger, self._folded_to = Ledger(), None
        return self._place.first_block

    async def _told(self, block: Block, fixed: Fixed) -> VaultState:
        at, ledger = block.number, self.ledger
        idle, total, venues = await self._vault("current_book", at)
        told = {
            "idle_quanta": idle,
            "set_aside_quanta": await self._vault("reserved", at),
            "supply_shares": await self._vault("totalSupply", at),
            "nonce": await self._vault("order_nonce", at),
            "paused": await self._vault("paused", at),
            "shutdown": await self._vault("shut_down", at),
            "threshold": await self._vault("threshold", at),
            "venues": tuple(venue[0] for venue in venues),
            **await self._anchored(fixed, at),
        }
        reconcile(ledger, told)
        await self._check_holders(at)
        await self._check_money(fixed, at)
        policy = ledger.holders.get(POLICY, NOBODY)
        return VaultState(
            chain_id=self._chain_id,
            block_number=at,
            block_hash=block.hash,
            ts_s=block.ts_s,
            vault=self._place.vault,
            asset=fixed.asset,
            decimals=fixed.decimals,
            idle_quanta=idle,
            set_aside_quanta=ledger.set_aside_quanta,
            total_quanta=total,
            priced_quanta=await self._vault("totalAssets", at),
            supply_shares=ledger.supply_shares,
            escrow_shares=ledger.escrow_shares,
            nonce=ledger.nonce,
            last_order_s=await self._vault("last_order_at", at),
            anchor_head=ledger.anchor_head,
            anchor_count=ledger.anchor_count,
            paused=ledger.paused,
            shutdown=ledger.shutdown,
            venues=await self._venues(policy, total, venues, block),
            limits=None if policy == NOBODY else await self._limits(policy, at),
        )

    async def _anchored(self, fixed: Fixed, at: int) -> dict[str, object]:
        view, vault = self._node.view, self._place.vault
        head = await view("AuditAnchor", fixed.anchor, "head", vault, at=at)
        count = await view("AuditAnchor", fixed.anchor, "count", vault, at=at)
        return {"anchor_head": "0x" + bytes(head).hex(), "anchor_count": count}

    async def _check_holders(self, at: int) -> None:
        for views, folded in (
            ("pendingRedeemRequest", self.ledger.escrow),
            ("maxWithdraw", self.ledger.claims),
        ):
            for holder, amount in folded.items():
                args = (0, holder) if views == "pendingRedeemRequest" else (holder,)
                told = await self._vault(views, at, *args)
                if told != amount:
                    raise Disagreement(f"{views} of {holder}", amount, told)

    async def _check_money(self, fixed: Fixed, at: int) -> None:
        # More may lie there that nobody deposited; less is money that is gone.
        ours = self.ledger.idle_quanta + self.ledger.set_aside_quanta
        there = await self._node.view(TOKEN, fixed.asset, "balanceOf", self._place.vault, at=at)
        if there < ours:
            raise Disagreement("money in the vault", ours, there)

    async def _venues(
        self, policy: str, total: int, venues: list[Any], block: Block
    ) -> tuple[VenueState, ...]:
        told = [ToldVenue(*venue) for venue in venues]
        limits, groups = dict[str, VenueLimit](), dict[int, GroupLimit]()
        for venue in told:
            await self._check_adapter(venue, block.number)
            if policy != NOBODY:
                limit = await self._policy(policy, "venue_limit", block.number, venue.adapter)
                limits[venue.adapter] = VenueLimit(*limit)
        for group in {limit.group for limit in limits.values()}:
            found = await self._policy(policy, "group_limit", block.number, group)
            groups[group] = GroupLimit(*found)
        names = self._place.names
        return venue_states(told, Limits(limits, groups), total, block.ts_s, names)

    async def _check_adapter(self, venue: ToldVenue, at: int) -> None:
        """The adapter asked alone; one that does not answer counts as nothing, as in the vault."""
        try:
            own = (await self._node.view(ADAPTER, venue.adapter, "state", at=at))[0]
        except Reverted:
            own = 0
        if venue.as_of_s and own != venue.value:
            raise Disagreement(f"value of {venue.adapter}", venue.value, own)

    async def _policy(self, policy: str, name: str, at: int, *args: Any) -> Any:
        return await self._node.view("RiskPolicy", policy, name, *args, at=at)

    async def _limits(self, policy: str, at: int) -> BookLimits:
        idle, turnover, loss, budget, *_ = await self._policy(policy, "book_limit", at)
        spent = [await self._policy(policy, name, at) for name in ("turnover_ppb", "loss_ppb")]
        return BookLimits(idle, turnover, spent[0], loss, budget, spent[1])
