# SPDX-License-Identifier: Apache-2.0
"""Realised GARCH, log-linear, of daily returns r and realised variances x.

    r_t = sqrt(h_t) z_t,  z ~ N(0, 1)
    log h_t = omega + beta log h_{t-1} + gamma log x_{t-1}
    log x_t = xi + phi log h_t + tau1 z_t + tau2 (z_t^2 - 1) + u_t,  u ~ N(0, sigma_u^2)

The forecast is of x. log h is an AR(1) with persistence p = beta + phi gamma and shocks
gamma (tau(z) + u), so the mean of x_{t+k} is a product of moments:

    E x_{t+k} = exp(xi + phi m_k) M(1) prod_{i=0}^{k-2} M(phi gamma p^i),
    m_1 = log h_{t+1}, m_{k+1} = omega + gamma xi + p m_k,
    M(c) = E exp(c (tau1 z + tau2 (z^2 - 1) + u))
         = exp(c^2 sigma_u^2 / 2 + (c tau1)^2 / (2 (1 - 2 c tau2)) - c tau2) / sqrt(1 - 2 c tau2).

Returns have no mean here: over a day it is far below its error. In a hole the measure counts as
the window's mean of log x. Source: Hansen, Huang and Shek (2012), equations 1 to 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.model import Predicted, VolatilityHistory, check_horizon, log_errors
from tidegate.forecast.trailing import forward_mean

FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 150
TRAIN_ROWS = 730
TOLERANCE = 1e-6
ACCEPTED_GRADIENT = 1e-3
# beta, gamma, phi, tau1, tau2 near what the source finds for shares.
STARTS = ((0.55, 0.40, 1.0, -0.05, 0.10), (0.75, 0.20, 1.0, 0.0, 0.05))


@dataclass(frozen=True, slots=True)
class RealisedGarch:
    """The model of the module's text, with realised variance as its measure."""

    name: str = "realised GARCH"

    def fit(self, past: VolatilityHistory, horizon: int) -> RealisedGarchFit:
        """Joint likelihood over the last 730 rows.

        Raises: `InsufficientHistory` below 150 rows, without an optimum, or where log h is not
        stationary or the mean of x not finite.
        """
        check_horizon(horizon)
        window = past.last(TRAIN_ROWS).measures
        returns, log_x = _unit_rows(window.return_log, window.variance)
        known = np.isfinite(returns) & np.isfinite(log_x)
        n = int(known.sum())
        if n < MIN_ROWS:
            raise InsufficientHistory("realised GARCH", "rows", f"expected {MIN_ROWS}, got {n}")
        filler = float(log_x[known].mean())
        start = math.log(float(np.mean(returns[known] ** 2)))
        theta, value = _search(returns, log_x, filler, start)
        estimate = RealisedGarchFit(theta, value, filler, horizon, (0.0, 0.0), n)
        if not (abs(estimate.persistence) < 1.0 and 1.0 - 2.0 * theta[6] > 0.0):
            raise InsufficientHistory("realised GARCH", "rows", "expected a stationary law")
        path = _path(theta, log_x, filler, start)
        realised = forward_mean(window.variance, horizon)
        centre, spread, _ = log_errors(realised, estimate.mean_ahead(path[1:]), MIN_ROWS // 2)
        return RealisedGarchFit(theta, value, filler, horizon, (centre, spread), n)


@dataclass(frozen=True, slots=True, eq=False)
class RealisedGarchFit:
    """Parameters (omega, beta, gamma, xi, phi, tau1, tau2, log sigma_u^2) in units of 1e-4, the
    log-likelihood there, and the error of forecasts in sample."""

    theta: FloatArray
    log_likelihood: float
    filler: float
    horizon: int
    log_error: tuple[float, float]
    n_train: int

    @property
    def persistence(self) -> float:
        """beta + phi gamma."""
        return float(self.theta[1] + self.theta[4] * self.theta[2])

    def predict(self, past: VolatilityHistory) -> Predicted:
        """Mean expected realised variance of the next h rows.

        Raises: `InsufficientHistory` where the last row is not realised.
        """
        window = past.last(TRAIN_ROWS).measures
        if len(window) == 0 or not window.variance[-1] > 0.0:
            raise InsufficientHistory("realised GARCH", "last row", "expected it realised")
        returns, log_x = _unit_rows(window.return_log, window.variance)
        start = math.log(float(np.nanmean(returns**2)))
        path = _path(self.theta, log_x, self.filler, start)
        variance = float(self.mean_ahead(path[-1:])[0])
        centre, spread = self.log_error
        return Predicted(variance, math.log(variance) + centre, spread, self.n_train)

    def mean_ahead(self, next_log_variance: FloatArray) -> FloatArray:
        """Mean E x over the h rows of which the first has this log h, float64[n], in r^2."""
        omega, gamma, xi, phi = (self.theta[i] for i in (0, 2, 3, 4))
        p, m = self.persistence, np.array(next_log_variance)
        shocks, total = _log_moment(self.theta, 1.0), np.zeros(len(m))
        for k in range(self.horizon):
            total += np.exp(xi + phi * m + shocks)
            m = omega + gamma * xi + p * m
            shocks += _log_moment(self.theta, phi * gamma * p**k)
        return np.asarray(total / self.horizon / UNIT)


# Returns are in per cent, so that log h is of the order of one.
UNIT = 1e4


def _unit_rows(returns: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = np.where(variance > 0.0, variance, np.nan)
    return np.ascontiguousarray(returns * math.sqrt(UNIT)), np.log(known * UNIT)


def _log_moment(theta: FloatArray, c: float) -> float:
    """log M(c); infinite where the moment does not exist."""
    tau1, tau2, noise = c * theta[5], c * theta[6], math.exp(theta[7])
    room = 1.0 - 2.0 * tau2
    if room <= 0.0:
        return math.inf
    return float(0.5 * (c**2 * noise + tau1**2 / room - math.log(room)) - tau2)


def _path(theta: FloatArray, log_x: FloatArray, filler: float, start: float) -> FloatArray:
    from tidegate.forecast._realised_garch import log_variance_path

    return np.asarray(log_variance_path(theta, log_x, filler, start))


def _search(
    returns: FloatArray, log_x: FloatArray, filler: float, start: float
) -> tuple[FloatArray, float]:
    """The optimum from two starts in turn, and its log-likelihood."""
    from scipy.optimize import minimize

    from tidegate.forecast._realised_garch import likelihood

    n = len(returns)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        value, gradient, _ = likelihood(theta, returns, log_x, filler, start)
        return -value / n, -gradient / n

    for beta, gamma, phi, tau1, tau2 in STARTS:
        xi = filler - phi * start
        omega = (1.0 - beta) * start - gamma * filler
        first = np.array([omega, beta, gamma, xi, phi, tau1, tau2, -1.0])
        with np.errstate(all="ignore"):
            found = minimize(loss, first, jac=True, method="BFGS", options={"gtol": TOLERANCE})
        if np.all(np.isfinite(found.x)) and np.abs(found.jac).max() <= ACCEPTED_GRADIENT:
            return np.asarray(found.x, dtype=np.float64), -float(found.fun) * n
    raise InsufficientHistory("realised GARCH", "rows", "expected a likelihood with a maximum")
