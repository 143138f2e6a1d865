# SPDX-License-Identifier: Apache-2.0
"""Deribit standard margin of linear and inverse futures and perpetuals, in exact integers.

    initial = worth x (a + s size)      maintenance = worth x (b + s size)

with size in base coins and worth in the settlement asset: coins for inverse contracts, where both
are N / p, and dollars for linear ones. Equity is the wallet plus unrealised profit in the same
asset; accounts in different assets do not support each other (the venue's segregated model).

Source: support.deribit.com, Linear Perpetual (25944738177565, undated), change of 11 January 2022
(25944826427293, inverse rates), and Liquidations (25944769313309, undated); stored copies read in
November 2026. Not pinned, and so taken as follows: margin is on the mark, where the linear page
says index; the rate is not capped at 100 %, as no page caps it; open orders reserve nothing here;
the portion that one round of liquidation closes, and which position goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import isfinite, lcm

from tidegate.margin.convex_form import outward
from tidegate.margin.rule import Lines, LiquidationStep, MarginState, Marks
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Option, Spot
from tidegate.model.units import MICRO, ceil_div, unit_quanta

CHORDS = 8
LIQUIDATION_ROUNDS = 32
WHERE = "deribit margin"


@dataclass(frozen=True, slots=True)
class SizedRate:
    """A margin rate that grows with size: `at_zero` + `per_base` x size in base coins."""

    at_zero: Fraction
    per_base: Fraction
    numerator_at_zero: int = field(init=False)
    numerator_per_base: int = field(init=False)
    denominator: int = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.at_zero <= 1:
            raise InputError(WHERE, "rate", f"expected above 0 and at most 1, got {self.at_zero}")
        if self.per_base < 0:
            raise InputError(WHERE, "slope", f"expected at least 0, got {self.per_base}")
        denominator = lcm(self.at_zero.denominator, self.per_base.denominator)
        object.__setattr__(self, "numerator_at_zero", int(self.at_zero * denominator))
        object.__setattr__(self, "numerator_per_base", int(self.per_base * denominator))
        object.__setattr__(self, "denominator", denominator)

    def required(self, instrument: Instrument, lots: int, ticks: int) -> int:
        """Requirement on a position at a mark, in settlement quanta, rounded up once."""
        size, size_unit = _size(instrument, abs(lots), ticks)
        worth, worth_unit = _worth(instrument, abs(lots), ticks)
        rate = self.numerator_at_zero * size_unit + self.numerator_per_base * size
        return ceil_div(worth * rate, worth_unit * size_unit * self.denominator)

    def convex_lines(self, lowest_price_usd: Decimal, span_usd: float) -> Lines:
        """Lines whose largest is at or above the requirement for every size inside the span.

        A notional of n dollars at price p needs n (a + s n / p), convex in n and largest at the
        lowest p; the lines are its chords there between the knots span (j / 8)^2, close together
        where positions are small. Beyond the span, or below that price, they promise nothing.
        The rounding up of `required` to a whole quantum is not in them.

        Args: `lowest_price_usd` at which they will be used; `span_usd` of notional, > 0.
        Returns: (rate, deduction_usd) each, for max_j (rate_j n - deduction_j), rounded outward.
        Raises: `InputError`.
        """
        return outward(self._chords(lowest_price_usd, span_usd), 1)

    def micro_lines(self, lowest_price_usd: Decimal, span_usd: float) -> Lines:
        """`convex_lines` with deductions in micro-dollars, as `TierTable.lines` gives them."""
        return outward(self._chords(lowest_price_usd, span_usd), MICRO)

    def _chords(self, price: Decimal, span: float) -> list[tuple[Fraction, Fraction]]:
        if not (price.is_finite() and price > 0):
            raise InputError(WHERE, "lowest_price_usd", f"expected above 0, got {price}")
        if not (isfinite(span) and span > 0):
            raise InputError(WHERE, "span_usd", f"expected above 0, got {span}")
        bend = self.per_base / Fraction(price)
        pieces = CHORDS if bend else 1
        knots = [Fraction(span) * Fraction(j, pieces) ** 2 for j in range(pieces + 1)]
        return [
            (self.at_zero + bend * (left + right), bend * left * right)
            for left, right in pairwise(knots)
        ]


@dataclass(frozen=True, slots=True)
class SizeMargin:
    """The initial and maintenance rates of one instrument, dated and sourced."""

    initial: SizedRate
    maintenance: SizedRate
    as_of: str
    source: str

    def __post_init__(self) -> None:
        first, last = self.initial, self.maintenance
        if last.at_zero > first.at_zero or last.per_base > first.per_base:
            raise InputError(
                self.source, "maintenance", "expected a rate and slope not above the initial ones"
            )


def closed_lots(lots: int, attempt: int) -> int:
    """Signed lots that a round of liquidation trades of a position: a 32nd of what is left at
    first, and all of it from the 32nd round on."""
    part = ceil_div(abs(lots), max(1, LIQUIDATION_ROUNDS - attempt))
    return -part if lots > 0 else part


def _size(instrument: Instrument, lots: int, ticks: int) -> tuple[int, int]:
    """Base coins in a position, as numerator and denominator."""
    if instrument.inverse:
        quanta, unit = _worth(instrument, lots, ticks)
        return quanta, unit * unit_quanta(instrument.settle)
    numerator, denominator = instrument.lot.as_integer_ratio()
    return lots * numerator, denominator


def _worth(instrument: Instrument, lots: int, ticks: int) -> tuple[int, int]:
    """Unrounded settlement quanta of a position, as numerator and denominator."""
    if instrument.inverse:
        return lots * instrument.unit_numerator, ticks * instrument.unit_denominator
    return lots * ticks * instrument.unit_numerator, instrument.unit_denominator


@dataclass(frozen=True, slots=True)
class DeribitStandard:
    """Standard margin of one settlement asset's account.

    `withdrawable` is min(wallet, equity) - initial: a session's profit, realised too, may leave
    only after settlement at 08:00 UTC and meanwhile frees no wallet money either, as the example
    of docs.deribit.com, get_account_summary, shows (funds for withdrawal are balance less initial
    margin beside a larger margin balance; read in November 2026). The account does not carry the
    session yet, so profit realised since the last settlement is counted as free too early.
    `clearance_ppm` is the liquidation fee on the closed notional.
    """

    collateral: str
    instruments: Mapping[InstrumentId, Instrument]
    margins: Mapping[InstrumentId, SizeMargin]
    clearance_ppm: Mapping[InstrumentId, int]

    def __post_init__(self) -> None:
        for name, instrument in self.instruments.items():
            if isinstance(instrument, Spot | Option) or instrument.settle != self.collateral:
                raise InputError(WHERE, name, f"expected a contract settled in {self.collateral}")
            if instrument.inverse and instrument.base != self.collateral:
                raise InputError(WHERE, name, f"expected an inverse contract on {self.collateral}")
            if name not in self.margins:
                raise InputError(WHERE, name, "expected its margin rates")
            if not 0 <= self.clearance_ppm.get(name, -1) <= MICRO:
                raise InputError(WHERE, name, "expected a liquidation fee of 0 to 1000000 ppm")

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Equity and maintenance requirement in collateral quanta."""
        equity, maintenance = account.balances.get(self.collateral, 0), 0
        for name, position in account.positions.items():
            equity += self.instruments[name].value(position.lots, marks[name]) - position.cost
            maintenance += self.maintenance(name, position.lots, marks)
        return equity, maintenance

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact state of the account; see `MarginState`."""
        equity, maintenance = self.health_at(account, marks)
        required = {n: self.initial(n, p.lots, marks) for n, p in account.positions.items()}
        initial = sum(required.values())
        wallet = account.balances.get(self.collateral, 0)
        withdrawable = max(0, min(wallet, equity) - initial)
        binding = max(required, key=lambda name: (required[name], name), default=None)
        return MarginState(equity, initial, maintenance, withdrawable, binding)

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """Convex maintenance of one leg, meant as `TierTable.lines`: (rate, micro-dollars)."""
        price_usd = lowest_ticks * self.instruments[name].tick
        return self.margins[name].maintenance.micro_lines(price_usd, span_usd)

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Below maintenance a part of the position that requires most is closed, round by round,
        until margin suffices: a 32nd of it first and all that is left by the 32nd round. An
        account without equity is closed at once, without a fee: the insurance fund bears it."""
        equity, maintenance = self.health_at(account, marks)
        if equity >= maintenance or not account.positions:
            return None
        if equity <= 0:
            closes = tuple((name, -p.lots) for name, p in account.positions.items())
            return LiquidationStep(closes, False, {})
        held = account.positions
        name = max(held, key=lambda n: (self.maintenance(n, held[n].lots, marks), n))
        return LiquidationStep(
            ((name, closed_lots(held[name].lots, attempt)),), False, self.clearance_ppm
        )

    def initial(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        """Initial requirement of one position, in collateral quanta."""
        return self.margins[name].initial.required(self.instruments[name], lots, marks[name])

    def maintenance(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        """Maintenance requirement of one position, in collateral quanta."""
        return self.margins[name].maintenance.required(self.instruments[name], lots, marks[name])
