# SPDX-License-Identifier: Apache-2.0
"""What can be held: perpetuals, futures, options and spot, valued in exact integers.

A position of `lots` at `ticks` is worth, in quanta of the settlement asset,

    linear    lots x ticks x lot x tick
    inverse  -lots x lot x face / (ticks x tick)

so that the profit between two prices is the difference of values in both cases: a long inverse
contract of N dollars earns N (1/p0 - 1/p1) coins (Deribit, Binance COIN-M contract documents).
An option is valued by its premium, as linear contracts are, and paid out by the price of an index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from tidegate.model.errors import ensure
from tidegate.model.units import asset_decimals, ceil_div, unit_quanta

InstrumentId = str


@dataclass(frozen=True, slots=True)
class Index:
    """A price that a venue publishes and nobody trades; what futures and options settle on.

    Marks name it by its id, beside those of instruments.
    """

    venue: str
    symbol: str
    tick: Decimal
    id: InstrumentId = field(init=False)

    def __post_init__(self) -> None:
        ensure(self.tick > 0, f"{self.symbol}: tick must be positive")
        object.__setattr__(self, "id", f"{self.venue}:{self.symbol}")

    def price(self, ticks: int) -> Fraction:
        """Exact price in quote currency per coin; a price of nothing is a contradiction."""
        ensure(ticks > 0, f"{self.id}: an index of {ticks} ticks")
        return ticks * Fraction(self.tick)


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
    """A contract that is delivered at `expiry_ms` (UTC) at the price of its index."""

    expiry_ms: int = field(kw_only=True)
    index: Index = field(kw_only=True)

    def payoff(self, lots: int, index_ticks: int) -> int:
        """Signed value at a delivery price, in settlement quanta, rounded down."""
        return floor(self._delivered(lots, index_ticks))

    def worth(self, lots: int, index_ticks: int) -> int:
        """Unsigned value at the index, in settlement quanta, rounded up: what fees are taken on."""
        return ceil(abs(self._delivered(lots, index_ticks)))

    def _delivered(self, lots: int, index_ticks: int) -> Fraction:
        price = self.index.price(index_ticks)
        size = lots * Fraction(self.lot) * unit_quanta(self.settle)
        if self.inverse_face_usd is None:
            return size * price
        return -size * Fraction(self.inverse_face_usd) / price


@dataclass(frozen=True, slots=True)
class Option(Contract):
    """A European option for a premium in its settlement asset, paid out at `expiry_ms` (UTC).

    Per base coin, at a delivery price S and strike K, a call pays

        max(S - K, 0)        settled in dollars
        max(1 - K / S, 0)    settled in its own coin

    and a put the same with the sign turned. `tick` is a step of the premium per base coin and
    `lot` counts base coins, a venue's multiplier included. What a position costs is its premium.

    Source: support.deribit.com, Inverse Options (25944688327069) and Linear USDC Options
    (25944750999581), undated, read in November 2026. There a BTC option has 1 BTC, trades in
    tenths of it and in ticks of 0.0005 BTC (instrument of 10 December 2025), a SOL option 10 SOL.
    """

    strike: Decimal = field(kw_only=True)
    is_call: bool = field(kw_only=True)
    expiry_ms: int = field(kw_only=True)
    index: Index = field(kw_only=True)

    def __post_init__(self) -> None:
        # `super()` does not reach the parent of a class with slots.
        Contract.__post_init__(self)
        ensure(self.strike > 0, f"{self.symbol}: strike must be positive")
        ensure(self.inverse_face_usd is None, f"{self.symbol}: an option has no face")

    @property
    def coin_settled(self) -> bool:
        """Whether premium and payoff are paid in the coin itself."""
        return self.settle == self.base

    def payoff(self, lots: int, index_ticks: int) -> int:
        """Signed quanta of the settlement asset paid at a delivery price, rounded down."""
        price, strike = self.index.price(index_ticks), Fraction(self.strike)
        intrinsic = max(price - strike if self.is_call else strike - price, Fraction(0))
        return floor(lots * self._coin_value(price) * intrinsic / price)

    def worth(self, lots: int, index_ticks: int) -> int:
        """Quanta that the underlying coins are worth at the index, rounded up: fees' notional."""
        return ceil(abs(lots) * self._coin_value(self.index.price(index_ticks)))

    def _coin_value(self, price: Fraction) -> Fraction:
        """What the coins under one lot are worth in settlement quanta."""
        coins = Fraction(self.lot) * unit_quanta(self.settle)
        return coins if self.coin_settled else coins * price


@dataclass(frozen=True, slots=True)
class Spot(Contract):
    """The coin itself against its quote asset; `settle` is the quote asset that pays for it."""

    def base_quanta(self, lots: int) -> int:
        """Quanta of the base coin in a number of lots, exact."""
        quanta = Fraction(self.lot) * lots * int(10 ** asset_decimals(self.base))
        ensure(quanta.denominator == 1, f"{self.id}: lot is finer than the coin's smallest unit")
        return quanta.numerator


Expiring = Future | Option
Instrument = Perpetual | Future | Spot | Option
