# SPDX-License-Identifier: Apache-2.0
"""The numpy twin of `tidegate.pricing._calibration`: whole arrays and one dense system.

It takes the same steps with other means: bounds are a table of rows, sums run over all quotes at
once, and the step comes from a dense solve. The tests hold the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.pricing import _calibration as kernel
from tidegate.pricing._block_tridiagonal import RIDGE
from tidegate.pricing._calibration import Problem, Rules
from tidegate.pricing._elementary import normal_density_
from tidegate.pricing._essvi import black_
from tidegate.pricing.essvi import Parameters

FloatArray = npt.NDArray[np.float64]

# Slack = constant + signs . (own ln theta, ln p_put, ln p_call, ln psi) - signs . (those before).
_CALENDAR = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, -1]], dtype=float)
_BUTTERFLY = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, -1, 0, -1], [1, 0, -1, -1]], dtype=float)
_ROOM = np.repeat([kernel.LOG_WING_MAX, kernel.LOG_CURVATURE_MAX], 2)
# z = x - halves of x0, the coordinates of the prior.
_SHAPE = np.array([[1.0, 0.0, 0.0], [-0.5, 1.0, 0.0], [-0.5, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class _Sum:
    """A cost with its gradient and hessian by all logarithms, flat."""

    cost: float
    gradient: FloatArray
    hessian: FloatArray

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(
            self.cost + other.cost,
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )


def _with_psi(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[.., 4] with ln psi appended, and its derivative [.., 4, 3] by the three logarithms."""
    wings = np.exp(logs[..., 1:])
    log_psi = np.log(0.5 * wings.sum(axis=-1, keepdims=True))
    rows = np.zeros((*logs.shape[:2], 4, 3))
    rows[..., [0, 1, 2], [0, 1, 2]] = 1.0
    rows[..., 3, 1:] = wings / wings.sum(axis=-1, keepdims=True)
    return np.concatenate([logs, log_psi], axis=-1), rows


def _bounds(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slack of each bound that there is, flat, and its jacobian by all logarithms."""
    slices, regimes, _ = logs.shape
    four, rows = _with_psi(logs)
    own = four @ _BUTTERFLY.T + _ROOM
    step = (four[1:] - four[:-1]) @ _CALENDAR.T
    table = np.zeros((slices, regimes, kernel.BOUNDS, slices, regimes, 3))
    for i in range(slices):
        for c in range(regimes):
            table[i, c, 4:, i, c] = _BUTTERFLY @ rows[i, c]
            if i > 0:
                table[i, c, :4, i, c] = _CALENDAR @ rows[i, c]
                table[i, c, :4, i - 1, c] = -_CALENDAR @ rows[i - 1, c]
    slack = np.concatenate([np.full((slices, regimes, 4), np.nan), own], axis=-1)
    slack[1:, :, :4] = step
    exists = ~np.isnan(slack).reshape(-1)
    return slack.reshape(-1)[exists], table.reshape(exists.size, -1)[exists]


def _misfit(problem: Problem, logs: FloatArray, huber: float) -> _Sum:
    slices, regimes, _ = logs.shape
    where = np.repeat(np.arange(slices), np.diff(problem.offsets))
    k, residual = problem.log_strike, -problem.mid
    jacobian = np.zeros((k.size, slices, regimes, 3))
    for c, share in enumerate(problem.shares):
        theta, put, call = np.exp(logs[where, c]).T
        w = Parameters(theta, put, call).total_variance(k)
        d = 2.0 * w - theta - 0.5 * (call - put) * k
        s = np.sqrt(w)
        density = normal_density_(np.abs(k) / s - 0.5 * s)
        residual = residual + share * density * black_(np.abs(k), s)[5]
        vega = share * 0.5 * density / (s * d)
        by_put = (0.25 * call * k * k - 0.5 * w * k) * put
        by_call = (0.25 * put * k * k + 0.5 * w * k) * call
        jacobian[np.arange(k.size), where, c] = np.stack(
            [vega * w * theta, vega * by_put, vega * by_call], axis=-1
        )
    r, size = residual * problem.weight, np.abs(residual * problem.weight)
    flat = jacobian.reshape(k.size, -1) * problem.weight[:, None]
    influence = huber / np.maximum(size, huber)
    costs = np.where(size > huber, huber * (size - 0.5 * huber), 0.5 * r * r)
    hessian = flat.T @ (flat * influence[:, None])
    return _Sum(float(costs.sum()), flat.T @ (influence * r), np.asarray(hessian))


def _prior(problem: Problem, logs: FloatArray, start: FloatArray, rules: Rules) -> _Sum:
    """The prior is quadratic: half x' P x, counted from the start."""
    slices, regimes, _ = logs.shape
    steps = np.diff(np.eye(slices), axis=0) / np.sqrt(np.diff(problem.log_years))[:, None]
    walk = np.diag([rules.level_walk, rules.wing_walk, rules.wing_walk])
    along = np.kron(steps.T @ steps, np.kron(np.eye(regimes), _SHAPE.T @ walk @ _SHAPE))
    across = np.kron(np.eye(slices * regimes), rules.anchor * _SHAPE.T @ _SHAPE)
    precision, x = along + across, (logs - start).reshape(-1)
    return _Sum(float(0.5 * x @ precision @ x), precision @ x, np.asarray(precision))


def solve(problem: Problem, start: FloatArray, rules: Rules) -> tuple[FloatArray, float, int, bool]:
    """As `tidegate.pricing._calibration.solve`."""

    def evaluate(logs: FloatArray) -> _Sum:
        return _misfit(problem, logs, rules.huber) + _prior(problem, logs, start, rules)

    logs, mu, damping = start, kernel.BARRIER_FIRST, RIDGE
    slack, table = _bounds(logs)
    duals, here = mu / slack, evaluate(logs)
    for iteration in range(1, kernel.ITERATIONS + 1):
        gradient = here.gradient - table.T @ (mu / slack)
        hessian = here.hessian + table.T @ ((duals / slack)[:, None] * table)
        hessian += np.diag(RIDGE + damping * np.diag(hessian))
        step = np.asarray(np.linalg.solve(hessian, -gradient), dtype=np.float64)
        slope = float(gradient @ step)
        merit = here.cost - mu * np.log(slack).sum()
        found = _search(evaluate, (logs, step, slope), (slack, merit, mu))
        if found is None:
            return logs, here.cost, iteration, -slope < kernel.TOLERANCE
        length, logs, here, gain = found
        change, old = table @ step, slack
        slack, table = _bounds(logs)
        duals = duals + length * ((mu - duals * change) / old - duals)
        centre = mu / slack
        duals = np.clip(duals, centre / kernel.DUALS_APART, kernel.DUALS_APART * centre)
        if mu <= kernel.BARRIER_LAST and -slope < kernel.TOLERANCE:
            return logs, here.cost, iteration, True
        if length > kernel.LENGTH_GOOD:
            mu = max(kernel.BARRIER_LAST, kernel.BARRIER_SHRINK * mu)
        damping = kernel.damped(damping, gain / (-slope * length * (1.0 - 0.5 * length)))
    return logs, here.cost, kernel.ITERATIONS, False


def _search(
    evaluate: Callable[[FloatArray], _Sum],
    line: tuple[FloatArray, FloatArray, float],
    old: tuple[FloatArray, float, float],
) -> tuple[float, FloatArray, _Sum, float] | None:
    """The first shortening of the step that keeps the bounds and lowers the sum enough."""
    (logs, step, slope), (slack, merit, mu) = line, old
    length = kernel.STEP_MAX / max(kernel.STEP_MAX, float(np.max(np.abs(step))))
    for _ in range(kernel.TRIALS):
        trial = logs + length * step.reshape(logs.shape)
        there, _ = _bounds(trial)
        inside = bool(np.all(there >= kernel.SLACK_KEPT * slack))
        if inside:
            new = evaluate(trial)
            gain = merit - (new.cost - mu * np.log(there).sum())
            if gain >= -kernel.GAIN_LEAST * length * slope:
                return length, trial, new, gain
        length *= kernel.SHORTENED if inside else kernel.SHORTENED_AT_BOUND
    return None
