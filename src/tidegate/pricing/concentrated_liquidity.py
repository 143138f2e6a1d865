# SPDX-License-Identifier: Apache-2.0
"""A liquidity position between two prices: worth, Greeks, and loss versus rebalancing.

The position sells the coin as its price rises and buys it back as it falls, so it is a strip of
covered calls: V(p) = integral over K in [pa, pb] of L / (2 K^(3/2)) min(p, K) dK. It is short gamma
inside its range and linear outside. Whoever rebalances the same coins at market prices keeps what
the pool gives to arbitrage: sigma^2 p^2 |gamma| / 2 a year, before the fees that the pool earns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import AMOUNT_LEAST, AMOUNT_MOST, ArrayLike, Batch, as_number

FloatArray = npt.NDArray[np.float64]

# Below this a second difference loses digits and its Taylor series has them all.
_SERIES_BELOW = 0.3
_SERIES_TERMS = 8
# Standard deviations beyond which a normal tail is zero in float64.
_FAR = 40.0
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@dataclass(frozen=True, slots=True)
class LiquidityPosition:
    """Liquidity L that is active while the price is between pa and pb.

    `liquidity` is in coin^(1/2) USD^(1/2), >= 0: the pool's integer liquidity divided by ten to the
    mean of the two tokens' decimals. `lower_price` and `upper_price` are in USD per coin,
    0 < lower < upper. USD stands for whatever the coin is quoted in.

    Every method takes prices as a number, list, array or Series and gives the same back. A price
    that is not a number of at least 1e-100 and at most 1e100 gives NaN, as does a volatility or a
    horizon that is negative or above 1e100.
    Raises: `InputError` for fields outside those bounds.
    Source: Adams, Zinsmeister, Salem, Keefer, Robinson 2021, Uniswap v3 Core.
    """

    liquidity: float
    lower_price: float
    upper_price: float

    def __post_init__(self) -> None:
        for field in ("liquidity", "lower_price", "upper_price"):
            number = as_number(field, getattr(self, field), "liquidity position")
            object.__setattr__(self, field, number)
        _require(self.liquidity >= 0, "liquidity", ">= 0")
        _require(self.lower_price > 0, "lower_price", "> 0")
        _require(
            self.upper_price > self.lower_price,
            "upper_price",
            f"> lower_price = {self.lower_price}",
        )

    def amount_coin(self, price: ArrayLike) -> Any:
        """Coins in the position: x = L (1/sqrt(c) - 1/sqrt(pb)), c = p held within [pa, pb].

        Args: price in USD per coin, any shape. Returns: coins >= 0, zero at and above pb.
        Raises: `InputError` for what is not numbers. Source: Adams et al. (2021), equation 2.2.
        """
        batch = Batch.of(price=price)
        return batch.wrap(self._coins(_positive(batch.arrays[0])))

    def amount_usd(self, price: ArrayLike) -> Any:
        """USD in the position: y = L (sqrt(c) - sqrt(pa)), c = p held within [pa, pb].

        Args: price in USD per coin, any shape. Returns: USD >= 0, zero at and below pa.
        Raises: `InputError` for what is not numbers. Source: Adams et al. (2021), equation 2.2.
        """
        batch = Batch.of(price=price)
        return batch.wrap(self._dollars(_positive(batch.arrays[0])))

    def value_usd(self, price: ArrayLike) -> Any:
        """Worth of the position without its fees: V = x p + y, concave and increasing in p.

        Args: price in USD per coin, any shape. Returns: USD.
        Raises: `InputError` for what is not numbers. Source: Adams et al. (2021), equation 2.2.
        """
        batch = Batch.of(price=price)
        known = _positive(batch.arrays[0])
        return batch.wrap(self._coins(known) * known + self._dollars(known))

    def delta(self, price: ArrayLike) -> Any:
        """dV/dp, which is the coins held: the pool trades at its own price, so p dx + dy = 0.

        Args: price in USD per coin, any shape. Returns: coins; continuous at both borders.
        Raises: `InputError` for what is not numbers. Source: derivative of `value_usd`.
        """
        return self.amount_coin(price)

    def gamma(self, price: ArrayLike) -> Any:
        """d2V/dp2 = -L / (2 p^(3/2)) inside the range, borders included; zero outside.

        Args: price in USD per coin, any shape. Returns: coins per USD, <= 0.
        Raises: `InputError` for what is not numbers. Source: second derivative of `value_usd`.
        """
        batch = Batch.of(price=price)
        return batch.wrap(self._gamma(_positive(batch.arrays[0])))

    def lvr_usd_annual(self, price: ArrayLike, vol_annual: ArrayLike) -> Any:
        """Loss versus rebalancing per year now: sigma^2 p^2 |gamma| / 2 = L sigma^2 sqrt(p) / 4.

        Args: price in USD per coin and vol_annual >= 0, annualised; broadcast.
        Returns: USD a year, >= 0; zero outside the range; NaN for a negative volatility.
        Raises: `InputError` for what is not numbers or does not broadcast.
        Source: Milionis, Moallemi, Roughgarden, Zhang 2022, Automated Market Making and
        Loss-Versus-Rebalancing: the rate is sigma^2 p^2 / 2 times |dx/dp|.
        """
        batch = Batch.of(price=price, vol_annual=vol_annual)
        known, vol = _positive(batch.arrays[0]), _not_negative(batch.arrays[1])
        return batch.wrap(0.5 * (vol * known) ** 2 * np.abs(self._gamma(known)))

    def expected_lvr_usd(
        self, price: ArrayLike, vol_annual: ArrayLike, horizon_years: ArrayLike
    ) -> Any:
        """Expected loss versus rebalancing until a horizon, under dp/p = sigma dW.

        E integral of L sigma^2 sqrt(p_t) / 4 over the time spent in the range, which by Ito is also
        V(p_0) - E V(p_H), the options the position is short. The price has no drift: it is a
        forward. With d = sigma sqrt(H) / 2 and z = ln(border / p_0) / (sigma sqrt(H)):
        LVR = L sigma^2 sqrt(p_0) H / 4 (W(z_b) - W(z_a)), where W(z) is the integral over u in
        [0, 1] of exp(-d^2 u / 2) N(z / sqrt(u)), in closed form (`_time_below`).

        Args: price in USD per coin, vol_annual >= 0, horizon_years >= 0; broadcast.
        Returns: USD >= 0, not discounted, fees not counted; NaN for a negative volatility or
        horizon. Error at most 2e-14 of L sigma^2 sqrt(p_0) H / 4.
        Raises: `InputError` for what is not numbers or does not broadcast.
        Source: the rate is that of Milionis et al. 2022; its integral is derived in `_time_below`.
        """
        batch = Batch.of(price=price, vol_annual=vol_annual, horizon_years=horizon_years)
        known, vol = _positive(batch.arrays[0]), _not_negative(batch.arrays[1])
        spread = vol * np.sqrt(_not_negative(batch.arrays[2]))
        below_upper = _time_below(self.upper_price, known, spread)
        below_lower = _time_below(self.lower_price, known, spread)
        scale = 0.25 * self.liquidity * np.sqrt(known) * spread**2
        return batch.wrap(scale * np.maximum(below_upper - below_lower, 0.0))

    def _coins(self, price: FloatArray) -> FloatArray:
        """The difference of prices is taken before the roots, so a narrow range loses no digit."""
        held = np.clip(price, self.lower_price, self.upper_price)
        root, top = np.sqrt(held), math.sqrt(self.upper_price)
        return self.liquidity * ((self.upper_price - held) / (root + top)) / (root * top)

    def _dollars(self, price: FloatArray) -> FloatArray:
        held = np.clip(price, self.lower_price, self.upper_price)
        floor = math.sqrt(self.lower_price)
        return self.liquidity * ((held - self.lower_price) / (np.sqrt(held) + floor))

    def _gamma(self, price: FloatArray) -> FloatArray:
        outside = (price < self.lower_price) | (price > self.upper_price)
        return np.where(outside, 0.0, -0.5 * self.liquidity / (price * np.sqrt(price)))


def _time_below(border: float, price: FloatArray, spread: FloatArray) -> FloatArray:
    """W(z): the share of the horizon spent below a border, weighted by the root of the price.

    W(z) = 1{z >= 0} (1 - exp(-d^2/2)) / (d^2/2) - sign(z) T(|z|), with T of `_tail_time`.
    Args: border in USD, price and spread = sigma sqrt(H) of one shape. Returns: in [0, 1].
    """
    half = 0.5 * spread
    gap = (border - price) / price
    with np.errstate(divide="ignore", invalid="ignore"):
        # A price close to the border keeps the digits of its distance.
        away = np.where(np.abs(gap) < 0.5, np.log1p(gap), np.log(border / price))
        distance = np.minimum(np.abs(away) / spread, _FAR)
    # Without time or volatility the price stays where it is, also on the border itself.
    distance = np.where((spread == 0) & ~np.isnan(away), _FAR, distance)
    square = np.where(half > 0, 0.5 * half**2, 1.0)
    whole = np.where(half > 0, -np.expm1(-square) / square, 1.0)
    tail = _tail_time(distance, half)
    return np.where(away >= 0, whole - tail, tail)


def _tail_time(distance: FloatArray, half: FloatArray) -> FloatArray:
    """T(z), the integral over u in [0, 1] of exp(-d^2 u / 2) N(-z / sqrt(u)) for z >= 0.

    Integrated by parts, with E(y) = 2 exp(y^2 / 2) N(-y), it is a second difference:
    T = exp(-(z^2 + d^2) / 2) ((E(z + d) + E(z - d)) / 2 - E(z)) / d^2.
    """
    damp = np.exp(-0.5 * (distance**2 + half**2))
    small = half < _SERIES_BELOW
    step = np.where(small, 1.0, half)
    near = np.exp(-distance * step) * ndtr(step - distance)
    far = damp * (0.5 * erfcx((distance + step) * _SQRT_HALF) - erfcx(distance * _SQRT_HALF))
    series = damp * _second_difference(distance, np.where(small, half, 0.0))
    return np.where(small, series, (near + far) / step**2)


def _second_difference(distance: FloatArray, step: FloatArray) -> FloatArray:
    """The same difference of E over d^2 by Taylor: sum of d^(2n-2) E^(2n)(z) / (2n)!.

    E' = z E - sqrt(2 / pi), and then E^(n+1) = n E^(n-1) + z E^(n).
    """
    before = erfcx(distance * _SQRT_HALF)
    now = distance * before - _SQRT_2_OVER_PI
    total = np.zeros_like(distance)
    factor = np.ones_like(step)
    for order in range(1, 2 * _SERIES_TERMS):
        before, now = now, order * before + distance * now
        if order % 2:
            factor = factor / (order * (order + 1))
            total = total + factor * now
            factor = factor * step**2
    return total


def _positive(price: FloatArray) -> FloatArray:
    return np.where((price >= AMOUNT_LEAST) & (price <= AMOUNT_MOST), price, np.nan)


def _not_negative(values: FloatArray) -> FloatArray:
    return np.where((values >= 0) & (values <= AMOUNT_MOST), values, np.nan)


def _require(condition: bool, field: str, bound: str) -> None:
    if not condition:
        expected = f"expected a finite number {bound}".rstrip()
        raise InputError("liquidity position", field, expected)
