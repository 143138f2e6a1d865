# SPDX-License-Identifier: Apache-2.0
"""What trading an option costs beyond a premium's spread and impact: a fee on the underlying.

    fee = min(rate x worth of the underlying coins, cap x premium)

Source: support.deribit.com, Fees (25944746248989, undated, read in November 2026): 0.03 % of the
underlying for coin-settled options, 0.05 % of the index for USDC ones, capped at 12.5 % of the
premium. At delivery 0.015 % under the same cap, nothing for daily options (fee summary of November
2025, third party).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from tidegate.costs.trading import Slippage, TradingCosts, slippage
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Index, Instrument, InstrumentId, Option
from tidegate.model.market import Quote
from tidegate.model.units import MICRO, ceil_div, unit_quanta

WHERE = "option costs"
Ticks = Mapping[InstrumentId, int]


@dataclass(frozen=True, slots=True)
class OptionCosts(TradingCosts):
    """Cost terms of an option: `taker_ppm` is of what the underlying coins are worth, and the fee
    is at most `cap_ppm` of the premium; spread and impact are relative to the premium."""

    cap_ppm: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if not (0 <= self.taker_ppm <= MICRO and 0 <= self.cap_ppm <= MICRO):
            raise InputError(WHERE, "taker_ppm, cap_ppm", "expected 0 to 1000000")

    def fee_quanta(self, notional: int) -> int:
        """The most that can be taken on a premium, where the underlying's worth is not said."""
        return ceil_div(notional * self.cap_ppm, MICRO)

    def linear_rate(self, quote: Quote | None = None) -> float:
        """Fee at its cap and half spread per dollar of premium."""
        return self.cap_ppm / MICRO + self.spread_at(quote)

    def fee(self, worth: int, premium: int) -> int:
        """Taker fee, in quanta, on coins of a worth traded for a premium, rounded up."""
        return min(ceil_div(worth * self.taker_ppm, MICRO), self.fee_quanta(premium))


@dataclass(frozen=True, slots=True)
class DeliveryFee:
    """Fee of a delivery: `ppm` of the worth at the delivery price, and at most `cap_ppm` of what is
    paid out, so that an option that expires worthless costs nothing.

    Deribit delivers options into the future of their expiry since 2026 (linear in April, inverse
    in August) and takes less where that future is held; this is not deducted here.
    """

    ppm: int
    cap_ppm: int

    def __post_init__(self) -> None:
        if not (0 <= self.ppm <= MICRO and 0 <= self.cap_ppm <= MICRO):
            raise InputError("delivery fee", "ppm, cap_ppm", "expected 0 to 1000000")

    def quanta(self, instrument: Future | Option, lots: int, index_ticks: int) -> int:
        """Fee on a position at a delivery price, in settlement quanta, rounded up."""
        worth = instrument.worth(lots, index_ticks)
        paid_out = abs(instrument.payoff(lots, index_ticks))
        return min(ceil_div(worth * self.ppm, MICRO), ceil_div(paid_out * self.cap_ppm, MICRO))


def index_mark(index: Index, marks: Ticks) -> int:
    """An index's mark; a missing one, or one of nothing, raises `InputError`."""
    ticks = marks.get(index.id, 0)
    if ticks <= 0:
        raise InputError("marks", index.id, "expected the index in ticks, above 0")
    return ticks


def fee_notional(instrument: Instrument, lots: int, ticks: int, marks: Ticks) -> int:
    """What a venue's fees are a share of: the notional, and for options what the underlying coins
    are worth at the index; in settlement quanta, rounded up."""
    if isinstance(instrument, Option):
        return instrument.worth(lots, index_mark(instrument.index, marks))
    return instrument.notional(lots, ticks)


def notional_usd(instrument: Instrument, lots: int, ticks: int, marks: Ticks) -> float:
    """Dollars that change hands, dollar coins at par; coins at the index that an option is on."""
    return instrument.notional(lots, ticks) / MICRO * _usd_per_million(instrument, marks)


def fill_at(
    instrument: Instrument,
    costs: TradingCosts,
    lots: int,
    quote: Quote,
    before_usd: float,
    marks: Ticks,
) -> tuple[Slippage, int]:
    """Where a market order fills around a quote, and its fee in settlement quanta."""
    if not isinstance(instrument, Option):
        slip = slippage(instrument, costs, lots, quote, before_usd)
        return slip, costs.fee_quanta(instrument.notional(lots, slip.ticks))
    if not isinstance(costs, OptionCosts):
        raise InputError(WHERE, instrument.id, "expected an option's cost terms")
    # The impact law has no unit of its own: volumes are brought to that of the premium.
    unit = _usd_per_million(instrument, marks)
    brought = replace(quote, volume_day_usd=quote.volume_day_usd / unit)
    slip = slippage(instrument, costs, lots, brought, before_usd / unit)
    premium = instrument.notional(lots, slip.ticks)
    return slip, costs.fee(fee_notional(instrument, lots, slip.ticks, marks), premium)


def _usd_per_million(instrument: Instrument, marks: Ticks) -> float:
    """Dollars in a million settlement quanta."""
    if not (isinstance(instrument, Option) and instrument.coin_settled):
        return 1.0
    price = instrument.index.price(index_mark(instrument.index, marks))
    return float(price * MICRO / unit_quanta(instrument.settle))
