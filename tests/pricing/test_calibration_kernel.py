# SPDX-License-Identifier: Apache-2.0
"""The compiled fit and its numpy twin, the Newton step, and the derivatives they rest on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pricing.made_chains import crypto, made_chain
from tidegate.pricing import _block_tridiagonal, _calibration, _calibration_twin, calibration
from tidegate.pricing._calibration import Problem, Rules
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.calibration import Settings
from tidegate.pricing.option_chain import quotes

RULES = Rules(2.0, 1.0, 0.3, 0.01)


def posed(seed: int, regimes: int = 2, days: tuple[float, ...] = (2, 9, 40, 200)) -> tuple:
    """A problem with noise of a spread, and its start."""
    rng = np.random.default_rng(seed)

    def vols(k: FloatArray, years: FloatArray) -> FloatArray:
        return np.asarray(crypto(k, years) + 0.02 * rng.normal(size=k.size))

    chain = made_chain(vols, days=days, strikes=12)
    used, rules = quotes(chain), Settings(regimes=regimes)
    slices = calibration._slices(used, chain, rules)
    problem = calibration._problem(used, slices, rules)
    return problem, calibration._start(used, slices, rules)


@pytest.mark.parametrize("regimes", [1, 2])
@pytest.mark.parametrize("days", [(30,), (2, 9, 40, 200)])
@pytest.mark.parametrize("seed", [4, 7])
def test_kernel_takes_the_same_steps_as_its_numpy_twin(
    seed: int, regimes: int, days: tuple[float, ...]
) -> None:
    problem, start = posed(seed, regimes, days)
    logs, cost, iterations, converged = _calibration.solve(problem, start, RULES)
    twin = _calibration_twin.solve(problem, start, RULES)
    assert converged
    assert (iterations, converged) == twin[2:]
    assert cost == pytest.approx(twin[1], rel=1e-9)
    assert logs == pytest.approx(twin[0], abs=1e-8)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0.01, 0.3))
def test_gradient_of_the_fit_is_that_of_its_cost(seed: int, scale: float) -> None:
    problem, start = posed(seed % 5)
    rng = np.random.default_rng(seed)
    logs, along = (start + scale * rng.normal(size=start.shape) for _ in range(2))
    along -= start

    def cost(x: FloatArray) -> float:
        return _sum(problem, x, start).cost

    step = 1e-6
    measured = (cost(logs + step * along) - cost(logs - step * along)) / (2.0 * step)
    stated = _sum(problem, logs, start).gradient @ along.reshape(-1)
    assert stated == pytest.approx(measured, rel=1e-5, abs=1e-4)


def _sum(problem: Problem, logs: FloatArray, start: FloatArray) -> _calibration_twin._Sum:
    misfit = _calibration_twin._misfit(problem, logs, RULES.huber)
    return misfit + _calibration_twin._prior(problem, logs, start, RULES)


def test_jacobian_of_the_bounds_is_that_of_their_slack() -> None:
    _, start = posed(1)
    along = np.random.default_rng(2).normal(size=start.shape)
    slack, table = _calibration_twin._bounds(start)
    step = 1e-6
    ahead, behind = (_calibration_twin._bounds(start + s * along)[0] for s in (step, -step))
    assert table @ along.reshape(-1) == pytest.approx((ahead - behind) / (2 * step), abs=1e-8)
    assert np.all(slack > 0.0)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_newton_step_solves_the_block_tridiagonal_system(n: int, q: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = np.tril(rng.normal(size=(n * q, n * q))) * np.kron(
        np.eye(n) + np.eye(n, k=-1), np.ones((q, q))
    )
    dense = root @ root.T + 0.5 * np.eye(n * q)
    blocks = dense.reshape(n, q, n, q).transpose(0, 2, 1, 3)
    hessian = np.array([blocks[i, i] for i in range(n)])
    coupling = np.array([blocks[i, max(i - 1, 0)] for i in range(n)])
    gradient, step = rng.normal(size=(n, q)), np.zeros((n, q))
    slope = _block_tridiagonal.newton_step(hessian, coupling, gradient, step, 0.0)
    dense += _block_tridiagonal.RIDGE * np.eye(n * q)
    assert dense @ step.reshape(-1) == pytest.approx(-gradient.reshape(-1), abs=1e-8)
    assert slope == pytest.approx(np.sum(gradient * step))
    assert slope < 0.0
