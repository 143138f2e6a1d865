# SPDX-License-Identifier: Apache-2.0
"""What each venue's failure costs, and who does not survive it.

    cost = equity with unrealised profit + sum over coins of orphaned delta (fee + half spread
           + vol sqrt(delta / volume of a day))

Orphaned is the part of others' delta that the lost account held against them: min(|own|, |others|)
where they have opposite signs. Impact is the square-root law, as in `costs` of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from tidegate.engine.plan.book import DealingCosts, PlanAccount, PlanBook
from tidegate.engine.plan.greeks import coin_delta_usd, size_greeks
from tidegate.engine.survival.document import Default, Orphan
from tidegate.engine.survival.shifts import Shift, health
from tidegate.engine.survival.terms import RiskTerms
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

ADVERSE = 0.10


@dataclass(frozen=True, slots=True)
class Deltas:
    """Delta by coin of each account, USD; accounts of which it is UNKNOWN are absent."""

    by_venue: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, accounts: Sequence[PlanAccount]) -> Deltas:
        """Of these accounts."""
        found = {}
        for account in accounts:
            try:
                found[account.venue] = _deltas(account)
            except InputError:
                continue
        return cls(found)

    def others(self, venue: str, coin: str) -> float:
        """What all other accounts hold of a coin."""
        return sum(own.get(coin, 0.0) for name, own in self.by_venue.items() if name != venue)


def _deltas(account: PlanAccount) -> dict[str, float]:
    greeks = size_greeks(account)
    found = {coin: coin_delta_usd(account, coin) for coin in account.coins if _owns(account, coin)}
    for place, each in enumerate(account.dealt):
        size = account.held(each.id)
        if size:
            found[each.base] = found.get(each.base, 0.0) + size * float(greeks.delta[place])
    return found


def _owns(account: PlanAccount, coin: str) -> bool:
    held = account.book.holdings
    paid = any(each.instrument.settle == coin for each in held.positions)
    return paid or bool(held.collateral.get(coin) or held.realised.get(coin))


def defaults(book: PlanBook, judged: Mapping[str, float], terms: RiskTerms) -> Iterator[Default]:
    """Of every account; `judged` is equity in USD of the accounts that are known."""
    deltas = Deltas.of([a for name, a in book.accounts.items() if name in judged])
    for name in book.accounts:
        yield _default(book, judged, terms, deltas, name)


def _default(
    book: PlanBook, judged: Mapping[str, float], terms: RiskTerms, deltas: Deltas, name: str
) -> Default:
    equity = max(0.0, judged[name]) if name in judged else None
    others = [each for each in book.accounts if each != name]
    known = all(each in deltas.by_venue for each in book.accounts)
    orphans = tuple(_orphans(book, deltas, name)) if name in deltas.by_venue else ()
    costs = [each.rehedge_usd for each in orphans]
    rehedge = sum(c for c in costs if c is not None) if known and None not in costs else None
    cost = None if equity is None or rehedge is None else equity + rehedge
    against = ADVERSE * sum(abs(o.delta_usd) for o in orphans) if known else None
    dead, unsure = list[str](), list[str]()
    for each in others:
        stands = None
        if each in judged and rehedge is not None:
            stands = _stands(book.accounts[each], terms, orphans, rehedge)
        dead += [each] if stands is False else []
        unsure += [each] if stands is None else []
    return Default(name, equity, orphans, rehedge, cost, against, tuple(dead), tuple(unsure))


def _orphans(book: PlanBook, deltas: Deltas, name: str) -> Iterator[Orphan]:
    for coin, own in deltas.by_venue[name].items():
        others = deltas.others(name, coin)
        if own * others < 0.0:
            size = min(abs(own), abs(others))
            delta = size if others > 0.0 else -size
            yield Orphan(coin, delta, *_cheapest(book, name, coin, size))


def _cheapest(book: PlanBook, lost: str, coin: str, usd: float) -> tuple[str | None, float | None]:
    """The contract elsewhere that deals a delta away for least; none where no costs are given."""
    costs = {
        each.id: _deal_usd(book.costs[each.id], usd)
        for account, each in book.dealt()
        if account.venue != lost
        and each.base == coin
        and not isinstance(each, Option)
        and each.id in book.costs
    }
    if not costs:
        return None, None
    best = min(costs, key=lambda name: costs[name])
    return best, costs[best]


def _deal_usd(costs: DealingCosts, usd: float) -> float:
    return usd * (costs.linear_rate + costs.vol_daily * sqrt(usd / costs.volume_day_usd))


def _stands(
    account: PlanAccount, terms: RiskTerms, orphans: Sequence[Orphan], rehedge: float
) -> bool | None:
    """Whether an account lives once prices went against the orphaned legs and it paid for all."""
    moves = {o.coin: 1.0 - ADVERSE if o.delta_usd > 0.0 else 1.0 + ADVERSE for o in orphans}
    try:
        price = account.price(account.statement().unit)
        left = health(account.book, Shift(prices=moves), terms.quotes) * price - rehedge
    except InputError:
        return None
    return left >= 0.0
