# SPDX-License-Identifier: Apache-2.0
"""The study of a frozen venue, on a generated history: every policy trades, every part is one."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.backtest.generated import CARRY, DAYS, FIRST_DAY, SEED, day
from tidegate.backtest import freeze_study
from tidegate.backtest.experiment import JOINT, Spec
from tidegate.backtest.freeze_study import ABLATIONS, POLICIES, Case, Entry, Row, collateral_used
from tidegate.backtest.run import Series
from tidegate.history.generated import write_generated
from tidegate.model.times import HOUR_MS

FREEZE = f"hyperliquid:{day(FIRST_DAY + 1)}:{day(FIRST_DAY + 1)}"
CASE = Case("short", day(FIRST_DAY), day(FIRST_DAY + 1), FREEZE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "market-data"
    write_generated(root, SEED, DAYS)
    return root


@pytest.fixture(scope="module")
def rows(world: Path) -> dict[str, Row]:
    """Cash, the joint plan, and each part of it taken away."""
    entries = (Entry(Spec("cash")), *ABLATIONS)
    told = list[str]()
    found = list(freeze_study.study(CARRY, world, entries, (CASE,), told.append))
    assert told == [f"short: {entry.name}" for entry in entries]
    return {each.policy: each for each in found}


def test_joint_plan_trades_through_the_engine_and_lives(rows: dict[str, Row]) -> None:
    ours = rows[JOINT]
    assert ours.avg_leverage > 0.3
    assert ours.solves > 0
    assert ours.liquidations == ours.refused == 0
    assert ours.collateral_used > 0.0
    assert rows["cash"].solves == rows["cash"].collateral_used == 0


def test_no_part_that_is_taken_away_leaves_the_run_as_it_was_by_accident(
    rows: dict[str, Row],
) -> None:
    """What must differ does: no transfer without routes, another book without the venues' margin,
    and more reviews a day."""
    assert rows["joint without transfers"].transfers == 0
    assert rows["joint without margin"].avg_leverage != rows[JOINT].avg_leverage
    assert rows["joint, reviewed daily"].solves >= rows[JOINT].solves
    assert {entry.name for entry in ABLATIONS} <= set(rows)


def test_study_prints_each_case_and_refuses_what_it_does_not_know(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_study, "CASES", (CASE,))
    words = [str(CARRY), "--data", str(world), "--only", "cash"]
    assert freeze_study.main([*words, "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["policy"] == "cash"
    freeze_study.show(CASE, [msgspec.convert(said, Row)])
    assert CASE.freeze in capsys.readouterr().out
    assert freeze_study.main([*words[:-1], "hope"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "--only" in line
    for entries in (POLICIES, ABLATIONS):
        assert len({entry.name for entry in entries}) == len(entries)


def test_collateral_used_is_the_mean_of_maintenance_over_equity_of_all_accounts() -> None:
    series = Series([0, HOUR_MS, 2 * HOUR_MS], [0] * 3, [0] * 3)
    series.venue_equity = {"a": [100, 50, 0], "b": [100, 50, 0]}
    series.venue_maintenance = {"a": [10, 20, 1], "b": [10, 5, 0]}
    assert collateral_used(series, 2 * HOUR_MS) == pytest.approx((0.1 + 0.25) / 2)
    assert collateral_used(series, 3 * HOUR_MS) == pytest.approx((0.1 + 0.25 + 1.0) / 3)
