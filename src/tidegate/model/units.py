# SPDX-License-Identifier: Apache-2.0
"""The one place that converts between exact integers and the numbers people and models use.

An asset is counted in *quanta* of its smallest unit (1e-6 of a dollar coin, 1e-8 of a bitcoin),
a price in *ticks*, a size in *lots*, money of account in micro-dollars (1e-6 USD). Rates are
counted in parts per million or, for funding, in 1e-12. Every division names its rounding; a cost
is rounded up and a claim down, that is, against us.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from math import inf, nextafter

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError

MICRO = 1_000_000
RATE_E12 = 10**12
_DECIMALS = {"USD": 6, "USDT": 6, "USDC": 6}
_COIN_DECIMALS = 8
_LARGEST_EXPONENT = 24


def asset_decimals(asset: str) -> int:
    """Decimal places of an asset's smallest unit: 6 for dollar coins, 8 for coins."""
    return _DECIMALS.get(asset, _COIN_DECIMALS)


@lru_cache(maxsize=64)
def unit_quanta(asset: str) -> int:
    """Quanta in one whole unit of an asset."""
    return int(10 ** asset_decimals(asset))


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer quotient rounded up (toward a larger cost)."""
    return -((-numerator) // denominator)


def read_decimal(text: str, where: str, field: str) -> Decimal:
    """A finite decimal number from text; anything else raises `InputError`."""
    try:
        value = Decimal(text)
    except (InvalidOperation, ValueError):
        raise InputError(where, field, f"expected a decimal number, got {text!r}") from None
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise InputError(where, field, f"expected a number of ordinary size, got {text!r}")
    return value


def claim_to_quanta(amount: Decimal, asset: str) -> int:
    """Quanta of an amount that we own, rounded down."""
    return int(amount.scaleb(asset_decimals(asset)).to_integral_value(ROUND_FLOOR))


def cost_to_quanta(amount: Decimal, asset: str) -> int:
    """Quanta of an amount that we pay, rounded up."""
    return int(amount.scaleb(asset_decimals(asset)).to_integral_value(ROUND_CEILING))


def from_quanta(quanta: int, asset: str) -> Decimal:
    """Exact amount of an asset for printing."""
    return Decimal(quanta).scaleb(-asset_decimals(asset))


def float_up(exact: Fraction) -> float:
    """The least float that is not below an exact number."""
    near = float(exact)
    return near if Fraction(near) >= exact else nextafter(near, inf)


def float_down(exact: Fraction) -> float:
    """The largest float that is not above an exact number."""
    return 0.0 - float_up(-exact)


def usd(micro: int) -> float:
    """Dollars, as a float for models and display, of micro-dollars."""
    return micro / MICRO


def micro_down(amount_usd: float) -> int:
    """Micro-dollars of a float amount, rounded down (for claims and permissions)."""
    return int(np.floor(amount_usd * MICRO))


def rate_to_ppm(rate: Decimal) -> int:
    """Parts per million of a rate, rounded up (for fees); rebates round toward a smaller rebate."""
    return int((rate * MICRO).to_integral_value(ROUND_CEILING))


def nearest_ticks(prices: NDArray[np.float64], tick: Decimal) -> NDArray[np.int64]:
    """Prices in whole ticks, to the nearest; a venue's mark finer than the tick is rounded too."""
    step = Fraction(tick)
    return np.rint(prices * float(step.denominator) / float(step.numerator)).astype(np.int64)
