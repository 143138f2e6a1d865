# SPDX-License-Identifier: Apache-2.0
"""The demonstration's acts. What they tell is read back from the chain, or is the engine's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.audit.checkpoint import roots_at
from tidegate.live.vault.ground import Forced, Ground
from tidegate.live.vault.market import DAY_S
from tidegate.live.vault.operator import ASSET, Operator, Sending
from tidegate.live.vault.setting import (
    INTERVAL_S,
    SILENCE_S,
    STEP_BPS,
    USDC,
    MarketOf,
    Scene,
    build,
)
from tidegate.model.errors import ensure
from tidegate.model.times import SECOND_MS
from tidegate.venues.vault.orders import sign_order
from tidegate.venues.vault.reading import Reader
from tidegate.venues.vault.state import MICRO, Move, Order, VaultState, VenueState

# Tuesday, 1 December 2026, 00:00 UTC.
BEGIN_S = 1_796_083_200
SHARE = 10**12
LOOK_DAYS, LOOKS_MAX = 3, 8
ORDER_S = 600
Tell = Callable[["Act"], None]


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what happened, and the vault at the head of the chain thereafter."""

    title: str
    said: tuple[str, ...]
    state: VaultState

    @property
    def share_price(self) -> float:
        """What one share is worth in the asset, at liquidation values, gains unlocked so far."""
        return self.state.price_quanta(SHARE) / USDC


@dataclass(frozen=True, slots=True)
class Refusal:
    """An illegal order that was sent: what it was, who sent it, and how the vault reverted it."""

    what: str
    sender: str
    sent: Forced


class Story:
    """The whole demonstration over one chain; `play` yields its acts as they end."""

    def __init__(self, ground: Ground, folder: Path, market_of: MarketOf) -> None:
        self.folder, self.ground = folder, ground
        self.scene: Scene = build(ground, market_of)
        self._reader = Reader(ground.node, self.scene.place, 0)
        self.refusals: list[Refusal] = []
        self.sendings: list[Sending] = []
        self.head, self.paid_quanta = "", 0

    def state(self) -> VaultState:
        """The vault at the head, from its logs and held against the contracts."""
        found: VaultState = self.ground.run(self._reader.state())
        return found

    def play(self) -> Iterator[Act]:
        """All acts, in order."""
        yield self._act("Two people deposit", self._deposits())
        scene, market = self.scene, self.scene.market
        self.operator = Operator(self.ground, scene.place, self.folder, market)
        yield self._act("The engine sends the money out", self._looks())
        market.rates["perp"] = -0.16
        said = ["Longs at the perpetual venue, who were paid, now pay; the strategist closes his."]
        yield self._act("Funding turns", [*said, *self._until_moved("perp")])
        market.rates["perp"] = 0.22
        said = ["Funding comes back.", *self._deposit("carol", 250_000)]
        yield self._act("Funding comes back, and new money", [*said, *self._until_moved("perp")])
        yield self._act("Illegal orders are refused", self._refused())
        yield self._act("A crash", self._crash())
        yield self._act("Risk is taken off", self._deleverages())
        yield self._act("The operator falls silent", self._falls_silent())
        yield self._act("A holder leaves", self._redeems())
        yield self._act("The record is closed", self._closes())

    def _act(self, title: str, said: Sequence[str]) -> Act:
        return Act(title, tuple(said), self.state())

    # Acts.

    def _deposits(self) -> list[str]:
        return [*self._deposit("alice", 600_000), *self._deposit("bob", 400_000)]

    def _deposit(self, who: str, dollars: int) -> list[str]:
        ground, (token, vault) = self.ground, (self.scene.token, self.scene.made.vault)
        ground.call(who, ("TestToken", token), "mint", ground.address(who), dollars * USDC)
        ground.call(who, ("TestToken", token), "approve", vault, dollars * USDC)
        before = self._shares(who)
        ground.call(who, self.scene.vault, "deposit", dollars * USDC, ground.address(who))
        shares = (self._shares(who) - before) / SHARE
        ground.mine(3)
        return [f"{who.capitalize()} deposits {dollars:,} {ASSET} for {shares:,.2f} shares."]

    def _looks(self) -> list[str]:
        """One look of the engine, the strategist closing before and opening after it."""
        self.scene.market.trades()
        said = self._decides()
        self.scene.market.trades()
        return said

    def _decides(self) -> list[str]:
        """One decision of the engine, and what it sent."""
        self.operator.tick()
        sent = self.operator.sendings()
        self.sendings += sent
        return [self._expected(), *map(_told, sent)]

    def _until_moved(self, venue: str) -> list[str]:
        """Days pass, and the engine looks, until it moves money to or from a venue."""
        said = list[str]()
        for _ in range(LOOKS_MAX):
            self._pass_days(LOOK_DAYS)
            before, found = len(self.sendings), self._looks()
            said += [f"{LOOK_DAYS} days pass.", *found]
            if any(venue in (one.source, one.destination) for one in self.sendings[before:]):
                break
        return said

    def _pass_days(self, days: int) -> None:
        self.scene.market.passes((self.ground.now_s // DAY_S + days) * DAY_S)

    def _expected(self) -> str:
        snapshot = self.operator.feed.snapshot(self.ground.now_s * SECOND_MS, ())
        rates = snapshot.yields_annual or {}
        words = ", ".join(f"{venue} {rate:+.1%}" for venue, rate in rates.items())
        return f"The engine expects a year: {words}."

    def _refused(self) -> list[str]:
        """Orders that the vault must not take, sent all the same, past the edge that holds them
        back; two of three have signed all but one."""
        state = self.state()
        lp = next(venue for venue in state.venues if venue.name == "lp")
        excess = lp.headroom_quanta + state.total_quanta // 50
        order = self._order(state, Move(lp.adapter, excess, excess * 9 // 10))
        tries = (
            (f"{excess / USDC:,.0f} more to lp, signed by two", 2, "allocator"),
            ("the same, signed by one", 1, "allocator"),
            ("the same, brought by a stranger", 2, "stranger"),
        )
        for words, signatures, who in tries:
            sent = self._forced(order, signatures, who)
            ensure(bool(sent.reason), f"the vault took an illegal order: {words}")
            self.refusals.append(Refusal(words, who, sent))
        after = self.state()
        ensure(_money(after) == _money(state), "a refused order moved money or used a nonce")
        idle = f"{after.idle_quanta / USDC:,.2f}"
        return [*map(_refusal_told, self.refusals), f"Idle money is {idle}, as it was."]

    def _order(self, state: VaultState, *moves: Move) -> Order:
        root = "0x" + self.operator.machine.root.hex()
        return Order(state.nonce, state.ts_s + ORDER_S, root, 1, moves)

    def _forced(self, order: Order, signatures: int, who: str) -> Forced:
        """The order as a transaction in a name, with so many signatures."""
        ground, domain = self.ground, self.ground.run(self._reader.domain())
        keys = [ground.key(f"signer {n}") for n in range(1, signatures + 1)]
        keys.sort(key=lambda key: int(key.address, 16))
        signed = [sign_order(order, domain, key).content for key in keys]
        moves = [move.terms for move in order.moves]
        return ground.force(who, self.scene.vault, "rebalance", order.terms, moves, signed)

    def _crash(self) -> list[str]:
        before = {venue.name: venue for venue in self.state().venues}
        fall = self.scene.market.falls()
        perp, lp = self._venue("perp"), self._venue("lp")
        self.ground.mine(3)
        said = self._decides()
        frozen = ", ".join(self.operator.house.frozen_venues())
        losses = [f"{now.name} {_loss(before[now.name], now):.0%}" for now in (lp, perp)]
        return [
            f"The perpetual venue has a long open: health {_health(before['perp']):.2f}.",
            f"ETH falls by {fall:.0%} in a day, and venues lose: {', '.join(losses)}.",
            f"Health of perp is {_health(perp):.2f}, its limit "
            f"{perp.health_min_micro / MICRO:.2f}.",
            f"The engine sends nothing to or from {frozen or 'no venue'}.",
            *said,
        ]

    def _deleverages(self) -> list[str]:
        """The operator has the keeper act until the venue is healthy."""
        said = []
        while not self._venue("perp").is_healthy:
            said.append(self._keep("allocator", "perp"))
            self.ground.wait(self.ground.now_s + INTERVAL_S)
        return said

    def _falls_silent(self) -> list[str]:
        """Nobody sends an order; a stranger calls the keeper."""
        vault, adapter = self.state(), self.scene.market.adapters["aave"]
        keeper = ("Keeper", self.scene.keeper)
        early = self.ground.refusal("stranger", keeper, "act", adapter)
        self._silence(vault.last_order_s)
        said = [f"A stranger calls the keeper too early: refused: {early}."]
        said.append(f"No order for {SILENCE_S // DAY_S} days. The stranger calls again.")
        for _ in range(2):
            said += [self._keep("stranger", venue) for venue in ("perp", "lp", "aave")]
            self.ground.wait(self.ground.now_s + INTERVAL_S)
        held = self.ground.view(("TestToken", self.scene.token), "balanceOf", self._at("stranger"))
        return [*said, f"The stranger holds {held / USDC:,.0f} {ASSET} of it."]

    def _silence(self, last_order_s: int) -> None:
        end_s = max(self.ground.now_s, last_order_s + SILENCE_S)
        self.scene.market.passes((end_s // DAY_S + 1) * DAY_S)

    def _redeems(self) -> list[str]:
        """Bob asks, a stranger fulfils from idle money, Bob is paid; no operator has a part."""
        ground, vault, bob = self.ground, self.scene.vault, self._at("bob")
        shares, idle = self._shares("bob"), self.state().idle_quanta
        worth = self.state().price_quanta(shares)
        part = shares if worth <= idle else shares * idle // worth
        ground.call("bob", vault, "requestRedeem", part, bob, bob)
        ground.call("stranger", vault, "fulfil", bob, part, [], 0)
        claim = int(ground.view(vault, "maxWithdraw", bob))
        ground.call("bob", vault, "withdraw", claim, bob, bob)
        paid = int(ground.view(("TestToken", self.scene.token), "balanceOf", bob))
        self.paid_quanta = paid
        whole = "all his" if part == shares else "as many as idle money pays of his"
        return [
            f"Bob asks for {whole} shares, {part / SHARE:,.2f}. A stranger fulfils it.",
            f"Bob is paid {paid / USDC:,.2f} {ASSET}; he had put in 400,000.",
        ]

    def _closes(self) -> list[str]:
        """The operator takes in what happened without him, and seals the journal."""
        self.ground.mine(3)
        self.operator.hear()
        self.head = self.operator.close()
        root = bytes(roots_at(self.operator.journal, ())[1].popitem()[1])
        anchor = ("AuditAnchor", self.scene.made.anchor)
        self.ground.call("allocator", anchor, "anchor", root)
        return [
            f"The operator's journal is sealed, its head {self.head[:16]}...",
            f"He anchors the root of all of it, {root.hex()[:16]}..., under his own name.",
        ]

    def roots(self, who: str) -> dict[str, object]:
        """All roots that `who` (the vault or its operator) has anchored, from the contract's logs,
        held against the head that the contract itself has."""
        publisher = self.scene.made.vault if who == "vault" else self._at("allocator")
        anchor = ("AuditAnchor", self.scene.made.anchor)
        logs = [log.args for log in self.ground.logs(anchor, 0)]
        roots = [
            {name: args[name] for name in ("count", "root", "head")}
            for args in logs
            if args["publisher"] == publisher
        ]
        head = "0x" + bytes(self.ground.view(anchor, "head", publisher)).hex()
        ensure(bool(roots) and roots[-1]["head"] == head, f"{who}: logs and head differ")
        return {"publisher": publisher, "roots": roots}

    # What they are made of.

    def _keep(self, who: str, venue: str) -> str:
        """One step of the keeper, told from the vault before and after."""
        before, idle = self._venue(venue), self.ground.view(self.scene.vault, "idle")
        adapter = self.scene.market.adapters[venue]
        self.ground.call(who, ("Keeper", self.scene.keeper), "act", adapter)
        came = self.ground.view(self.scene.vault, "idle") - idle
        if came:
            return f"The {who} has the keeper act: {came / USDC:,.0f} come home from {venue}."
        return (
            f"The {who} has the keeper act: {STEP_BPS / 100:.0f} % of what is open at {venue} is "
            f"closed, health {_health(before):.2f} to {_health(self._venue(venue)):.2f}."
        )

    def _venue(self, name: str) -> VenueState:
        return next(venue for venue in self.state().venues if venue.name == name)

    def _shares(self, who: str) -> int:
        return int(self.ground.view(self.scene.vault, "balanceOf", self._at(who)))

    def _at(self, who: str) -> str:
        return self.ground.address(who)


def _told(sent: Sending) -> str:
    ends = f"{sent.quanta / USDC:,.0f} from {sent.source} to {sent.destination}"
    state = "done" if sent.state == "accepted" else f"refused: {sent.reason}"
    return f"The engine sends {ends}: {state}."


def _refusal_told(refusal: Refusal) -> str:
    sent = refusal.sent
    place = f"{sent.transaction[:12]}... in block {sent.block_number}"
    return f"{refusal.what}: reverted: {sent.reason} ({place})"


def _money(state: VaultState) -> tuple[int, ...]:
    """What an order can change: its nonce and the vault's own money, to the unit."""
    return state.nonce, state.idle_quanta, state.set_aside_quanta, state.supply_shares


def _health(venue: VenueState) -> float:
    return (venue.health_micro or 0) / MICRO


def _loss(before: VenueState, now: VenueState) -> float:
    return 1.0 - now.value_quanta / before.value_quanta if before.value_quanta else 0.0
