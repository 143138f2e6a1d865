# SPDX-License-Identifier: Apache-2.0
"""Raw SVI, one hyperbola for each expiry with nothing that keeps arbitrage out: a diagnostic.

w(k) = a + b (rho (k - m) + sqrt((k - m)**2 + sigma**2))  (Gatheral 2004)

It says how near any such curve comes to the quotes, and how much arbitrage that nearness holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import (
    ArrayLike,
    Batch,
    FloatArray,
    as_number,
    as_positive,
    as_row,
    bearable,
)
from tidegate.pricing.essvi import durrleman
from tidegate.pricing.option_chain import IntArray, OptionChain, Quotes, quotes
from tidegate.pricing.static_arbitrage import TOLERANCE, log_strikes

# Fewer quotes than parameters fit anything.
QUOTES_LEAST = 5
_SHAPES = (9, 7)


@dataclass(frozen=True, slots=True)
class JumpWings:
    """SVI in traders' terms at one expiry (Gatheral and Jacquier 2014, section 3.3).

    Attributes: variance at the money a year; skew dvol/dk sqrt(T) at the money; slopes of the put
    and the call wing over sqrt(w); least variance a year; expiry in years.
    """

    atm_variance: float
    atm_skew: float
    put_slope: float
    call_slope: float
    least_variance: float
    expiry_years: float

    def __post_init__(self) -> None:
        for each in fields(self):
            number = as_number(each.name, getattr(self, each.name), "jump wings")
            object.__setattr__(self, each.name, number)
        as_positive("expiry_years", self.expiry_years, "jump wings")

    def repaired(self) -> JumpWings:
        """The SSVI smile of the same variance, skew and put wing.

        c' = p + 2 psi, v~' = v 4 p c' / (p + c')**2. It holds no butterfly if sqrt(v T) max(p, c')
        < 2 and (p + c') max(p, c') <= 2. Raises: `InputError` where p or c' is not positive.
        Source: Gatheral and Jacquier (2014), section 5.1.
        """
        call = self.put_slope + 2.0 * self.atm_skew
        if not (self.put_slope > 0.0 and call > 0.0):
            raise InputError("jump wings", "slopes", "expected positive numbers")
        least = 4.0 * self.put_slope * call / (self.put_slope + call) ** 2
        return replace(self, call_slope=call, least_variance=self.atm_variance * least)

    def raw(self) -> RawSvi:
        """The raw parameters; `InputError` where no hyperbola has these terms.

        Source: Gatheral and Jacquier (2014), lemma 3.2.
        """
        t, w = self.expiry_years, self.atm_variance * self.expiry_years
        if not w > 0.0:
            raise InputError("jump wings", "atm_variance", "expected a positive number")
        if not (self.call_slope > 0.0 and self.put_slope > 0.0):
            raise InputError("jump wings", "slopes", "expected positive numbers")
        b = np.sqrt(w) / 2.0 * (self.call_slope + self.put_slope)
        rho = 1.0 - self.put_slope * np.sqrt(w) / b
        beta = rho - 2.0 * self.atm_skew * np.sqrt(w) / b
        if not abs(beta) < 1.0:
            raise InputError("jump wings", "terms", "expected |skew| between the wings' slopes")
        # m = r beta and sigma = r sqrt(1 - beta**2), so that w(0) - least w = b r spread.
        root = np.sqrt(1.0 - beta**2)
        spread = 1.0 - rho * beta - root * np.sqrt(1.0 - rho**2)
        radius = _radius((self.atm_variance - self.least_variance) * t, b, spread)
        m, sigma = radius * beta, radius * root
        a = self.least_variance * t - b * sigma * np.sqrt(1.0 - rho**2)
        return RawSvi(float(a), float(b), float(rho), float(m), float(sigma))


def _radius(rise: float, b: float, spread: float) -> float:
    """sqrt(m**2 + sigma**2), from b radius spread = w(0) - least w."""
    if not (rise > 0.0 and spread > 0.0):
        raise InputError("jump wings", "least_variance", "expected less than that at the money")
    return rise / (b * spread)


@dataclass(frozen=True, slots=True)
class RawSvi:
    """The five raw parameters of one expiry's total variance.

    a and m are any numbers, b >= 0 is the mean slope of the wings, |rho| <= 1 tilts them, and
    sigma > 0 rounds the vertex. Raises: `InputError` for anything else.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        for each in fields(self):
            number = as_number(each.name, getattr(self, each.name), "raw SVI")
            object.__setattr__(self, each.name, number)
        rules = {
            "b": (self.b >= 0.0, "a number not negative"),
            "rho": (abs(self.rho) <= 1.0, "a number between -1 and 1"),
            "sigma": (self.sigma > 0.0, "a positive number"),
        }
        for name, (holds, expected) in rules.items():
            if not holds:
                raise InputError("raw SVI", name, f"expected {expected}")

    def total_variance(self, log_strike: ArrayLike) -> Any:
        """w(k) = a + b (rho (k - m) + sqrt((k - m)**2 + sigma**2)), which may be negative.

        Args: k = ln(K / F), any shape. Returns: as k was; NaN where k is missing or beyond 1e100.
        Raises: `InputError` for what is not numbers. Source: Gatheral (2004).
        """
        batch = Batch.of(log_strike=log_strike)
        return batch.wrap(
            _variance((self.a, self.b, self.rho, self.m, self.sigma), bearable(batch.arrays[0]))
        )

    def durrleman(self, log_strike: ArrayLike) -> Any:
        """Durrleman's g(k) with the derivatives in closed form; below 0 a butterfly is free.

        Args: k = ln(K / F), any shape. Returns: g, as k was; NaN where w(k) is not positive.
        Raises: `InputError` for what is not numbers. Source: Durrleman (2003).
        """
        batch = Batch.of(log_strike=log_strike)
        k = bearable(batch.arrays[0])
        root = np.sqrt((k - self.m) ** 2 + self.sigma**2)
        slope = self.b * (self.rho + (k - self.m) / root)
        bend = self.b * self.sigma**2 / root**3
        return batch.wrap(durrleman(k, self.total_variance(k), slope, bend))

    def _at_the_money(self) -> float:
        w = float(self.total_variance(0.0))
        if not w > 0.0:
            raise InputError("raw SVI", "a", "expected a positive variance at the money")
        return w

    def jump_wings(self, expiry_years: float) -> JumpWings:
        """The traders' terms at an expiry.

        Args: T in years. Returns: `JumpWings`. Raises: `InputError` for a T that is not positive,
        and where w(0) is not. Source: Gatheral and Jacquier (2014), section 3.3.
        """
        expiry_years = as_positive("expiry_years", expiry_years, "raw SVI")
        radius = np.hypot(self.m, self.sigma)
        w = self._at_the_money()
        root = np.sqrt(w)
        least = self.a + self.b * self.sigma * np.sqrt(1.0 - self.rho**2)
        return JumpWings(
            w / expiry_years,
            float(self.b / 2.0 * (self.rho - self.m / radius) / root),
            float(self.b * (1.0 - self.rho) / root),
            float(self.b * (1.0 + self.rho) / root),
            float(least / expiry_years),
            expiry_years,
        )


@dataclass(frozen=True, slots=True)
class SliceDiagnosis:
    """What a free raw SVI does at one expiry, on 300 log-strikes over |k| <= 1.5.

    Attributes:
        expiry_ms, quotes, svi: of the fit; inside_share: of its quotes between bid and ask.
        least_g: below 0 if it holds a butterfly.
        crossings: log-strikes at which it lies below the fit of the expiry before.
    """

    expiry_ms: int
    quotes: int
    svi: RawSvi
    inside_share: float
    least_g: float
    crossings: int


def fit_raw_svi(log_strike: FloatArray, variance: FloatArray, weight: FloatArray) -> RawSvi:
    """Least squares of weight (w(k) - variance) over the five raw parameters.

    For each m and sigma the best a, b rho, b are those of a linear problem (Zeliade 2009); a
    coarse table of them starts Gauss-Newton steps with bounds b >= 0, |rho| < 1, sigma > 0.

    Args: k, total variance and weight, each of shape (n,), n >= 5. Returns: `RawSvi`.
    Raises: `InputError` for fewer quotes, or what is not finite numbers.
    Source: Gatheral (2004); De Marco and Martini, Zeliade White Paper (2009).
    """
    from scipy.optimize import least_squares

    given = {"log_strike": log_strike, "variance": variance, "weight": weight}
    rows = [as_row(name, values, "raw SVI") for name, values in given.items()]
    if len({row.size for row in rows}) > 1:
        raise InputError("raw SVI", "quotes", "expected rows of one length")
    columns = np.column_stack(rows)
    if len(columns) < QUOTES_LEAST or not np.all(np.isfinite(columns)):
        raise InputError("raw SVI", "quotes", f"expected at least {QUOTES_LEAST} finite quotes")
    k = columns[:, 0]
    starts = [_inner(columns, m, sigma) for m, sigma in _table(k)]
    _, first = min(starts, key=lambda start: start[0])

    def residual(p: FloatArray) -> FloatArray:
        return np.asarray((_variance(p, k) - columns[:, 1]) * columns[:, 2])

    def jacobian(p: FloatArray) -> FloatArray:
        return _gradient(p, k) * columns[:, 2:]

    low, high = [-np.inf, 0.0, -0.9999, -5.0, 1e-6], [np.inf, np.inf, 0.9999, 5.0, 10.0]
    inside = np.clip(first, np.add(low, 1e-9), np.subtract(high, 1e-9))
    found = least_squares(
        residual,
        inside,
        jacobian,
        bounds=(low, high),
        x_scale=np.maximum(np.abs(inside), 1e-4),
        max_nfev=100,
    )
    return RawSvi(*(float(p) for p in found.x))


def _variance(p: Sequence[float] | FloatArray, k: FloatArray) -> FloatArray:
    """w(k) of parameters in the order of `RawSvi`."""
    a, b, rho, m, sigma = p
    x = k - m
    return np.asarray(a + b * (rho * x + np.sqrt(x * x + sigma**2)))


def _gradient(p: FloatArray, k: FloatArray) -> FloatArray:
    """dw/d(a, b, rho, m, sigma) at each k, shape (n, 5)."""
    _, b, rho, m, sigma = p
    x = k - m
    root = np.sqrt(x * x + sigma**2)
    return np.column_stack(
        [np.ones(k.size), rho * x + root, b * x, -b * (rho + x / root), b * sigma / root]
    )


def diagnose(chain: OptionChain) -> tuple[SliceDiagnosis, ...]:
    """A free raw SVI for each expiry with at least five used quotes, in order of expiry.

    The weight of a quote is its vega over its half spread, as in the arbitrage-free fit.

    Args: a chain. Returns: a `SliceDiagnosis` for each such expiry, none if there is none.
    Raises: `InputError` for no chain. Source: as `fit_raw_svi`.
    """
    used, grid = quotes(chain), log_strikes()
    found: list[SliceDiagnosis] = []
    for expiry_ms in np.unique(chain.expiry_ms[used.used]):
        rows = np.flatnonzero(used.used & (chain.expiry_ms == expiry_ms))
        if rows.size >= QUOTES_LEAST:
            svi, inside = _fit_rows(used, rows)
            before = found[-1].svi.total_variance(grid) if found else np.full(grid.size, -np.inf)
            falls = svi.total_variance(grid) < before - TOLERANCE
            least = float(np.nanmin(_safe_durrleman(svi, grid)))
            found.append(
                SliceDiagnosis(int(expiry_ms), rows.size, svi, inside, least, int(falls.sum()))
            )
    return tuple(found)


def _fit_rows(used: Quotes, rows: IntArray) -> tuple[RawSvi, float]:
    """The fit of one expiry, and the share of its quotes between bid and ask volatility."""
    from tidegate.pricing.implied_vol import implied_vol

    k, years = used.log_strike[rows], used.expiry_years[rows]
    low, high = (
        np.nan_to_num(implied_vol(side, 1.0, np.exp(k), years, k >= 0.0).vol_annual, nan=fallback)
        for side, fallback in ((used.bid[rows], 0.0), (used.ask[rows], np.inf))
    )
    mid = used.mid_vol_annual[rows]
    half = np.maximum(np.minimum(high - low, 2.0 * mid), 1e-3 * mid) / 2.0
    svi = fit_raw_svi(k, mid**2 * years, 1.0 / (2.0 * mid * half * years))
    vol = np.sqrt(np.maximum(svi.total_variance(k), 0.0) / years)
    return svi, float(np.mean((vol >= low) & (vol <= high)))


def _safe_durrleman(svi: RawSvi, grid: FloatArray) -> FloatArray:
    """g where the total variance is positive; -inf where it is not, which is worse."""
    good = svi.total_variance(grid) > 0.0
    g = np.full(grid.size, -np.inf)
    g[good] = svi.durrleman(grid[good])
    return g


def _table(k: FloatArray) -> list[tuple[float, float]]:
    """Coarse values of m and sigma over the range of the quotes."""
    low, high = float(k.min()), float(k.max())
    width = max(high - low, 1e-3)
    centres = np.linspace(low, high, _SHAPES[0])
    return [(m, s) for m in centres for s in width * np.geomspace(0.01, 2.0, _SHAPES[1])]


def _inner(columns: FloatArray, m: float, sigma: float) -> tuple[float, FloatArray]:
    """Sum of squares and raw parameters of the linear problem at given m and sigma."""
    k, variance, weight = columns.T
    x = k - m
    rows = np.column_stack([np.ones(k.size), x, np.sqrt(x * x + sigma**2)])
    line = np.linalg.lstsq(rows * weight[:, None], variance * weight, rcond=None)[0]
    b = max(float(line[2]), 1e-8)
    rho = float(np.clip(line[1] / b, -0.999, 0.999))
    raw = np.array([line[0], b, rho, m, sigma])
    miss = (_variance(raw, k) - variance) * weight
    return float(miss @ miss), raw
