# SPDX-License-Identifier: Apache-2.0
"""Derive's standard margin, across coins, in dollar coins.

Of each expiry's options the smaller of two requirements holds,

    isolated   sum over shorts of (price + max(a - out / S, b) S) |q|      initial
               call (price + m S) |q|, put (price + max(m S, p price)) |q|    maintenance
    max loss   -min(0, payoff at 0 and at every strike) + u F |net short calls|

an initial put at least `offset` times its maintenance; a long option needs nothing and lends
nothing beyond its expiry's payoff. Prices are Black-76 at the mark vol, not discounted. A perpetual
needs a share of its mark; its profit and funding count in equity, coins by their `factor`.

Initial margin adds (1 - confidence) x `oracle_factor` x S on shorts, perpetuals and coins of feeds
below the threshold, and (threshold - dollar coin) x `peg_factor` x S on shorts and perpetuals once
the dollar coin is off its peg.

Source: docs.derive.xyz, Standard Margin; formulas as reproduced on the venue's own published cases
(`tests/margin/test_parity_cases.py`). Over the last half hour the forward is that of the delivery
average, the max loss takes the live one. Not pinned: the live venue's present parameters, what open
orders reserve, a negative coin balance (refused), and what may be withdrawn beyond what initial
margin leaves of cash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.margin.derive_parameters import MAINNET_STANDARD_2026, StandardParameters
from tidegate.margin.derive_standard_book import PreparedStandard, StandardBook
from tidegate.margin.holding_values import settled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.scenario.quotes import require_no_doubles
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option

WHERE = "derive standard margin"

CARD = RuleCard(
    name="derive_standard",
    subject="Derive standard manager, across coins, in a dollar coin",
    answers="derive_standard.DeriveStandard",
    source=("docs.derive.xyz, Standard Margin; derivexyz/v2-core at 7736900d (January 2026)",),
    not_pinned=(
        "the live venue's present parameters, set by governance",
        "what open orders reserve: nothing is counted",
        "a negative coin balance, which is refused",
        "what may be withdrawn beyond what initial margin leaves of cash",
    ),
    user_gives=("margin factors of coins",),
    closes_first="the whole book is auctioned: `derive_auction.DERIVE_AUCTION`",
    convex_form="a bound, tight at a reference book: `derive_standard_convex`",
)


@dataclass(frozen=True, slots=True)
class DeriveStandard:
    """Standard margin of an account with cash in `cash`; `factors` by coin are what its worth
    counts, and what of that counts for initial margin. `parameters` are dated."""

    factors: Mapping[str, tuple[float, float]]
    parameters: StandardParameters = MAINNET_STANDARD_2026
    cash: str = "USDC"
    name: str = CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The account now; `withdrawable` is cash as far as initial margin leaves it.

        Raises: `InputError` naming a value that is missing or stale, an instrument of another kind,
        or a coin without a factor or below zero. Low confidence is the venue's penalty,
        but of the dollar coin an error, as the venue has none for it.
        """
        held = [each for each in holdings.positions if each.size != 0.0]
        assets = [name for name, amount in settled(holdings).items() if amount != 0.0]
        prepared = self.prepare([each.instrument for each in held], market, assets)
        amounts = {self.cash: 0.0, **{name: holdings.collateral[name] for name in assets}}
        for each in held:
            amounts[each.instrument.id] = each.size
            entry = 0.0 if isinstance(each.instrument, Option) else each.size * each.entry
            amounts[self.cash] += each.funding - entry
        for name in assets:
            if name != self.cash and amounts[name] < 0.0:
                raise InputError(WHERE, name, "expected at least 0: what a loan needs is not known")
        stated = prepared.statement(prepared.sizes(amounts))
        free = min(holdings.collateral.get(self.cash, 0.0), stated.equity - stated.initial)
        return replace(stated, withdrawable=max(0.0, free))

    def prepare(
        self,
        instruments: Sequence[Instrument],
        market: MarketValues,
        assets: Sequence[str] = (),
    ) -> PreparedStandard:
        """The rule at this market for books of these instruments and coins; cash is a column."""
        require_no_doubles(instruments)
        coins = tuple(name for name in assets if name != self.cash)
        return StandardBook(self, tuple(instruments), coins, market).prepared()
