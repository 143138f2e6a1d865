# SPDX-License-Identifier: Apache-2.0
"""Where there is no plan it is said which limits or accounts are why, and what cures it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.plan.plain_books import (
    book_values,
    decided,
    mandate_text,
    read,
    set_balance,
    set_field,
)
from tidegate.allocation.joint.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.plan import levels
from tidegate.engine.plan.after import account_after
from tidegate.engine.plan.deciding import Decision, Outcome, decide, fast
from tidegate.engine.plan.moves import moves_of
from tidegate.engine.plan.reasons import document

FLAT = tuple(set_field(venue, 0, size="0") for venue in range(3))


def _unhedgeable(book: dict[str, dict[str, object]]) -> None:
    """No contract may be raised, so nothing hedges the coins owned."""
    book["costs"] = {}


def test_mandate_that_the_book_cannot_meet_names_the_limits_and_the_easing_that_cures_it(
    tmp_path: Path,
) -> None:
    decision = decided(tmp_path, book_values(*FLAT, _unhedgeable), mandate_text())
    found = document(decision, "mandate.toml")
    assert decision.diagnosis is not None
    named = {name for each in found.conflicts for name in each.limits}
    assert {"delta BTC", "delta of the book"} & named
    eased = {each.name: each.by for each in found.least_violation}
    assert max(eased.values()) > 100_000


def test_easing_by_what_the_diagnosis_says_cures_the_mandate(tmp_path: Path) -> None:
    values = book_values(*FLAT, _unhedgeable)
    found = document(decided(tmp_path, values, mandate_text()), "mandate.toml")
    most = max(each.by for each in found.least_violation)
    eased = mandate_text(("naked_usd = 25_000", f"naked_usd = {25_000 + 1.05 * most:.0f}"))
    assert decided(tmp_path, values, eased).diagnosis is None


def test_boxes_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    """A skew that gross leverage is too small to hold."""
    swaps = (
        ('capital_usd = "1000000"', 'capital_usd = "1000000"\ntarget_delta_usd = "400000"'),
        ("gross_leverage = 6", "gross_leverage = 0.1"),
    )
    flat = (set_field(0, 0, size="0"), set_field(1, 0, size="0"))
    decision = decided(
        tmp_path, book_values(*flat, options=False), mandate_text(*swaps, options=False)
    )
    found = document(decision, "mandate.toml")
    named = {name for each in found.conflicts for name in each.limits}
    assert {"delta of the book", "gross leverage"} <= named
    assert decision.outcome is Outcome.HOLD
    assert found.negative


def test_account_below_maintenance_is_cut_until_it_stands(tmp_path: Path) -> None:
    """Entry far below the mark: 8 BTC short lose 72,000 of 73,000, against 2,100 of maintenance."""
    values = book_values(
        set_balance(0, "USDT", "73000"), set_field(0, 0, entry="51000"), options=False
    )
    decision = decided(tmp_path, values, mandate_text(options=False))
    found = document(decision, "mandate.toml")
    lacks = {(each.venue, each.what): each.usd for each in found.cures}
    assert lacks["binance", "maintenance margin now"] == pytest.approx(1_100, abs=1)
    assert decision.outcome in (Outcome.PLAN, Outcome.REDUCE)
    after = next(line for line in found.accounts if line.venue == "binance").after
    assert after.health_usd > 0
    assert after.certificate == "proved"


def _under_water(book: dict[str, Any]) -> None:
    """12,000 below nought at Binance, and 2,100 of maintenance."""
    book["accounts"][0]["balances"]["USDT"] = "60000"
    book["accounts"][0]["positions"][0]["entry"] = "51000"


def least_health(decision: Decision, venue: str, *, inner: bool) -> float:
    """Of an account once money has landed, over the named moves, by the exact rule."""
    asked = decision.asked
    account = asked.book.accounts[venue]
    after = account_after(asked, account, decision.changed, landed=True)
    stress = asked.terms.mandate.stress
    moves = moves_of(after, stress.inner if inner else stress.outer)
    return levels.least_health(asked.terms, after, moves)[0]


def _no_route(book: dict[str, Any]) -> None:
    book["routes"] = []


def test_account_without_equity_that_no_money_reaches_has_no_plan_and_says_what_it_lacks(
    tmp_path: Path,
) -> None:
    values = book_values(_under_water, _no_route, options=False)
    decision = decided(tmp_path, values, mandate_text(options=False))
    found = document(decision, "mandate.toml")
    assert decision.outcome is Outcome.NONE
    assert found.negative
    lacks = {each.what: each.usd for each in found.cures if each.venue == "binance"}
    assert lacks["maintenance margin now"] == pytest.approx(14_100, abs=1)


@pytest.mark.parametrize("rich", [600_000, 175_000, 140_000])
def test_account_without_equity_is_sent_money_by_one_that_has_it(rich: int, tmp_path: Path) -> None:
    """With much to S, with less to what the outer stress takes, with little to the inner one. 8 BTC
    lose 72,000 at the outer move and 38,400 at the inner one; the other leg needs 80,000 itself."""
    values = book_values(_under_water, set_balance(1, "USDC", str(rich)), options=False)
    swaps = (("claim_cap = 0.6", "claim_cap = 1.0"), ("gross_leverage = 6", "gross_leverage = 10"))
    decision = decided(tmp_path, values, mandate_text(*swaps, options=False))
    found = document(decision, "mandate.toml")
    assert decision.outcome is Outcome.PLAN, found.refusals
    assert [(each.source, each.destination) for each in found.transfers] == [
        ("hyperliquid", "binance")
    ]
    line = next(each for each in found.accounts if each.venue == "binance")
    assert line.waits
    assert line.before.equity_usd < 0.0 < line.after.health_usd
    assert line.after.certificate == "proved"
    worst = least_health(decision, "binance", inner=rich < 150_000)
    assert worst >= 0.0 if rich < 500_000 else worst > 5_000.0
    lots = decision.changed.lots
    assert not lots.traded[decision.asked.members(decision.asked.accounts[0])].any()


def test_book_without_any_contract_has_nothing_to_do(tmp_path: Path) -> None:
    def bare(book: dict[str, Any]) -> None:
        book["edges"], book["costs"] = {}, {}
        for account in book["accounts"]:
            account["positions"] = []

    values = book_values(bare, options=False)
    decision = decided(tmp_path, values, mandate_text(options=False))
    assert decision.outcome is Outcome.NOTHING
    assert not document(decision, "mandate.toml").negative


def test_cut_that_solvency_needs_is_not_left_out_for_paying_back_late(tmp_path: Path) -> None:
    """Closing half of the pair at a poor venue earns a little, and later than the mandate asks."""
    values = book_values(set_balance(1, "USDC", "20000"), options=False)
    decision = decided(tmp_path, values, mandate_text(options=False))
    found = document(decision, "mandate.toml")
    assert decision.outcome is Outcome.PLAN, [each.why for each in found.refusals]
    assert any(each.coin == "BTC" and each.forced for each in found.moves)
    assert not any(each.coin == "BTC" for each in found.left_out)


def test_solver_that_fails_leaves_the_proved_present_book_and_says_so(tmp_path: Path) -> None:
    def fails(question: Question) -> Answer:
        raise SolveError("ran out of time")

    book, terms = read(tmp_path, book_values(options=False), mandate_text(options=False))
    decision = decide(book, terms, fails)
    assert decision.outcome is Outcome.HOLD
    assert decision.changed.empty
    assert "ran out of time" in decision.refusals[0].why


def test_answer_that_breaks_the_exact_rules_is_never_emitted(tmp_path: Path) -> None:
    """A solver that says ten times the book in every contract is not believed."""

    def lies(question: Question) -> Answer:
        answer = fast(question)
        return replace(answer, size=answer.size * 0.0 + 10.0)

    book, terms = read(tmp_path, book_values(options=False), mandate_text(options=False))
    decision = decide(book, terms, lies)
    assert decision.outcome in (Outcome.HOLD, Outcome.NONE)
    assert decision.changed.empty
