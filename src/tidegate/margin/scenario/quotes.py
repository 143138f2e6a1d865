# SPDX-License-Identifier: Apache-2.0
"""Options as columns, read from the market's figures; what is missing or stale is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tidegate.margin.market_values import (
    MarketValues,
    fixed_of,
    fixed_share_of,
    forward_of,
    vol_of,
)
from tidegate.margin.scenario.revaluation import OptionColumns
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Instrument, Option
from tidegate.model.times import MINUTE_MS, YEAR_MS

# Over the last half hour Deribit and Derive average the index that options settle on.
AVERAGING_MS = 30 * MINUTE_MS


def left_ms(instrument: Option | Future, market: MarketValues) -> int:
    """Time to expiry; raises `InputError` for what has expired."""
    left = instrument.expiry_ms - market.now_ms
    if left <= 0:
        raise InputError("market", instrument.id, "expected an expiry after now; it has expired")
    return left


def years_left(instrument: Option | Future, market: MarketValues) -> float:
    """Years of 365 days to expiry; raises `InputError` for what has expired."""
    return left_ms(instrument, market) / YEAR_MS


def delivery_forward(option: Option, market: MarketValues) -> tuple[float, float]:
    """Forward of what an option settles on, and the part of it that is fixed, USD.

    Over the last half hour that is fixed + (1 - share) F; before, F, of which nothing is fixed.
    """
    live = market.positive(forward_of(option.base, option.expiry_ms))
    if option.expiry_ms - market.now_ms >= AVERAGING_MS:
        return live, 0.0
    fixed = market.value(fixed_of(option.base, option.expiry_ms))
    share = market.value(fixed_share_of(option.base, option.expiry_ms))
    if not (fixed >= 0.0 and 0.0 <= share <= 1.0 and fixed + (1.0 - share) * live > 0.0):
        expected = f"expected fixed >= 0 and a share of 0 to 1, got {fixed} and {share}"
        raise InputError("market", f"fixed {option.base}", expected)
    return fixed + (1.0 - share) * live, fixed


def option_columns(
    options: Sequence[Option],
    market: MarketValues,
    discount: Callable[[Option], float] = lambda option: 1.0,
) -> OptionColumns:
    """Forwards, vols and terms of these options at their venue's marks.

    Raises: `InputError` naming a figure that is missing, stale or not above zero (a vol may be 0),
    and an option that has expired.
    """
    vols = [market.at_least_zero(vol_of(option.id)) for option in options]
    forwards = [delivery_forward(option, market) for option in options]
    return OptionColumns(
        forward=np.array([forward for forward, _ in forwards], dtype=float),
        fixed=np.array([fixed for _, fixed in forwards], dtype=float),
        strike=np.array([float(option.strike) for option in options], dtype=float),
        expiry_years=np.array([years_left(option, market) for option in options], dtype=float),
        vol=np.array(vols, dtype=float),
        sign=np.array([1.0 if option.is_call else -1.0 for option in options], dtype=float),
        discount=np.array([discount(option) for option in options], dtype=float),
    )


def require_no_doubles(instruments: Sequence[Instrument]) -> None:
    """Raises `InputError` where an instrument is named twice."""
    names = [instrument.id for instrument in instruments]
    for name in names:
        if names.count(name) > 1:
            raise InputError("margin", name, "expected each instrument once")
