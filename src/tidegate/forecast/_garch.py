# SPDX-License-Identifier: Apache-2.0
"""GJR-GARCH likelihood and its gradient row by row, compiled; `garch.py` says what is computed.

Parameters stand as mu, omega, a_up, a_down, beta, nu: a_up weighs the square of a positive shock,
a_down that of a negative one; nu = 0 is the normal law. The free coordinates of the search are
mu, log omega, three logits whose softmax is (a_up / 2, a_down / 2, beta) and leaves what is
missing to one, and a logit of nu; in the symmetric model a_up = a_down = a and the softmax is
(a, beta).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidegate.pricing._kernels import inner, kernel

FloatArray = npt.NDArray[np.float64]

PARAMETERS = 6
MU, OMEGA, UP, DOWN, BETA, NU = range(PARAMETERS)
LOG_2PI = 1.8378770664093453
NU_LEAST, NU_MOST = 2.05, 500.0
VARIANCE_LEAST = 1e-12
# Beyond it the logits move nothing that a double could hold.
FREE_MOST = 30.0


@inner
def digamma(x: float) -> float:
    """psi(x) for x > 0: recurrence up to 6, then the asymptotic series to 1 / x^12."""
    total = 0.0
    while x < 8.0:
        total -= 1.0 / x
        x += 1.0
    v = 1.0 / (x * x)
    series = v * (
        1.0 / 12.0 - v * (1.0 / 120.0 - v * (1.0 / 252.0 - v * (1.0 / 240.0 - v * (1.0 / 132.0))))
    )
    return total + math.log(x) - 0.5 / x - series


@kernel
def likelihood(
    theta: FloatArray, returns: FloatArray, presample: float, scores: FloatArray
) -> tuple[float, float]:
    """Log-likelihood, next variance; `scores` [n, 6] receives d log l_t / d theta.

    A NaN return adds nothing, and its square counts as the variance expected for it.
    """
    mu, omega, up, down = theta[MU], theta[OMEGA], theta[UP], theta[DOWN]
    beta, nu = theta[BETA], theta[NU]
    persistence = 0.5 * (up + down) + beta
    student = nu > 0.0
    constant, by_nu = -0.5 * LOG_2PI, 0.0
    if student:
        constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)
        constant -= 0.5 * math.log(math.pi * (nu - 2.0))
        by_nu = 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu)) - 0.5 / (nu - 2.0)
    h = omega + persistence * presample
    d_mu, d_omega, d_beta = 0.0, 1.0, presample
    d_up, d_down = 0.5 * presample, 0.5 * presample
    total = 0.0
    for t in range(returns.size):
        h = max(h, VARIANCE_LEAST)
        e = returns[t] - mu
        known = not math.isnan(e)
        square = e * e if known else h
        for j in range(PARAMETERS):
            scores[t, j] = 0.0
        if known:
            ratio = square / h
            if student:
                spread = nu - 2.0
                tail = 1.0 + ratio / spread
                total += constant - 0.5 * math.log(h) - 0.5 * (nu + 1.0) * math.log(tail)
                pull = (nu + 1.0) / (spread * tail)
                scores[t, NU] = by_nu - 0.5 * math.log(tail) + 0.5 * pull * ratio / spread
            else:
                total += constant - 0.5 * math.log(h) - 0.5 * ratio
                pull = 1.0
            by_h = 0.5 * (pull * ratio - 1.0) / h
            scores[t, MU] = pull * e / h + by_h * d_mu
            scores[t, OMEGA] = by_h * d_omega
            scores[t, UP] = by_h * d_up
            scores[t, DOWN] = by_h * d_down
            scores[t, BETA] = by_h * d_beta
            weight = up if e > 0.0 else down
            d_mu = beta * d_mu - 2.0 * weight * e
            d_omega = 1.0 + beta * d_omega
            d_up = beta * d_up + (square if e > 0.0 else 0.0)
            d_down = beta * d_down + (0.0 if e > 0.0 else square)
            d_beta = h + beta * d_beta
            h = omega + weight * square + beta * h
        else:
            d_mu = persistence * d_mu
            d_omega = 1.0 + persistence * d_omega
            d_up = 0.5 * h + persistence * d_up
            d_down = 0.5 * h + persistence * d_down
            d_beta = h + persistence * d_beta
            h = omega + persistence * h
    return total, h


@kernel
def variance_path(theta: FloatArray, returns: FloatArray, presample: float) -> FloatArray:
    """h of each row and of the one after the last, float64[n + 1]; a hole counts as expected."""
    mu, omega, up, down, beta = theta[MU], theta[OMEGA], theta[UP], theta[DOWN], theta[BETA]
    persistence = 0.5 * (up + down) + beta
    path = np.empty(returns.size + 1)
    h = omega + persistence * presample
    for t in range(returns.size):
        h = max(h, 0.0)
        path[t] = h
        e = returns[t] - mu
        if math.isnan(e):
            h = omega + persistence * h
        else:
            h = omega + (up if e > 0.0 else down) * e * e + beta * h
    path[returns.size] = h
    return path


@kernel
def parameters_at(free: FloatArray, shape: tuple[bool, bool]) -> FloatArray:
    """Parameters at a point of the search, float64[6]."""
    theta = np.empty(PARAMETERS)
    to_theta(free, shape, theta)
    return theta


@inner
def to_theta(free: FloatArray, shape: tuple[bool, bool], theta: FloatArray) -> None:
    """Parameters at a point of the search; `shape` is (asymmetric, Student)."""
    asymmetric, student = shape
    theta[MU], theta[OMEGA] = free[0], math.exp(free[1])
    whole = 1.0 + math.exp(free[2]) + math.exp(free[3])
    if asymmetric:
        whole += math.exp(free[4])
        theta[UP], theta[DOWN] = 2.0 * math.exp(free[2]) / whole, 2.0 * math.exp(free[4]) / whole
    else:
        theta[UP] = math.exp(free[2]) / whole
        theta[DOWN] = theta[UP]
    theta[BETA] = math.exp(free[3]) / whole
    theta[NU] = 0.0
    if student:
        theta[NU] = NU_LEAST + (NU_MOST - NU_LEAST) / (1.0 + math.exp(-free[free.size - 1]))


@inner
def chain(theta: FloatArray, shape: tuple[bool, bool], by_free: FloatArray) -> None:
    """d theta / d free, [6, k]."""
    asymmetric, student = shape
    k = by_free.shape[1]
    by_free[:] = 0.0
    by_free[MU, 0], by_free[OMEGA, 1] = 1.0, theta[OMEGA]
    a, b = theta[UP], theta[BETA]
    if asymmetric:
        p, q = 0.5 * theta[UP], 0.5 * theta[DOWN]
        by_free[UP, 2], by_free[UP, 3], by_free[UP, 4] = 2 * p * (1 - p), -2 * p * b, -2 * p * q
        by_free[DOWN, 2], by_free[DOWN, 3] = -2 * p * q, -2 * q * b
        by_free[DOWN, 4] = 2 * q * (1 - q)
        by_free[BETA, 2], by_free[BETA, 3], by_free[BETA, 4] = -p * b, b * (1 - b), -q * b
    else:
        by_free[UP, 2], by_free[UP, 3] = a * (1.0 - a), -a * b
        by_free[DOWN, 2], by_free[DOWN, 3] = a * (1.0 - a), -a * b
        by_free[BETA, 2], by_free[BETA, 3] = -a * b, b * (1.0 - b)
    if student:
        share = (theta[NU] - NU_LEAST) / (NU_MOST - NU_LEAST)
        by_free[NU, k - 1] = (NU_MOST - NU_LEAST) * share * (1.0 - share)


@inner
def value_at(
    free: FloatArray,
    returns: FloatArray,
    presample: float,
    shape: tuple[bool, bool],
    work: FloatArray,
) -> tuple[float, FloatArray]:
    """Minus the mean log-likelihood at a point and its gradient; `work` receives the scores."""
    theta, k = np.empty(PARAMETERS), free.size
    by_free = np.empty((PARAMETERS, k))
    to_theta(free, shape, theta)
    chain(theta, shape, by_free)
    total, _ = likelihood(theta, returns, presample, work)
    n = returns.size
    summed = np.zeros(PARAMETERS)
    for t in range(n):
        for i in range(PARAMETERS):
            summed[i] += work[t, i]
    gradient = np.zeros(k)
    for a in range(k):
        for i in range(PARAMETERS):
            gradient[a] -= by_free[i, a] * summed[i] / n
    return -total / n, gradient


@inner
def outer_of_scores(free: FloatArray, shape: tuple[bool, bool], work: FloatArray) -> FloatArray:
    """Mean outer product in free coordinates of the scores that the last `value_at` left."""
    theta, k, n = np.empty(PARAMETERS), free.size, work.shape[0]
    by_free = np.empty((PARAMETERS, k))
    to_theta(free, shape, theta)
    chain(theta, shape, by_free)
    outer = np.zeros((PARAMETERS, PARAMETERS))
    for t in range(n):
        for i in range(PARAMETERS):
            for j in range(i + 1):
                outer[i, j] += work[t, i] * work[t, j]
    for i in range(PARAMETERS):
        for j in range(i):
            outer[j, i] = outer[i, j]
    half = np.zeros((PARAMETERS, k))
    for i in range(PARAMETERS):
        for a in range(k):
            for j in range(PARAMETERS):
                half[i, a] += outer[i, j] * by_free[j, a]
    product = np.zeros((k, k))
    for a in range(k):
        for b in range(k):
            for i in range(PARAMETERS):
                product[a, b] += by_free[i, a] * half[i, b] / n
    return product


@inner
def inverted(outer: FloatArray) -> FloatArray:
    """Inverse of an outer product, made regular, with rows that lie together."""
    return np.ascontiguousarray(np.linalg.inv(outer + 1e-6 * np.eye(outer.shape[0])))


@inner
def renew(inverse: FloatArray, s: FloatArray, y: FloatArray, curvature: float) -> None:
    """The inverse Hessian of BFGS after a step s in which the gradient changed by y, in place."""
    hy = inverse @ y
    grown = (curvature + y @ hy) / curvature**2
    # Loops: numpy's outer products take a second to compile.
    for i in range(s.size):
        for j in range(s.size):
            inverse[i, j] += s[i] * s[j] * grown - (hy[i] * s[j] + s[i] * hy[j]) / curvature


@kernel
def maximise(
    start: FloatArray,
    returns: FloatArray,
    presample: float,
    shape: tuple[bool, bool],
    limits: tuple[float, int],
) -> tuple[FloatArray, float, float, int]:
    """BFGS from the scores' outer product (Berndt, Hall, Hall and Hausman 1974 as its first guess).

    `limits` is (largest gradient entry of the mean log-likelihood, iterations). Returns the point,
    the mean log-likelihood, the largest gradient entry there, and the iterations.
    """
    tolerance, most = limits
    work = np.empty((returns.size, PARAMETERS))
    free = start.copy()
    value, gradient = value_at(free, returns, presample, shape, work)
    inverse = inverted(outer_of_scores(free, shape, work))
    iteration = 0
    while iteration < most and np.abs(gradient).max() > tolerance:
        iteration += 1
        step = -inverse @ gradient
        slope = step @ gradient
        if not slope < 0.0:
            inverse = inverted(outer_of_scores(free, shape, work))
            step = -inverse @ gradient
            slope = step @ gradient
        shorter = min(1.0, 2.0 / np.abs(step).max())
        step, slope = step * shorter, slope * shorter
        length, moved = 1.0, False
        for _ in range(30):
            trial = np.minimum(np.maximum(free + length * step, -FREE_MOST), FREE_MOST)
            trial_value, trial_gradient = value_at(trial, returns, presample, shape, work)
            if trial_value <= value + 1e-4 * length * slope:
                moved = True
                break
            length *= 0.5
        if not moved:
            break
        s, y = trial - free, trial_gradient - gradient
        free, value, gradient = trial, trial_value, trial_gradient
        curvature = s @ y
        if curvature > 1e-12:
            renew(inverse, s, y, curvature)
    return free, -value, np.abs(gradient).max(), iteration
