# SPDX-License-Identifier: Apache-2.0
"""OKX outside portfolio margin: multi-currency cross accounts, and isolated positions.

    cross     ratio = adjusted equity / (sum maintenance + fees to close),  liquidated at 100 %
              adjusted equity = sum_a discounted_a(balance_a + unrealised profit_a)
    isolated  ratio = (margin + unrealised profit) / (maintenance + fee to close)

Tiers are by contracts, which the caller turns into size (contracts x contract size), and their
rate is taken on the whole position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from tidegate.margin.convex_form import ConvexForm
from tidegate.margin.holding_values import profit
from tidegate.margin.holdings import Holdings
from tidegate.margin.isolated_position import isolated
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.position_tiers import PositionTiers
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import CrossTerms, PositionTerms

CROSS_CARD = RuleCard(
    name="okx_cross",
    subject="OKX multi-currency margin, linear and inverse contracts, in USD",
    answers="okx_tiered.OkxCross",
    source=(
        "okx.com help, multi-currency against portfolio margin (13 April 2023, as of 14 February"
        " 2025): equity and ratio",
        "okx.com announcements on position tiers (4 March 2022 to 13 November 2025) and on discount"
        " rates (18 July 2024 to 13 October 2025)",
    ),
    not_pinned=(
        "that the tier's rate is on the whole position: remembered, not read",
        "borrowing margin of multi-currency accounts: loan rates are the user's",
        "what may be withdrawn: None is answered",
    ),
    user_gives=(
        "tiers of every instrument (public: first tiers of BTC and ETH swaps, thirteen ladders of"
        " small coins; of inverse swaps none)",
        "leverage",
        "discount rates",
        "loan rates by asset, where something is owed",
        "fee to close",
    ),
    closes_first="orders, then positions tier by tier; not pinned",
    convex_form="one line at the rate of the span, as whole tiers jump",
)

ISOLATED_CARD = RuleCard(
    name="okx_isolated",
    subject="OKX, one isolated linear or inverse position",
    answers="okx_tiered.OkxIsolated",
    source=CROSS_CARD.source[:1],
    not_pinned=CROSS_CARD.not_pinned[:1],
    user_gives=("tiers", "leverage", "fee to close"),
    closes_first="the position, tier by tier; not pinned",
    convex_form=CROSS_CARD.convex_form,
)


@dataclass(frozen=True, slots=True)
class OkxCross:
    """The rule of a multi-currency account."""

    terms: CrossTerms
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return CROSS_CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in both, as the venue counts them in the tier of a
        position; what is owed without loan rates raises `InputError`. See `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        return with_orders(self._plain, holdings, prices, in_maintenance=True)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        # What is owed without loan rates is refused: no requirement is not what the venue asks.
        terms = replace(self.terms, loans=self.terms.loans or {})
        return terms.sums(holdings, prices).statement(self.name)


@dataclass(frozen=True, slots=True)
class OkxIsolated:
    """The rule of one isolated position."""

    tiers: PositionTiers
    leverage: int
    fee_to_close: Fraction
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return ISOLATED_CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in the settlement asset; see `AccountRule`."""
        holding, margin = isolated(holdings)
        mark = Prices(market, self.least_confidence).mark(holding.instrument.id)
        initial, maintenance = self._terms.required(holding, mark)
        equity = margin + profit(holding, mark)
        return Statement(
            rule=self.name,
            unit=holding.instrument.settle,
            equity=equity,
            initial=initial,
            maintenance=maintenance,
            withdrawable=max(0.0, min(margin, equity) - initial),
            binding=holding.instrument.id,
            parts={"tier_maintenance_and_fee": maintenance},
        )

    @property
    def _terms(self) -> PositionTerms:
        return PositionTerms(self.tiers, Fraction(self.leverage), self.fee_to_close)

    def convex_form(self, span: float) -> ConvexForm:
        """Bound of maintenance by worth, the fee included."""
        return self._terms.convex_form(span)
