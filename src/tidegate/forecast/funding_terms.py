# SPDX-License-Identifier: Apache-2.0
"""How venues turn a premium into a funding rate, what they charge by default, and where they cap.

Rates are fractions of notional paid by longs. `default_rate_8h` is the interest component I that
a venue charges while the premium lies inside its damper; the printed rate is then exactly I times
interval / 8 h, so a funding series has a point mass there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.funding import HOURS_PER_YEAR, FundingPrints
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Formula = Literal["interest clamp", "dead band", "premium plus default"]
REFERENCE_H = 8.0


class FundingTerms(msgspec.Struct, frozen=True):
    """Funding rule of a venue: formula, interest I and damper d per 8 h, cap per interval.

    `cap` None means that the cap is not known, and then nothing is clamped: an unknown cap is
    never taken as a low one.
    """

    formula: Formula
    interval_h: float
    default_rate_8h: float
    damper_8h: float
    cap: float | None = None

    def __post_init__(self) -> None:
        if not self.interval_h > 0.0 or self.damper_8h < 0.0:
            raise InputError("funding terms", "interval_h, damper_8h", "expected > 0 and >= 0")
        if self.cap is not None and not self.cap > 0.0:
            raise InputError("funding terms", "cap", f"expected above zero, got {self.cap}")

    @property
    def default_annual(self) -> float:
        """Annual rate while the premium is inside the damper."""
        return self.default_rate_8h / REFERENCE_H * HOURS_PER_YEAR

    @property
    def cap_annual(self) -> float:
        """Largest annual rate either way; infinite where the cap is not known."""
        return np.inf if self.cap is None else self.cap / self.interval_h * HOURS_PER_YEAR


# Sources: the venues' own rules as collected in a data folder's venues/*.json (Binance
# 2026-09-15, OKX 2026-09-25, Hyperliquid and Deribit 2026-11, dYdX v4 genesis 2024-12-12). Caps
# differ by symbol at Binance, Bybit and OKX, and are therefore left to the caller.
FUNDING_TERMS: Mapping[str, FundingTerms] = MappingProxyType(
    {
        "binance": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "bybit": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "okx": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "bitmex": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "gate": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "kucoin": FundingTerms("interest clamp", 8.0, 1e-4, 5e-4),
        "hyperliquid": FundingTerms("interest clamp", 1.0, 1e-4, 5e-4, 0.04),
        "deribit": FundingTerms("dead band", 1.0, 0.0, 2.5e-4),
        "dydx_v3": FundingTerms("premium plus default", 1.0, 1e-4, 0.0),
        "dydx_v4": FundingTerms("premium plus default", 1.0, 1e-4, 0.0),
    }
)


def funding_terms(venue: str) -> FundingTerms:
    """Terms of a known venue. Raises: `InputError` for another."""
    if venue not in FUNDING_TERMS:
        known = ", ".join(sorted(FUNDING_TERMS))
        raise InputError("funding terms", "venue", f"expected one of {known}, got {venue!r}")
    return FUNDING_TERMS[venue]


def rate_from_premium(premium: FloatArray, terms: FundingTerms) -> FloatArray:
    """Rate that an interval's mean premium P (per 8 h) gives, per interval, capped.

    interest clamp: P + clamp(I - P, -d, d); dead band: max(d, P) + min(-d, P);
    premium plus default: P + I; each times interval / 8 h and held within the cap.
    """
    default, damper = terms.default_rate_8h, terms.damper_8h
    if terms.formula == "interest clamp":
        rate_8h = premium + np.clip(default - premium, -damper, damper)
    elif terms.formula == "dead band":
        rate_8h = np.maximum(damper, premium) + np.minimum(-damper, premium)
    else:
        rate_8h = premium + default
    rate = rate_8h * terms.interval_h / REFERENCE_H
    return np.asarray(rate if terms.cap is None else np.clip(rate, -terms.cap, terms.cap))


def interval_changes(prints: FundingPrints) -> tuple[tuple[int, float], ...]:
    """Times (ms UTC) of the first print under each new interval, and that interval in hours."""
    at = np.flatnonzero(np.diff(prints.interval_h, prepend=np.nan) != 0.0)
    return tuple((int(prints.ts_ms[i]), float(prints.interval_h[i])) for i in at)


def next_settlements(prints: FundingPrints, at_ms: int, count: int) -> IntArray:
    """Times of the next prints after an origin, on the grid of the newest interval known there.

    Args: `count` >= 1. Returns: int64[count], ms UTC. Raises: `InputError` without a print at or
    before the origin, whose interval would have to be guessed.
    """
    known = int(np.searchsorted(prints.ts_ms, at_ms, side="right"))
    if known == 0:
        raise InputError("next settlements", "prints", "expected one at or before the origin")
    step_ms = int(prints.interval_h[known - 1] * HOUR_MS)
    last_ms = int(prints.ts_ms[known - 1])
    first = (at_ms - last_ms) // step_ms + 1
    steps = np.arange(first, first + count, dtype=np.int64)
    return np.asarray(last_ms + step_ms * steps, dtype=np.int64)


def default_share(prints: FundingPrints, terms: FundingTerms) -> float:
    """Share of prints that were the default rate itself, within 1e-9 per hour."""
    if prints.rate.size == 0:
        return float("nan")
    hourly = prints.rate / prints.interval_h
    return float(np.mean(np.abs(hourly - terms.default_rate_8h / REFERENCE_H) < 1e-9))
