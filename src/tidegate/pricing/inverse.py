# SPDX-License-Identifier: Apache-2.0
"""Coin-settled (inverse) options: price and Greeks in coin, and the average they are delivered at.

An inverse option pays max(S - K, 0) / S coins where a linear one pays max(S - K, 0) USD. Its value
in coin is Black's over the forward, c = V / F: N(d1) - (K / F) N(d2) for a call, and calls less
puts are worth 1 - K / F coins.

The numeraire is in the type. `Greeks` are of the USD value: their delta N(d1) hedges USD.
`CoinGreeks` are of the coin value: their delta F dc/dF = N(d1) - c = (K / F) N(d2) hedges coins,
and is what Deribit calls the net transaction delta.

Sources: Alexander, C., Chen, D., Imeraj, A. (2023), Crypto quanto and inverse options, Mathematical
Finance 33; Deribit, "delta_total" of the account summary (API documentation) and "Delta decay
during settlement" (support article 25944751433757), as read in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.pricing import black76
from tidegate.pricing.arrays import ArrayLike, Batch, FloatArray
from tidegate.pricing.black76 import Greeks

# Deribit delivers at the time-weighted average of its index from 07:30 to 08:00 UTC ("Delivery
# price" in its contract specifications, read in November 2026).
DELIVERY_AVERAGE_S = 1800.0


@dataclass(frozen=True, slots=True, eq=False)
class CoinGreeks:
    """Price and sensitivities in coin, c(F, sigma, T); each as its inputs were.

    Attributes:
        price: c, coins.
        delta: F dc/dF, coins per unit of relative move: the coin-numeraire delta.
        gamma: d delta / dF, coin delta per USD of forward.
        vega: dc/dsigma, coins per 1.0 of annual vol.
        theta: -dc/dT, coins per year that passes.
        rho: -T c, coins per 1.0 of the coin's annual rate.
        vanna: d delta / dsigma, coin delta per 1.0 of vol.
        volga: d2c/dsigma2, coins per 1.0 of vol squared.
        usd: the Greeks of the USD value V = c F.
    """

    price: Any
    delta: Any
    gamma: Any
    vega: Any
    theta: Any
    rho: Any
    vanna: Any
    volga: Any
    usd: Greeks


@dataclass(frozen=True, slots=True, eq=False)
class DeliveryInputs:
    """What Black-76 takes for an option on the delivery average, each as its inputs were.

    Attributes:
        forward: expected average, USD.
        vol_annual: vol whose variance over the time to delivery is the average's.
        live_share: d forward / d index: what is left of a delta, from 1 down to 0.
    """

    forward: Any
    vol_annual: Any
    live_share: Any


def price_coin(
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    vol_annual: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Any:
    """Value of an inverse option in coin, D (Phi(d1) - (K / F) Phi(d2)) for a call.

    Args: as `black76.price`, F and K in USD per coin; discount D is in coin, and 1 on Deribit.
    Returns: coins per coin of underlying; NaN for an option that is none, as in `black76`.
    Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Alexander, Chen, Imeraj (2023).
    """
    batch = black76.option_batch(forward, strike, expiry_years, vol_annual, is_call, discount)
    return batch.wrap(black76.flat_price(batch) / batch.columns[0])


def greeks_coin(
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    vol_annual: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> CoinGreeks:
    """Coin value of an inverse option, its sensitivities, and those of its USD value.

    With V and its Greeks from `black76.greeks`: c = V / F, delta = delta_usd - c =
    (K / F) Phi(d2) D for a call, gamma = gamma_usd - delta / F, vanna = vanna_usd - vega_usd / F;
    vega, theta, rho and volga are those of V over F.

    Args, Returns, Raises: as `price_coin`, in `CoinGreeks`.
    Source: Alexander, Chen, Imeraj (2023).
    """
    batch = black76.option_batch(forward, strike, expiry_years, vol_annual, is_call, discount)
    usd = black76.flat_greeks(batch)
    coin = [batch.wrap(row) for row in _coin_rows(usd, batch.columns[0])]
    return CoinGreeks(*[*coin, Greeks(*(batch.wrap(row) for row in usd))])


def _coin_rows(usd: FloatArray, forward: FloatArray) -> tuple[FloatArray, ...]:
    """Rows of `CoinGreeks` from rows of `Greeks`."""
    value, delta, gamma, vega, theta, rho, vanna, volga = usd
    price = value / forward
    coin_delta = delta - price
    coin_vega = vega / forward
    return (
        price,
        coin_delta,
        gamma - coin_delta / forward,
        coin_vega,
        theta / forward,
        rho / forward,
        vanna - coin_vega,
        volga / forward,
    )


def averaged_share(to_delivery_s: ArrayLike) -> Any:
    """Share of the delivery average that is fixed already, 1 - min(t, 1800 s) / 1800 s.

    Args: to_delivery_s: t, seconds until 08:00 UTC of the day of expiry; after it the share is 1.
    Returns: 0 until the average begins, 1 from delivery on, linear between; NaN for NaN; as t was.
    Raises: `InputError` for what is not numbers.
    Source: Deribit contract specifications, read in November 2026.
    """
    batch = Batch.of(to_delivery_s=to_delivery_s)
    return batch.wrap(1.0 - _live_share(batch.arrays[0]))


def _live_share(to_delivery_s: FloatArray) -> FloatArray:
    return np.clip(to_delivery_s, 0.0, DELIVERY_AVERAGE_S) / DELIVERY_AVERAGE_S


def net_transaction_delta(
    delta_usd: ArrayLike, mark_price_coin: ArrayLike, to_delivery_s: ArrayLike = np.inf
) -> Any:
    """Deribit's net transaction delta of one unit, (delta - mark price) min(t, 1800 s) / 1800 s.

    Outside the last half hour it is the coin-numeraire delta at the venue's mark. Inside, Deribit
    decays delta and mark price linearly to 0, since the average is fixed bit by bit: a call of
    delta 1 marked at 0.3 coins shows (1 - 0.3) / 2 = 0.35 after 15 minutes.

    Args:
        delta_usd: Black delta before decay, positive for a call and negative for a put.
        mark_price_coin: the venue's mark, coins.
        to_delivery_s: t, seconds to delivery; infinite where delivery is not near.

    Returns: coins of the underlying per unit held, as the inputs were; NaN for a negative mark.
    Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Deribit, "Delta decay during settlement" (support article 25944751433757), read in
    November 2026, with the example above.
    """
    batch = Batch.of(
        delta_usd=delta_usd, mark_price_coin=mark_price_coin, to_delivery_s=to_delivery_s
    )
    delta, mark, left = batch.arrays
    mark = np.where(mark >= 0.0, mark, np.nan)
    return batch.wrap((delta - mark) * _live_share(left))


def delivery_inputs(
    forward: ArrayLike, average: ArrayLike, to_delivery_s: ArrayLike, vol_annual: ArrayLike
) -> DeliveryInputs:
    """Forward and vol of the delivery average, which an expiring option is really written on.

    With t seconds left, W = 1800 s and the live share l = min(t, W) / W, the average has the mean
    M = (1 - l) A + l F. Its variance to first order in sigma**2 W is sigma**2 (t - 2 W / 3) before
    the average begins and (l F / M)**2 sigma**2 t / 3 within it; the vol given is that variance
    over t, rooted. An option's delta to the index is Black's delta to M times l, which is why
    deltas fade linearly. What is left out is of relative order sigma**2 W in the deviation, 6e-5
    at 100 % vol.

    Args:
        forward: F, index forward to delivery, USD.
        average: A, average of the index so far, USD; not read before the average begins.
        to_delivery_s: t, seconds to delivery.
        vol_annual: sigma.

    Returns: `DeliveryInputs`; Black's T is t in years. At t <= 0 the average is fixed, vol 0. All
    three are NaN where forward, or an average that is read, is not positive, or vol is negative.
    Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Kemna, A., Vorst, A. (1990), A pricing method for options based on average asset
    values, Journal of Banking and Finance 14; moments as in Levy (1992).
    """
    batch = Batch.of(
        forward=forward, average=average, to_delivery_s=to_delivery_s, vol_annual=vol_annual
    )
    forward_usd, so_far, left, vol = batch.arrays
    good = (forward_usd > 0.0) & np.isfinite(forward_usd) & (vol >= 0.0) & np.isfinite(vol)
    good &= (left >= DELIVERY_AVERAGE_S) | ((so_far > 0.0) & np.isfinite(so_far))
    live = np.where(good, _live_share(left), np.nan)
    mean = np.where(live < 1.0, so_far, 0.0) * (1.0 - live) + live * forward_usd
    before = 1.0 - 2.0 / 3.0 * DELIVERY_AVERAGE_S / np.maximum(left, DELIVERY_AVERAGE_S)
    within = (live * forward_usd / np.where(good, mean, np.nan)) ** 2 / 3.0
    share_of_variance = np.where(left > DELIVERY_AVERAGE_S, before, within)
    return DeliveryInputs(
        batch.wrap(mean), batch.wrap(vol * np.sqrt(share_of_variance)), batch.wrap(live)
    )
