# SPDX-License-Identifier: Apache-2.0
"""Realised GARCH likelihood and gradient, compiled; `realised_garch.py` says what is computed.

Parameters stand as omega, beta, gamma, xi, phi, tau1, tau2, log sigma_u^2.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidegate.pricing._kernels import kernel

FloatArray = npt.NDArray[np.float64]

PARAMETERS = 8
LOG_2PI = 1.8378770664093453
# log h is kept within these, so that a step of the search that is far off has a finite value.
LOG_LEAST, LOG_MOST = -30.0, 30.0


@kernel
def likelihood(
    theta: FloatArray, returns: FloatArray, log_x: FloatArray, filler: float, start: float
) -> tuple[float, FloatArray, float]:
    """Log-likelihood of returns and measures, its gradient float64[8], and the next log h.

    A row whose return or measure is NaN adds nothing; a missing measure counts as `filler`.
    """
    omega, beta, gamma, xi, phi = theta[0], theta[1], theta[2], theta[3], theta[4]
    tau1, tau2 = theta[5], theta[6]
    precision = math.exp(-theta[7])
    gradient = np.zeros(PARAMETERS)
    g = start
    d_omega, d_beta, d_gamma = 0.0, 0.0, 0.0
    total = 0.0
    for t in range(returns.size):
        x = log_x[t]
        known = not (math.isnan(returns[t]) or math.isnan(x))
        if known:
            z = returns[t] * math.exp(-0.5 * g)
            u = x - xi - phi * g - tau1 * z - tau2 * (z * z - 1.0)
            total -= LOG_2PI + 0.5 * (g + z * z + theta[7] + u * u * precision)
            pull = u * precision
            by_g = 0.5 * (z * z - 1.0) - pull * (tau2 * z * z + 0.5 * tau1 * z - phi)
            gradient[0] += by_g * d_omega
            gradient[1] += by_g * d_beta
            gradient[2] += by_g * d_gamma
            gradient[3] += pull
            gradient[4] += pull * g
            gradient[5] += pull * z
            gradient[6] += pull * (z * z - 1.0)
            gradient[7] += 0.5 * (u * pull - 1.0)
        taken = filler if math.isnan(x) else x
        d_omega, d_beta, d_gamma = (
            1.0 + beta * d_omega,
            g + beta * d_beta,
            taken + beta * d_gamma,
        )
        g = omega + beta * g + gamma * taken
        if g < LOG_LEAST or g > LOG_MOST:
            g = min(max(g, LOG_LEAST), LOG_MOST)
            d_omega, d_beta, d_gamma = 0.0, 0.0, 0.0
    return total, gradient, g


@kernel
def log_variance_path(
    theta: FloatArray, log_x: FloatArray, filler: float, start: float
) -> FloatArray:
    """log h of each row and of the one after the last, float64[n + 1]."""
    path = np.empty(log_x.size + 1)
    path[0] = start
    for t in range(log_x.size):
        taken = filler if math.isnan(log_x[t]) else log_x[t]
        g = theta[0] + theta[1] * path[t] + theta[2] * taken
        path[t + 1] = min(max(g, LOG_LEAST), LOG_MOST)
    return path
