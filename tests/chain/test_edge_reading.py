# SPDX-License-Identifier: Apache-2.0
"""The fold of logs against the contracts through random lives of a vault, and across a fork."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.chain.test_edge_gates import Site, on_anvil
from tests.contracts.edge_bench import USD
from tidegate.venues.chain.client import At, Refused
from tidegate.venues.vault.shipped import shipped
from tidegate.venues.vault.state import VaultState

pytestmark = pytest.mark.chain
STEPS = 30


class Life:
    """What people do to a vault, in their own name, without the edge."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.site, self.dice, self.bench = site, dice, site.bench
        self.vault = At(site.chain, site.bench.vault, shipped("CapitalVault").abi)
        self.token = At(site.chain, site.bench.token, shipped("TestToken").abi)
        self.venues = [At(site.chain, it, shipped("TestVenue").abi) for it in self.bench.venues]
        self.taken = 0

    def who(self, name: str) -> str:
        return self.bench.key(name).address

    def amount(self, most: int) -> int:
        return self.dice.randint(1, max(1, most))

    def deposit(self) -> None:
        who, amount = self.who(self.dice.choice(("holder", "other"))), self.amount(500 * USD)
        self.token.mint(who, amount, sender=who)
        self.token.approve(self.vault.address, amount, sender=who)
        self.vault.deposit(amount, who, sender=who)

    def request(self) -> None:
        who = self.who(self.dice.choice(("holder", "other")))
        shares = self.amount(self.vault.balanceOf(who) // 2)
        self.vault.requestRedeem(shares, who, who, sender=who)

    def fulfil(self) -> None:
        who = self.who(self.dice.choice(("holder", "other")))
        shares = self.amount(self.vault.pendingRedeemRequest(0, who))
        self.vault.fulfil(who, shares, [], 0, sender=who)

    def redeem(self) -> None:
        who = self.who(self.dice.choice(("holder", "other")))
        self.vault.redeem(self.amount(self.vault.maxRedeem(who)), who, who, sender=who)

    async def rebalance(self) -> None:
        venue = self.dice.randrange(len(self.bench.venues))
        sign = self.dice.choice((1, 1, -1))
        order, signed = await self.bench.order(
            self.bench.move(venue, sign * self.amount(100 * USD))
        )
        signatures = sorted(signed, key=lambda one: int(one.signer, 16))
        moves = [move.terms for move in order.moves]
        content = [one.content for one in signatures]
        self.vault.rebalance(order.terms, moves, content, sender=self.who("allocator"))

    def bring_home(self) -> None:
        venue = self.dice.choice(self.venues)
        amount = self.amount(50 * USD)
        self.vault.bring_home(venue.address, amount, 1, sender=self.who("sentinel"))

    def market(self) -> None:
        """A venue gains or loses; what it gains is there."""
        venue = self.dice.choice(self.venues)
        held = venue.held()
        after = held + self.dice.randint(-(held // 100), held // 100)
        if after > held:
            self.token.mint(venue.address, after - held, sender=self.who("owner"))
        venue.set_market(after, 0, 0, sender=self.who("owner"))

    def donate(self) -> None:
        self.token.mint(self.vault.address, self.amount(USD), sender=self.who("other"))

    def pause(self) -> None:
        self.vault.pause(sender=self.who("sentinel"))

    def resume(self) -> None:
        self.vault.resume(sender=self.who("owner"))

    def retire(self) -> None:
        self.vault.retire_venue(self.venues[0].address, sender=self.who("curator"))

    async def step(self) -> None:
        names = "deposit request fulfil redeem bring_home market donate pause resume retire".split()
        name = self.dice.choices([*names, "rebalance"], [4, 4, 3, 3, 3, 3, 2, 1, 2, 1, 6])[0]
        try:
            done: Any = getattr(self, name)()
            if name == "rebalance":
                await done
            self.taken += 1
        except Refused:
            pass


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_fold_agrees_with_the_contracts_after_every_step_of_a_random_life(
    tmp_path: Path, seed: int
) -> None:
    async def test(site: Site) -> None:
        life, reader = Life(site, random.Random(seed)), site.bench.reader(depth=0)
        before = await reader.state()
        for _ in range(STEPS):
            await life.step()
            state = await reader.state()
            assert state.total_quanta == state.idle_quanta + sum(_values(state))
            kept = state.idle_quanta + state.set_aside_quanta
            assert life.token.balanceOf(state.vault) >= kept
        assert life.taken >= STEPS // 2
        assert state.nonce > before.nonce
        fresh = site.bench.reader(depth=0)
        assert await fresh.state() == state
        assert fresh.ledger == reader.ledger

    on_anvil(tmp_path, test)


def _values(state: VaultState) -> list[int]:
    return [venue.value_quanta for venue in state.venues]


def test_fold_of_another_branch_is_that_of_a_reader_that_saw_no_other(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        life, reader = Life(site, random.Random(3)), site.bench.reader(depth=0)
        for _ in range(8):
            life.deposit()
        await reader.state()
        mark = site.rpc("evm_snapshot")
        for _ in range(6):
            life.deposit()
        lost = await reader.state()
        assert site.rpc("evm_revert", mark)
        for _ in range(9):
            life.deposit()
        state = await reader.state()
        assert await site.bench.reader(depth=0).state() == state != lost

    on_anvil(tmp_path, test)
