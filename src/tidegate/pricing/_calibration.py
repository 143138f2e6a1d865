# SPDX-License-Identifier: Apache-2.0
"""The compiled fit of eSSVI regimes to quotes: an interior-point method on all slices at once.

Unknown are x = (ln theta, ln p_put, ln p_call) of each slice and regime. Minimised is the sum of

- **misfit**: Huber's function of (value - mid) / half spread over all quotes, the value being the
  regimes' out-of-the-money values mixed by their shares. A price error over a spread is a vol
  error times vega over the spread, so this weighs by vega and spread;
- **prior**: with z = (x0, x1 - x0 / 2, x2 - x0 / 2) counted from the start, half of
  walk |z_i - z_(i-1)|**2 / (ln T_i - ln T_(i-1)) + anchor |z_i|**2: it fills in where an expiry
  has few quotes, and is weak against one quote;
- **barrier**: -mu ln of the slack of each bound of `tidegate.pricing.essvi`, in logarithms. The
  bounds hold at every iterate, so that no answer can break them, whatever the quotes say.

The step is Gauss-Newton for the misfit and primal-dual for the bounds (Nocedal and Wright 2006,
chapters 10 and 19). Only neighbouring slices touch, so the system is block tridiagonal and is
solved by a block Cholesky factorisation in time linear in the number of slices.

`tidegate.pricing._calibration_twin` is the same in numpy, with dense matrices.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.pricing._block_tridiagonal import RIDGE, newton_step
from tidegate.pricing._elementary import INV_SQRT_2PI, exp_, mills_, select
from tidegate.pricing._kernels import summing_kernel
from tidegate.pricing._limits import CURVATURE_MAX, WING_MAX

FloatArray = npt.NDArray[np.float64]

LOG_WING_MAX, LOG_CURVATURE_MAX = math.log(WING_MAX), math.log(CURVATURE_MAX)
BOUNDS = 8
# The first four bounds of a slice are against the slice before it.
CALENDAR_BOUNDS = 4

BARRIER_FIRST, BARRIER_LAST, BARRIER_SHRINK = 0.1, 0.01, 0.3
# No bound's slack may shrink to less than this share in one step.
SLACK_KEPT = 0.02
STEP_MAX = 1.0
ITERATIONS, TRIALS = 80, 25
# Damping is a share of the diagonal. It grows where a step gains less than a quarter of what the
# quadratic model foretells, and decays where it gains over three quarters.
DAMPING_FIRST, DAMPING_GROWTH, DAMPING_DECAY = 1e-3, 10.0, 0.1
GAIN_POOR, GAIN_GOOD = 0.25, 0.75
# Iteration ends where the step would lower the sum by less than this, in squared half spreads.
TOLERANCE = 1e-3
# A step counts if it gains this share of what its slope promises; one that does not is shortened
# to this share of itself, or to the other where it left too little of a bound's slack.
GAIN_LEAST, SHORTENED, SHORTENED_AT_BOUND = 1e-4, 0.4, 0.7
# The barrier shrinks after a step of more than this share of its full length.
LENGTH_GOOD = 0.3
# Multipliers stay within this factor of mu / slack.
DUALS_APART = 100.0


class Problem(NamedTuple):
    """Quotes sorted by expiry; slice i has those from offsets[i] to offsets[i + 1].

    log_strike [n]; mid [n] is the out-of-the-money mid over the forward, and for k < 0 over K;
    weight [n] is 1 / half spread in the same unit; log_years [slices]; shares [regimes].
    """

    log_strike: FloatArray
    mid: FloatArray
    weight: FloatArray
    offsets: npt.NDArray[np.int64]
    log_years: FloatArray
    shares: FloatArray


class Rules(NamedTuple):
    """Huber's threshold in half spreads, and the precisions of the prior."""

    huber: float
    level_walk: float
    wing_walk: float
    anchor: float


class State(NamedTuple):
    """A point and what is known there; logs [slices, regimes, 3] = ln theta, ln p_put, ln p_call.

    values [.., 5]: theta, p_put, p_call, ln psi and p_put / (p_put + p_call); slack [.., 8] of the
    bounds; hessian and coupling to the slice before [slices, q, q], gradient [slices, q], q being
    three times the regimes. Of the hessian only the lower triangle is kept.
    """

    logs: FloatArray
    values: FloatArray
    slack: FloatArray
    hessian: FloatArray
    coupling: FloatArray
    gradient: FloatArray


class Work(NamedTuple):
    """Memory: jacobian [q, most quotes], residual and influence, step, duals, one bound's row."""

    jacobian: FloatArray
    residual: FloatArray
    influence: FloatArray
    step: FloatArray
    duals: FloatArray
    row: FloatArray


def _state(logs: FloatArray) -> State:
    slices, regimes, _ = logs.shape
    q = 3 * regimes
    return State(
        logs.copy(),
        np.zeros((slices, regimes, 5)),
        np.ones((slices, regimes, BOUNDS)),
        np.zeros((slices, q, q)),
        np.zeros((slices, q, q)),
        np.zeros((slices, q)),
    )


def _work(problem: Problem, slices: int, regimes: int) -> Work:
    most, q = int(np.max(np.diff(problem.offsets))), 3 * regimes
    return Work(
        np.zeros((q, most)),
        np.zeros(most),
        np.zeros(most),
        np.zeros((slices, q)),
        np.zeros((slices, regimes, BOUNDS)),
        np.zeros(6),
    )


@summing_kernel
def _place(state: State) -> None:
    """Fills values and slack from the logarithms."""
    slices, regimes, _ = state.logs.shape
    for i in range(slices):
        for c in range(regimes):
            x, value, slack = state.logs[i, c], state.values[i, c], state.slack[i, c]
            for m in range(3):
                value[m] = math.exp(x[m])
            both = value[1] + value[2]
            value[3], value[4] = math.log(0.5 * both), value[1] / both
            slack[4], slack[5] = LOG_WING_MAX - x[1], LOG_WING_MAX - x[2]
            room = LOG_CURVATURE_MAX + x[0] - value[3]
            slack[6], slack[7] = room - x[1], room - x[2]
            if i > 0:
                for m in range(3):
                    slack[m] = x[m] - state.logs[i - 1, c, m]
                slack[3] = slack[0] - value[3] + state.values[i - 1, c, 3]


@summing_kernel
def _bound_row(state: State, i: int, c: int, m: int, row: FloatArray) -> None:
    """The gradient of a bound's slack by the slice's three logarithms, then by those before."""
    row[:] = 0.0
    put = state.values[i, c, 4]
    if m < 3:
        row[m], row[3 + m] = 1.0, -1.0
    elif m == 3:
        before = state.values[i - 1, c, 4]
        row[0], row[1], row[2] = 1.0, -put, put - 1.0
        row[3], row[4], row[5] = -1.0, before, 1.0 - before
    elif m < 6:
        row[m - 3] = -1.0
    else:
        row[0], row[1], row[2] = 1.0, -put, put - 1.0
        row[m - 5] -= 1.0


@summing_kernel
def _add(state: State, row: FloatArray, i: int, c: int, curvature: float, slope: float) -> None:
    """Adds a term with this row: slope times it, curvature times its square."""
    o = 3 * c
    for a in range(3):
        state.gradient[i, o + a] += slope * row[a]
        for b in range(a + 1):
            state.hessian[i, o + a, o + b] += curvature * row[a] * row[b]
    if i > 0:
        for a in range(3):
            state.gradient[i - 1, o + a] += slope * row[3 + a]
            for b in range(a + 1):
                state.hessian[i - 1, o + a, o + b] += curvature * row[3 + a] * row[3 + b]
            for b in range(3):
                state.coupling[i, o + a, o + b] += curvature * row[a] * row[3 + b]


@summing_kernel
def _mix(problem: Problem, value: FloatArray, c: int, span: tuple[int, int], work: Work) -> None:
    """Adds one regime's value to the residuals of a slice, and its rows to the jacobian.

    By put-call symmetry the value at k < 0 over K is the call's at |k| with the same variance:
    phi(h) (M(h) - M(u)); its derivative by w is phi(h) / (2 s), and w's by the parameters are
    in the text of `tidegate.pricing.essvi`.
    """
    low, high = span
    theta, put, call = value[0], value[1], value[2]
    tilt, product, share = 0.5 * (call - put), call * put, problem.shares[c]
    by_theta, by_put, by_call = work.jacobian[3 * c : 3 * c + 3]
    residual, k, weight = work.residual, problem.log_strike[low:high], problem.weight[low:high]
    for n in range(high - low):
        a, square = theta + tilt * k[n], k[n] * k[n]
        d = math.sqrt(a * a + product * square)
        w = 0.5 * select(a >= 0.0, a + d, product * square / select(a >= 0.0, 1.0, d - a))
        s = math.sqrt(w)
        y = abs(k[n]) / s
        h, u = y - 0.5 * s, y + 0.5 * s
        density = INV_SQRT_2PI * exp_(-0.5 * h * h)
        tail = density * mills_(abs(h))
        residual[n] += share * (select(h < 0.0, 1.0 - tail, tail) - density * mills_(u))
        vega = share * weight[n] * 0.5 * density / (s * d)
        by_theta[n] = vega * w * theta
        by_put[n] = vega * (0.25 * call * square - 0.5 * w * k[n]) * put
        by_call[n] = vega * (0.5 * w * k[n] + 0.25 * put * square) * call


@summing_kernel
def _gather(state: State, work: Work, i: int, count: int) -> None:
    """Adds the sums over a slice's quotes to its gradient and hessian."""
    q = state.gradient.shape[1]
    for a in range(q):
        row, total = work.jacobian[a], 0.0
        for n in range(count):
            total += row[n] * work.residual[n]
        state.gradient[i, a] += total
        for b in range(a + 1):
            other, total = work.jacobian[b], 0.0
            for n in range(count):
                total += row[n] * work.influence[n] * other[n]
            state.hessian[i, a, b] += total


@summing_kernel
def _misfit(problem: Problem, state: State, huber: float, work: Work) -> float:
    """The sum of Huber's function over all quotes, with its gradient and hessian."""
    total = 0.0
    for i in range(len(problem.log_years)):
        low, high = problem.offsets[i], problem.offsets[i + 1]
        for n in range(high - low):
            work.residual[n] = -problem.mid[low + n]
        for c in range(len(problem.shares)):
            _mix(problem, state.values[i, c], c, (low, high), work)
        for n in range(high - low):
            r = work.residual[n] * problem.weight[low + n]
            size = abs(r)
            far = size > huber
            total += select(far, huber * (size - 0.5 * huber), 0.5 * r * r)
            influence = huber / select(far, size, huber)
            work.influence[n], work.residual[n] = influence, influence * r
        _gather(state, work, i, high - low)
    return total


@summing_kernel
def _prior(
    problem: Problem, state: State, start: FloatArray, rules: Rules, row: FloatArray
) -> float:
    """Half the precisions times the squares, with gradient and hessian."""
    total = 0.0
    slices, regimes, _ = start.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(3):
                row[:] = 0.0
                row[m], halved = 1.0, select(m > 0, 0.5, 0.0)
                row[0] -= halved
                x, origin = state.logs[i, c], start[i, c]
                z = x[m] - origin[m] - halved * (x[0] - origin[0])
                total += 0.5 * rules.anchor * z * z
                _add(state, row, i, c, rules.anchor, rules.anchor * z)
                if i > 0:
                    x, origin = state.logs[i - 1, c], start[i - 1, c]
                    z -= x[m] - origin[m] - halved * (x[0] - origin[0])
                    for a in range(3):
                        row[3 + a] = -row[a]
                    walk = select(m > 0, rules.wing_walk, rules.level_walk)
                    walk /= problem.log_years[i] - problem.log_years[i - 1]
                    total += 0.5 * walk * z * z
                    _add(state, row, i, c, walk, walk * z)
    return total


@summing_kernel
def _evaluate(problem: Problem, state: State, start: FloatArray, rules: Rules, work: Work) -> float:
    """Misfit and prior, with gradient and hessian."""
    state.gradient[:] = 0.0
    state.hessian[:] = 0.0
    state.coupling[:] = 0.0
    cost: float = _misfit(problem, state, rules.huber, work)
    return cost + _prior(problem, state, start, rules, work.row)


@summing_kernel
def _barrier(state: State) -> float:
    """-ln of the slack of each bound, summed; the first slice has none before it."""
    total = 0.0
    slices, regimes, _ = state.slack.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(CALENDAR_BOUNDS if i == 0 else 0, BOUNDS):
                total -= math.log(state.slack[i, c, m])
    return total


@summing_kernel
def _add_barrier(state: State, work: Work, mu: float) -> None:
    slices, regimes, _ = state.slack.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(CALENDAR_BOUNDS if i == 0 else 0, BOUNDS):
                _bound_row(state, i, c, m, work.row)
                slack = state.slack[i, c, m]
                _add(state, work.row, i, c, work.duals[i, c, m] / slack, -mu / slack)


@summing_kernel
def _renew_duals(state: State, trial: State, work: Work, mu: float, length: float) -> None:
    """The primal-dual step of the multipliers, kept near mu / slack."""
    slices, regimes, _ = state.slack.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(CALENDAR_BOUNDS if i == 0 else 0, BOUNDS):
                _bound_row(state, i, c, m, work.row)
                change = 0.0
                for a in range(3):
                    change += work.row[a] * work.step[i, 3 * c + a]
                    if i > 0:
                        change += work.row[3 + a] * work.step[i - 1, 3 * c + a]
                slack, dual = state.slack[i, c, m], work.duals[i, c, m]
                dual += length * ((mu - dual * change) / slack - dual)
                centre = mu / trial.slack[i, c, m]
                work.duals[i, c, m] = min(max(dual, centre / DUALS_APART), DUALS_APART * centre)


@summing_kernel
def _advance(state: State, trial: State, step: FloatArray, length: float) -> bool:
    """Places the trial; says whether each bound keeps enough of its slack."""
    slices, regimes, _ = state.logs.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(3):
                trial.logs[i, c, m] = state.logs[i, c, m] + length * step[i, 3 * c + m]
    _place(trial)
    for i in range(slices):
        for c in range(regimes):
            for m in range(BOUNDS):
                if not trial.slack[i, c, m] >= SLACK_KEPT * state.slack[i, c, m]:
                    return False
    return True


@summing_kernel
def _first(state: State, work: Work) -> None:
    """The multipliers at the start: mu / slack."""
    slices, regimes, _ = state.slack.shape
    for i in range(slices):
        for c in range(regimes):
            for m in range(BOUNDS):
                work.duals[i, c, m] = BARRIER_FIRST / state.slack[i, c, m]


@summing_kernel
def _longest(step: FloatArray) -> float:
    """The share of a step after which no logarithm changes by more than the limit."""
    largest = STEP_MAX
    for i in range(step.shape[0]):
        for a in range(step.shape[1]):
            largest = max(largest, abs(step[i, a]))
    return STEP_MAX / largest


@summing_kernel
def damped(damping: float, gain: float) -> float:
    """The next damping, by the step's gain over that of the quadratic model."""
    if gain < GAIN_POOR:
        return max(DAMPING_FIRST, DAMPING_GROWTH * damping)
    return max(RIDGE, DAMPING_DECAY * damping) if gain > GAIN_GOOD else damping


@summing_kernel
def _iterate(
    problem: Problem, start: FloatArray, rules: Rules, states: tuple[State, State], work: Work
) -> tuple[FloatArray, float, int, bool]:
    state, trial = states
    mu, damping = BARRIER_FIRST, RIDGE
    _place(state)
    _first(state, work)
    cost = _evaluate(problem, state, start, rules, work)
    for iteration in range(1, ITERATIONS + 1):
        merit = cost + mu * _barrier(state)
        _add_barrier(state, work, mu)
        slope = newton_step(state.hessian, state.coupling, state.gradient, work.step, damping)
        length, found, trial_cost, gain = _longest(work.step), False, cost, 0.0
        for _ in range(TRIALS):
            inside = _advance(state, trial, work.step, length)
            if inside:
                trial_cost = _evaluate(problem, trial, start, rules, work)
                gain = merit - trial_cost - mu * _barrier(trial)
                found = gain >= -GAIN_LEAST * length * slope
            if found:
                break
            length *= SHORTENED if inside else SHORTENED_AT_BOUND
        if not found:
            return state.logs, cost, iteration, -slope < TOLERANCE
        _renew_duals(state, trial, work, mu, length)
        state, trial, cost = trial, state, trial_cost
        if mu <= BARRIER_LAST and -slope < TOLERANCE:
            return state.logs, cost, iteration, True
        if length > LENGTH_GOOD:
            mu = max(BARRIER_LAST, BARRIER_SHRINK * mu)
        damping = damped(damping, gain / (-slope * length * (1.0 - 0.5 * length)))
    return state.logs, cost, ITERATIONS, False


def solve(problem: Problem, start: FloatArray, rules: Rules) -> tuple[FloatArray, float, int, bool]:
    """The fit from a start that keeps the bounds.

    Returns: logarithms [slices, regimes, 3] that keep the bounds, misfit and prior there, the
    number of iterations, and whether the last step was small rather than refused.
    """
    work = _work(problem, start.shape[0], start.shape[1])
    answer: tuple[FloatArray, float, int, bool] = _iterate(
        problem, start, rules, (_state(start), _state(start)), work
    )
    return answer
