# SPDX-License-Identifier: Apache-2.0
"""A venue that fails takes what its cap allowed it to hold and the stated orphan loss, no more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tests.soak import Budget
from tidegate.backtest.trial.insolvency import (
    app,
    play_seeds,
    read_verdicts,
    summarise,
    verdicts,
    world_of,
)
from tidegate.backtest.trial.venue_failure import (
    Verdict,
    mandate_with_caps,
    play_failure,
)
from tidegate.model.errors import InputError

# The four kinds of failure (struck venue or hub, in the move or in the freeze) in either world.
SUITE_SEEDS = (9_000, 9_007, 9_009)
VERDICT = Verdict(
    *("first", 7, "tidegate", "v", 60.0, 1e5),
    *(0.4, 0.39, 0.2, 0.02, 0.01, 2.0, 30.0, 1.0),
    liquidated=(),
)


@pytest.mark.parametrize("seed", SUITE_SEEDS)
def test_failure_takes_at_most_the_cap_and_the_stated_orphan_loss(seed: int) -> None:
    """Seed 9009 left a naked coin with legs on both sides, which no plan could touch."""
    verdict = play_failure(world_of(seed), seed)
    assert verdict.claim > 0.05
    assert verdict.claim <= verdict.cap
    assert verdict.claim + verdict.orphan_loss <= verdict.cap + verdict.stated
    assert verdict.liquidated == ()
    assert verdict.hedged_s is not None
    assert verdict.hedged_s <= 300
    assert verdict.holds


@pytest.mark.soak(promise="R24", weight=2)
def test_failures_of_all_seeds_take_at_most_the_cap_and_the_stated_orphan_loss(
    budget: Budget,
) -> None:
    def judge(seed: int) -> None:
        verdict = play_failure(world_of(seed), seed)
        assert verdict.holds, verdict

    budget.each("failure", judge, 500, closed=True, needs_s=20.0)


def test_caps_that_are_not_watched_are_another_mandate() -> None:
    watched, thin = mandate_with_caps(), mandate_with_caps(claims=0.5)
    assert watched.stress.claims == 1.0
    assert thin.stress.claims == 0.5
    assert {venue.claim_cap for venue in watched.venue.values()} == {0.4}


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": 0.41},
        {"orphan_loss": 0.04},
        {"hedged_s": None},
        {"liquidated": ("other",)},
    ],
)
def test_verdict_when_a_bound_is_passed_does_not_hold(changes: dict[str, object]) -> None:
    assert VERDICT.holds
    assert not msgspec.structs.replace(VERDICT, **changes).holds


def test_margin_is_what_cap_and_statement_leave() -> None:
    assert VERDICT.margin == pytest.approx(0.4 + 0.02 - 0.39 - 0.01)


def test_seeds_meet_every_kind_of_failure_in_both_worlds() -> None:
    kinds = {(world_of(s), s % 2, s // 2 % 2) for s in range(8)}
    assert len(kinds) == 8


def test_summary_names_the_seeds_that_failed() -> None:
    bad = msgspec.structs.replace(VERDICT, seed=8, claim=0.5)
    beyond = msgspec.structs.replace(VERDICT, seed=9, orphan_loss=0.025)
    found = summarise([VERDICT, bad, beyond])
    assert found.failed == (8,)
    assert found.orphan_loss_above_stated == (9,)
    assert found.claims_largest == 0.5
    assert found.margin_least == pytest.approx(-0.09)
    assert found.claims_mean == pytest.approx((0.39 + 0.5 + 0.39) / 3)


def test_seeds_that_are_done_are_not_played_again() -> None:
    played = []

    def play(world: str, seed: int) -> Verdict:
        played.append(seed)
        return msgspec.structs.replace(VERDICT, world=world, seed=seed)

    found = list(verdicts(range(6, 9), [VERDICT], play))
    assert [v.seed for v in found] == [6, 7, 8]
    assert found[1] == VERDICT
    assert played == [6, 8]


def test_file_when_its_last_line_is_torn_goes_on_from_the_line_before(tmp_path: Path) -> None:
    path = tmp_path / "failures.jsonl"
    line = msgspec.json.encode(VERDICT) + b"\n"
    path.write_bytes(line + line[:30])
    assert read_verdicts(path) == [VERDICT]
    assert path.read_bytes() == line
    found = play_seeds(range(7, 8), path, quiet=True)
    assert found.seeds == 1
    assert path.read_bytes() == line


def test_file_when_it_holds_something_else_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "failures.jsonl"
    path.write_bytes(b'{"seed": "x"}\n')
    with pytest.raises(InputError, match="line 1"):
        read_verdicts(path)
    result = CliRunner().invoke(app, ["--seeds", "1", "--out", str(path)])
    assert result.exit_code == 2
    assert path.read_bytes() == b'{"seed": "x"}\n'


@pytest.mark.parametrize(("claim", "status"), [(0.39, 0), (0.41, 1)])
def test_command_says_by_its_status_whether_every_bound_held(
    claim: float, status: int, tmp_path: Path
) -> None:
    path = tmp_path / "failures.jsonl"
    verdict = msgspec.structs.replace(VERDICT, claim=claim)
    path.write_bytes(msgspec.json.encode(verdict) + b"\n")
    words = ["--seeds", "1", "--first-seed", "7", "--out", str(path)]
    assert CliRunner().invoke(app, words).exit_code == status
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == status
    assert msgspec.json.decode(told.stdout)["claims_largest"] == claim
