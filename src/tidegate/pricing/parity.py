# SPDX-License-Identifier: Apache-2.0
"""Put-call parity: forwards and discounts that a chain implies, and where it contradicts itself.

With call C and put P of one strike over the forward F, x = K / F and the discount D of the
settlement currency, C - P = D (1 - x); for inverse options prices in coin are over the forward
already. Each strike quoted on both sides gives an interval, from C bid - P ask to C ask - P bid.
A parity violation is a strike whose interval does not hold D (1 - x). A box is a pair of strikes;
it is violated where the difference of their intervals does not hold D (x2 - x1), so that it can be
bought below, or sold above, what it pays for certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

import numpy as np

from tidegate.model.times import YEAR_MS, format_time
from tidegate.pricing.arrays import FloatArray, as_kind, as_moment, as_positive
from tidegate.pricing.option_chain import IntArray, OptionChain

# Below this many strikes parity says too little to replace the venue's own forward.
STRIKES_LEAST = 3
# A violation by less is rounding.
TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class ExpiryParity:
    """What put-call parity says about one expiry; values are over the discounted forward.

    Attributes:
        expiry_ms, expiry_years: which expiry.
        strikes: strikes with both options quoted on both sides.
        forward_usd, forward_error_usd: implied forward at the chain's discount, and its standard
            error if half spreads are standard errors; NaN without strikes.
        discount, discount_error: discount implied together with a forward of its own; NaN with
            fewer than two strikes.
        reference_usd: the future's price if one was given, else the venue's forward.
        parity_violations, worst_parity: strikes that violate parity against the reference, and
            the greatest distance.
        boxes, box_violations, worst_box: pairs of strikes, those that are violated, and by what.
    """

    expiry_ms: int
    expiry_years: float
    strikes: int
    forward_usd: float
    forward_error_usd: float
    discount: float
    discount_error: float
    reference_usd: float
    parity_violations: int
    worst_parity: float
    boxes: int
    box_violations: int
    worst_box: float


class ForwardSource(Enum):
    """Where an expiry's forward comes from, the best first."""

    FUTURE = "future"
    PARITY = "parity"
    VENUE = "venue"


@dataclass(frozen=True, slots=True)
class ExpiryForward:
    """The forward of an expiry in USD, and where it comes from."""

    expiry_ms: int
    forward_usd: float
    source: ForwardSource


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Strikes of one expiry: x = K / reference, ends of the interval of C - P, discount."""

    x: FloatArray
    low: FloatArray
    high: FloatArray
    discount: float


def parity(
    chain: OptionChain, futures_usd: Mapping[int, float] = MappingProxyType({})
) -> tuple[ExpiryParity, ...]:
    """What parity says about each expiry of a chain, in order of expiry.

    Forward at the discount D: with y the middle and h half the width of each interval, and x, y
    over the reference forward R, least squares of (y - D (1 - x R / F)) / h for inverse options,
    of (y - D (F / R - x)) / h else. Discount and forward together: least squares of a line.

    Args: a chain; prices in USD of futures by their expiry in ms, where there are any.
    Returns: one `ExpiryParity` for each expiry after the chain's time.
    Raises: `InputError` for no chain, and for a future's price that is not positive.
    Source: put-call parity, Stoll (1969); for inverse options Alexander, Chen and Imeraj (2023).
    """
    as_kind("chain", chain, OptionChain, "parity")
    futures = _futures(futures_usd)
    expiries = np.unique(chain.expiry_ms[chain.expiry_ms > chain.ts_ms])
    return tuple(_of_expiry(chain, int(ms), futures.get(int(ms))) for ms in expiries)


def _futures(futures_usd: Mapping[int, float]) -> dict[int, float]:
    """Prices by whole milliseconds, each above 0."""
    as_kind("futures_usd", futures_usd, Mapping, "parity")
    times = {ms: as_moment("futures_usd", ms, "parity") for ms in futures_usd}
    return {
        time: as_positive("price", futures_usd[ms], f"future that expires at {format_time(time)}")
        for ms, time in times.items()
    }


def forwards(
    chain: OptionChain, futures_usd: Mapping[int, float] = MappingProxyType({})
) -> tuple[ExpiryForward, ...]:
    """The forward of each expiry: the future's price, else parity's from at least three strikes,
    else the median of what the venue says.

    Args, Raises, Source: as `parity`. Returns: one `ExpiryForward` for each expiry.
    """
    futures, found = _futures(futures_usd), []
    for row in parity(chain, futures_usd):
        if row.expiry_ms in futures:
            source, forward = ForwardSource.FUTURE, futures[row.expiry_ms]
        elif row.strikes >= STRIKES_LEAST and np.isfinite(row.forward_usd):
            source, forward = ForwardSource.PARITY, row.forward_usd
        else:
            source, forward = ForwardSource.VENUE, row.reference_usd
        found.append(ExpiryForward(row.expiry_ms, float(forward), source))
    return tuple(found)


def with_forwards(chain: OptionChain, curve: tuple[ExpiryForward, ...]) -> OptionChain:
    """The chain with the forwards of a curve; an expiry that is not on it keeps the venue's.

    Args: a chain; what `forwards` returns, or some of it. Raises: `InputError` for anything else.
    """
    column = as_kind("chain", chain, OptionChain, "parity").forward_usd.copy()
    for point in as_kind("curve", curve, Sequence, "parity"):
        as_kind("curve", point, ExpiryForward, "parity")
        column[chain.expiry_ms == point.expiry_ms] = point.forward_usd
    return replace(chain, forward_usd=column)


def _of_expiry(chain: OptionChain, expiry_ms: int, future_usd: float | None) -> ExpiryParity:
    rows = np.flatnonzero(chain.expiry_ms == expiry_ms)
    venue = chain.forward_usd[rows]
    sound = venue[np.isfinite(venue) & (venue > 0.0)]
    own = float(np.median(sound)) if sound.size else np.nan
    reference = own if future_usd is None else future_usd
    pairs = _pairs(chain, rows, reference)
    forward, forward_error = _forward(pairs, chain.inverse)
    discount, discount_error = _discount(pairs, chain.inverse)
    beyond = _beyond(pairs.discount * (1.0 - pairs.x), pairs.low, pairs.high)
    i, j = np.triu_indices(pairs.x.size, 1)
    pays = pairs.discount * (pairs.x[j] - pairs.x[i])
    box = _beyond(pays, pairs.low[i] - pairs.high[j], pairs.high[i] - pairs.low[j])
    return ExpiryParity(
        expiry_ms,
        (expiry_ms - chain.ts_ms) / YEAR_MS,
        pairs.x.size,
        forward * reference,
        forward_error * reference,
        discount,
        discount_error,
        reference,
        int(np.sum(beyond > TOLERANCE)),
        float(np.max(beyond, initial=0.0)),
        box.size,
        int(np.sum(box > TOLERANCE)),
        float(np.max(box, initial=0.0)),
    )


def _pairs(chain: OptionChain, rows: IntArray, reference: float) -> _Pairs:
    """Strikes with four positive quotes; of a strike listed twice the last quotes count."""
    unit = 1.0 if chain.inverse else reference
    sides = {True: {}, False: {}}  # type: dict[bool, dict[float, tuple[float, float]]]
    for row in rows:
        bid, ask, strike = chain.bid[row], chain.ask[row], float(chain.strike_usd[row])
        if bid > 0.0 and ask >= bid and np.isfinite(ask) and strike > 0.0:
            sides[bool(chain.is_call[row])][strike] = (bid / unit, ask / unit)
    strikes = sorted(sides[True].keys() & sides[False].keys()) if reference > 0.0 else []
    calls = np.array([sides[True][k] for k in strikes]).reshape(-1, 2)
    puts = np.array([sides[False][k] for k in strikes]).reshape(-1, 2)
    discount = float(np.median(chain.discount[rows]))
    x = np.array(strikes, dtype=np.float64) / reference
    return _Pairs(x, calls[:, 0] - puts[:, 1], calls[:, 1] - puts[:, 0], discount)


def _weights(pairs: _Pairs) -> tuple[FloatArray, FloatArray]:
    """Middle of each interval and one over the square of half its width."""
    half = np.maximum(pairs.high - pairs.low, TOLERANCE) / 2.0
    return (pairs.low + pairs.high) / 2.0, 1.0 / half**2


def _forward(pairs: _Pairs, inverse: bool) -> tuple[float, float]:
    """Forward over reference at the known discount, and its standard error."""
    y, weight = _weights(pairs)
    if y.size == 0:
        return np.nan, np.nan
    d, x = pairs.discount, pairs.x
    if not inverse:
        total = weight.sum()
        return float((weight @ (y + d * x)) / (d * total)), float(1.0 / (d * np.sqrt(total)))
    total = weight @ x**2
    slope = float(weight @ (x * (d - y)) / total)
    if slope <= 0.0:
        return np.nan, np.nan
    return d / slope, float(d / slope**2 / np.sqrt(total))


def _discount(pairs: _Pairs, inverse: bool) -> tuple[float, float]:
    """Discount from the line y = a - b x: a for inverse options, b else; and its error."""
    y, weight = _weights(pairs)
    if y.size < 2:
        return np.nan, np.nan
    rows = np.column_stack([np.ones(y.size), -pairs.x])
    covariance = np.linalg.inv(rows.T @ (weight[:, None] * rows))
    line = covariance @ (rows.T @ (weight * y))
    place = 0 if inverse else 1
    return float(line[place]), float(np.sqrt(covariance[place, place]))


def _beyond(fair: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """How far a fair value lies outside an interval, 0 inside."""
    return np.maximum(np.maximum(low - fair, fair - high), 0.0)
