# SPDX-License-Identifier: Apache-2.0
"""How tightly a market moves together, and how unusual a day's returns are.

Both read a panel of daily returns, rows by day and columns by coin, NaN where not known, and each
day's value uses that day and earlier ones alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

MIN_COINS = 3
MIN_COVERAGE = 0.9


def absorption_ratio(returns: FloatArray, window: int, share: float = 0.2) -> FloatArray:
    """sum of the k largest eigenvalues of the covariance over its trace, float64[n], in (0, 1].

    k = max(1, round(share x coins)). A day is NaN where fewer than three coins have 90 % of the
    window; holes of the others count as the coin's mean. Source: Kritzman, Li, Page and Rigobon
    (2011), eq. 1.
    """
    _check(returns, window)
    ratio = np.full(len(returns), np.nan)
    for t in range(window - 1, len(returns)):
        rows = _known_columns(returns[t - window + 1 : t + 1])
        if rows is not None:
            values = np.linalg.eigvalsh(np.cov(rows, rowvar=False))
            largest = max(1, round(share * values.size))
            ratio[t] = values[-largest:].sum() / values.sum() if values.sum() > 0.0 else np.nan
    return ratio


def standardised_shift(values: FloatArray, short: int, long: int) -> FloatArray:
    """(mean of the last `short` - mean of the last `long`) / sd of the last `long`, float64[n].

    NaN until the long window is whole. Source: Kritzman et al. (2011), eq. 2.
    """
    if not 1 <= short < long:
        raise InputError("standardised shift", "short, long", f"expected 1 <= {short} < {long}")
    shift = np.full(values.size, np.nan)
    if values.size < long:
        return shift
    windows = np.lib.stride_tricks.sliding_window_view(values, long)
    spread = windows.std(axis=1)
    moved = windows[:, -short:].mean(axis=1) - windows.mean(axis=1)
    shift[long - 1 :] = np.where(spread > 0.0, moved / np.where(spread > 0.0, spread, 1.0), np.nan)
    return shift


def turbulence(returns: FloatArray, window: int, shrinkage: float = 0.2) -> FloatArray:
    """d_t = (r_t - m)' S^-1 (r_t - m) / n with m and S of the `window` days before t, float64[n].

    S is shrunk to its diagonal, (1 - a) S + a diag(S), which keeps it invertible. Source:
    Kritzman and Li (2010), eq. 1, over the coin count so that panels of any width compare.
    """
    _check(returns, window)
    if not 0.0 < shrinkage <= 1.0:
        raise InputError("turbulence", "shrinkage", f"expected in (0, 1], got {shrinkage}")
    distance = np.full(len(returns), np.nan)
    for t in range(window, len(returns)):
        rows = _known_columns(returns[t - window : t + 1], whole_last=True)
        if rows is None:
            continue
        past, today = rows[:-1], rows[-1]
        covariance = np.cov(past, rowvar=False)
        diagonal = np.diag(np.diag(covariance))
        shrunk = (1.0 - shrinkage) * covariance + shrinkage * diagonal
        apart = today - past.mean(axis=0)
        distance[t] = float(apart @ np.linalg.solve(shrunk, apart)) / apart.size
    return distance


def mean_correlation(returns: FloatArray, window: int) -> FloatArray:
    """Mean pairwise correlation of the window's days, float64[n]."""
    _check(returns, window)
    found = np.full(len(returns), np.nan)
    for t in range(window - 1, len(returns)):
        rows = _known_columns(returns[t - window + 1 : t + 1])
        if rows is not None:
            correlation = np.asarray(np.corrcoef(rows, rowvar=False))
            n = rows.shape[1]
            found[t] = (correlation.sum() - n) / (n * (n - 1))
    return found


def _known_columns(rows: FloatArray, *, whole_last: bool = False) -> FloatArray | None:
    """Columns that are known and vary, holes at the coin's mean; None with fewer than three."""
    known = np.isfinite(rows)
    used = known.mean(axis=0) >= MIN_COVERAGE
    if whole_last:
        used &= known[-1]
    used &= np.nanstd(np.where(known, rows, 0.0), axis=0) > 0.0
    if used.sum() < MIN_COINS:
        return None
    kept, held = rows[:, used], known[:, used]
    mean = np.where(held, kept, 0.0).sum(axis=0) / held.sum(axis=0)
    return np.where(held, kept, mean)


def _check(returns: FloatArray, window: int) -> None:
    if returns.ndim != 2 or returns.shape[1] < MIN_COINS:
        raise InputError("returns panel", "returns", f"expected [days, {MIN_COINS} or more coins]")
    if np.any(np.isinf(returns)):
        raise InputError("returns panel", "returns", "expected finite returns or NaN")
    if window < 2:
        raise InputError("returns panel", "window", f"expected at least 2, got {window}")
