# SPDX-License-Identifier: Apache-2.0
"""Seeds that once broke a promise, each a file beside this one that says what was found.

A file with `open = true` is of a fault that is known and not mended yet; it must still be found.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tidegate.simulation.faults.runner import run_seed

FILES = sorted(Path(__file__).parent.glob("seed-*.toml"))


def case(path: Path) -> object:
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    marks = [pytest.mark.xfail(strict=True, reason=said["found"])] if said.get("open") else []
    return pytest.param(said["seed"], said["ticks"], id=path.stem, marks=marks)


@pytest.mark.parametrize(("seed", "ticks"), [case(path) for path in FILES])
def test_seed_that_once_broke_a_promise_keeps_every_one(seed: int, ticks: int) -> None:
    result = run_seed(seed, ticks)
    assert not result.failures, "\n".join(result.failures)
