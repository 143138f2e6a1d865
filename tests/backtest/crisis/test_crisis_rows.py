# SPDX-License-Identifier: Apache-2.0
"""Rows say what a run did; lines fold them over seeds; and why Tidegate is worse is a sum."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backtest.crisis.playing import Job, contest_of
from tidegate.backtest.crisis.rows import CAUSES, Row, causes, row_of
from tidegate.backtest.crisis.summary import line_of, summarise
from tidegate.backtest.crisis.words import HEADS, line_cells, worse_words
from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.model.units import MICRO

FIXED = Spec("fixed", 2.5)
STEPS = dict.fromkeys(CAUSES, 0.0)


@pytest.fixture(scope="module")
def played() -> tuple[Contest, Outcome]:
    """A plain book through the insolvency of a venue where it has a leg."""
    contest = contest_of(Job("insolvency", "second", 9, (FIXED,), ""))
    return contest, run(contest.experiment, FIXED, None)


def row(policy: str, seed: int = 1, **more: object) -> Row:
    said = {"causes": STEPS | {"price": more.get("result", 0.0)}} | more
    return Row(crisis="x", market="first", seed=seed, policy=policy, **said)  # type: ignore[arg-type]


def test_causes_of_a_run_sum_to_its_change_of_equity_less_what_is_stranded(
    played: tuple[Contest, Outcome],
) -> None:
    contest, outcome = played
    found = row_of("insolvency", contest, outcome, FIXED, loses_money=True)
    change = outcome.ledger.equity_micro / outcome.start_micro - 1.0
    assert sum(found.causes.values()) == pytest.approx(change - found.stranded, abs=1e-9)
    assert found.stranded > 0.0


def test_money_at_a_venue_that_pays_again_is_not_lost(played: tuple[Contest, Outcome]) -> None:
    contest, outcome = played
    kept = row_of("insolvency", contest, outcome, FIXED, loses_money=False)
    lost = row_of("insolvency", contest, outcome, FIXED, loses_money=True)
    assert (kept.stranded, kept.orphaned) == (0.0, 0.0)
    assert kept.result > lost.result
    at_venue = outcome.series.venue_equity[contest.crisis_venue or ""][-1]
    assert lost.stranded == pytest.approx(max(0, at_venue) / outcome.start_micro)


def test_what_others_hold_against_the_failed_venue_is_orphaned(
    played: tuple[Contest, Outcome],
) -> None:
    """Per coin the other venues' net is what the failed venue's own legs had hedged."""
    contest, outcome = played
    found = row_of("insolvency", contest, outcome, FIXED, loses_money=True)
    tape, venue = contest.experiment.tape, contest.crisis_venue or ""
    instruments = contest.experiment.arrangement.terms.instruments
    held = outcome.ledger.account(venue).positions
    legs = sum(
        instruments[name].notional(position.lots, tape.tracks[name].mark_close[-1])
        for name, position in held.items()
    )
    assert legs > 0
    assert found.orphaned == pytest.approx(legs / outcome.start_micro, rel=0.05)


@given(
    st.dictionaries(
        st.sampled_from(
            ["fees", "conversion", "funding:a", "price:a", "clearance fee", "deficit covered"]
        ),
        st.integers(-(10**12), 10**12),
    ),
    st.integers(0, 10**11),
)
def test_grouped_causes_sum_to_the_waterfall_whatever_it_holds(
    waterfall: dict[str, int], stranded: int
) -> None:
    capital = 10**5 * MICRO
    found = causes({"capital": capital, **waterfall}, capital, stranded)
    assert set(found) == set(CAUSES)
    total = (sum(waterfall.values()) - stranded) / capital
    assert sum(found.values()) == pytest.approx(total, abs=1e-6)


def test_line_has_means_and_the_worst_seed_of_the_runs_that_had_a_book() -> None:
    line = line_of(
        [
            row("desk", 1, result=-0.1, liquidations=2, closest=0.5, left=0.5),
            row("desk", 2, result=0.2, closest=3.0, left=1.0),
            row("desk", 3, refused=True, result=-0.9),
            row("desk", 4, failed="KeyError: x"),
        ]
    )
    assert (line.runs, line.opened, line.refused, line.failed) == (4, 2, 1, 1)
    assert (line.liquidated, line.liquidations, line.closest) == (0.5, 1.0, 0.5)
    assert (line.loss, line.worst_loss, line.left) == (0.05, 0.1, 0.75)
    assert line.result == pytest.approx(0.05)
    assert len(line_cells(line)) == len(HEADS)


def test_policy_that_never_had_a_book_says_so_and_shows_no_figures() -> None:
    for more, word in (({"refused": True}, "refused"), ({"failed": "x"}, "failed")):
        cells = line_cells(line_of([row("fixed 50", 1, **more)]))
        assert cells[:3] == ("fixed 50", "0 of 1", word)
        assert set(cells[3:]) == {""}


def test_tidegate_is_named_worse_only_where_it_is_and_by_the_largest_cause_first() -> None:
    ours = row(
        "tidegate 4",
        result=-0.05,
        held=3.0,
        causes=STEPS | {"stranded": -0.04, "trading": -0.02, "funding": 0.01},
    )
    better, poorer = row("threshold 4", result=0.0, held=2.0), row("per-venue 4", result=-0.06)
    other = row("fixed 2.5", result=0.5)
    bound = row("foresight 2.5", result=0.5)
    summary = summarise([ours, better, poorer, other, bound])
    assert {worse.theirs for worse in summary.worse} == {"threshold 4"}
    (told,) = worse_words(summary, ("x", "first"), "tidegate 4")
    order = ["-500 bp", "money at the venue that failed -400", "spread and impact -200", "+100 bp"]
    places = [told.index(part) for part in order]
    assert places == sorted(places)
    assert "held 3.0x against 2.0x" in told


def test_worse_is_judged_on_the_seeds_on_which_both_had_a_book() -> None:
    rows = [
        row("tidegate 4", 1, result=0.0),
        row("tidegate 4", 2, result=-0.5),
        row("desk", 1, result=0.0),
        row("desk", 2, refused=True),
    ]
    assert summarise(rows).worse == ()
    rows[3] = msgspec.structs.replace(rows[3], refused=False)
    assert {worse.measure for worse in summarise(rows).worse} == {"result", "worst loss"}


def test_more_liquidations_are_worse_though_the_result_is_better() -> None:
    rows = [row("tidegate 4", result=0.1, liquidations=1), row("desk", result=0.0)]
    (worse,) = summarise(rows).worse
    assert (worse.measure, worse.our_figure, worse.their_figure) == ("liquidations", 1.0, 0.0)
