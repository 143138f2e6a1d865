# SPDX-License-Identifier: Apache-2.0
"""The guess of implied volatility: how near it is, and that its coefficients can be fitted anew."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import binding

from tests.pricing import implied_vol_fit
from tidegate.pricing import _implied_vol

ERRORS = {"normal": 3.0e-4, "low": 3.2e-4, "high": 5.0e-4}


@pytest.mark.parametrize("name", ERRORS)
def test_coefficients_in_use_are_as_near_as_their_fit(name: str) -> None:
    fit = implied_vol_fit.FITS[name]()
    assert 0.5 * ERRORS[name] < fit.error(fit.used) < ERRORS[name]


@pytest.mark.soak(promise="R18")
@pytest.mark.parametrize("name", ERRORS)
def test_coefficients_fitted_anew_are_hardly_nearer(name: str) -> None:
    fit = implied_vol_fit.FITS[name]()
    anew = fit.error(fit.fitted())
    assert 0.8 * fit.error(fit.used) < anew < 1.2 * ERRORS[name]


def test_guess_is_within_a_thousandth_up_to_a_log_moneyness_of_three_and_a_half() -> None:
    a, s, log_p, q = implied_vol_fit.grid(np.linspace(0.0, 3.5, 250), np.geomspace(1e-3, 16, 500))
    guess = _implied_vol.guess_((np.exp(log_p), q, np.expm1(a), a))
    assert np.abs(guess / s - 1.0).max() < 1e-3


# Run in a process of its own, in which numba takes the processor for another.
INSTRUCTIONS = """
import numpy as np
from tests.pricing.implied_vol_quotes import random_quotes
from tidegate.pricing import _implied_vol
from tidegate.pricing._kernels import inner

kernel = inner(_implied_vol.solve.py_func)
quotes = random_quotes(100_000, seed=5)
vol = np.empty(100_000)
kernel(quotes.quote, vol)
assert np.abs(vol - quotes.vol).max() <= 1e-12
(code,) = kernel.inspect_asm().values()
print(code.count("zmm"), code.count("ymm"), code.count("divsd"), code.count("divpd"))
"""


def instructions(**environment: str) -> tuple[int, ...]:
    run = subprocess.run(
        [sys.executable, "-c", INSTRUCTIONS],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(int(word) for word in run.stdout.split())


def host_has(feature: str) -> bool:
    return bool(binding.get_host_cpu_features().get(feature))


@pytest.mark.soak(promise="R18")
@pytest.mark.skipif(not host_has("avx2"), reason="this processor has no AVX2")
def test_kernel_for_avx2_is_vectorised_throughout_and_as_exact() -> None:
    zmm, ymm, scalar, vector = instructions(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="")
    assert zmm == 0
    assert ymm > 500
    assert vector >= 9
    assert scalar == 0


@pytest.mark.soak(promise="R18")
@pytest.mark.skipif(not host_has("avx2"), reason="this processor has no AVX2")
def test_kernel_for_this_processor_is_vectorised_throughout_and_as_exact() -> None:
    zmm, ymm, scalar, vector = instructions()
    assert zmm + ymm > 500
    assert vector >= 9
    assert scalar == 0
