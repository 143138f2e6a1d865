# SPDX-License-Identifier: Apache-2.0
"""GARCH kernels equal a plain recursion, their gradients differences, their optimum SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm, t

from tests.forecast.histories import history
from tidegate.forecast import _garch
from tidegate.forecast._realised_garch import likelihood as realised_likelihood
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.garch import (
    Garch,
    GarchParameters,
    _start,
    conditional_variance,
    estimate_garch,
    mean_ahead,
)
from tidegate.forecast.realised_garch import RealisedGarch

TRUE = GarchParameters(0.02, 0.05, 0.04, 0.08, 0.86, 6.0)


def _returns(n: int, seed: int, law: GarchParameters = TRUE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    h, r = 1.0, np.empty(n)
    for i in range(n):
        z = rng.standard_normal()
        if law.nu is not None:
            z = rng.standard_t(law.nu) * math.sqrt((law.nu - 2.0) / law.nu)
        e = math.sqrt(h) * z
        r[i] = law.mu + e
        h = law.omega + (law.alpha + law.gamma * (e < 0.0)) * e * e + law.beta * h
    return r


def _plain(theta: np.ndarray, returns: np.ndarray, presample: float) -> tuple[float, list[float]]:
    """Log-likelihood and variances as the definition says, with SciPy's densities."""
    mu, omega, up, down, beta, nu = theta
    half = 0.5 * (up + down)
    h, total, path = omega + (half + beta) * presample, 0.0, []
    for r in returns:
        path.append(h)
        if math.isnan(r):
            h = omega + (half + beta) * h
            continue
        e = r - mu
        if nu > 0.0:
            scale = math.sqrt(h * (nu - 2.0) / nu)
            total += float(t.logpdf(e, nu, scale=scale))
        else:
            total += float(norm.logpdf(e, scale=math.sqrt(h)))
        h = omega + (up if e > 0.0 else down) * e * e + beta * h
    return total, [*path, h]


@settings(max_examples=20)
@given(
    st.floats(-0.2, 0.2),
    st.floats(0.01, 0.3),
    st.floats(0.0, 0.2),
    st.floats(0.0, 0.2),
    st.floats(0.0, 0.8),
    st.sampled_from([0.0, 2.5, 4.0, 30.0]),
    st.integers(0, 99),
)
def test_kernels_equal_the_plain_recursion_with_holes(
    mu: float, omega: float, up: float, down: float, beta: float, nu: float, seed: int
) -> None:
    theta = np.array([mu, omega, up, down, beta, nu])
    returns = _returns(60, seed)
    returns[20:25] = math.nan
    total, path = _plain(theta, returns, 1.3)
    found, after = _garch.likelihood(theta, returns, 1.3, np.empty((60, 6)))
    assert found == pytest.approx(total, rel=1e-10)
    assert after == pytest.approx(path[-1], rel=1e-12)
    assert _garch.variance_path(theta, returns, 1.3) == pytest.approx(path, rel=1e-12)


@pytest.mark.parametrize("nu", [0.0, 3.0, 7.0])
def test_scores_sum_to_the_gradient_of_the_likelihood(nu: float) -> None:
    theta = np.array([0.02, 0.06, 0.05, 0.12, 0.84, nu])
    returns, scores = _returns(200, 1), np.empty((200, 6))
    returns[50:60] = math.nan
    _garch.likelihood(theta, returns, 1.1, scores)
    for j in range(6 if nu else 5):
        width = 1e-6 * np.eye(6)[j]
        ends = [
            _garch.likelihood(theta + s * width, returns, 1.1, np.empty((200, 6)))[0]
            for s in (1.0, -1.0)
        ]
        assert scores[:, j].sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize(("asymmetric", "student"), [(False, False), (True, True)])
def test_optimum_is_the_one_that_a_constrained_solver_finds(
    asymmetric: bool, student: bool
) -> None:
    returns = _returns(1000, 3)
    found = estimate_garch(returns, asymmetric, student)

    def loss(x: np.ndarray) -> float:
        gamma, nu = (x[4] if asymmetric else 0.0), (x[-1] if student else 0.0)
        theta = np.array([x[0], x[1], x[2], x[2] + gamma, x[3], nu])
        return -float(_garch.likelihood(theta, returns, found.presample, np.empty((1000, 6)))[0])

    start = [0.0, 0.1, 0.05, 0.85, *([0.05] if asymmetric else []), *([8.0] if student else [])]
    bounds = [(-1, 1), (1e-6, 1), (0, 1), (0, 1), *([(0, 1)] if asymmetric else [])]
    bounds += [(2.1, 100)] if student else []
    best = minimize(loss, start, method="SLSQP", bounds=bounds, options={"ftol": 1e-12})
    p = found.parameters
    ours: list[float | None] = [p.mu, p.omega, p.alpha, p.beta, *([p.gamma] if asymmetric else [])]
    ours += [p.nu] if student else []
    assert found.log_likelihood >= -best.fun - 1e-6
    assert ours == pytest.approx(best.x, rel=2e-2, abs=2e-3)


@pytest.mark.parametrize(("asymmetric", "student"), [(False, False), (True, True)])
def test_estimate_is_no_lesser_maximum_that_one_start_leads_to(
    asymmetric: bool, student: bool
) -> None:
    """The first start that converged was taken, which was a lesser maximum on one in twenty."""
    lesser, shape = 0, (asymmetric, student)
    for seed in (*range(20), 43, 56, 79, 85, 88, 104, 113):
        returns = _returns(300, seed)
        found = estimate_garch(returns, asymmetric, student)
        scale = float(returns.std())
        unit, presample = returns / scale, found.presample / scale**2
        for news, past in ((0.05, 0.90), (0.10, 0.70), (0.15, 0.45)):
            start = _start(float(unit.mean()), news, past, shape)
            _, mean, gradient, _ = _garch.maximise(start, unit, presample, shape, (1e-7, 200))
            value = 300 * (mean - math.log(scale))
            if gradient <= 1e-4:
                assert found.log_likelihood >= value - 1e-5
                lesser += value < found.log_likelihood - 0.01
    assert lesser > 0


def test_standard_errors_are_the_spread_of_estimates_over_samples() -> None:
    law = GarchParameters(0.0, 0.1, 0.1, 0.0, 0.8, None)
    fits = [estimate_garch(_returns(2000, seed, law), False, False) for seed in range(60)]
    spread = np.std([fit.parameters.beta for fit in fits], ddof=1)
    typical = np.median([fit.standard_errors().beta for fit in fits])
    assert typical == pytest.approx(spread, rel=0.4)
    mean = np.mean([fit.parameters.alpha for fit in fits])
    assert abs(mean - 0.1) < 4.0 * np.std([f.parameters.alpha for f in fits]) / math.sqrt(60)


@settings(max_examples=10)
@given(st.floats(1e-3, 1e3))
def test_estimate_is_equivariant_to_the_unit_of_returns(unit: float) -> None:
    returns = _returns(400, 5)
    plain, scaled = (estimate_garch(u * returns, True, True) for u in (1.0, unit))
    assert scaled.parameters.omega == pytest.approx(unit**2 * plain.parameters.omega, rel=1e-3)
    assert scaled.parameters.beta == pytest.approx(plain.parameters.beta, abs=1e-4)
    shifted = plain.log_likelihood - 400 * math.log(unit)
    assert scaled.log_likelihood == pytest.approx(shifted, abs=1e-4)


def test_mean_ahead_is_the_mean_of_the_recursion_of_expectations() -> None:
    h, path = 2.0, []
    for _ in range(30):
        path.append(h)
        h = TRUE.omega + TRUE.persistence * h
    for horizon in (1, 7, 30):
        found = mean_ahead(TRUE, np.array([2.0]), horizon)[0]
        assert found == pytest.approx(np.mean(path[:horizon]), rel=1e-9)


def test_hole_lets_variance_return_to_its_mean_and_is_not_taken_for_calm() -> None:
    returns = np.full(400, math.nan)
    returns[0] = 5.0
    path = conditional_variance(TRUE, returns, 1.0)
    assert path[-1] == pytest.approx(TRUE.omega / (1.0 - TRUE.persistence), rel=1e-3)


@pytest.mark.parametrize(
    ("returns", "message"),
    [(np.zeros(500), "vary"), (np.ones(149), "at least 150"), (np.full(500, math.nan), "got 0")],
)
def test_too_little_or_nothing_that_varies_is_refused(returns: np.ndarray, message: str) -> None:
    with pytest.raises(InsufficientHistory, match=message):
        estimate_garch(returns, True, True)


def test_forecast_from_an_unknown_last_day_is_refused() -> None:
    past = history(300, 1)
    for model in (Garch("GARCH"), RealisedGarch()):
        fit = model.fit(past, 1)
        unknown = history(300, 1)
        unknown.measures.return_log[-1] = unknown.measures.variance[-1] = math.nan
        with pytest.raises(InsufficientHistory, match="last row"):
            fit.predict(unknown)


def test_digamma_agrees_with_scipy() -> None:
    from scipy.special import digamma

    for x in (0.3, 1.0, 2.6, 7.9, 8.0, 250.0):
        assert _garch.digamma(x) == pytest.approx(float(digamma(x)), rel=1e-11)


def _plain_realised(
    theta: np.ndarray, r: np.ndarray, log_x: np.ndarray, filler: float, start: float
) -> float:
    g, total = start, 0.0
    for ret, x in zip(r, log_x, strict=True):
        if not (math.isnan(ret) or math.isnan(x)):
            z = ret / math.exp(0.5 * g)
            fitted = theta[3] + theta[4] * g + theta[5] * z + theta[6] * (z * z - 1.0)
            total += float(norm.logpdf(ret, scale=math.exp(0.5 * g)))
            total += float(norm.logpdf(x, fitted, math.exp(0.5 * theta[7])))
        g = theta[0] + theta[1] * g + theta[2] * (filler if math.isnan(x) else x)
    return total


def test_realised_garch_kernel_equals_its_definition_and_its_gradient_differences() -> None:
    m = history(200, 4).measures
    r, log_x = 100.0 * m.return_log, np.log(1e4 * m.variance)
    r[30], log_x[90:95] = math.nan, math.nan
    theta = np.array([0.1, 0.6, 0.35, -0.2, 0.9, -0.05, 0.1, -1.2])
    found, gradient, _ = realised_likelihood(theta, r, log_x, 1.7, 1.0)
    assert found == pytest.approx(_plain_realised(theta, r, log_x, 1.7, 1.0), rel=1e-10)
    for j in range(8):
        width = 1e-6 * np.eye(8)[j]
        ends = [realised_likelihood(theta + s * width, r, log_x, 1.7, 1.0)[0] for s in (1.0, -1.0)]
        assert gradient[j] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-3)


def test_realised_garch_mean_ahead_is_that_of_simulated_paths() -> None:
    fit = RealisedGarch().fit(history(600, 6), 5)
    omega, beta, gamma, xi, phi, tau1, tau2, log_noise = fit.theta
    rng, n = np.random.default_rng(0), 200_000
    g, total = np.full(n, 1.5), np.zeros(n)
    for _ in range(5):
        z, u = rng.standard_normal((2, n))
        log_x = xi + phi * g + tau1 * z + tau2 * (z * z - 1.0) + math.exp(0.5 * log_noise) * u
        total += np.exp(log_x) / 5.0
        g = omega + beta * g + gamma * log_x
    found = float(fit.mean_ahead(np.array([1.5]))[0]) * 1e4
    assert abs(total.mean() - found) < 5.0 * total.std() / math.sqrt(n)
