# SPDX-License-Identifier: Apache-2.0
"""What every volatility model is: fitted to a past, it forecasts from the last row of a past."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.realised import RealisedMeasures
from tidegate.model.errors import InputError
from tidegate.model.times import YEAR_MS

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityHistory:
    """Realised measures up to an origin, and what options implied at the end of each row.

    `implied_variance` float64[d] is the variance per period that options imply for the weeks
    ahead, NaN where not known; None where there is no such series at all.
    """

    measures: RealisedMeasures
    implied_variance: FloatArray | None = None

    def __post_init__(self) -> None:
        implied = self.implied_variance
        if implied is not None and implied.shape != self.measures.variance.shape:
            raise InputError("volatility history", "implied_variance", "expected one per period")

    def __len__(self) -> int:
        return len(self.measures)

    def rows(self, first: int, stop: int) -> VolatilityHistory:
        """The rows first..stop-1 alone, as views."""
        implied = self.implied_variance
        cut = None if implied is None else implied[first:stop]
        return VolatilityHistory(self.measures.rows(first, stop), cut)

    def last(self, n_rows: int) -> VolatilityHistory:
        """The last n rows, or all where there are fewer."""
        return self.rows(max(0, len(self) - n_rows), len(self))


class Predicted(msgspec.Struct, frozen=True):
    """The realised variance per period, averaged over a horizon: its mean and its spread.

    `variance` is the expectation; the logarithm has the median `log_median` and the standard
    error `standard_error_log`.
    """

    variance: float
    log_median: float
    standard_error_log: float
    n_train: int

    def quantile(self, probability: float) -> float:
        """exp(m + s z_p), the variance that is not exceeded with a probability in (0, 1)."""
        if not 0.0 < probability < 1.0:
            raise InputError("forecast", "probability", f"expected in (0, 1), got {probability}")
        return math.exp(self.log_median + self.standard_error_log * float(ndtri(probability)))

    def vol_annual(self, period_ms: int) -> float:
        """Root of the expected variance of a year of 365 days."""
        return math.sqrt(self.variance * YEAR_MS / period_ms)


class Fitted(Protocol):
    """A model with its parameters."""

    def predict(self, past: VolatilityHistory) -> Predicted:
        """Forecast from the last row of a past; `InsufficientHistory` where that is not known."""
        ...


class Model(Protocol):
    """A way to fit."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def fit(self, past: VolatilityHistory, horizon: int) -> Fitted:
        """Fit to every row of a past for the mean of the next h rows.

        Raises: `InsufficientHistory`, `InputError`.
        """
        ...


def check_horizon(horizon: int) -> None:
    """Refuse a horizon below one period."""
    if horizon < 1:
        raise InputError("volatility forecast", "horizon", f"expected >= 1 period, got {horizon}")


def log_errors(target: FloatArray, forecast: FloatArray, n_least: int) -> tuple[float, float, int]:
    """Median-like centre, standard deviation and count of log(target / forecast), in sample.

    The centre is the mean of the logarithms. Raises: `InsufficientHistory` below `n_least` rows.
    """
    used = np.isfinite(target) & np.isfinite(forecast)
    if used.sum() < n_least:
        raise InsufficientHistory(
            "volatility forecast", "rows", f"expected at least {n_least}, got {int(used.sum())}"
        )
    errors = np.log(target[used] / forecast[used])
    return float(errors.mean()), float(errors.std(ddof=1)), int(used.sum())
