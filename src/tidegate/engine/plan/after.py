# SPDX-License-Identifier: Apache-2.0
"""Accounts once a plan's trades are filled and its money has left, and once it has arrived.

Trades fill at the present marks; what they cost beyond is taken off the account's asset. Money that
is sent leaves at once and counts nowhere until it has landed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray

from tidegate.engine.margin_book.exact_account import lot_of
from tidegate.engine.margin_book.session import filled_in_session
from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.book import PlanAccount, Way
from tidegate.engine.plan.lots import Lots, held_lots
from tidegate.margin.holding_values import filled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import mark_of

FloatArray = NDArray[np.float64]
# Transfers are of whole cents of a dollar coin, or this many coins.
STEP = 1e-6
NOISE_USD = 1.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money by a route: what is sent and received in assets, and what of it is lost in USD."""

    way: Way
    sent: float
    received: float
    sent_usd: float
    lost_usd: float


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What a plan does now: lots, money, and what each trade costs in USD (n). `too_small` is money
    by route that was asked for and is below the least transfer, USD."""

    lots: Lots
    transfers: tuple[Transfer, ...]
    costs_usd: FloatArray
    too_small: tuple[tuple[str, float], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is done."""
        return not self.lots.traded.any() and not self.transfers

    @property
    def cost_usd(self) -> float:
        """All trades and transfers."""
        return float(self.costs_usd.sum()) + sum(each.lost_usd for each in self.transfers)


def changes(asked: Asked, lots: Lots, flows_usd: Sequence[float]) -> Changes:
    """Lots and flows with what they cost; flows below the least transfer are left out."""
    transfers, too_small = list[Transfer](), list[tuple[str, float]]()
    least = asked.terms.mandate.limits.minimum_transfer_usd
    for way, usd in zip(asked.book.ways, flows_usd, strict=True):
        made = transfer(asked, way, usd)
        if usd >= max(least, STEP) and made.sent >= way.minimum and made.received > 0.0:
            transfers.append(made)
        elif usd > NOISE_USD:
            too_small.append((way.name, float(usd)))
    return Changes(lots, tuple(transfers), trade_costs_usd(asked, lots), tuple(too_small))


def nothing_done(asked: Asked) -> Changes:
    """The present book as changes."""
    held = held_lots(asked)
    return Changes(Lots(held, held.copy()), (), np.zeros(len(held)))


def transfer(asked: Asked, way: Way, usd: float) -> Transfer:
    """A transfer of so many dollars, rounded down to a step of the asset."""
    source, destination = (asked.book.accounts[end] for end in (way.source, way.destination))
    price, other = source.price(source.asset), destination.price(destination.asset)
    sent = floor(usd / price / STEP) * STEP
    kept = way.received_share if source.asset != destination.asset else 1.0
    received = max(0.0, floor((sent - way.fee) * kept / STEP) * STEP)
    return Transfer(way, sent, received, sent * price, sent * price - received * other)


def trade_costs_usd(asked: Asked, lots: Lots) -> FloatArray:
    """Fee, half spread and impact of each trade, USD (n): the programme's own terms."""
    positions = asked.question.positions
    share = np.abs(lots.traded * np.array([b.lot_usd for b in asked.bounds])) / asked.equity_usd
    cost = positions.cost_rate * share + positions.impact * share**1.5
    return np.asarray(cost * asked.equity_usd)


def account_after(
    asked: Asked, account: PlanAccount, changed: Changes, *, landed: bool
) -> PlanAccount:
    """The account after the changes; `landed` says that what was sent to it is there."""
    holdings = account.book.holdings
    fill = filled_in_session if account.book.settles_daily else filled
    market = account.book.market.doubted()
    cost = 0.0
    for place in asked.members(account):
        lots = int(changed.lots.traded[place])
        if lots:
            instrument = asked.bounds[place].instrument
            size = float(lots * lot_of(instrument))
            mark = market.at_least_zero(mark_of(instrument.id))
            holdings = _snapped(fill(holdings, instrument, size, mark))
            cost += float(changed.costs_usd[place])
    money = -cost / account.price(account.asset) if cost else 0.0
    for each in changed.transfers:
        money -= each.sent if each.way.source == account.venue else 0.0
        money += each.received if landed and each.way.destination == account.venue else 0.0
    holdings = with_money(holdings, account.asset, money)
    return replace(account, book=replace(account.book, holdings=holdings))


def _snapped(holdings: Holdings) -> Holdings:
    """Sizes as whole lots again, as floats that are added lose the last digit; closed ones gone."""
    kept = []
    for each in holdings.positions:
        lot = lot_of(each.instrument)
        size = float(round(each.size / float(lot)) * lot)
        if size:
            kept.append(replace(each, size=size, entry=_digits(each.entry)))
    balances = {asset: _digits(amount) for asset, amount in holdings.collateral.items()}
    waiting = {asset: _digits(amount) for asset, amount in holdings.realised.items()}
    return replace(holdings, positions=tuple(kept), collateral=balances, realised=waiting)


def _digits(number: float) -> float:
    """The number to 15 digits, which is what exact rules take floats to mean."""
    return float(f"{number:.15g}")


def with_money(holdings: Holdings, asset: str, amount: float) -> Holdings:
    """The holdings with an amount more of an asset."""
    if not amount:
        return holdings
    balances: Mapping[str, float] = {
        **holdings.collateral,
        asset: _digits(holdings.collateral.get(asset, 0.0) + amount),
    }
    return replace(holdings, collateral=balances)
