# SPDX-License-Identifier: Apache-2.0
"""Black-76 held to 50 digits of the textbook's formula, from a minute up and to 1000 % vol."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from tidegate.pricing import black76

NAMES = black76.Greeks.__slots__
MINUTE_YEARS = 1 / 525_600


def exact(option: tuple[Any, ...]) -> dict[str, Any]:
    """Greeks by the textbook's formulas, whose cancellation 50 digits bear."""
    forward, strike, expiry, vol, call, discount = (mp.mpf(float(each)) for each in option)
    s = vol * mp.sqrt(expiry)
    d1 = mp.log(forward / strike) / s + s / 2
    d2 = d1 - s
    sign = 1 if call else -1
    density = discount * mp.npdf(d1)
    in_forward = mp.erfc(-sign * d1 / mp.sqrt(2)) / 2
    in_strike = mp.erfc(-sign * d2 / mp.sqrt(2)) / 2
    price = discount * sign * (forward * in_forward - strike * in_strike)
    vega = density * forward * mp.sqrt(expiry)
    rate = -mp.log(discount) / expiry
    return {
        "price": price,
        "delta": discount * sign * in_forward,
        "gamma": density / (forward * s),
        "vega": vega,
        "theta": rate * price - vega * vol / (2 * expiry),
        "rho": -expiry * price,
        "vanna": -density * d2 / vol,
        "volga": vega * d1 * d2 / vol,
        "d1": d1,
        "s": s,
    }


def scales(option: tuple[Any, ...]) -> dict[str, float]:
    """The size of each Greek near the money, which is what a book is measured in."""
    forward, strike, expiry, vol, _, discount = option
    root, s = np.sqrt(expiry), vol * np.sqrt(expiry)
    peak, most = 0.4 * discount, discount * max(forward, strike)
    return {
        "price": most,
        "delta": discount,
        "gamma": peak / (forward * s),
        "vega": peak * forward * root,
        "theta": peak * forward * vol / (2 * root) + abs(np.log(discount)) / expiry * most,
        "rho": expiry * most,
        "vanna": peak * root * (1 + s) / s,
        "volga": peak * forward * root * (1 + s * s) / vol,
    }


def sample(size: int, seed: int) -> tuple[np.ndarray, ...]:
    """Options of all kinds: half of them near the money, half up to 38 deviations away."""
    rng = np.random.default_rng(seed)
    expiry = np.exp(rng.uniform(np.log(MINUTE_YEARS), np.log(3), size))
    vol = np.exp(rng.uniform(np.log(0.05), np.log(10), size))
    forward = np.exp(rng.uniform(-5, 12, size))
    far = rng.uniform(-38, 38, size)
    deviations = np.where(rng.random(size) < 0.5, rng.normal(size=size) * 3, far)
    strike = forward * np.exp(np.clip(deviations * vol * np.sqrt(expiry), -12, 12))
    strike[:20] = forward[:20]
    strike[20:60] = np.nextafter(forward[20:60], np.inf) * (1 + 1e-12 * rng.normal(size=40))
    discount = np.where(rng.random(size) < 0.3, 1, np.exp(-rng.uniform(-0.1, 0.2, size) * expiry))
    return forward, strike, expiry, vol, rng.random(size) < 0.5, discount


def errors_against_mpmath(options: tuple[np.ndarray, ...]) -> list[dict[str, tuple[Any, ...]]]:
    """By option and Greek: the error over its scale, over its value, and what was expected."""
    got = black76.greeks(*options)
    rows = []
    with mp.workdps(50):
        for i, option in enumerate(zip(*options, strict=True)):
            expected, scale = exact(option), scales(option)
            row: dict[str, Any] = {"d1": float(expected["d1"]), "s": float(expected["s"])}
            for name in NAMES:
                error = abs(mp.mpf(float(getattr(got, name)[i])) - expected[name])
                value = abs(expected[name])
                relative = float(error / value) if value > 1e-280 else 0.0
                row[name] = (float(error / scale[name]), relative)
            rows.append(row)
    return rows


@pytest.fixture(scope="module")
def rows() -> list[dict[str, tuple[Any, ...]]]:
    return errors_against_mpmath(sample(500, seed=76))


@pytest.mark.parametrize("name", NAMES)
def test_greek_against_mpmath_is_within_3e_15_of_its_scale(name: str, rows: Any) -> None:
    assert max(row[name][0] for row in rows) < 3e-15


@pytest.mark.parametrize("name", ["delta", "gamma", "vega"])
def test_greek_that_never_crosses_zero_is_exact_in_the_far_wings_too(name: str, rows: Any) -> None:
    assert max(row[name][1] / (1 + row["d1"] ** 2) for row in rows) < 3e-15


def price_bound(row: Any) -> float:
    """The relative error that the docstring of `price` allows."""
    d1 = abs(row["d1"])
    return float(3e-15 * (1 + d1**2 + (1 + d1) / row["s"]))


def test_price_in_the_far_wings_is_exact_to_what_its_docstring_says(rows: Any) -> None:
    assert all(row["price"][1] < price_bound(row) for row in rows)


@pytest.mark.soak(promise="R18")
def test_greeks_of_many_options_against_mpmath_are_within_their_bounds() -> None:
    for row in errors_against_mpmath(sample(20_000, seed=1)):
        assert max(row[name][0] for name in NAMES) < 3e-15
        assert row["price"][1] < price_bound(row)


def test_golden_call_of_30_days_has_the_published_price_and_greeks() -> None:
    # quant.md section 5.1: F 100,000, K 120,000, 30 days, 60 %.
    greeks = black76.greeks(100_000, 120_000, 30 / 365, 0.6, True)
    assert greeks.price == pytest.approx(1395.481646, abs=5e-7)
    assert greeks.delta == pytest.approx(0.1650502606, abs=5e-11)
    assert greeks.gamma == pytest.approx(1.443377e-5, abs=5e-12)
    assert greeks.vega / 100 == pytest.approx(71.180224, abs=5e-7)
    assert greeks.theta / 365 == pytest.approx(-71.180224, abs=5e-7)
