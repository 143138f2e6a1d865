# SPDX-License-Identifier: Apache-2.0
"""Health of an account of linear contracts under a rule of integers, over cells.

    health = wallet + sum_i (value_i m - cost_i) - max_j (rate_j |value_i| m - deduction_j)

with m the ratio of a coin's contract marks and the lines those of `MarginRule.lines`, which are
never below the requirement for any price from the lowest of the box on. Health is concave in m, so
the bound of a cell without spread is exact at its ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tidegate.margin.rule import Lines, MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Instrument, InstrumentId, Perpetual
from tidegate.model.units import MICRO, unit_quanta
from tidegate.risk.certificate_box import Box, Cells, Point
from tidegate.risk.enclosure import PRICE, SPREAD, Enclosure, kinked

WHERE = "certificate"
# Of a position: its value rounded down, its requirement up, twice at dYdX.
ROUNDED_QUANTA = 4


@dataclass(frozen=True, eq=False)
class LinearAccount:
    """What a certificate of linear contracts is about; `marks` in ticks."""

    rule: MarginRule
    account: Account
    instruments: Mapping[InstrumentId, Instrument]
    marks: Marks

    def __post_init__(self) -> None:
        if unit_quanta(self.rule.collateral) != MICRO:
            expected = f"expected dollars, got {self.rule.collateral}"
            raise InputError(WHERE, "collateral", expected)
        for asset, quanta in self.account.balances.items():
            if asset != self.rule.collateral and quanta != 0:
                raise InputError(WHERE, asset, f"expected {self.rule.collateral} alone")
        for name in self.account.positions:
            each = self.instruments.get(name)
            if not isinstance(each, Perpetual | Future) or each.inverse:
                raise InputError(WHERE, name, "expected a linear perpetual or future")
            if self.marks.get(name, 0) <= 0:
                raise InputError("marks", name, "expected a mark above 0; it is missing")


@dataclass(frozen=True, eq=False)
class LinearHealth:
    """An account at the present over a box; see `certificate_bounds.HealthForm`."""

    of: LinearAccount
    box: Box

    @property
    def coins(self) -> tuple[str, ...]:
        """Coins of the positions."""
        held = {self.of.instruments[name].base for name in self.of.account.positions}
        return tuple(sorted(held))

    @property
    def constant_usd(self) -> float:
        """The wallet."""
        return self.of.account.balances.get(self.of.rule.collateral, 0) / MICRO

    @property
    def names(self) -> tuple[str, ...]:
        """One formula, without scenarios."""
        return ("tiers",)

    def exact(self, point: Point) -> float:
        """Health by the rule's own integers, at the nearest ticks."""
        marks = dict(self.of.marks)
        for name in self.of.account.positions:
            price, spread, _ = point[self.of.instruments[name].base]
            marks[name] = max(1, round(marks[name] * price * spread))
        equity, maintenance = self.of.rule.health_at(self.of.account, marks)
        return (equity - maintenance) / MICRO

    def scale_usd(self, coin: str) -> float:
        """Gross amounts of a coin now: what rounding is relative to."""
        held = self._held(coin)
        return sum(abs(self._value(name)) + abs(held[name]) for name in held)

    def rounding_usd(self, coin: str) -> float:
        """What quanta and the nearest tick may take, USD."""
        total = 0.0
        for name in self._held(coin):
            lots, each = self.of.account.positions[name].lots, self.of.instruments[name]
            tick = abs(lots) * each.unit_numerator / each.unit_denominator
            total += tick + ROUNDED_QUANTA
        return total / MICRO

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """A coin's addends of health, USD, [B, 1]."""
        total = Enclosure.constant(np.zeros(len(cells.low)))
        allowance = self.rounding_usd(coin)
        for name, cost in self._held(coin).items():
            value = self._value(name)
            required = self._required(name, coin, cells.contracts.times(abs(value)))
            total = total + cells.contracts.times(value).plus(-cost) - required
        return total.widened(-allowance, allowance).column()

    def _held(self, coin: str) -> dict[InstrumentId, float]:
        """Costs of a coin's positions, USD."""
        return {
            name: position.cost / MICRO
            for name, position in self.of.account.positions.items()
            if self.of.instruments[name].base == coin and position.lots != 0
        }

    def _value(self, name: InstrumentId) -> float:
        each, lots = self.of.instruments[name], self.of.account.positions[name].lots
        return lots * self.of.marks[name] * each.unit_numerator / each.unit_denominator / MICRO

    def _required(self, name: InstrumentId, coin: str, notional: Enclosure) -> Enclosure:
        low, high = self.box.of(coin).ends
        mark = self.of.marks[name]
        lowest = max(1, int(mark * low[PRICE] * low[SPREAD]) - 1)
        span = abs(self._value(name)) * float(high[PRICE] * high[SPREAD]) * 1.001 + 1.0
        pieces = envelope(self.of.rule.lines(name, lowest, span))
        rate, deduction = pieces[0]
        total = notional.times(rate).plus(-deduction)
        for below, above in pairwise(pieces):
            kink = _meets(below, above)
            total = total + kinked(notional, kink, 0.0, above[0] - below[0])
        return total


def envelope(lines: Lines) -> list[tuple[float, float]]:
    """The lines that are anywhere the largest of n >= 0, by rate; (rate, deduction) in dollars."""
    kept: list[tuple[float, float]] = []
    for rate, micro in sorted(lines, key=lambda line: (line[0], -line[1])):
        deduction = micro / MICRO
        if kept and kept[-1][0] == rate:
            kept.pop()
        while kept and deduction <= kept[-1][1]:
            kept.pop()
        while len(kept) > 1 and _meets(kept[-1], (rate, deduction)) <= _meets(kept[-2], kept[-1]):
            kept.pop()
        kept.append((rate, deduction))
    return kept or [(0.0, 0.0)]


def _meets(low: tuple[float, float], high: tuple[float, float]) -> float:
    """The amount at which two lines are equal."""
    return (high[1] - low[1]) / (high[0] - low[0])
