# SPDX-License-Identifier: Apache-2.0
"""Golden runs: every frame of engine, desk and ledger is what it was, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regressions.golden_runs import (
    FOLDER,
    SETUPS,
    Kept,
    Played,
    difference,
    names,
    paths,
    play,
    read,
)
from tidegate.audit import verify
from tidegate.audit.replay import replay

SIZE_MAX = 1_000_000


@pytest.fixture(scope="module")
def golden() -> dict[str, Played]:
    return {name: read(name) for name in names()}


@pytest.mark.parametrize("name", names())
def test_golden_run_is_equal_to_the_byte(name: str, golden: dict[str, Played]) -> None:
    kept = golden[name]
    said = difference(name, kept, play(name, kept.kept))
    assert not said, said
