# SPDX-License-Identifier: Apache-2.0
"""An account whose positions are margined one by one by tiers, over collateral of many assets.

    equity       sum_a counted_a(balance_a + unrealised profit settled in a)            USD
    initial      sum_i worth_i (max(1 / leverage_i, tier initial_i) + fee) price        USD
    maintenance  sum_i (tier maintenance_i(worth_i) + fee worth_i) price + loans        USD

The venues that margin so differ in tables, fees, loans, what may leave and how they liquidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.collateral import CollateralTable, merged, owed_usd
from tidegate.margin.convex_form import ConvexForm, convex_form
from tidegate.margin.holding_values import WHERE, contract, profit, settled, worth
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.position_tiers import PositionTiers
from tidegate.margin.prices import Prices
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId


@dataclass(frozen=True, slots=True)
class PositionTerms:
    """Tiers of one instrument, the leverage chosen for it (at least 1), and the fee that the venue
    reserves for closing, as a share of what the position is worth."""

    tiers: PositionTiers
    leverage: Fraction
    fee_to_close: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.leverage < 1 or self.fee_to_close < 0:
            raise InputError(
                self.tiers.source, "leverage", "expected at least 1, and a fee of at least 0"
            )

    def required(self, holding: Holding, mark: float) -> tuple[float, float]:
        """Initial and maintenance of a position at a mark, in its settlement asset."""
        notional, size = Fraction(worth(holding, mark)), Fraction(abs(holding.size))
        tier = self.tiers.tier(notional, size)
        fee = notional * self.fee_to_close
        initial = notional * max(1 / self.leverage, tier.initial) + fee
        maintenance = self.tiers.maintenance(notional, size) + fee
        return float(max(initial, maintenance)), float(maintenance)

    def convex_form(self, span: float) -> ConvexForm:
        """Bound of maintenance for a worth up to the span, the fee included."""
        lines = [(rate + self.fee_to_close, cut) for rate, cut in self.tiers.bounding_lines(span)]
        return convex_form(lines, span)


@dataclass(frozen=True, slots=True)
class LoanRates:
    """Margin of one borrowed asset, as shares of what is owed; dated."""

    initial: Fraction
    maintenance: Fraction
    as_of: str
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.maintenance <= self.initial:
            raise InputError(self.source, "loan", "expected 0 <= maintenance <= initial")


@dataclass(frozen=True, slots=True)
class CrossSums:
    """One account's sums in USD: `counted` collateral with and `wallet` without unrealised profit,
    initial and maintenance by position, and of loans by asset."""

    counted: Mapping[str, float]
    wallet: Mapping[str, float]
    initial: Mapping[InstrumentId, float]
    maintenance: Mapping[InstrumentId, float]
    loans_initial: Mapping[str, float]
    loans_maintenance: Mapping[str, float]

    @property
    def equity(self) -> float:
        """All that is counted."""
        return sum(self.counted.values())

    @property
    def binding(self) -> str:
        """The position or loan that requires most maintenance, or "none"."""
        required = {**self.maintenance, **self.loans_maintenance}
        return max(required, key=lambda name: (required[name], name), default="none")

    def requirement(self) -> tuple[float, float]:
        """Initial and maintenance of positions and loans together."""
        initial = sum(self.initial.values()) + sum(self.loans_initial.values())
        return initial, sum(self.maintenance.values()) + sum(self.loans_maintenance.values())

    def statement(self, rule: str) -> Statement:
        """The account as Bybit and OKX state it; what may leave is pinned by neither."""
        initial, maintenance = self.requirement()
        loans = sum(self.loans_maintenance.values())
        return Statement(
            rule=rule,
            unit="USD",
            equity=self.equity,
            initial=initial,
            maintenance=maintenance,
            withdrawable=None,
            binding=self.binding,
            parts={"positions": maintenance - loans, "loans": loans},
        )


@dataclass(frozen=True, slots=True)
class CrossTerms:
    """Terms by instrument, of collateral, and of loans by asset; loans without terms are refused
    where `loans` is given, and need no margin of their own where it is None."""

    positions: Mapping[InstrumentId, PositionTerms]
    collateral: CollateralTable
    loans: Mapping[str, LoanRates] | None = None

    def sums(self, holdings: Holdings, prices: Prices) -> CrossSums:
        """The sums of one account; raises `InputError` for what has no terms or no price."""
        profits: dict[str, float] = {}
        initial: dict[InstrumentId, float] = {}
        maintenance: dict[InstrumentId, float] = {}
        for holding in holdings.positions:
            name, settle = contract(holding).instrument.id, holding.instrument.settle
            mark, price = prices.mark(name), prices.usd(settle)
            profits[settle] = profits.get(settle, 0.0) + profit(holding, mark)
            first, last = self._terms(name).required(holding, mark)
            initial[name], maintenance[name] = first * price, last * price
        net = merged(settled(holdings), profits)
        owed = owed_usd(net, prices) if self.loans is not None else {}
        rates = {asset: self._loan(asset) for asset in owed}
        return CrossSums(
            self.collateral.counted_usd(net, prices),
            self.collateral.counted_usd(holdings.collateral, prices),
            initial,
            maintenance,
            {asset: usd * float(rates[asset].initial) for asset, usd in owed.items()},
            {asset: usd * float(rates[asset].maintenance) for asset, usd in owed.items()},
        )

    def _terms(self, name: InstrumentId) -> PositionTerms:
        if name not in self.positions:
            raise InputError(WHERE, name, "expected its margin tiers")
        return self.positions[name]

    def _loan(self, asset: str) -> LoanRates:
        if self.loans is None or asset not in self.loans:
            raise InputError(WHERE, asset, "expected loan rates for what is borrowed")
        return self.loans[asset]


def close_to_tier_below(holding: Holding, tiers: PositionTiers, mark: float) -> float:
    """Signed size to trade so that a position leaves its tier downwards, all of it in the first."""
    notional, size = Fraction(worth(holding, mark)), Fraction(abs(holding.size))
    number = tiers.tiers.index(tiers.tier(notional, size))
    if number == 0 or size == 0:
        return -holding.size
    floor = tiers.tiers[number - 1].up_to or Fraction(0)
    kept = floor / (notional if tiers.by == "worth" else size)
    return -holding.size * (1.0 - float(kept))
