# SPDX-License-Identifier: Apache-2.0
"""Bybit unified account: cross margin by account rates, and isolated positions.

    cross     IM rate = total initial / margin balance,  MM rate = maintenance / margin balance
              margin balance = sum_a counted_a(wallet_a + unrealised profit_a)
    isolated  maintenance = position value at entry x rate - deduction
              linear   liquidation = entry -+ (initial - maintenance + extra) / size
              inverse  liquidation = contracts / (value +- (initial - maintenance + extra))

An account is liquidated when its MM rate reaches 100 %: spot orders are cancelled, loans repaid,
then positions reduced tier by tier until the rate is 90 %. Loans are repaid from 85 % on.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.convex_form import ConvexForm
from tidegate.margin.holding_values import profit, worth
from tidegate.margin.holdings import Holdings
from tidegate.margin.isolated_position import isolated
from tidegate.margin.liquidation_action import LiquidationAction
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.position_tiers import PositionTiers
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import CrossTerms, PositionTerms, close_to_tier_below
from tidegate.model.errors import InputError

REPAYMENT_FROM = 0.85
LIQUIDATION_UNTIL = 0.90

CROSS_CARD = RuleCard(
    name="bybit_cross",
    subject="Bybit unified account, cross margin of linear and inverse contracts, in USD",
    answers="bybit.BybitCross",
    source=(
        "bybit.com help centre, key terms of the unified account (30 August 2024): account rates",
        "bybit.com help centre, liquidation process (17 August 2024): 100 %, steps, 90 %, 85 %",
        "bybit.com, margin parameters (read in November 2026): tiers and their recurrence",
    ),
    not_pinned=(
        "fee to close: the share is the user's, taken on the mark",
        "haircut loss and order loss of spot orders: as the worse side executing",
        "profit is netted into a balance before its ratio",
        "what may be withdrawn: None is answered",
    ),
    user_gives=(
        "tiers of every instrument (there is a public BTCUSDT ladder; of ETH, SOL, USDC and inverse"
        " contracts none was found)",
        "leverage",
        "collateral ratios",
        "loan rates by asset",
    ),
    closes_first="orders, then loans are repaid, then the largest requirement tier by tier to 90 %",
    convex_form="exact by tiers, with the fee in the rate",
)

ISOLATED_CARD = RuleCard(
    name="bybit_isolated",
    subject="Bybit unified account, one isolated linear or inverse position",
    answers="bybit.BybitIsolated",
    source=(
        "bybit.com help centre, liquidation price under isolated mode (read in November 2026):"
        " formulas on the value at entry; its inverse example is a test",
    ),
    not_pinned=("fees to close, which the page says may move the price a little",),
    user_gives=CROSS_CARD.user_gives[:2],
    closes_first="the position, tier by tier; then at the bankruptcy price",
    convex_form="exact by tiers, on the value at entry",
)


@dataclass(frozen=True, slots=True)
class BybitCross:
    """The rule of a cross account; its `terms` must hold loan rates."""

    terms: CrossTerms
    least_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.terms.loans is None:
            raise InputError(CROSS_CARD.name, "loans", "expected loan rates, by asset")

    @property
    def name(self) -> str:
        """As in the registry."""
        return CROSS_CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in both; see `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        return with_orders(self._plain, holdings, prices, in_maintenance=True)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        return self.terms.sums(holdings, prices).statement(self.name)

    def account_rates(self, holdings: Holdings, market: MarketValues) -> tuple[float, float]:
        """IM rate and MM rate of the account, infinite where something is required of nothing."""
        now = self.statement(holdings, market)
        return _rate(now.initial, now.equity), _rate(now.maintenance, now.equity)

    def liquidation(self, holdings: Holdings, market: MarketValues) -> LiquidationAction | None:
        """The next step, or None below 100 %, and of an account that owes below 85 %."""
        prices = Prices(market, self.least_confidence)
        rate = self.account_rates(holdings, market)[1]
        owes = any(balance < 0 for balance in holdings.collateral.values())
        if rate < 1.0:
            return LiquidationAction("repay") if owes and rate >= REPAYMENT_FROM else None
        if holdings.orders:
            return LiquidationAction("cancel_orders")
        if owes or not holdings.positions:
            return LiquidationAction("repay")
        required = self.terms.sums(holdings, prices).maintenance
        held = {holding.instrument.id: holding for holding in holdings.positions}
        name = max(held, key=lambda n: (required[n], n))
        tiers = self.terms.positions[name].tiers
        size = close_to_tier_below(held[name], tiers, prices.mark(name))
        return LiquidationAction("close", ((name, size),))


def _rate(required: float, balance: float) -> float:
    if required == 0.0:
        return 0.0
    return required / balance if balance > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class BybitIsolated:
    """The rule of one isolated position, margined on what it was worth at entry."""

    tiers: PositionTiers
    leverage: int
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return ISOLATED_CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in the settlement asset; margin beyond initial may be taken out, and
        profit may not."""
        holding, margin = isolated(holdings)
        mark = Prices(market, self.least_confidence).mark(holding.instrument.id)
        initial, maintenance = self._terms.required(holding, holding.entry)
        equity = margin + profit(holding, mark)
        return Statement(
            rule=self.name,
            unit=holding.instrument.settle,
            equity=equity,
            initial=initial,
            maintenance=maintenance,
            withdrawable=max(0.0, min(margin, equity) - initial),
            binding=holding.instrument.id,
            parts={"tier_maintenance": maintenance},
        )

    @property
    def _terms(self) -> PositionTerms:
        return PositionTerms(self.tiers, Fraction(self.leverage))

    def convex_form(self, span: float) -> ConvexForm:
        """Bound of maintenance by worth at entry, exact within the tiers."""
        return self.tiers.convex_form(span)

    def liquidation_price(self, holdings: Holdings) -> float | None:
        """The price at which the margin is down to maintenance; None where there is none."""
        holding, margin = isolated(holdings)
        maintenance = self._terms.required(holding, holding.entry)[1]
        side = 1.0 if holding.size > 0 else -1.0
        spare = side * (margin + holding.funding - maintenance)
        if not holding.instrument.inverse:
            price = holding.entry - spare / abs(holding.size)
            return price if price > 0 else None
        value = worth(holding, holding.entry) + spare
        return abs(holding.size) / value if value > 0 else None
