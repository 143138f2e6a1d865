# SPDX-License-Identifier: Apache-2.0
"""Newton steps with a block tridiagonal hessian, in time linear in the number of blocks.

Block Cholesky: with D_i the diagonal blocks and E_i the blocks left of them, L_i L_i' =
D_i - (E_i L_(i-1)^-T) (E_i L_(i-1)^-T)', then substitution down and up (Golub and Van Loan 2013,
section 4.5).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidegate.pricing._kernels import summing_kernel

FloatArray = npt.NDArray[np.float64]

RIDGE = 1e-9


@summing_kernel
def _factorise(lower: FloatArray) -> None:
    """Cholesky's factorisation of one block in place; a pivot that is not positive becomes 1."""
    q = lower.shape[0]
    for a in range(q):
        for b in range(a + 1):
            s = lower[a, b]
            for m in range(b):
                s -= lower[a, m] * lower[b, m]
            if a > b:
                lower[a, b] = s / lower[b, b]
            else:
                lower[a, a] = math.sqrt(s) if s > 0.0 else 1.0


@summing_kernel
def _eliminate(coupling: FloatArray, before: FloatArray, hessian: FloatArray) -> None:
    """coupling <- coupling L^-T with L of the slice before, hessian <- hessian - its square."""
    q = hessian.shape[0]
    for a in range(q):
        for b in range(q):
            s = coupling[a, b]
            for m in range(b):
                s -= coupling[a, m] * before[b, m]
            coupling[a, b] = s / before[b, b]
        for b in range(a + 1):
            s = 0.0
            for m in range(q):
                s += coupling[a, m] * coupling[b, m]
            hessian[a, b] -= s


@summing_kernel
def newton_step(
    hessian: FloatArray,
    coupling: FloatArray,
    gradient: FloatArray,
    step: FloatArray,
    damping: float,
) -> float:
    """Fills the step with -(H + damping diag H)^-1 gradient; returns gradient . step.

    hessian [n, q, q], of which the lower triangles are read, and coupling [n, q, q] of each block
    to the one before it are overwritten; gradient and step [n, q].
    """
    slices, q = step.shape
    for i in range(slices):
        lower = hessian[i]
        for a in range(q):
            lower[a, a] += RIDGE + damping * lower[a, a]
        if i > 0:
            _eliminate(coupling[i], hessian[i - 1], lower)
        _factorise(lower)
        for a in range(q):
            s = -gradient[i, a]
            for m in range(q if i > 0 else 0):
                s -= coupling[i, a, m] * step[i - 1, m]
            for m in range(a):
                s -= lower[a, m] * step[i, m]
            step[i, a] = s / lower[a, a]
    slope = 0.0
    for i in range(slices - 1, -1, -1):
        lower = hessian[i]
        for a in range(q - 1, -1, -1):
            s = step[i, a]
            for m in range(q if i < slices - 1 else 0):
                s -= coupling[i + 1, m, a] * step[i + 1, m]
            for m in range(a + 1, q):
                s -= lower[m, a] * step[i, m]
            step[i, a] = s / lower[a, a]
            slope += gradient[i, a] * step[i, a]
    return slope
