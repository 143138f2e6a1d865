# SPDX-License-Identifier: Apache-2.0
"""What can be held: perpetuals, futures and spot, linear and inverse, valued in exact integers.

A position of `lots` at `ticks` is worth, in quanta of the settlement asset,

    linear    lots x ticks x lot x tick
    inverse  -lots x lot x face / (ticks x tick)

so that the profit between two prices is the difference of values in both cases: a long inverse
contract of N dollars earns N (1/p0 - 1/p1) coins (Deribit, Binance COIN-M contract documents).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from tidegate.model.errors import ensure
from tidegate.model.units import asset_decimals, ceil_div

InstrumentId = str


@dataclass(frozen=True, slots=True)
class Contract:
    """Terms shared by all instruments; `lot` is in base units, or in contracts when inverse."""

    venue: str
    symbol: str
    base: str
    settle: str
    tick: Decimal
    lot: Decimal
    inverse_face_usd: Decimal | None = None
    id: InstrumentId = field(init=False)
    unit_numerator: int = field(init=False)
    unit_denominator: int = field(init=False)

    def __post_init__(self) -> None:
        ensure(self.tick > 0 and self.lot > 0, f"{self.symbol}: tick and lot must be positive")
        scale = Fraction(10 ** asset_decimals(self.settle))
        if self.inverse_face_usd is None:
            unit = Fraction(self.tick) * Fraction(self.lot) * scale
        else:
            unit = (
                Fraction(self.lot) * Fraction(self.inverse_face_usd) / Fraction(self.tick) * scale
            )
        object.__setattr__(self, "id", f"{self.venue}:{self.symbol}")
        object.__setattr__(self, "unit_numerator", unit.numerator)
        object.__setattr__(self, "unit_denominator", unit.denominator)

    @property
    def inverse(self) -> bool:
        """Whether profit is paid in the coin itself."""
        return self.inverse_face_usd is not None

    def value(self, lots: int, ticks: int) -> int:
        """Signed value in settlement quanta, rounded down; see the module's formula."""
        if self.inverse_face_usd is None:
            return lots * ticks * self.unit_numerator // self.unit_denominator
        return -lots * self.unit_numerator // (ticks * self.unit_denominator)

    def entry_cost(self, lots: int, ticks: int) -> int:
        """Signed value at a fill, rounded up, so that no profit is born of rounding."""
        if self.inverse_face_usd is None:
            return ceil_div(lots * ticks * self.unit_numerator, self.unit_denominator)
        return ceil_div(-lots * self.unit_numerator, ticks * self.unit_denominator)

    def notional(self, lots: int, ticks: int) -> int:
        """Unsigned value in settlement quanta, rounded up: what fees and margin are taken on."""
        return (
            self.entry_cost(abs(lots), ticks) if not self.inverse else -self.value(abs(lots), ticks)
        )

    def price(self, ticks: int) -> float:
        """Price in quote currency per base unit, as a float for models and display."""
        return float(ticks * self.tick)


@dataclass(frozen=True, slots=True)
class Perpetual(Contract):
    """A contract without expiry, tied to its index by funding."""


@dataclass(frozen=True, slots=True)
class Future(Contract):
    """A contract that is delivered at `expiry_ms` (UTC)."""

    expiry_ms: int = 0


@dataclass(frozen=True, slots=True)
class Spot(Contract):
    """The coin itself against its quote asset; `settle` is the quote asset that pays for it."""

    def base_quanta(self, lots: int) -> int:
        """Quanta of the base coin in a number of lots, exact."""
        quanta = Fraction(self.lot) * lots * int(10 ** asset_decimals(self.base))
        ensure(quanta.denominator == 1, f"{self.id}: lot is finer than the coin's smallest unit")
        return quanta.numerator


Instrument = Perpetual | Future | Spot
