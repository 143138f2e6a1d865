# SPDX-License-Identifier: Apache-2.0
"""Fits the coefficients of the guess of implied volatility, and says how far off it is.

Three rational functions, each fitted for the least greatest relative error by least squares whose
weights grow where the error is great (Lawson 1961):

- normal: of B = sqrt(ln(1 + m / p)), where p / m = phi(d) / d - Phi(-d) is the normal model's
  price per distance from the forward, d > 0: B**2 / d.
- low: with n = a / d, the deviation s per n, of n**2 and a**2; a to 4 and s to 2.6.
- high: s of y and a at prices near the bound; a to 3.5, s from 2.4.

`python -m tests.pricing.implied_vol_fit` prints the coefficients anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from tests.pricing.implied_vol_quotes import mills, time_value
from tidegate.pricing import _implied_vol

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """A model of coefficients, what it shall give, and the coefficients that are in use."""

    model: Callable[[FloatArray], FloatArray]
    goal: FloatArray
    used: FloatArray

    def error(self, coefficients: FloatArray) -> float:
        """The greatest relative error."""
        return float(np.abs(self.model(coefficients) / self.goal - 1.0).max())

    def fitted(self, rounds: int = 40) -> FloatArray:
        """Coefficients of the least greatest relative error that `rounds` weightings find."""
        weight, best = np.ones_like(self.goal), self.used
        coefficients = self.used * (1.0 + 1e-3 * np.arange(len(self.used)))
        least = np.inf
        for _ in range(rounds):

            def residuals(c: FloatArray, w: FloatArray = weight) -> FloatArray:
                return (self.model(c) / self.goal - 1.0) * w * 1e3

            coefficients = least_squares(residuals, coefficients, method="lm", max_nfev=300).x
            errors = np.abs(self.model(coefficients) / self.goal - 1.0)
            if errors.max() < least:
                least, best = float(errors.max()), coefficients
            weight = weight * (0.05 + errors / errors.max()) ** 0.3
            weight = weight / weight.mean()
        return best


def log_normal_price(d: FloatArray) -> FloatArray:
    """ln(phi(d) / d - Phi(-d)), for d up to 45."""
    share = 1.0 - d * mills(d)
    share = np.where(d > 50.0, d**-2, share)
    log_price: FloatArray = -0.5 * d * d - np.log(np.sqrt(2.0 * np.pi) * d) + np.log(share)
    return log_price


def normal_distance(log_price: FloatArray) -> FloatArray:
    """d of ln(phi(d) / d - Phi(-d)), by interpolation in a fine table."""
    table = np.exp(np.linspace(np.log(1e-9), np.log(45.0), 200_000))
    logs = np.log(table)
    return np.exp(np.interp(-log_price, -log_normal_price(table), logs))


def grid(a: FloatArray, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """a, s, ln p and q on every pair, where p is above 1e-295 and q above 5e-17."""
    a, s = (values.ravel() for values in np.meshgrid(a, s))
    h, t = -a / s, 0.5 * s
    z = h + t
    above = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * (mills(np.abs(z)) + mills(t - h))
    below = time_value(a, s)
    p, q = np.where(z > 0.0, 1.0 - above, below), np.where(z > 0.0, above, 1.0 - below)
    kept = (p > 1e-295) & (q > 5e-17)
    return a[kept], s[kept], np.log(p[kept]), q[kept]


def normal() -> Fit:
    d = np.exp(np.linspace(np.log(2e-7), np.log(38.0), 3_000))
    log_price = log_normal_price(d)
    w = np.where(log_price < -30.0, -log_price, np.log1p(np.exp(-np.maximum(log_price, -30.0))))
    b = np.sqrt(w)

    def model(c: FloatArray) -> FloatArray:
        values: FloatArray = np.polyval(c[4::-1], b) / np.polyval([*c[:4:-1], 1.0], b)
        return values

    used = np.array([*_implied_vol._NORMAL_ABOVE, *_implied_vol._NORMAL_BELOW[1:]])
    return Fit(model, w / d, used)


def low() -> Fit:
    a, s, log_p, _ = grid(np.linspace(1e-3, 4.0, 40), np.linspace(0.05, 2.6, 60))
    n = a / normal_distance(log_p - np.log(np.expm1(a)))
    x, a2 = n * n, a * a

    def model(c: FloatArray) -> FloatArray:
        below = 1.0 + x * (c[3] + x * c[4] + a2 * (c[5] + x * c[6]))
        values: FloatArray = (c[0] + x * (c[1] + a2 * c[2])) / below
        return values

    return Fit(model, s / n, np.array([*_implied_vol._LOW_ABOVE, *_implied_vol._LOW_BELOW]))


def high() -> Fit:
    spans = np.concatenate([np.linspace(2.4, 5.0, 60), np.linspace(5.1, 17.5, 50)])
    a, s, _, q = grid(np.linspace(0.0, 3.5, 29) + 1e-9, spans)
    w, a2 = 0.5 * a - np.log(q), a * a

    def model(c: FloatArray) -> FloatArray:
        beta = c[1] + c[2] * a2
        b = c[0] * w + beta
        root = np.sqrt(np.maximum(b * b - 4.0 * c[0] * a2, 0.0))
        y = np.sqrt(np.maximum((b - 2.0 * beta + root) / (2.0 * c[0]), 0.1))
        values: FloatArray = y * (c[3] + y * (c[4] + y * c[5])) / (c[6] + y * (c[7] + y))
        return values

    used: list[Any] = [_implied_vol._ALPHA, _implied_vol._BETA, _implied_vol._GAMMA]
    used += [*_implied_vol._HIGH_ABOVE, *_implied_vol._HIGH_BELOW]
    return Fit(model, s, np.array(used))


FITS = {"normal": normal, "low": low, "high": high}

if __name__ == "__main__":
    for name, make in FITS.items():
        fit = make()
        anew = fit.fitted()
        print(f"{name}: {fit.error(fit.used):.2e} in use, {fit.error(anew):.2e} anew")
        print(*(f"  {value!r}" for value in anew.tolist()), sep="\n")
