# SPDX-License-Identifier: Apache-2.0
"""The mandate's limits on a whole book: Greek boxes, gross sizes, claims on venues, sleeves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Boxes, Gross
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.bounds import Bound
from tidegate.engine.plan.greeks import SizeGreeks, coin_delta_usd, size_greeks
from tidegate.model.instruments import Option
from tidegate.model.plan_sections import Sleeve
from tidegate.model.plan_terms import PlanTerms, tenor_days

FloatArray = NDArray[np.float64]
DAYS_YEAR = 365.0
# What one unit of a claim above its cap costs in each step: more than any carry, so that what is
# there already comes down as fast as money can leave, and less than the money itself over all
# steps, so that none is burnt to have less of it there.
CLAIM_PENALTY = 0.2
# What a unit of delta off its target costs in each step: more than dealing and any carry of the
# time in which a move must pay back, so that none is left for gain.
AIM_PENALTY = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class BookGreeks:
    """Per unit of notional of each instrument (n), USD over USD; `coin_usd` is the delta of each
    coin beside positions, `held` notionals."""

    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    expiry_years: FloatArray
    coin_delta: FloatArray
    coin_usd: dict[str, float]
    held: FloatArray

    def delta_usd(self, bounds: Sequence[Bound], notional_usd: FloatArray, coin: str) -> float:
        """Delta of a coin for notionals (n), coins owned included."""
        rows = np.array([b.instrument.base == coin for b in bounds])
        return float(self.delta[rows] @ notional_usd[rows]) + self.coin_usd[coin]


def book_greeks(book: PlanBook, bounds: Sequence[Bound]) -> BookGreeks:
    """Greeks of every instrument by unit of its notional."""
    parts: list[SizeGreeks] = [size_greeks(each) for each in book.accounts.values()]
    per_size = np.array([bound.per_size for bound in bounds])

    def joined(of: Callable[[SizeGreeks], FloatArray]) -> FloatArray:
        return np.concatenate([of(part) for part in parts]) if parts else np.zeros(0)

    return BookGreeks(
        delta=joined(lambda g: g.delta) / per_size,
        gamma=joined(lambda g: g.gamma) / per_size,
        vega=joined(lambda g: g.vega) / per_size,
        expiry_years=joined(lambda g: g.expiry_years),
        coin_delta=joined(lambda g: g.coin_delta),
        coin_usd={
            coin: sum(coin_delta_usd(each, coin) for each in book.accounts.values())
            for coin in book.coins
        },
        held=np.array([bound.held_usd for bound in bounds]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """lower <= row'x <= upper, USD for notionals x; `slack` is what a lot of each instrument moves
    it by. With `said` the limit is the mandate's, else it is what is held. What is `aimed` at gives
    way where nothing reaches it, at a price."""

    name: str
    row: FloatArray
    lower: float
    upper: float
    slack: float = 0.0
    said: bool = True
    aimed: bool = False

    def inner(self) -> tuple[float, float]:
        """The limit less one lot of each instrument, so that whole lots stay within it."""
        if not self.said or self.aimed or self.upper - self.lower <= 4.0 * self.slack:
            return self.lower, self.upper
        return self.lower + self.slack, self.upper - self.slack

    def broken(self, notional_usd: FloatArray) -> float:
        """By how much notionals lie outside; lots may pass what is held, not what is said."""
        whole = self.said and not self.aimed and self.upper > self.lower
        free = 0.0 if whole else self.slack
        noise = 1e-9 * float(np.abs(self.row) @ np.abs(notional_usd)) + 1e-6
        return max(0.0, self.outside(notional_usd) - free - noise)

    def outside(self, notional_usd: FloatArray) -> float:
        """How far notionals lie beyond the nearer end; below nought within."""
        value = float(self.row @ notional_usd)
        return max(self.lower - value, value - self.upper)


def boxes_of(
    book: PlanBook, terms: PlanTerms, bounds: Sequence[Bound], greeks: BookGreeks
) -> list[Box]:
    """All linear limits, USD."""
    lots = np.array([bound.lot_usd for bound in bounds])
    least = terms.mandate.limits.minimum_trade_usd
    found = [
        *_delta_boxes(book, terms, bounds, greeks),
        *_gamma_boxes(book, terms, bounds, greeks),
        *_vega_boxes(book, terms, bounds, greeks),
        *_wing_boxes(book, terms, bounds),
        *_closing_boxes(bounds),
    ]
    slacks = [_slack(box, bounds, lots) for box in found]
    # A delta that no trade is small enough to mend is not off its target.
    slacks = [max(s, least) if b.aimed else s for b, s in zip(found, slacks, strict=True)]
    return [replace(box, slack=slack) for box, slack in zip(found, slacks, strict=True)]


def _slack(box: Box, bounds: Sequence[Bound], lots: FloatArray) -> float:
    """What whole lots move a limit by: of delta, which lots are hedged in, the smallest lot that
    may trade among its contracts; else a lot of each instrument."""
    moved = np.abs(box.row) * lots
    if not box.name.startswith(("delta ", "target delta ")):
        return float(moved.sum())
    total = 0.0
    for coin in {bound.instrument.base for bound in bounds}:
        rows = [i for i, b in enumerate(bounds) if b.instrument.base == coin and moved[i]]
        hedges = [moved[i] for i in rows if bounds[i].hedges]
        total += float(min(hedges) if hedges else sum(moved[i] for i in rows))
    return total


def _delta_boxes(
    book: PlanBook, terms: PlanTerms, bounds: Sequence[Bound], greeks: BookGreeks
) -> Iterator[Box]:
    """Each coin, and the book, at its target; coins owned count. What lots and legs that cannot be
    dealt leave over is bounded by `naked_usd`, which no target spends."""
    target, naked = terms.target_delta_usd, terms.mandate.limits.naked_usd
    every = np.ones(len(bounds), dtype=bool)
    parts = [(coin, np.array([b.instrument.base == coin for b in bounds])) for coin in book.coins]
    for coin, inside in (*parts, ("of the book", every)):
        row = np.where(inside, greeks.delta, 0.0) if len(bounds) else np.zeros(0)
        if not row.any():
            continue
        beside = greeks.coin_usd.get(coin, sum(greeks.coin_usd.values()))
        least, most = (target, target) if inside is every else (min(0.0, target), max(0.0, target))
        yield Box(f"delta {coin}", row, least - naked - beside, most + naked - beside)
        yield Box(f"target delta {coin}", row, least - beside, most - beside, aimed=True)


def _gamma_boxes(
    book: PlanBook, terms: PlanTerms, bounds: Sequence[Bound], greeks: BookGreeks
) -> Iterator[Box]:
    for coin in book.coins:
        row = np.where([b.instrument.base == coin for b in bounds], greeks.gamma, 0.0)
        if row.any():
            yield _around(f"gamma {coin}", row, terms.option.gamma_usd.get(coin), greeks.held)


def _vega_boxes(
    book: PlanBook, terms: PlanTerms, bounds: Sequence[Bound], greeks: BookGreeks
) -> Iterator[Box]:
    """Each tenor that is said, by days to expiry; what no tenor holds may not rise."""
    said = {tenor: tenor_days(tenor, "mandate") for tenor in terms.option.vega_usd}
    left = np.array([isinstance(b.instrument, Option) for b in bounds], dtype=bool)
    days = greeks.expiry_years * DAYS_YEAR
    for tenor in sorted(said, key=lambda name: said[name]):
        inside = left & (days <= said[tenor])
        left &= ~inside
        row = np.where(inside, greeks.vega, 0.0)
        if row.any():
            yield _around(f"vega {tenor}", row, terms.option.vega_usd[tenor], greeks.held)
    row = np.where(left, greeks.vega, 0.0)
    if row.any():
        yield _around("vega of tenors not said", row, None, greeks.held)


def _around(name: str, row: FloatArray, said: float | None, held: FloatArray) -> Box:
    """At most what is said either way; else at most what is held."""
    present = float(row @ held)
    if said is None:
        return Box(name, row, min(0.0, present), max(0.0, present), said=False)
    return Box(name, row, -said, said)


def _wing_boxes(book: PlanBook, terms: PlanTerms, bounds: Sequence[Bound]) -> Iterator[Box]:
    """Calls, and puts, sold beyond those bought, in coins: what no strike limits. Unsaid, no more
    than is held."""
    for coin in book.coins:
        for is_call, side in ((True, "calls"), (False, "puts")):
            row = np.zeros(len(bounds))
            for place, bound in enumerate(bounds):
                each = bound.instrument
                if isinstance(each, Option) and each.base == coin and each.is_call == is_call:
                    row[place] = 1.0 / bound.per_size
            if row.any():
                held = float(row @ np.array([b.held_usd for b in bounds]))
                said = terms.option.short_wings_coins.get(coin)
                least = min(0.0, held) if said is None else -said
                name = f"short {side} {coin}"
                yield Box(name, row, least, np.inf, said=said is not None)


def _closing_boxes(bounds: Sequence[Bound]) -> Iterator[Box]:
    """What expires soon is closed, as far as a day's share of volume goes."""
    for place, bound in enumerate(bounds):
        if bound.closes and bound.held_usd:
            row = np.zeros(len(bounds))
            row[place] = 1.0
            # Its bounds reach from what is held to the least that a day's share leaves of it.
            left = bound.lower_usd if bound.held_usd > 0.0 else bound.upper_usd
            name = f"unwind {bound.instrument.id} before expiry"
            yield Box(name, row, min(0.0, left), max(0.0, left), said=False)


def as_boxes(found: Sequence[Box], equity_usd: float, count: int) -> Boxes:
    """Boxes in units of equity, each row scaled to a largest entry of one."""
    rows, lower, upper = np.zeros((len(found), count)), [], []
    for place, box in enumerate(found):
        steep = float(np.abs(box.row).max())
        rows[place] = box.row / steep
        ends = box.inner()
        lower.append(ends[0] / (equity_usd * steep))
        upper.append(ends[1] / (equity_usd * steep))
    names = tuple(box.name for box in found)
    price = np.array([AIM_PENALTY if box.aimed else np.inf for box in found])
    return Boxes(names, rows, np.array(lower), np.array(upper), price)


def gross_limits(
    book: PlanBook,
    terms: PlanTerms,
    bounds: Sequence[Bound],
    greeks: BookGreeks,
    amounts: FloatArray,
) -> list[Gross]:
    """Leverage, sleeves, claims on venues with the legs they would orphan, and dollar coins."""
    leverage = np.abs(greeks.coin_delta)
    no_claim = np.zeros(len(amounts))
    limits = [Gross("gross leverage", leverage, no_claim, terms.mandate.limits.gross_leverage)]
    for name, sleeve in terms.sleeves.items():
        if sleeve.gross_leverage is not None:
            members = np.array([belongs(bound, sleeve) for bound in bounds], dtype=float)
            weights = leverage * members
            limits.append(Gross(f"sleeve {name}", weights, no_claim, sleeve.gross_leverage))
    limits += list(_claims(book, terms, bounds, amounts, leverage))
    return limits


def belongs(bound: Bound, sleeve: Sleeve) -> bool:
    """Whether an instrument is of a sleeve."""
    return bound.account.venue in sleeve.venues or bound.instrument.id in sleeve.instruments


def orphan_rate(book: PlanBook, terms: PlanTerms, bound: Bound) -> float:
    """What re-hedging the partner of a lost leg costs per unit: the spread between venues, and the
    deal itself."""
    return terms.venue_spread + book.dealing_rate(bound.instrument.id)


def _counted_moves(terms: PlanTerms, bounds: Sequence[Bound]) -> FloatArray:
    """Outer moves whose profit a claim must hold within its cap; 0 where the mandate has none."""
    stress = terms.mandate.stress
    share = 0.0 if stress.claims is UNSET else stress.claims
    return np.array([share * stress.outer.get(b.instrument.base, 0.0) for b in bounds])


def _claims(
    book: PlanBook,
    terms: PlanTerms,
    bounds: Sequence[Bound],
    amounts: FloatArray,
    leverage: FloatArray,
) -> Iterator[Gross]:
    accounts = list(book.accounts.values())
    profit = leverage * _counted_moves(terms, bounds)
    for place, account in enumerate(accounts):
        venue = terms.venue(account.venue)
        cap = 0.0 if venue is None else venue.claim_cap
        orphaned = [
            orphan_rate(book, terms, b) + gain if b.account is account else 0.0
            for b, gain in zip(bounds, profit.tolist(), strict=True)
        ]
        claim = np.zeros(len(accounts))
        claim[place] = 1.0
        if cap < 1.0:
            name = f"claim on {account.venue}"
            yield Gross(name, np.array(orphaned), claim, cap, penalty=CLAIM_PENALTY)
    for asset in sorted({each.asset for each in accounts} & set(accounts[0].usd) - {"USD"}):
        cap = terms.stable_cap(asset)
        claim = np.array([float(each.asset == asset) for each in accounts])
        if cap < 1.0:
            none = np.zeros(len(bounds))
            yield Gross(f"stable {asset}", none, claim, cap, penalty=CLAIM_PENALTY)
