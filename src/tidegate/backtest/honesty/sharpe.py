# SPDX-License-Identifier: Apache-2.0
"""How likely a Sharpe ratio is luck: its error, the best of many trials, the record it needs.

All ratios are per period of the returns; nothing here is annualised, since that would hide how
long the record is.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from scipy.special import ndtr, ndtri

from tidegate.backtest.honesty.samples import FloatArray, finite_sample, require_level
from tidegate.model.errors import InputError

EULER_GAMMA = float(np.euler_gamma)


class SharpeSample(msgspec.Struct, frozen=True):
    """A record of returns in four numbers: Sharpe ratio per period, skewness, kurtosis (3 for a
    normal law), and how many periods."""

    sharpe: float
    skewness: float
    kurtosis: float
    periods: int


def sharpe_sample(returns: FloatArray) -> SharpeSample:
    """The four numbers of float64[n] returns in excess of what was free of risk.

    SR = mean / standard deviation (n - 1); the moments are those of the sample, not corrected.
    Raises: `InputError` with fewer than three values, or where they never vary.
    """
    values = finite_sample("sharpe", "returns", returns)
    if values.size < 3:
        raise InputError("sharpe", "returns", f"expected at least three, got {values.size}")
    deviations = values - values.mean()
    variance = float(np.mean(deviations**2))
    if variance <= (1e-12 * float(np.abs(values).max())) ** 2:
        raise InputError("sharpe", "returns", "expected returns that vary")
    return SharpeSample(
        sharpe=float(values.mean() / values.std(ddof=1)),
        skewness=float(np.mean(deviations**3)) / variance**1.5,
        kurtosis=float(np.mean(deviations**4)) / variance**2,
        periods=values.size,
    )


def probabilistic_sharpe(sample: SharpeSample, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above a benchmark, both per period.

    PSR(b) = Phi[(SR - b) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)].
    Raises: `InputError` where the moments leave no variance, as no sample's do.
    Source: Bailey and Lopez de Prado (2012), equation 8.
    """
    root = math.sqrt(sample.periods - 1)
    return float(ndtr((sample.sharpe - benchmark) * root / math.sqrt(_spread(sample))))


def expected_maximum_sharpe(variance: float, trials: int) -> float:
    """What the best of N trials shows by luck alone where none has any edge.

    SR0 = sqrt(V) [(1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))], g = 0.5772; zero for one trial.

    Args: `variance` of the trials' Sharpe ratios, per period; `trials` N, independent ones.
    Raises: `InputError` for a negative variance or no trial.
    Source: Bailey and Lopez de Prado (2014), equation 1 in the deflated form.
    """
    if not (math.isfinite(variance) and variance >= 0.0):
        raise InputError("sharpe", "variance", f"expected at least 0, got {variance}")
    if trials < 1:
        raise InputError("sharpe", "trials", f"expected at least 1, got {trials}")
    if trials == 1:
        return 0.0
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * float((1.0 - EULER_GAMMA) * first + EULER_GAMMA * second)


def deflated_sharpe(sample: SharpeSample, variance: float, trials: int) -> float:
    """Probability that the record beats the best that its trials would show by luck.

    DSR = PSR(SR0), SR0 by `expected_maximum_sharpe`.
    Source: Bailey and Lopez de Prado (2014), equation 2.
    """
    return probabilistic_sharpe(sample, expected_maximum_sharpe(variance, trials))


def minimum_track_record(
    sample: SharpeSample, benchmark: float = 0.0, level: float = 0.95
) -> float:
    """Periods after which such a record would be above the benchmark at a level; infinite where
    it does not beat it.

    MinTRL = 1 + (1 - g3 SR + (g4 - 1) / 4 SR^2) (Phi^-1(level) / (SR - b))^2.
    Source: Bailey and Lopez de Prado (2012), equation 11.
    """
    require_level("sharpe", level)
    if sample.sharpe <= benchmark:
        return math.inf
    return 1.0 + _spread(sample) * float(ndtri(level) / (sample.sharpe - benchmark)) ** 2


def _spread(sample: SharpeSample) -> float:
    spread = (
        1.0 - sample.skewness * sample.sharpe + (sample.kurtosis - 1.0) / 4.0 * sample.sharpe**2
    )
    if not spread > 0.0:
        raise InputError("sharpe", "moments", f"expected those of a sample, got {sample}")
    return spread
