# SPDX-License-Identifier: Apache-2.0
"""Black-76: price and Greeks of European options on a forward, in the forward's currency.

With s = sigma sqrt(T), d1 = ln(F / K) / s + s / 2, d2 = d1 - s and Phi, phi the standard normal
distribution and density, a call is worth D (F Phi(d1) - K Phi(d2)) and a put
D (K Phi(-d2) - F Phi(-d1)); D is the discount factor exp(-r T). Black (1976).

An input that is missing, infinite, of the wrong sign, or no option's size (an amount outside
1e-100 .. 1e100) gives NaN for that option alone. At T = 0 or sigma = 0 an option is worth what it
pays, and its Greeks are the limits from T > 0 or sigma > 0: at F = K delta is D / 2 of its sign,
gamma is infinite, and theta at T = 0 minus infinite; elsewhere delta is D or 0 in size, and gamma,
vega, vanna and volga are 0.

Sources: Black, F. (1976), The pricing of commodity contracts, Journal of Financial Economics 3;
the form in Mills' ratios follows Jaeckel, P. (2015), Let's be rational, Wilmott 75.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import ArrayLike, Batch, FloatArray, as_whole

GREEKS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Greeks:
    """Price and sensitivities in USD, the currency of forward and strike; each as its inputs were.

    Attributes:
        price: USD.
        delta: dV/dF, the USD-numeraire delta, in units of the underlying.
        gamma: d2V/dF2, delta per USD.
        vega: dV/dsigma, USD per 1.0 of annual vol (a vol point is a hundredth of it).
        theta: -dV/dT at constant rate, USD per year that passes.
        rho: dV/dr at constant forward, -T V, USD per 1.0 of annual rate.
        vanna: d2V/dF dsigma, delta per 1.0 of vol.
        volga: d2V/dsigma2, USD per 1.0 of vol squared.
    """

    price: Any
    delta: Any
    gamma: Any
    vega: Any
    theta: Any
    rho: Any
    vanna: Any
    volga: Any


def price(
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    vol_annual: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Any:
    """Black-76 value, D (F Phi(d1) - K Phi(d2)) for a call.

    Args:
        forward: F, USD, shape broadcast with all others.
        strike: K, USD.
        expiry_years: T, years.
        vol_annual: sigma, 1.0 being 100 % a year.
        is_call: true for a call, false for a put.
        discount: D, value today of one USD at expiry.

    Returns: USD; a float, array or Series as the inputs were; NaN for an option that is none.
    Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Black (1976). Error within 1e-15 of max(F, K) D, and for an out-of-the-money option
    within (1 + d1**2 + (1 + |d1|) / s) 3e-15 of its value.
    """
    batch = option_batch(forward, strike, expiry_years, vol_annual, is_call, discount)
    return batch.wrap(flat_price(batch))


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    vol_annual: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Greeks:
    """Black-76 price, delta, gamma, vega, theta, rho, vanna and volga.

    Of a call, with p = D phi(d1) and r = -ln(D) / T: delta D Phi(d1), gamma p / (F s), vega
    p F sqrt(T), theta r V - p F sigma / (2 sqrt(T)), rho -T V, vanna -p d2 / sigma, volga
    vega d1 d2 / sigma. A put differs by parity: delta by -D, price by -D (F - K).

    Args: as `price`. Where T = 0 a discount other than 1 has no rate, and theta is NaN.
    Returns: `Greeks`, each a float, array or Series as the inputs were.
    Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Black (1976); derivatives as in Haug, E. G. (2007), The complete guide to option
    pricing formulas, chapter 2.
    """
    batch = option_batch(forward, strike, expiry_years, vol_annual, is_call, discount)
    return Greeks(*(batch.wrap(row) for row in flat_greeks(batch)))


class GreeksBuffer:
    """Memory for the Greeks of up to `size` options at a time, used again by every call.

    New memory costs more than the formula where options are many. What a call returns is valid
    until the next call. A buffer is for one thread: two that share one overwrite each other's
    answers, so each thread makes its own.

    Args: size: number of options, at least 1. Raises: `InputError` for anything else.
    """

    __slots__ = ("_memory", "_size")

    def __init__(self, size: int) -> None:
        self._size = as_whole("size", size, 1)
        self._memory: FloatArray = _kernels().aligned(GREEKS, self._size)

    @property
    def size(self) -> int:
        """How many options there is memory for."""
        return self._size

    def greeks(
        self,
        forward: ArrayLike,
        strike: ArrayLike,
        expiry_years: ArrayLike,
        vol_annual: ArrayLike,
        is_call: ArrayLike,
        discount: ArrayLike = 1.0,
    ) -> Greeks:
        """As the function `greeks`, into this memory.

        Args, Returns, Source: as `greeks`; views of the memory, until the next call.
        Raises: `InputError` for more than `size` options, and as `greeks`.
        """
        batch = option_batch(forward, strike, expiry_years, vol_annual, is_call, discount)
        if batch.size > self.size:
            expected = f"expected at most {self.size}, got {batch.size}"
            raise InputError("pricing", "options", expected)
        _kernels().greeks(*_columns(batch), self._memory, batch.size)
        return Greeks(*(batch.wrap(row[: batch.size]) for row in self._memory))


def option_batch(
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    vol_annual: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike,
) -> Batch:
    """The six inputs of an option, broadcast, under the names that errors give them."""
    return Batch.of(
        forward=forward,
        strike=strike,
        expiry_years=expiry_years,
        vol_annual=vol_annual,
        is_call=is_call,
        discount=discount,
    )


def flat_price(batch: Batch) -> FloatArray:
    """Prices of the options of a batch, float64[n]."""
    kernels = _kernels()
    out: FloatArray = kernels.aligned(1, batch.size)
    kernels.price(*_columns(batch), out, batch.size)
    return out[0, : batch.size]


def flat_greeks(batch: Batch) -> FloatArray:
    """Greeks of the options of a batch in the order of `Greeks`, float64[8, n]."""
    kernels = _kernels()
    out: FloatArray = kernels.aligned(GREEKS, batch.size)
    kernels.greeks(*_columns(batch), out, batch.size)
    return out[:, : batch.size]


def _kernels() -> ModuleType:
    """The compiled loops; numba is imported when they are first needed."""
    from tidegate.pricing import _black76

    return _black76


def _columns(batch: Batch) -> tuple[tuple[FloatArray, ...], npt.NDArray[np.uint8]]:
    """The columns that the kernels take, with the kind of option beside the numbers."""
    numbers = batch.columns
    return (*numbers[:4], numbers[5]), _call_codes(batch.given[4])


def _call_codes(is_call: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """1 for a call, 0 for a put, 2 for what is neither."""
    if is_call.dtype == np.bool_:
        return is_call.view(np.uint8)
    codes = np.where(is_call == 1.0, 1, np.where(is_call == 0.0, 0, 2)).astype(np.uint8)
    codes.flags.writeable = False
    return codes
