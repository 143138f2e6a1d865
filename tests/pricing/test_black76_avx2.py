# SPDX-License-Identifier: Apache-2.0
"""Kernels compiled for AVX2 alone: the same numbers, and no loop that is left scalar."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Runs where numba believes the processor to be of 2013; compares kernels with their numpy twins
# and looks at the instructions.
PROGRAMME = r"""
import json, re
import numpy as np
from tidegate.pricing import _black76, _scenarios, black76, scenarios

rng = np.random.default_rng(8)
expiry, vol = rng.uniform(1e-4, 2, 5_000), rng.uniform(0.1, 4, 5_000)
strike = 100 * np.exp(vol * np.sqrt(expiry) * rng.normal(size=5_000))
is_call = rng.random(5_000) < 0.5
found = black76.greeks(100.0, strike, expiry, vol, is_call, 0.97)
full = tuple(np.full(5_000, x, dtype=float) for x in (100.0, strike, expiry, vol, is_call, 0.97))
twin = _black76.greeks_twin(full)
errors = [
    float(np.max(np.abs(getattr(found, name) - row)) / np.max(np.abs(row)))
    for name, row in zip(black76.Greeks.__slots__, twin, strict=True)
]
book = scenarios.OptionBook(100.0, strike[:300], expiry[:300], vol[:300], is_call[:300], 1.0, True)
matrix = scenarios._with_base(scenarios._matrix(book, "additive"))
rows = np.arange(20)
walk = scenarios._Walk(
    rng.uniform(0.5, 2, (20, 1)), rng.uniform(-0.2, 0.5, (20, 1)), rows, rows, np.zeros(20)
)
_, options = scenarios._run(matrix, walk, True)
errors.append(float(np.max(np.abs(options - _scenarios.revalue_twin(matrix, walk.scenarios())))))
def counts(kernel):
    text = next(iter(kernel.inspect_asm().values()))
    assert "%ymm" in text and "%zmm" not in text
    return [len(re.findall(rf"\bvdiv{kind}\b", text)) for kind in ("pd", "sd")]

print(json.dumps({
    "errors": errors,
    "greeks": counts(_black76.greeks),
    "scenarios": counts(_scenarios.revalue),
}))
"""


@pytest.mark.soak(promise="R18")
def test_kernels_compiled_for_avx2_agree_with_their_twins_and_are_vectorised(
    tmp_path: Path,
) -> None:
    from llvmlite import binding

    if platform.machine() != "x86_64" or not binding.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor does not know AVX2")
    told = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMME],
        capture_output=True,
        text=True,
        env=os.environ | told,
        check=True,
    )
    found = json.loads(done.stdout)
    assert max(found["errors"]) < 1e-12
    packed, scalar = found["greeks"]
    assert packed > 0
    assert scalar == 0
    # A book's last step is padded, so that the scalar loop after a vectorised one never runs.
    packed, scalar = found["scenarios"]
    assert packed >= scalar > 0
