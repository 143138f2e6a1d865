# SPDX-License-Identifier: Apache-2.0
"""The examples on real history: what is promised of them, where the data is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.replayable import forged
from tests.backtest.generated import CARRY
from tests.conftest import REPOSITORY
from tidegate.audit.replay import replay
from tidegate.backtest.commands import parse_request
from tidegate.backtest.compare import run_all
from tidegate.backtest.measures import Measures, measure
from tidegate.journal.reader import read_frames

BASIS = REPOSITORY / "examples" / "basis.toml"
# With Binance frozen the plain rule lives at 5.1 on average and dies at 5.3: between 5 and 6 the
# grid is finer, so that the least leverage at which it dies is not a jump of the grid.
PLAIN_LEVERAGES = (2, 3, 3.5, 4, 4.5, 5, 5.5, 6, 8)


def measured(
    words: tuple[Path, Path, str, str], policies: list[str], freezes: list[str]
) -> dict[str, Measures]:
    """Every policy's measures, by policy and leverage."""
    request = parse_request(words, policies, freezes, (1, 1))
    experiment, outcomes = run_all(request, None, lambda shares: None)
    found = [measure(outcome, experiment.arrangement) for outcome in outcomes]
    return {f"{m.policy} {m.leverage or ''}".strip(): m for m in found}


def plain_rules_that_died(runs: dict[str, Measures]) -> list[Measures]:
    """Threshold runs with a liquidation."""
    return [m for m in runs.values() if m.policy == "threshold" and m.liquidations]


def test_carry_survives_a_frozen_week_at_a_leverage_at_which_threshold_dies(
    data_root: Path,
) -> None:
    """3 February 2025 with Hyperliquid's money frozen from the 2nd to the 4th."""
    runs = measured(
        (CARRY, data_root, "2025-01-20", "2025-02-08"),
        ["tidegate", "threshold=3", "threshold=4"],
        ["hyperliquid:2025-02-02:2025-02-04"],
    )
    ours = runs["tidegate"]
    dead = plain_rules_that_died(runs)
    assert ours.liquidations == ours.near_liquidations == 0
    assert [m.leverage for m in dead] == [4.0]
    assert ours.avg_leverage >= min(m.avg_leverage for m in dead)


def test_joint_mandate_survives_a_frozen_week_at_a_leverage_at_which_threshold_dies(
    data_root: Path, tmp_path: Path
) -> None:
    """The same weeks by the joint plan, which the test above shows the plain rule to die in at 4:
    certified reviews, and as little equity over maintenance as was published."""
    mandate = tmp_path / "joint.toml"
    text = CARRY.read_text(encoding="utf-8")
    mandate.write_text(f'{text}\n[allocation]\nprogramme = "joint"\n', encoding="utf-8")
    words = (mandate, data_root, "2025-01-20", "2025-02-08")
    ours = measured(words, ["tidegate"], ["hyperliquid:2025-02-02:2025-02-04"])["tidegate"]
    assert ours.liquidations == ours.near_liquidations == ours.refusals == 0
    assert ours.avg_leverage >= 4.0
    assert ours.worst_health_ratio is not None
    assert ours.worst_health_ratio > 3.0


def test_basis_holds_coins_against_perpetuals_without_liquidation(data_root: Path) -> None:
    """Eight-hourly cash and carry over a quarter in which bitcoin rose by two thirds."""
    runs = measured((BASIS, data_root, "2024-01-01", "2024-03-31"), ["tidegate"], [])
    ours = runs["tidegate"]
    assert ours.liquidations == 0
    assert ours.funding_usd > 0
    assert ours.avg_leverage > 0.2
    assert ours.max_drawdown < 0.02


@pytest.mark.soak(promise="R20")
def test_seven_months_are_replayed_to_the_byte_and_a_changed_decision_is_found(
    data_root: Path, tmp_path: Path
) -> None:
    """The journal of the published run with Binance frozen, every programme solved again; then the
    same journal with one decision of its middle turned round and all hashes made anew."""
    words = (CARRY, data_root, "2024-09-05", "2025-03-31")
    request = parse_request(words, ["tidegate"], ["binance:2024-11-10:2024-11-13"], (1, 1))
    run_all(request, tmp_path, lambda shares: None)
    path = tmp_path / "tidegate.journal"
    found = replay(path)
    assert found.difference is None
    assert found.decisions > 5_000
    frames = list(read_frames(path))
    acted = [f.sequence for f in frames if f.kind == "decision" and b'"review"' in f.payload]
    place = acted[len(acted) // 2]
    changed = forged(frames, place, lambda payload: payload.update(action="hold"))
    path.write_bytes(changed)
    difference = replay(path, resolves=False).difference
    assert difference is not None
    assert (difference.frame, difference.field) == (place, "action")


@pytest.mark.soak
@pytest.mark.parametrize(
    "freeze", ["binance:2024-11-10:2024-11-13", "hyperliquid:2025-02-02:2025-02-04"]
)
def test_carry_survives_seven_months_with_a_freeze_where_threshold_dies(
    data_root: Path, freeze: str
) -> None:
    """The published comparison: equal average leverage, and turnover at most twice that of the
    threshold rule nearest in leverage."""
    policies = ["tidegate", *(f"threshold={leverage}" for leverage in PLAIN_LEVERAGES)]
    runs = measured((CARRY, data_root, "2024-09-05", "2025-03-31"), policies, [freeze])
    ours = runs["tidegate"]
    dead = plain_rules_that_died(runs)
    assert ours.liquidations == 0
    assert dead
    assert ours.avg_leverage >= min(m.avg_leverage for m in dead)
    plain = [m for m in runs.values() if m.policy == "threshold"]
    peer = min(plain, key=lambda m: abs(m.avg_leverage - ours.avg_leverage))
    assert ours.turnover is not None
    assert peer.turnover is not None
    assert ours.turnover <= 2 * peer.turnover
