# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid isolated margin: one position with USDC of its own, strict or not.

    equity       margin + unrealised profit
    initial      worth / leverage          maintenance  worth r_n - o_n  (margin tiers)
    liquidation  price - side available / size / (1 - l side),  available = equity - maintenance

with l the maintenance rate of the tier at the liquidation price. Margin may be taken out down to
the larger of initial margin and a tenth of the worth; of a strict position it may not.

Below maintenance a fifth is sold first where the position is above 100,000 USDC, and in the 30 s
after that all of it; below two thirds of maintenance position and margin go to the liquidator
vault, and the rest of the account is untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.convex_form import ConvexForm
from tidegate.margin.holding_values import profit, worth
from tidegate.margin.holdings import Holdings
from tidegate.margin.isolated_position import isolated
from tidegate.margin.linear import (
    HYPERLIQUID_PARTIAL_ABOVE_USD,
    HYPERLIQUID_PARTIAL_SHARE,
    HYPERLIQUID_WITHDRAW_FLOOR,
)
from tidegate.margin.liquidation_action import LiquidationAction
from tidegate.margin.market_values import MarketValues
from tidegate.margin.position_tiers import PositionTiers
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import PositionTerms
from tidegate.model.errors import InputError

BACKSTOP_SHARE = 2.0 / 3.0

CARD = RuleCard(
    name="hyperliquid_isolated",
    subject="Hyperliquid, one isolated position in USDC, strict or not",
    answers="hyperliquid_isolated.HyperliquidIsolated",
    source=(
        "hyperliquid.gitbook.io, margining, margin tiers and liquidations (stored copies read in"
        " November 2026)",
    ),
    not_pinned=(
        "which markets are strict; taken from the caller",
        "funding accrued within the hour is counted as profit",
    ),
    user_gives=("margin tiers of the market, dated", "leverage chosen", "whether it is strict"),
    closes_first="a fifth above 100,000 USDC, then all; no fee; below 2/3 of maintenance the vault"
    " takes position and margin",
    convex_form="exact: the tiers are convex",
)


@dataclass(frozen=True, slots=True)
class HyperliquidIsolated:
    """The rule of one isolated position; `strict` lets no margin out while it is open."""

    tiers: PositionTiers
    leverage: int
    strict: bool = False
    least_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.leverage < 1 or not self.tiers.marginal:
            raise InputError(
                self.tiers.source, "leverage", "expected at least 1, and marginal tiers"
            )

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in the settlement asset; see `AccountRule`."""
        holding, margin = isolated(holdings)
        mark = Prices(market, self.least_confidence).mark(holding.instrument.id)
        gained, notional = profit(holding, mark), worth(holding, mark)
        initial, maintenance = self._terms.required(holding, mark)
        equity = margin + gained
        kept = max(initial, notional / HYPERLIQUID_WITHDRAW_FLOOR)
        return Statement(
            rule=self.name,
            unit=holding.instrument.settle,
            equity=equity,
            initial=initial,
            maintenance=maintenance,
            withdrawable=0.0 if self.strict else max(0.0, equity - kept),
            binding=holding.instrument.id,
            parts={"tier_maintenance": maintenance},
        )

    @property
    def _terms(self) -> PositionTerms:
        return PositionTerms(self.tiers, Fraction(self.leverage))

    def convex_form(self, span: float) -> ConvexForm:
        """Bound of maintenance by worth, exact within the tiers."""
        return self.tiers.convex_form(span)

    def liquidation_price(self, holdings: Holdings, market: MarketValues) -> float | None:
        """The price at which equity is maintenance, over all tiers; None where no price above zero
        is. Health is the least over tiers of lines in the price, so the first of their zeros that
        the price reaches decides."""
        holding, _ = isolated(holdings)
        if holding.instrument.inverse:
            raise InputError(self.tiers.source, holding.instrument.id, "expected a linear contract")
        if holding.size == 0.0:
            return None
        side = 1.0 if holding.size > 0 else -1.0
        mark = Prices(market, self.least_confidence).mark(holding.instrument.id)
        zeros = [
            liquidation_price(
                side, abs(holding.size), mark, self._available(holdings, mark, line), float(line[0])
            )
            for line in self.tiers.lines()
        ]
        first = max(zeros) if side > 0 else min(zeros)
        return first if first > 0 else None

    @staticmethod
    def _available(holdings: Holdings, mark: float, line: tuple[Fraction, Fraction]) -> float:
        holding, margin = isolated(holdings)
        rate, deduction = line
        required = float(rate) * worth(holding, mark) - float(deduction)
        return margin + profit(holding, mark) - required

    def liquidation(
        self, holdings: Holdings, market: MarketValues, cooling_down: bool = False
    ) -> LiquidationAction | None:
        """The next step, or None while solvent; `cooling_down` in the 30 s after a partial one."""
        now = self.statement(holdings, market)
        if now.health >= 0:
            return None
        holding, _ = isolated(holdings)
        if now.equity < BACKSTOP_SHARE * now.maintenance:
            closes = ((holding.instrument.id, -holding.size),)
            return LiquidationAction("backstop", closes, max(0.0, now.equity))
        mark = Prices(market, self.least_confidence).mark(holding.instrument.id)
        partly = worth(holding, mark) > HYPERLIQUID_PARTIAL_ABOVE_USD and not cooling_down
        size = holding.size / (HYPERLIQUID_PARTIAL_SHARE if partly else 1)
        return LiquidationAction(
            "partial" if partly else "close", ((holding.instrument.id, -size),)
        )


def liquidation_price(
    side: float, size: float, price: float, available: float, rate: float
) -> float:
    """price - side available / size / (1 - rate side): where a position is liquidated.

    Args: `side` +1 long, -1 short; `size` > 0 in base coins; `price` the mark, USD; `available`
    margin beyond maintenance at it, USD; `rate` 1 / maintenance leverage, in 0..1.
    Source: hyperliquid.gitbook.io, liquidations (stored copy read in November 2026).
    """
    return price - side * available / size / (1.0 - rate * side)
