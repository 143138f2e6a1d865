# SPDX-License-Identifier: Apache-2.0
"""Random lives of a vault, with every promise looked at after each step.

Most rules choose what can be done: an order is drawn within what is idle, held and allowed, so that
what is tested is mostly what happens and not what is refused. Each rule foretells whether it is
taken, and the count of both is kept.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.reports import Custody
from tests.contracts.setting import (
    BPS,
    KEEPER,
    BookLimit,
    Setting,
    VenueLimit,
    vault_with_venues,
)

HOLDERS = [account(name) for name in ("ann", "ben", "cat")]
OFFSET = 10**6
UP_BPS_DAY = 50
SHARE = st.integers(1, BPS)
HOLDER = st.sampled_from(range(len(HOLDERS)))
VENUE = st.sampled_from(range(3))


@dataclass(slots=True)
class Tally:
    """How many actions were taken and refused, by rule."""

    taken: Counter[str]
    refused: Counter[str]

    def share_taken(self) -> float:
        taken, refused = self.taken.total(), self.refused.total()
        return taken / (taken + refused)


TALLY = Tally(Counter(), Counter())


class VaultMachine(RuleBasedStateMachine):
    """Three holders, two venues on the chain and one that reports."""

    @initialize(decimals=st.sampled_from((2, 6, 8, 18)))
    def begin(self, decimals: int) -> None:
        self.unit = 10**decimals
        limit = VenueLimit(cap=400_000 * self.unit, cap_bps=6_000, health_min_bps=11_000)
        self.s: Setting = vault_with_venues(2, decimals, limit)
        self.custody = Custody(self.s, UP_BPS_DAY)
        reported = VenueLimit(
            cap=300_000 * self.unit, cap_bps=4_000, group=1, discount_bps=2_500, age_max_s=DAY_S
        )
        self.s.add_venue(self.custody.adapter, reported)
        self.s.venues.append(self.custody.adapter)
        self.s.limit_group(1)
        bounds = self.s.vault.address, 3 * DAY_S, 3_600, 2_000, 500
        self.keeper = self.s.evm.deploy("Keeper", *bounds, sender=self.s.owner)
        self.s.through_timelock(self.s.vault, "appoint", KEEPER, self.keeper.address)
        self.s.limit_book(BookLimit(idle_min_bps=500, quota_bps=2_000, unwind_bps=200))
        for holder in HOLDERS:
            self.s.give(holder, 10**9 * self.unit)
        self.s.vault.deposit(10_000 * self.unit, HOLDERS[0], sender=HOLDERS[0])

    # What is done, and whether it was foretold.

    def act(self, name: str, expected: bool | None, call: Any) -> bool:
        """Does it, holds it against what was foretold (None: nothing was), and counts it."""
        refusal = ""
        try:
            call()
        except Refused as refused:
            refusal = str(refused)
        (TALLY.refused if refusal else TALLY.taken)[name] += 1
        assert not refusal or ": " in refusal, "a refusal has its reason"
        assert expected is None or expected is not bool(refusal), f"{name}: {refusal}"
        return not refusal

    def takes_deposits(self) -> bool:
        return bool(self.s.vault.maxDeposit(HOLDERS[0]))

    @rule(who=HOLDER, amount=st.integers(1, 50_000))
    def deposit(self, who: int, amount: int) -> None:
        assets, holder = amount * self.unit, HOLDERS[who]
        shares = self.s.vault.previewDeposit(assets)
        expected = self.takes_deposits() and shares > 0
        before = self.s.vault.balanceOf(holder)
        if self.act(
            "deposit", expected, lambda: self.s.vault.deposit(assets, holder, sender=holder)
        ):
            assert self.s.vault.balanceOf(holder) == before + shares

    @rule(who=HOLDER, amount=st.integers(1, 50_000))
    def mint(self, who: int, amount: int) -> None:
        shares, holder = amount * self.unit * OFFSET, HOLDERS[who]
        cost, before = self.s.vault.previewMint(shares), self.s.held(holder)
        # At a price near nothing more is asked than anybody has.
        expected = self.takes_deposits() and 0 < cost <= before
        if self.act("mint", expected, lambda: self.s.vault.mint(shares, holder, sender=holder)):
            assert self.s.held(holder) == before - cost

    @rule(who=HOLDER, to=HOLDER, share=SHARE)
    def transfer(self, who: int, to: int, share: int) -> None:
        amount = self.s.vault.balanceOf(HOLDERS[who]) * share // BPS
        self.act(
            "transfer",
            True,
            lambda: self.s.vault.transfer(HOLDERS[to], amount, sender=HOLDERS[who]),
        )

    @rule(who=HOLDER, share=SHARE)
    def request(self, who: int, share: int) -> None:
        holder = HOLDERS[who]
        shares = self.s.vault.balanceOf(holder) * share // BPS
        self.act(
            "request",
            shares > 0,
            lambda: self.s.vault.requestRedeem(shares, holder, holder, sender=holder),
        )

    def asked(self, holder: str, share: int) -> int:
        """Part of what is pending; where nothing is, part of what the holder has is asked for."""
        vault = self.s.vault
        shares = vault.balanceOf(holder) * share // BPS
        if shares and not vault.pendingRedeemRequest(0, holder):
            vault.requestRedeem(shares, holder, holder, sender=holder)
        return int(vault.pendingRedeemRequest(0, holder) * share // BPS)

    @rule(who=HOLDER, share=SHARE)
    def fulfil_by_anybody(self, who: int, share: int) -> None:
        holder, vault = HOLDERS[who], self.s.vault
        used, shares = vault.quota_used(), self.asked(holder, share)
        left = (vault.totalSupply() + used) * 2_000 // BPS - used
        if self.custody.adapter.accepted() > 0:
            shares = min(shares, max(left, 0))
        claim = vault.convertToAssets(shares)
        expected = shares > 0 and self.is_fresh() and 0 < claim <= vault.idle()

        def fulfil() -> None:
            vault.fulfil(holder, shares, [], 0, sender=self.s.stranger)

        self.act("fulfil", expected, fulfil)

    @rule(who=HOLDER, share=SHARE)
    def leave_now(self, who: int, share: int) -> None:
        """An exit is live whatever else holds: from idle money at the price that is sure."""
        holder, vault = HOLDERS[who], self.s.vault
        shares = self.asked(holder, share)
        worth = vault.convertToAssets(shares)
        if worth > vault.idle():
            shares = shares * vault.idle() // (worth + 1)
        if self.sure(shares) == 0:
            return

        def leave() -> None:
            vault.fulfil(holder, shares, [], self.sure(shares), sender=holder)

        self.act("leave", True, leave)

    @rule(who=HOLDER, share=SHARE)
    def leave_by_unwinding(self, who: int, share: int) -> None:
        """After his notice a holder takes what he needs from the venues, and pays for it alone."""
        holder, vault = HOLDERS[who], self.s.vault
        shares = self.asked(holder, share)
        self.s.evm.wait(DAY_S + 1)
        claim, idle, moves = self.sure(shares), vault.idle(), []
        for venue in (0, 1):
            held = self.s.venues[venue].held()
            amount = min(max(claim - idle, 0), held)
            if amount:
                moves.append(self.s.move(venue, -amount))
                idle += amount - amount * 20 // BPS
        if idle + claim * 21 // BPS + 1 < claim or claim < 10:
            return

        def leave() -> None:
            vault.fulfil(holder, shares, moves, 0, sender=holder)

        self.act("unwinding", True if not self.is_fresh() else None, leave)

    def sure(self, shares: int) -> int:
        """What shares are worth without a quarter, rounded up, of what is reported."""
        vault = self.s.vault
        discount = -(-self.custody.adapter.accepted() * 2_500 // BPS)
        priced = min(vault.totalAssets(), self.s.total() - discount)
        return int(shares * (priced + 1) // (vault.totalSupply() + OFFSET))

    @rule(who=HOLDER, share=SHARE)
    def claim(self, who: int, share: int) -> None:
        holder, vault = HOLDERS[who], self.s.vault
        if not vault.maxRedeem(holder) and share % 4:
            return
        shares = vault.maxRedeem(holder) * share // BPS
        worth = vault.maxWithdraw(holder) * shares // max(vault.maxRedeem(holder), 1)
        before = self.s.held(holder)

        def claim() -> None:
            vault.redeem(shares, holder, holder, sender=holder)

        if self.act("claim", shares > 0, claim):
            assert self.s.held(holder) == before + worth

    @rule(who=HOLDER, amount=st.integers(1, 10_000))
    def round_trip(self, who: int, amount: int) -> None:
        """In and out again in one second gains nothing."""
        holder, vault, assets = HOLDERS[who], self.s.vault, amount * self.unit
        if not self.takes_deposits() or not vault.previewDeposit(assets):
            return
        before, pending = self.s.held(holder), vault.pendingRedeemRequest(0, holder)
        shares = vault.deposit(assets, holder, sender=holder)
        vault.requestRedeem(shares, holder, holder, sender=holder)
        if pending == 0 and vault.maxRedeem(holder) == 0 and self.sure(shares) > 0:
            vault.fulfil(holder, shares, [], 0, sender=holder)
            vault.redeem(shares, holder, holder, sender=holder)
            assert self.s.held(holder) <= before
        TALLY.taken["round trip"] += 1

    # The operator.

    def is_fresh(self) -> bool:
        adapter = self.custody.adapter
        old = adapter.as_of() + DAY_S < self.s.evm.now_s
        return not (old and adapter.accepted())

    @rule(parts=st.lists(st.tuples(VENUE, st.integers(-BPS, BPS)), min_size=1, max_size=3))
    def rebalance(self, parts: list[tuple[int, int]]) -> None:
        """Each part of what the venue holds comes home, or of what is idle goes out."""
        idle, moves, seen = self.s.vault.idle(), [], set()
        for venue, part in sorted(parts, key=lambda pair: pair[1]):
            if venue in seen:
                continue
            seen.add(venue)
            value = self.s.venues[venue].state()[0]
            if part < 0:
                amount = value * -part // BPS if venue < 2 else 0
                moves.append(self.s.move(venue, -amount))
            else:
                amount = min(idle * part // (3 * BPS), self.room(venue, value))
                idle -= amount
                moves.append(self.s.move(venue, amount))
        self.order(moves)

    def room(self, venue: int, value: int) -> int:
        """What a venue may still take, a little less than its caps."""
        cap = (400_000, 400_000, 300_000)[venue] * self.unit
        share = self.s.total() * (5_800, 5_800, 3_800)[venue] // BPS
        return max(0, min(cap, share) - value)

    def order(self, moves: list[tuple[str, int, int]]) -> None:
        before = self.s.vault.current_book()
        if self.act("rebalance", None, lambda: self.s.rebalance(*moves)):
            self.hold_limits(before, self.s.vault.current_book())

    def hold_limits(self, before: Any, after: Any) -> None:
        """The policy's limits, computed anew: within, or no worse than before."""
        total = after[1]
        caps = (400_000, 6_000), (400_000, 6_000), (300_000, 4_000)
        for was, now, (cap, cap_bps) in zip(before[2], after[2], caps, strict=True):
            if now[1] > was[1]:
                assert now[1] <= cap * self.unit
                assert now[1] * BPS <= cap_bps * total
            if now[0] != self.custody.adapter.address.lower():
                assert now[2] >= min(11_000, was[2])
        assert after[0] * BPS >= 500 * total or after[0] >= before[0]

    @rule(venue=VENUE, delta=st.integers(-(10**6), 10**6))
    def wild_order(self, venue: int, delta: int) -> None:
        self.order([self.s.move(venue, delta * self.unit)])

    @rule(venue=VENUE, share=SHARE)
    def come_home(self, venue: int, share: int) -> None:
        adapter, before = self.s.venues[venue], self.s.vault.idle()
        amount = adapter.state()[0] * share // BPS
        self.act(
            "sentinel",
            True,
            lambda: self.s.vault.bring_home(adapter.address, amount, 0, sender=self.s.sentinel),
        )
        assert self.s.vault.idle() >= before

    @rule(venue=st.sampled_from((0, 1)))
    def keep(self, venue: int) -> None:
        adapter = self.s.venues[venue]
        before = self.s.total(), adapter.state()[1]
        silent = self.s.vault.last_order_at() + 3 * DAY_S < self.s.evm.now_s
        if before[1] >= 11_000 and not silent and self.s.evm.now_s % 5:
            return
        if self.act(
            "keeper", None, lambda: self.keeper.act(adapter.address, sender=self.s.stranger)
        ):
            assert adapter.state()[1] >= before[1]
            assert self.s.total() <= before[0]

    @rule()
    def pause_or_resume(self) -> None:
        if self.s.vault.paused():
            self.act("resume", True, lambda: self.s.vault.resume(sender=self.s.owner))
        elif self.s.evm.now_s % 3 == 0:
            self.act("pause", True, lambda: self.s.vault.pause(sender=self.s.sentinel))

    # The world.

    @rule(seconds=st.integers(1, 2 * DAY_S))
    def wait(self, seconds: int) -> None:
        self.s.evm.wait(seconds)

    @rule(
        venue=st.sampled_from((0, 1)), change=st.integers(-2_000, 500), need=st.integers(0, 11_000)
    )
    def market(self, venue: int, change: int, need: int) -> None:
        """A venue gains or loses, and requires more or less."""
        adapter = self.s.venues[venue]
        held = adapter.held() * (BPS + change) // BPS
        self.s.token.mint(adapter.address, max(held - adapter.held(), 0), sender=self.s.owner)
        vault = self.s.vault
        priced, unseen = vault.totalAssets(), vault.priced() + vault.locked() > self.s.total()
        adapter.set_market(held, held * need // BPS, 20, sender=self.s.owner)
        # It may make good a loss that nobody has seen yet, and nothing more.
        assert change < 0 or unseen or vault.totalAssets() == priced, "a gain is not priced at once"

    @rule(change=st.integers(-3_000, 3_000))
    def report(self, change: int) -> None:
        adapter = self.custody.adapter
        before, since = adapter.accepted(), self.s.evm.now_s - adapter.reported_at()
        if self.s.evm.now_s <= adapter.as_of():
            self.s.evm.wait(1)
            since += 1
        value = before * (BPS + change) // BPS
        self.act("report", True, lambda: self.custody.report(value))
        step = before * UP_BPS_DAY * min(since, DAY_S) // (BPS * DAY_S)
        assert adapter.accepted() == min(value, before + step)

    @rule(amount=st.integers(1, 10**6), place=st.sampled_from((0, 1, 2, 3)))
    def donate(self, amount: int, place: int) -> None:
        places = (self.s.vault, self.s.venues[0], self.custody.adapter, self.s.policy)
        before = self.s.total(), self.s.vault.totalAssets(), self.s.vault.totalSupply()
        self.s.token.mint(places[place].address, amount * self.unit, sender=self.s.stranger)
        assert before == (
            self.s.total(), self.s.vault.totalAssets(), self.s.vault.totalSupply()
        )  # fmt: skip

    # What holds after every step.

    @invariant()
    def money_is_there(self) -> None:
        vault = self.s.vault
        assert self.s.held(vault.address) >= vault.idle() + vault.reserved()
        assert vault.totalAssets() <= self.s.total()

    @invariant()
    def shares_add_up(self) -> None:
        vault = self.s.vault
        pending = sum(vault.pendingRedeemRequest(0, holder) for holder in HOLDERS)
        assert vault.balanceOf(vault.address) == pending
        assert vault.totalSupply() == pending + sum(map(vault.balanceOf, HOLDERS))

    @invariant()
    def claims_are_reserved(self) -> None:
        assert self.s.vault.reserved() == sum(map(self.s.vault.maxWithdraw, HOLDERS))

    def teardown(self) -> None:
        """In a pause and after shutdown everybody leaves, as far as money is on the chain."""
        if not hasattr(self, "keeper"):
            return
        vault = self.s.vault
        vault.pause(sender=self.s.sentinel)
        vault.shut(sender=self.s.sentinel)
        for adapter in self.s.venues:
            amount = adapter.state()[0]
            vault.bring_home(adapter.address, amount, 0, sender=self.s.sentinel)
        for holder in HOLDERS:
            self._leave_for_good(holder)
        self.money_is_there()
        self.shares_add_up()
        self.claims_are_reserved()

    def _leave_for_good(self, holder: str) -> None:
        vault = self.s.vault
        if shares := vault.balanceOf(holder):
            vault.requestRedeem(shares, holder, holder, sender=holder)
        shares = vault.pendingRedeemRequest(0, holder)
        if self.sure(shares) > 0:
            # The reported part that never comes home may be more than what is idle covers.
            covered = self.sure(shares) <= vault.idle()
            with suppress(*() if covered else (Refused,)):
                vault.fulfil(holder, shares, [], 0, sender=holder)
        if shares := vault.maxRedeem(holder):
            vault.redeem(shares, holder, holder, sender=holder)
