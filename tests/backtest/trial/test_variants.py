# SPDX-License-Identifier: Apache-2.0
"""One mandate at other sizes and without parts: what changes, and that nothing else does."""

from __future__ import annotations

from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.trial.contests import BOOK, held
from tidegate.backtest import experiment
from tidegate.backtest.experiment import Spec
from tidegate.backtest.variants import PARTS, variant, with_mandate
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate

LEVERAGES = st.floats(0.5, 60.0)
SUBSETS = [subset for size in range(5) for subset in combinations(PARTS, size)]


def changed_fields(mandate: Mandate) -> set[str]:
    """Fields in which a mandate differs from the book, by section."""
    return {
        f"{section}.{name}"
        for section in ("mandate", "limits", "stress")
        for name in getattr(BOOK, section).__struct_fields__
        if getattr(getattr(BOOK, section), name) != getattr(getattr(mandate, section), name)
    }


@given(leverage=LEVERAGES)
def test_leverage_is_the_limit_on_the_book_and_changes_nothing_else(leverage: float) -> None:
    sized = variant(BOOK, leverage, ())
    assert sized.limits.gross_leverage == leverage
    assert changed_fields(sized) <= {"limits.gross_leverage"}
    limits = msgspec.structs.replace(sized.limits, gross_leverage=BOOK.limits.gross_leverage)
    assert msgspec.structs.replace(sized, limits=limits) == BOOK


def test_no_leverage_or_that_of_the_book_leaves_the_book() -> None:
    assert variant(BOOK, None, ()) == BOOK
    assert variant(BOOK, BOOK.limits.gross_leverage, ()) == BOOK


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("buffers", {"stress.outer", "limits.solvency_tail"}),
        ("transfers", set[str]()),
        ("reductions", set[str]()),
        ("cadence", {"mandate.decision_interval_s", "mandate.watch_interval_s"}),
    ],
)
def test_part_switched_off_changes_its_own_fields(part: str, fields: set[str]) -> None:
    changed = variant(BOOK, None, (part,))
    assert changed_fields(changed) == fields
    assert (changed.transfer == ()) == (part == "transfers")
    rest = msgspec.structs.replace(
        changed,
        mandate=BOOK.mandate,
        limits=BOOK.limits,
        stress=BOOK.stress,
        transfer=BOOK.transfer,
    )
    assert rest == BOOK


@pytest.mark.parametrize("without", SUBSETS, ids="+".join)
@pytest.mark.parametrize("leverage", [None, 2.5, 10.0, 45.0])
def test_subset_of_parts_does_what_each_part_does(
    without: tuple[str, ...], leverage: float | None
) -> None:
    sized, changed = variant(BOOK, leverage, ()), variant(BOOK, leverage, without)
    assert (changed.transfer == ()) == ("transfers" in without)
    slow = 3600 if "cadence" in without else BOOK.mandate.decision_interval_s
    assert changed.mandate.decision_interval_s == slow
    assert changed.stress.inner == sized.stress.inner
    for coin, inner in changed.stress.inner.items():
        kept = 1.02 * inner if "buffers" in without else sized.stress.outer[coin]
        assert inner < changed.stress.outer[coin] == pytest.approx(kept)


def test_transfers_switched_off_take_away_passages_too() -> None:
    arrangement = held("first").experiment.arrangement
    assert len(arrangement.terms.passages) == len(BOOK.transfer) == 12
    stuck = with_mandate(arrangement, variant(BOOK, None, ("transfers",)))
    assert stuck.terms.passages == {}
    assert (stuck.terms.rules, stuck.terms.costs) == (
        arrangement.terms.rules,
        arrangement.terms.costs,
    )


def test_route_taken_away_takes_away_its_passage_alone() -> None:
    arrangement = held("first").experiment.arrangement
    fewer = msgspec.structs.replace(BOOK, transfer=BOOK.transfer[1:])
    gone = (BOOK.transfer[0].source, BOOK.transfer[0].destination)
    left = with_mandate(arrangement, fewer).terms.passages
    assert left == {ends: p for ends, p in arrangement.terms.passages.items() if ends != gone}


def test_same_mandate_leaves_the_arrangement() -> None:
    arrangement = held("first").experiment.arrangement
    assert with_mandate(arrangement, None) is arrangement
    assert with_mandate(arrangement, variant(BOOK, None, ())) is arrangement


def test_engine_without_cadence_decides_hourly() -> None:
    quick, slow = (
        experiment.run(held("first").experiment, Spec("tidegate", None, without), None)
        for without in ((), ("cadence",))
    )
    hours = held("first").experiment.tape.steps // 12
    assert slow.decisions <= hours < quick.decisions


@pytest.mark.parametrize("policy", ["tidegate", "per-venue"])
def test_policy_without_transfers_sends_no_money(policy: str) -> None:
    spec = Spec(policy, 5.0, ("transfers",))
    outcome = experiment.run(held("first").experiment, spec, None)
    assert not any(type(event).__name__ == "TransferSent" for event in outcome.events)
    assert outcome.name.endswith("without transfers")


def test_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="transfer_s"):
        variant(BOOK, None, ("transfer_s",))
