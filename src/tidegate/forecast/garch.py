# SPDX-License-Identifier: Apache-2.0
"""GARCH and GJR-GARCH of daily returns, with normal or Student errors, fitted by likelihood.

    r_t = mu + e_t,  e_t = sqrt(h_t) z_t
    h_t = omega + alpha e_{t-1}^2 + gamma e_{t-1}^2 1{e_{t-1} < 0} + beta h_{t-1}

with omega > 0, alpha >= 0, alpha + gamma >= 0, beta >= 0 and persistence
alpha + gamma / 2 + beta < 1. Before the first row stands the backcast
sum 0.94^i (r_i - mean)^2 / sum 0.94^i of the first 75 rows, for e^2 and h alike.

The gradient is exact; standard errors are those of quasi-likelihood, H^-1 S H^-1, with H from
differences of the gradient. Expected variance k rows ahead is v + p^{k-1} (h_{t+1} - v), with
p the persistence and v = omega / (1 - p).

Source: Bollerslev (1986); Glosten, Jagannathan and Runkle (1993); Bollerslev and Wooldridge (1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.model import Predicted, VolatilityHistory, check_horizon, log_errors
from tidegate.forecast.trailing import forward_mean

FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 150
TRAIN_ROWS = 730
BACKCAST_DECAY, BACKCAST_ROWS = 0.94, 75
TOLERANCE, ITERATIONS = 1e-7, 200
ACCEPTED_GRADIENT = 1e-4
RECENT_ROWS = 400
# Starts: shares of the news and of the past variance. A likelihood of a few hundred rows may have
# two maxima, one persistent and one not, and a single start finds the lesser one on one series in
# twenty. With these two, 1 of 500 made-up series of 300 rows was, and none of 730 rows.
STARTS = ((0.02, 0.97), (0.20, 0.20))
# Only where neither leads to a maximum.
LAST_START = (0.10, 0.70)


class GarchParameters(msgspec.Struct, frozen=True):
    """Parameters in the returns' own unit; `nu` is None under the normal law."""

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float | None

    @property
    def persistence(self) -> float:
        """alpha + gamma / 2 + beta."""
        return self.alpha + 0.5 * self.gamma + self.beta


@dataclass(frozen=True, slots=True)
class Garch:
    """Which member: `asymmetric` is GJR, `student` has Student's t errors."""

    name: str
    asymmetric: bool = False
    student: bool = False

    def fit(self, past: VolatilityHistory, horizon: int) -> GarchFit:
        """Likelihood over the last 730 rows; the error of its forecasts from the same rows.

        Raises: `InsufficientHistory` below 150 returns or where no optimum is found.
        """
        check_horizon(horizon)
        window = past.last(TRAIN_ROWS)
        returns = window.measures.return_log
        estimate = estimate_garch(returns, self.asymmetric, self.student)
        h = conditional_variance(estimate.parameters, returns, estimate.presample)
        expected = mean_ahead(estimate.parameters, h[1:], horizon)
        realised = forward_mean(window.measures.variance, horizon)
        centre, spread, _ = log_errors(realised, expected, MIN_ROWS // 2)
        return GarchFit(estimate, horizon, centre, spread)


@dataclass(frozen=True, slots=True, eq=False)
class GarchEstimate:
    """An optimum: parameters, log-likelihood, rows, and what its standard errors are made from."""

    parameters: GarchParameters
    log_likelihood: float
    presample: float
    n_rows: int
    returns: FloatArray = field(repr=False)

    def standard_errors(self) -> GarchParameters:
        """Robust standard errors, in the place of the parameters; NaN at a bound."""
        return _standard_errors(self)


@dataclass(frozen=True, slots=True, eq=False)
class GarchFit:
    """An estimate, and how far realised variance was from its forecasts of h rows in sample."""

    estimate: GarchEstimate
    horizon: int
    log_centre: float
    log_spread: float

    def predict(self, past: VolatilityHistory) -> Predicted:
        """Mean expected variance of the next h rows.

        Raises: `InsufficientHistory` where the last row's return is not known.
        """
        returns = past.last(RECENT_ROWS).measures.return_log
        if len(returns) == 0 or not math.isfinite(float(returns[-1])):
            raise InsufficientHistory("GARCH", "last row", "expected its return")
        parameters = self.estimate.parameters
        h = conditional_variance(parameters, returns, _backcast(returns))
        variance = float(mean_ahead(parameters, h[-1:], self.horizon)[0])
        median = math.log(variance) + self.log_centre
        return Predicted(variance, median, self.log_spread, self.estimate.n_rows)


def estimate_garch(returns: FloatArray, asymmetric: bool, student: bool) -> GarchEstimate:
    """The greater of the maxima of the likelihood that two starts lead to.

    Args: `returns` float64[n], NaN in holes. Raises: `InsufficientHistory` below 150 known rows,
    for returns that do not vary, or where no start leads to an optimum.
    """
    known = np.isfinite(returns)
    n = int(known.sum())
    if n < MIN_ROWS:
        raise InsufficientHistory("GARCH", "returns", f"expected at least {MIN_ROWS}, got {n}")
    scale = float(np.std(returns[known]))
    if not scale > 0.0:
        raise InsufficientHistory("GARCH", "returns", "expected returns that vary")
    unit = np.ascontiguousarray(returns / scale)
    presample = _backcast(unit)
    theta, value = _search(unit, presample, asymmetric, student)
    return GarchEstimate(
        _in_unit(theta, scale),
        (value * len(unit)) - n * math.log(scale),
        presample * scale**2,
        n,
        returns,
    )


def conditional_variance(
    parameters: GarchParameters, returns: FloatArray, presample: float
) -> FloatArray:
    """h of every row and of the one after the last, float64[n + 1]; a hole counts as expected."""
    p = parameters
    from tidegate.forecast._garch import variance_path

    theta = np.array([p.mu, p.omega, p.alpha, p.alpha + p.gamma, p.beta, 0.0])
    return np.asarray(variance_path(theta, np.ascontiguousarray(returns), presample))


def mean_ahead(parameters: GarchParameters, next_variance: FloatArray, horizon: int) -> FloatArray:
    """Mean expected variance of h rows of which the first has `next_variance`, float64[n]."""
    p = parameters.persistence
    settled = parameters.omega / (1.0 - p)
    share = (1.0 - p**horizon) / (horizon * (1.0 - p))
    return np.asarray(settled + share * (next_variance - settled))


def _backcast(returns: FloatArray) -> float:
    """Weighted mean square of the first known rows about the mean of all."""
    known = returns[np.isfinite(returns)]
    first = known[:BACKCAST_ROWS] - known.mean()
    weights = BACKCAST_DECAY ** np.arange(len(first))
    return float(weights @ first**2 / weights.sum())


def _search(
    unit: FloatArray, presample: float, asymmetric: bool, student: bool
) -> tuple[FloatArray, float]:
    """Parameters of returns of unit deviation, and their mean log-likelihood."""
    from tidegate.forecast import _garch

    shape, mean = (asymmetric, student), float(np.nanmean(unit))
    best: tuple[FloatArray, float] | None = None
    for news, past in (*STARTS, LAST_START):
        if (news, past) == LAST_START and best is not None:
            break
        free, value, gradient, _ = _garch.maximise(
            _start(mean, news, past, shape), unit, presample, shape, (TOLERANCE, ITERATIONS)
        )
        if gradient <= ACCEPTED_GRADIENT and (best is None or value > best[1]):
            best = free, float(value)
    if best is None:
        raise InsufficientHistory("GARCH", "returns", "expected a likelihood with a maximum")
    return np.asarray(_garch.parameters_at(best[0], shape)), best[1]


def _start(mean: float, news: float, past: float, shape: tuple[bool, bool]) -> FloatArray:
    """Free coordinates of a first guess with unit variance."""
    asymmetric, student = shape
    left = 1.0 - news - past
    logits = [math.log(news / left), math.log(past / left)]
    if asymmetric:
        half = math.log(0.5 * news / left)
        logits = [half, logits[1], half]
    # A Student start of about 6 degrees of freedom.
    return np.array([mean, math.log(left), *logits, *([-4.8] if student else [])])


def _in_unit(theta: FloatArray, scale: float) -> GarchParameters:
    mu, omega, up, down, beta, nu = (float(value) for value in theta)
    return GarchParameters(
        mu * scale, omega * scale**2, up, down - up, beta, nu if nu > 0.0 else None
    )


def _standard_errors(estimate: GarchEstimate) -> GarchParameters:
    """H^-1 S H^-1 in unit deviation, H by central differences of the exact gradient."""
    from tidegate.forecast import _garch

    p, returns = estimate.parameters, estimate.returns
    scale = float(np.std(returns[np.isfinite(returns)]))
    unit, presample = np.ascontiguousarray(returns / scale), estimate.presample / scale**2
    student = p.nu is not None
    free = np.array([0, 1, 2, 3, 4, 5] if student else [0, 1, 2, 3, 4])
    # In terms of (mu, omega, alpha, gamma, beta, nu): up = alpha, down = alpha + gamma.
    turn = np.eye(6)
    turn[3, 2] = 1.0
    if p.gamma == 0.0:
        free = free[free != 3]
    theta = np.array(
        [p.mu / scale, p.omega / scale**2, p.alpha, p.alpha + p.gamma, p.beta, p.nu or 0.0]
    )
    scores = np.empty((len(unit), 6))
    _garch.likelihood(theta, unit, presample, scores)
    outer = (turn.T @ scores.T @ scores @ turn)[np.ix_(free, free)]
    hessian = np.empty((6, 6))
    for j in range(6):
        width = 1e-5 * max(abs(float((np.linalg.inv(turn) @ theta)[j])), 1e-3)
        sides = []
        for sign in (1.0, -1.0):
            _garch.likelihood(theta + sign * width * turn[:, j], unit, presample, scores)
            sides.append(turn.T @ scores.sum(axis=0))
        hessian[:, j] = (sides[0] - sides[1]) / (2.0 * width)
    bread = np.linalg.inv(hessian[np.ix_(free, free)])
    variances = np.full(6, np.nan)
    variances[free] = np.diag(bread @ outer @ bread.T)
    errors = np.sqrt(np.where(variances > 0.0, variances, np.nan))
    mu, omega, alpha, gamma, beta, nu = (float(error) for error in errors)
    return GarchParameters(
        mu * scale, omega * scale**2, alpha, gamma, beta, nu if student else None
    )
