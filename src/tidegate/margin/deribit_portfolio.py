# SPDX-License-Identifier: Apache-2.0
"""Deribit's portfolio margin, of one settlement currency (segregated) or across all (cross).

    risk matrix = worst + roll shock + delta shock
    initial     = risk matrix + open orders + protection + haircuts
    maintenance = mm_factor x risk matrix

Worst is over 9 prices k range / 4 by vols down, same and up, and over 8 far moves with vols up, of
which counts `extended_table_factor` x range / |move|, brought nearer to zero by
(|move| / range - 1) x dampener. A currency's gains count by its `pnl_offset`, up to a cap. In an
account of coins a bucket's dollars become coins at its own price, those of the far moves at the
edge of the range; so a linear position earns q (1 - 1 / (1 + m)) coins, and as much as at the edge
in the far moves. The roll shock is sum |delta of an expiry| x max(least move, exp(risk T) - 1),
perpetuals at the least; the delta shock |delta| x min(most, m_inc x (|delta| - threshold)).

Equity is cash, unrealised profit, and options at the venue's mark; `entry` is the price from which
profit is not in `collateral` yet: the last settlement's, or the fill's if later. A session's profit
may leave only after 08:00 UTC, so `withdrawable` is min(cash, equity) - initial, where a realised
loss of the session is off the cash at once.

Source: support.deribit.com, Portfolio Margin (25944756247837), Cross collateral (25944777203869),
Daily settlement (25944756807069); docs.deribit.com, private/pme/simulate; undated, read in November
2026; parameters in `deribit_parameters`. Pinned by the published vector: grid, roll floor, far
moves and dampener of linear positions, mm_factor. Not pinned, and so taken as follows: exp(risk T)
- 1 above the floor; the delta shock's shape, and that it is of all positions of a coin, however
settled, as its threshold is of the pair; options against their model price at the mark vol;
positions of one coin settled in coins and in dollars are pools of their own, two coins settled in
dollars as well; results of pools add up bucket by bucket, gains by `pnl_offset` and up to the cap
each, since no correlation contingency is published; across currencies a coin counts at the bucket's
price and a dollar coin at its index; a haircut is of initial margin, on positive equity in the
coin; open orders reserve what each would require by itself, which no combination of fills exceeds
where gains do not offset (`pnl_offset` 0) and the delta shock is not reached; spot orders reserve
nothing; over the last half hour an option's delta is decayed, and its mark with it, a future's not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tidegate.margin.deribit_book import FAR_MOVES, DeribitBook
from tidegate.margin.deribit_liquidation import first_closing
from tidegate.margin.deribit_moving import MovingDeribit
from tidegate.margin.deribit_parameters import TERMS_2026, PortfolioTerms
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.liquidation_action import LiquidationAction
from tidegate.margin.market_values import MarketValues, index_of
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.scenario.charges import Side
from tidegate.margin.scenario.prepared import Prepared
from tidegate.margin.scenario.quotes import require_no_doubles
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option

WHERE = "deribit portfolio margin"
CROSS = "USD"

CARD = RuleCard(
    name="deribit_portfolio",
    subject="Deribit portfolio margin, segregated: one settlement currency, in it",
    answers="deribit_portfolio.DeribitPortfolio",
    source=(
        "support.deribit.com 25944756247837, 25944756807069 (undated, read in November 2026)",
        "docs.deribit.com, private/pme/simulate: model_params of 17 June 2024 and February 2026",
    ),
    not_pinned=(
        "exp(risk T) - 1 above the roll shock's floor, and the delta shock's shape",
        "pools by coin and settlement add up bucket by bucket, without correlation contingency",
        "max_offsetable_pnl is of each pool: several pools of one currency may each reach it, which"
        " asks for less than one cap over them all would",
        "profit of the session, realised or not, counts in equity at once and may leave after the"
        " settlement of 08:00 UTC; a realised loss is off what may leave at once, also where an"
        " unrealised profit stands against it",
        "open orders reserve what each would require by itself; spot orders nothing",
        "an option's delta is decayed, and its mark with it, over the last half hour",
        "what one round of liquidation closes, and at which price",
    ),
    user_gives=("model_params of today, where the dated ones do not do", "what protection holds"),
    closes_first="what relieves maintenance most, else a delta hedge with the perpetual",
    convex_form="a bound, tight at the signs of a reference book: `scenario.convex`",
)
CROSS_CARD = RuleCard(
    name="deribit_portfolio_cross",
    subject="Deribit portfolio margin across settlement currencies, in USD",
    answers=CARD.answers,
    source=(*CARD.source, "support.deribit.com 25944777203869 (undated)"),
    not_pinned=(*CARD.not_pinned, "a haircut is on positive equity in the coin"),
    user_gives=(*CARD.user_gives, "haircuts, which model_params hold"),
    closes_first=CARD.closes_first,
    convex_form=CARD.convex_form,
)


@dataclass(frozen=True, slots=True)
class DeribitPortfolio:
    """Portfolio margin of `currency`'s account; with `cross` of all currencies, in USD.

    `protection` is what the account's market maker protection reserves, in the same unit.
    """

    currency: str
    terms: PortfolioTerms = TERMS_2026
    protection: float = 0.0
    cross: bool = False
    name: str = field(init=False, default=CARD.name)

    def __post_init__(self) -> None:
        if self.protection < 0.0:
            raise InputError(WHERE, "protection", f"expected at least 0, got {self.protection}")
        if self.cross:
            if self.currency != CROSS:
                raise InputError(WHERE, "currency", f"expected {CROSS} for a cross account")
            object.__setattr__(self, "name", CROSS_CARD.name)

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The account now.

        Raises: `InputError` naming a value that is missing, stale or unsure, an instrument that the
        account cannot hold, or a coin without terms.
        """
        held = [each for each in holdings.positions if each.size != 0.0]
        assets = sorted({*holdings.collateral, *holdings.realised})
        prepared = self.prepare([each.instrument for each in held], market, assets)
        orders = self._orders(holdings, market)
        extra = {**prepared.extra, "open orders": Side(orders)}
        prepared = replace(prepared, extra=extra)
        stated = prepared.statement(prepared.sizes(self.amounts(holdings)))
        free = min(self._cash(holdings, market), stated.equity) - stated.initial
        return replace(stated, withdrawable=max(0.0, free))

    def price_ratios(self, coin: str) -> tuple[float, ...]:
        """Prices of a coin in the scenarios, over those now; none of a coin without terms."""
        pair = self.terms.pairs.get(coin.lower())
        if pair is None:
            return ()
        edge, count = pair.price_range, self.terms.buckets
        near = (1.0 + k * edge / count for k in range(-count, count + 1))
        return (*near, *(1.0 + move for move in FAR_MOVES))

    def liquidation(self, holdings: Holdings, market: MarketValues) -> LiquidationAction | None:
        """What the venue turns to first, or None while solvent; see `deribit_liquidation`."""
        return first_closing(self, holdings, market)

    def moving(self, holdings: Holdings, market: MarketValues) -> MovingDeribit:
        """The account without its orders, ready for many markets; raises as `statement` does."""
        held = [each.instrument for each in holdings.positions if each.size != 0.0]
        assets = self.assets_of(held, sorted({*holdings.collateral, *holdings.realised}))
        book = DeribitBook(self, tuple(held), assets, market)
        return MovingDeribit(book, self.amounts(holdings))

    def amounts(self, holdings: Holdings) -> dict[str, float]:
        """Sizes by column: positions, and each currency's cash with what positions have cost."""
        amounts = {each.instrument.id: each.size for each in holdings.positions if each.size != 0.0}
        for source in (holdings.collateral, holdings.realised):
            for asset, amount in source.items():
                amounts[asset] = amounts.get(asset, 0.0) + amount
        for each in holdings.positions:
            if each.size != 0.0:
                settle = each.instrument.settle
                amounts[settle] = amounts.get(settle, 0.0) + each.funding - _cost(each)
        return amounts

    def prepare(
        self,
        instruments: Sequence[Instrument],
        market: MarketValues,
        assets: Sequence[str] = (),
    ) -> Prepared:
        """The rule at this market for books of these instruments and their currencies.

        Raises: `InputError` as `statement` does.
        """
        require_no_doubles(instruments)
        known = self.assets_of(instruments, assets)
        book = DeribitBook(self, tuple(instruments), known, market)
        return replace(book.prepared(), extra={"protection": Side(self.protection)})

    def assets_of(
        self, instruments: Sequence[Instrument], assets: Sequence[str]
    ) -> tuple[str, ...]:
        """Assets of an account of these; raises `InputError` for what it cannot hold."""
        if not self.cross:
            for each in (*assets, *(one.settle for one in instruments)):
                if each != self.currency:
                    expected = f"expected what is settled in {self.currency}, got {each}"
                    raise InputError(WHERE, "currency", expected)
            return (self.currency,)
        return tuple(sorted({*assets, *(each.settle for each in instruments)}))

    def _cash(self, holdings: Holdings, market: MarketValues) -> float:
        """What could leave without a position: a session's loss is off at once, its profit waits
        for the settlement."""
        cash = 0.0
        for asset in {*holdings.collateral, *holdings.realised}:
            lost = min(0.0, holdings.realised.get(asset, 0.0))
            price = market.positive(index_of(asset)) if self.cross else 1.0
            cash += (holdings.collateral.get(asset, 0.0) + lost) * price
        return cash

    def _orders(self, holdings: Holdings, market: MarketValues) -> float:
        """What working orders reserve: the requirement of each by itself, without dampener."""
        reserved = 0.0
        for order in holdings.orders:
            if order.reduce_only or order.size == 0.0:
                continue
            prepared = self.prepare([order.instrument], market)
            table = prepared.table
            table = replace(table, shrink_usd=np.zeros_like(table.shrink_usd))
            prepared = replace(prepared, table=table, extra={})
            stated = prepared.statement(prepared.sizes({order.instrument.id: order.size}))
            reserved += stated.initial
        return reserved


def _cost(holding: Holding) -> float:
    """What a position was entered at, in its settlement currency; premiums have been paid."""
    if isinstance(holding.instrument, Option):
        return 0.0
    if holding.entry <= 0.0:
        expected = f"expected an entry above 0, got {holding.entry}"
        raise InputError(WHERE, holding.instrument.id, expected)
    if holding.instrument.inverse:
        return -holding.size / holding.entry
    return holding.size * holding.entry
