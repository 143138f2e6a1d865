# SPDX-License-Identifier: Apache-2.0
"""When to trade how much of a hedged change: slices over time, impact weighed against risk.

Both legs trade the same share in every slice, so what waits is hedged: the risk of waiting is that
of the basis between the legs, and only what has no partner runs the coin's. Inside a slice one
side may fill before the other; for that time the slice is naked to the coin. For shares q_j of the
order, x_j left after slice j and a time t between slices,

    cost       sum of fee and half spread, plus per leg Y sigma_day sum Q_j^(3/2) / sqrt(V_day)
    variance   sum x_j^2 t (H^2 s_basis^2 + U^2 s_coin^2) + sum q_j^2 H^2 s_coin^2 t_gap

with H dollars hedged and U unhedged; minimised is cost + aversion x variance (`trajectory`). Each
slice pays the square-root law as if alone: the least interval says how long it takes until the
impact of one no longer weighs on the next, and slices nearer than that would save nothing.

Source: Almgren and Chriss (2000); Almgren (2003) for the square root and for risk that grows with
the size of a slice; the impact law is that of `costs.trading`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil, isfinite, sqrt

import msgspec

from tidegate.costs.trading import TradingCosts
from tidegate.execution.rounding import parts
from tidegate.execution.trajectory import Tradeoff, optimal_shares
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.market import Quote
from tidegate.model.times import SECOND_MS, YEAR_MS
from tidegate.model.units import MICRO, unit_quanta

MAX_SLICES = 5_000
# Without impact every pace costs the same; this share of the notional decides for the even one.
_LEAST_IMPACT = 1e-9
# Shares nearer to a fraction of this denominator than a float can tell are taken as it, so that
# equal slices are equal in lots.
_FINEST = 10**9


@dataclass(frozen=True, slots=True)
class Leg:
    """Signed lots of one linear instrument to trade, its cost terms, and its market now."""

    instrument: Instrument
    lots: int
    costs: TradingCosts
    quote: Quote

    def size_usd(self, lots: int) -> float:
        """Notional of a number of its lots."""
        return self.instrument.notional(lots, self.quote.ticks) / MICRO if lots else 0.0

    def impact_usd(self, lots: int) -> float:
        """Impact of a slice, by the square-root law of `costs.trading`."""
        size = self.size_usd(lots)
        return self.costs.impact(size, self.quote) * size if size else 0.0


class Hazard(msgspec.Struct, frozen=True):
    """What may move meanwhile: annual volatilities of the relative basis between the legs and of
    the coin, and how long one side of a slice is expected to wait for the other."""

    basis_vol_annual: float
    coin_vol_annual: float
    leg_gap_s: float = 1.0


class Pace(msgspec.Struct, frozen=True):
    """How fast: least time between slices, the latest start of the last one, the mandate's naked
    limit, and what a squared dollar of deviation is worth in dollars (0: even slices)."""

    interval_ms: int
    horizon_ms: int
    naked_usd: float
    aversion_per_usd: float = 0.0


class Slice(msgspec.Struct, frozen=True):
    """Signed lots per leg, sent `offset_ms` after the start."""

    offset_ms: int
    lots: Mapping[InstrumentId, int]


class Schedule(msgspec.Struct, frozen=True):
    """Slices in order, their expected cost (fee, half spread, impact) and what the outcome is
    expected to deviate by (one standard deviation), both in USD."""

    slices: tuple[Slice, ...]
    cost_usd: float
    deviation_usd: float


def schedule(
    legs: Mapping[InstrumentId, Leg], hazard: Hazard, pace: Pace, *, urgent: bool = False
) -> Schedule:
    """The slices that cost least for their risk; `urgent` ones as fast as the limit allows.

    No leg of a slice exceeds the naked limit, which goes before the horizon: where the horizon
    holds too few slices there are more. There are no more slots than the coarsest leg has lots.
    Sums are exact per leg. The cost is that of the slices as rounded.

    Raises: `InputError` for legs of several coins or none, a limit below one lot, more than 5,000
    slices, or figures that are not finite or out of range.
    """
    _check(legs, hazard, pace)
    cap = _largest_share(legs, pace.naked_usd)
    fewest = ceil(1 / cap)
    if urgent:
        reached = [min(Fraction(1), step * cap) for step in range(1, fewest + 1)]
    else:
        slots = min(pace.horizon_ms // pace.interval_ms + 1, *(abs(k.lots) for k in legs.values()))
        problem = _tradeoff(legs, hazard, pace, max(fewest, slots), float(cap))
        reached = _reached(optimal_shares(problem), cap)
    cut = parts({name: leg.lots for name, leg in legs.items()}, reached)
    slices = [Slice(slot * pace.interval_ms, part) for slot, part in enumerate(cut) if part]
    deviation_usd = sqrt(_variance(legs, hazard, slices))
    return Schedule(tuple(slices), _cost_usd(legs, slices), deviation_usd)


def _largest_share(legs: Mapping[InstrumentId, Leg], naked_usd: float) -> Fraction:
    """The largest share of the order of which no leg exceeds the limit, in whole lots."""
    share = Fraction(1)
    for name, leg in legs.items():
        most = int(naked_usd / leg.size_usd(1))
        if most < 1:
            raise _error("naked_usd", f"expected at least one lot of {name}, got {naked_usd:g}")
        share = min(share, Fraction(most, abs(leg.lots)))
    if share * MAX_SLICES < 1:
        raise _error("naked_usd", f"expected a limit that {MAX_SLICES} slices can keep")
    return share


def _tradeoff(
    legs: Mapping[InstrumentId, Leg], hazard: Hazard, pace: Pace, slots: int, cap: float
) -> Tradeoff:
    whole_usd = sum(leg.size_usd(leg.lots) for leg in legs.values())
    impact_usd = sum(leg.impact_usd(leg.lots) for leg in legs.values())
    waiting, filling = _variances(legs, hazard)
    return Tradeoff(
        max(impact_usd, _LEAST_IMPACT * whole_usd),
        pace.aversion_per_usd * filling,
        pace.aversion_per_usd * waiting * pace.interval_ms / YEAR_MS,
        slots,
        cap,
    )


def _variances(legs: Mapping[InstrumentId, Leg], hazard: Hazard) -> tuple[float, float]:
    """USD^2 a year that the whole order risks while it waits, and USD^2 while it fills."""
    hedged, alone = _exposures(legs)
    waiting = (hedged * hazard.basis_vol_annual) ** 2 + (alone * hazard.coin_vol_annual) ** 2
    gap_years = hazard.leg_gap_s * SECOND_MS / YEAR_MS
    return waiting, (hedged * hazard.coin_vol_annual) ** 2 * gap_years


def _exposures(legs: Mapping[InstrumentId, Leg]) -> tuple[float, float]:
    """Dollars of the order that have a partner, and that have none, counted in coins so that
    venues which quote apart leave no hedge open."""
    coins = [float(leg.lots * leg.instrument.lot) for leg in legs.values()]
    price = max(leg.instrument.price(leg.quote.ticks) for leg in legs.values())
    long, short = (sum(max(0.0, side * c) for c in coins) for side in (1, -1))
    return min(long, short) * price, abs(long - short) * price


def _reached(shares: list[float], cap: Fraction) -> list[Fraction]:
    """Cumulative shares as exact fractions of which the last is one and no step exceeds the cap."""
    done, path = Fraction(0), []
    for index, so_far in enumerate(accumulate(shares)):
        after = len(shares) - 1 - index
        wanted = Fraction(so_far).limit_denominator(_FINEST) if after else Fraction(1)
        done = max(done, 1 - after * cap, min(wanted, done + cap))
        path.append(done)
    return path


def _cost_usd(legs: Mapping[InstrumentId, Leg], slices: list[Slice]) -> float:
    linear = sum(k.size_usd(k.lots) * k.costs.linear_rate(k.quote) for k in legs.values())
    return linear + sum(
        legs[name].impact_usd(lots) for part in slices for name, lots in part.lots.items()
    )


def _variance(legs: Mapping[InstrumentId, Leg], hazard: Hazard, slices: list[Slice]) -> float:
    """USD^2 of the slices as rounded; of legs that differ by rounding the one furthest behind."""
    waiting, filling = _variances(legs, hazard)
    total = 0.0
    for share, left, wait_ms in _steps(legs, slices):
        total += share * share * filling + left * left * waiting * wait_ms / YEAR_MS
    return total


def _steps(
    legs: Mapping[InstrumentId, Leg], slices: list[Slice]
) -> Iterator[tuple[float, float, int]]:
    """Per slice its largest share of a leg, the largest share left, and for how long. The wait
    before a first slice that rounding delays counts too."""
    done = dict.fromkeys(legs, 0)
    yield 0.0, 1.0, slices[0].offset_ms
    for part, after in zip(slices, [*slices[1:], slices[-1]], strict=True):
        for name, lots in part.lots.items():
            done[name] += lots
        share = max(lots / legs[name].lots for name, lots in part.lots.items())
        left = max(1.0 - done[name] / leg.lots for name, leg in legs.items())
        yield share, left, after.offset_ms - part.offset_ms


def _check(legs: Mapping[InstrumentId, Leg], hazard: Hazard, pace: Pace) -> None:
    if len({leg.instrument.base for leg in legs.values()}) != 1:
        raise _error("legs", "expected legs of one coin")
    for name, leg in legs.items():
        _check_leg(name, leg)
    for field in hazard.__struct_fields__:
        _at_least(field, getattr(hazard, field), 0)
    _at_least("interval_ms", pace.interval_ms, 1)
    _at_least("horizon_ms", pace.horizon_ms, 0)
    _at_least("naked_usd", pace.naked_usd, 0)
    if not 0.0 <= pace.aversion_per_usd <= 1.0:
        raise _error("aversion_per_usd", f"expected 0 to 1, got {pace.aversion_per_usd}")
    if pace.horizon_ms // pace.interval_ms >= MAX_SLICES:
        raise _error("horizon_ms", f"expected at most {MAX_SLICES} slices")


def _check_leg(name: InstrumentId, leg: Leg) -> None:
    instrument, quote = leg.instrument, leg.quote
    if instrument.inverse or unit_quanta(instrument.settle) != MICRO:
        raise _error(name, "expected an instrument that settles in dollars")
    if leg.lots == 0:
        raise _error(name, "expected lots to trade")
    if not (quote.ticks > 0 and isfinite(quote.volume_day_usd) and quote.volume_day_usd > 0):
        raise _error(name, "expected a price and a day's volume above zero")
    _at_least(f"{name}.vol_daily", quote.vol_daily, 0)


def _at_least(field: str, value: float, least: int) -> None:
    if not (isfinite(value) and value >= least):
        raise _error(field, f"expected a finite number of at least {least}, got {value}")


def _error(field: str, expected: str) -> InputError:
    return InputError("schedule", field, expected)
