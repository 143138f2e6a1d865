# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M in multi-assets mode: all assets of the futures wallet carry all cross positions.

    equity  sum_a counted_a(wallet_a + unrealised profit_a)     collateral rate on what is owned,
                                                                the ask side of the index on debts

Unrealised profit carries positions and does not leave: withdrawable is what the wallets count for,
and not more than equity less initial margin. Below maintenance the largest requirement is cut to
the tier below, with a clearance fee on what is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.margin.holding_values import worth
from tidegate.margin.holdings import Holdings
from tidegate.margin.liquidation_action import LiquidationAction
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import CrossTerms, close_to_tier_below
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId

CARD = RuleCard(
    name="binance_multi_assets",
    subject="Binance USD-M, multi-assets mode, cross margin in USD",
    answers="binance_multi_assets.BinanceMultiAssets",
    source=(
        "binance.com, multi-assets mode (FAQ 29b45c48, 28 May 2021) and its rules page (read in"
        " November 2026): collateral rates, automatic exchange",
        "binance.com, margin balance (FAQ 360038447311, 3 January 2020): what may be taken out",
    ),
    not_pinned=(
        "whether profit is netted into a balance before its rate: it is, as in portfolio margin",
        "withdrawable over several assets: the sum of what wallets count for, by analogy",
        "automatic exchange below the negative threshold is not played",
    ),
    user_gives=("brackets (leverageBracket)", "leverage", "collateral rates and buffers of index"),
    closes_first="the largest requirement, to the tier below; clearance fee on what is closed",
    convex_form="positions by their brackets; haircuts by `CollateralTerms.haircut_form`",
)


@dataclass(frozen=True, slots=True)
class BinanceMultiAssets:
    """The rule; `clearance_rate` is the liquidation fee by instrument, on what is closed."""

    terms: CrossTerms
    clearance_rate: Mapping[InstrumentId, float]
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in initial margin; see `AccountRule`."""
        return with_orders(self._plain, holdings, Prices(market, self.least_confidence))

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        sums = self.terms.sums(holdings, prices)
        initial, maintenance = sums.requirement()
        free = min(sum(sums.wallet.values()), sums.equity - initial)
        return Statement(
            rule=self.name,
            unit="USD",
            equity=sums.equity,
            initial=initial,
            maintenance=maintenance,
            withdrawable=max(0.0, free),
            binding=sums.binding,
            parts=sums.maintenance,
        )

    def liquidation(self, holdings: Holdings, market: MarketValues) -> LiquidationAction | None:
        """The next step, or None while solvent."""
        prices = Prices(market, self.least_confidence)
        if self._plain(holdings, prices).health >= 0 or not holdings.positions:
            return None
        required = self.terms.sums(holdings, prices).maintenance
        held = {holding.instrument.id: holding for holding in holdings.positions}
        name = max(held, key=lambda n: (required[n], n))
        if name not in self.clearance_rate:
            raise InputError(self.name, name, "expected its clearance fee")
        holding, mark = held[name], prices.mark(name)
        size = close_to_tier_below(holding, self.terms.positions[name].tiers, mark)
        part = (
            abs(size / holding.size) * worth(holding, mark) * prices.usd(holding.instrument.settle)
        )
        return LiquidationAction("close", ((name, size),), part * self.clearance_rate[name])
