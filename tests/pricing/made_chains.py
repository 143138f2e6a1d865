# SPDX-License-Identifier: Apache-2.0
"""Option chains made from a formula for volatility, with bids and asks around its prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.pricing import black76
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.calibration import calibrate
from tidegate.pricing.essvi import Essvi
from tidegate.pricing.option_chain import OptionChain
from tidegate.pricing.surface import Surface

TS_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
DAYS = (1, 7, 30, 90, 180, 365)
FORWARD_USD = 90_000.0

# Volatility at k = ln(K / F) and T in years.
Vols = Callable[[FloatArray, FloatArray], Any]


def flat(level: float) -> Vols:
    return lambda k, years: np.full(np.shape(k), level)


def crypto(k: FloatArray, years: FloatArray) -> FloatArray:
    """A smile like those of coins: convex, tilted to puts, flattening with expiry."""
    x = k / np.sqrt(years)
    return np.asarray(0.5 + 0.1 * (np.sqrt((x + 0.1) ** 2 + 0.25) - 0.5) - 0.02 * x)


def made_chain(
    vols: Vols = crypto,
    days: tuple[float, ...] = DAYS,
    strikes: int = 21,
    spread_vol: float = 0.01,
    inverse: bool = True,
) -> OptionChain:
    """Calls and puts of each strike within 2.5 deviations, at plus and minus half a vol spread."""
    z = np.linspace(-2.5, 2.5, strikes)
    expiry = np.repeat(np.array(days) * DAY_MS, 2 * strikes).astype(np.int64)
    years = expiry / YEAR_MS
    k = np.tile(np.repeat(z, 2), len(days)) * 0.5 * np.sqrt(years)
    is_call = np.tile([True, False], k.size // 2)
    forward = np.full(k.size, FORWARD_USD)
    strike, vol = forward * np.exp(k), vols(k, years)
    unit = forward if inverse else 1.0
    bid, ask = (
        black76.price(forward, strike, years, np.maximum(vol + half, 1e-3), is_call) / unit
        for half in (-spread_vol / 2.0, spread_vol / 2.0)
    )
    return OptionChain(
        TS_MS, "BTC", TS_MS + expiry, strike, is_call, bid, ask, forward, vol, inverse=inverse
    )


def rows(chain: OptionChain, keep: npt.NDArray[Any]) -> OptionChain:
    """The chain with some of its rows, or with all in another order."""
    columns = "expiry_ms strike_usd is_call bid ask forward_usd mark_vol_annual discount".split()
    return replace(chain, **{name: getattr(chain, name)[keep] for name in columns})


def made_surface(**changes: Any) -> Surface:
    """A fitted surface of a made chain."""
    return calibrate(made_chain(**changes))


def single(theta: list[float], put: list[float], call: list[float]) -> Surface:
    """A surface of one regime with given parameters at 0.1, 0.2, ... years."""
    years = 0.1 * np.arange(1, len(theta) + 1)
    regime = Essvi(years, np.array(theta), np.array(put), np.array(call))
    size = len(theta)
    return Surface(
        TS_MS,
        "BTC",
        True,
        TS_MS + (years * YEAR_MS).astype(np.int64),
        np.full(size, FORWARD_USD),
        np.ones(size),
        regime,
        regime,
        0.0,
    )
