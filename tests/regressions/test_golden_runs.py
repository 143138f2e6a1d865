# SPDX-License-Identifier: Apache-2.0
"""Golden runs: every frame of engine, desk and ledger is what it was, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regressions.golden_runs import (
    BACKTEST,
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

# What a person did on the account without the engine, which a verifier must say.
STRANGE = {"doubts": {"orders accounted for"}, "errands": {"transfers accounted for"}}
SIZE_MAX = 1_000_000


@pytest.fixture(scope="module")
def golden() -> dict[str, Played]:
    return {name: read(name) for name in names()}


@pytest.mark.parametrize("name", names())
def test_golden_run_is_equal_to_the_byte(name: str, golden: dict[str, Played]) -> None:
    kept = golden[name]
    said = difference(name, kept, play(name, kept.kept))
    assert not said, said


@pytest.mark.parametrize("name", [*SETUPS, BACKTEST])
def test_golden_journal_verifies_and_its_decisions_are_made_again(
    name: str, golden: dict[str, Played], tmp_path: Path
) -> None:
    path = tmp_path / "golden.journal"
    path.write_bytes(golden[name].journal)
    failed = {check.name for check in verify(str(path)) if not check.passed}
    assert failed == STRANGE.get(name, set())
    found = replay(path, resolves=False)
    assert found.difference is None
    assert found.decisions > 0
