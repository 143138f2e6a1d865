# SPDX-License-Identifier: Apache-2.0
"""Fits of smiles by scipy and QuantLib, and the curves that they give.

A fit is a list with the curve of each expiry: total variance w(k), w'(k) and w''(k).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import least_squares, minimize

from benchmarks.side_by_side.chains import Smiles
from benchmarks.side_by_side.quotes import FORWARD_USD, FloatArray

Curve = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]

WING_MAX = 3.999
STEP = 1e-4


def raw_svi(a: float, b: float, rho: float, m: float, sigma: float) -> Curve:
    """w = a + b (rho (k - m) + sqrt((k - m)**2 + sigma**2)) with its derivatives."""

    def curve(k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        x = k - m
        root = np.sqrt(x * x + sigma * sigma)
        return a + b * (rho * x + root), b * (rho + x / root), b * sigma * sigma / root**3

    return curve


def scipy_raw_svi(smiles: Smiles) -> list[Curve]:
    """Each expiry by itself with MINPACK's Levenberg-Marquardt and an analytic Jacobian."""
    return [
        _scipy_slice(k, vol, years)
        for k, vol, years in zip(smiles.log_strike, smiles.mid, smiles.years, strict=True)
    ]


def _scipy_slice(k: FloatArray, vol: FloatArray, years: float) -> Curve:
    """Residuals in volatility; b, rho and sigma are kept in their ranges by transforms."""

    def parameters(x: FloatArray) -> tuple[float, float, float, float, float]:
        return float(x[0]), np.exp(x[1]), np.tanh(x[2]), float(x[3]), np.exp(x[4])

    def parts(x: FloatArray) -> Any:
        a, b, rho, m, sigma = parameters(x)
        shifted = k - m
        root = np.sqrt(shifted * shifted + sigma * sigma)
        w = np.maximum(a + b * (rho * shifted + root), 1e-12)
        return b, rho, sigma, shifted, root, np.sqrt(w / years)

    def residuals(x: FloatArray) -> FloatArray:
        return np.asarray(parts(x)[-1] - vol)

    def jacobian(x: FloatArray) -> FloatArray:
        b, rho, sigma, shifted, root, model = parts(x)
        rows = (
            np.ones_like(k),
            b * (rho * shifted + root),
            b * shifted * (1.0 - rho * rho),
            -b * (rho + shifted / root),
            b * sigma * sigma / root,
        )
        return np.asarray(np.array(rows) / (2.0 * years * model)).T

    level = float(np.interp(0.0, k, vol)) ** 2 * years
    start = np.array([0.5 * level, np.log(0.5 * np.sqrt(level)), -0.2, 0.0, 0.5 * np.log(level)])
    return raw_svi(*parameters(least_squares(residuals, start, jacobian, method="lm").x))


def essvi(theta: float, put: float, call: float) -> Curve:
    """w = (A + sqrt(A**2 + p_put p_call k**2)) / 2, A = theta + (p_call - p_put) k / 2."""
    tilt, product = 0.5 * (call - put), call * put

    def curve(k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        level = theta + tilt * k
        root = np.sqrt(level * level + product * k * k)
        slope = (level * tilt + product * k) / root
        bend = (tilt * tilt + product - slope * slope) / root
        return 0.5 * (level + root), 0.5 * (tilt + slope), 0.5 * bend

    return curve


def scipy_essvi(smiles: Smiles) -> list[Curve]:
    """Expiry by expiry with SLSQP, within the bounds that exclude butterflies and calendars."""
    before, curves = np.array([1e-12, 1e-6, 1e-6]), []
    for k, vol, years in zip(smiles.log_strike, smiles.mid, smiles.years, strict=True):
        before = _slsqp_slice(k, vol**2 * years, before)
        curves.append(essvi(*before))
    return curves


def _slsqp_slice(k: FloatArray, w: FloatArray, before: FloatArray) -> FloatArray:
    """Least squares of w / w_mid in units of theta, subject to the slice before."""
    scale = max(float(np.interp(0.0, k, w)), float(before[0]))
    wing = np.sqrt(scale)
    unit, last = np.array([scale, wing, wing]), before

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        theta, put, call = unit * x
        level = theta + 0.5 * (call - put) * k
        root = np.sqrt(level * level + call * put * k * k)
        model = 0.5 * (level + root)
        miss = model / w - 1.0
        rows = np.array([model, call * k * k / 4 - model * k / 2, model * k / 2 + put * k * k / 4])
        return float(miss @ miss), unit * (2.0 * (rows / root) @ (miss / w))

    def slack(x: FloatArray) -> FloatArray:
        theta, put, call = unit * x
        psi, psi_before = 0.5 * (put + call), 0.5 * (last[1] + last[2])
        phi = psi_before * theta - psi * last[0]
        return np.array(
            [phi / (psi_before * scale), 4.0 - psi * put / theta, 4.0 - psi * call / theta]
        )

    lower = last / unit
    upper = np.array([np.inf, WING_MAX, WING_MAX]) / unit
    start = np.clip(np.array([1.0, 0.8, 0.5]), lower, upper)
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=list(zip(lower, upper, strict=True)),
        constraints=[{"type": "ineq", "fun": slack}],
        options={"ftol": 1e-10, "maxiter": 100},
    )
    return np.asarray(unit * np.clip(found.x, lower, upper))


def quantlib_svi(smiles: Smiles) -> list[Curve]:
    """SviInterpolatedSmileSection, an expiry at a time, with its defaults."""
    import QuantLib as quantlib

    today, unknown = quantlib.Date(1, 1, 2026), quantlib.nullDouble()
    quantlib.Settings.instance().evaluationDate = today
    curves = []
    for strikes, vols, years in zip(smiles.strikes, smiles.mid, smiles.years, strict=True):
        at_the_money = float(np.interp(FORWARD_USD, strikes, vols))
        section = quantlib.SviInterpolatedSmileSection(
            today + round(365 * years),
            FORWARD_USD,
            strikes.tolist(),
            False,
            at_the_money,
            vols.tolist(),
            *(unknown,) * 5,
            *(False,) * 5,
        )
        a, b, sigma, rho, m = (getattr(section, name)() for name in ("a", "b", "sigma", "rho", "m"))
        curves.append(raw_svi(a, b, rho, m, sigma))
    return curves


def quantlib_sabr(smiles: Smiles) -> list[Curve]:
    """SABRInterpolation with beta = 1, an expiry at a time."""
    import QuantLib as quantlib

    curves = []
    for strikes, vols, years in zip(smiles.strikes, smiles.mid, smiles.years, strict=True):
        fit = quantlib.SABRInterpolation(
            strikes.tolist(), vols.tolist(), years, FORWARD_USD, 0.5, 1.0, 1.0, -0.1, False, True
        )
        given = (years, fit.alpha(), 1.0, fit.nu(), fit.rho())
        curves.append(_sabr_curve(quantlib, given))
    return curves


def _sabr_curve(quantlib: Any, given: tuple[float, ...]) -> Curve:
    """Total variance with derivatives by central differences."""

    def variance(k: FloatArray) -> FloatArray:
        strikes = (FORWARD_USD * np.exp(k)).tolist()
        vols = [quantlib.sabrVolatility(strike, FORWARD_USD, *given) for strike in strikes]
        return np.asarray(vols) ** 2 * given[0]

    def curve(k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        below, here, above = variance(k - STEP), variance(k), variance(k + STEP)
        return here, (above - below) / (2 * STEP), (above - 2 * here + below) / STEP**2

    return curve
