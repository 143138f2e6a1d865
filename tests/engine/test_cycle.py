# SPDX-License-Identifier: Apache-2.0
"""The cycle: what it solves and when, what it writes before it acts, and what stops it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.audit.replayable import BOLD as REPLAYABLE
from tests.engine.room import FixedOutlook, Room, room
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC
from tests.risk.floor import STEP_MS
from tidegate.allocation import solve as solving
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.audit import verify
from tidegate.engine.cycle import Tools
from tidegate.model.account import Position
from tidegate.model.actions import Order
from tidegate.model.events import Event, Filled, LiquidationStarted, OrderRefused, TransferSent
from tidegate.model.replies import Statement, Unclear
from tidegate.model.times import HOUR_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Freeze

CRASH = {"BTC": [1.0] * 4 + [1.27] * 12}


# Large for its money, and of a carry that is soon earned again, so that cuts do not wait.
BOLD = msgspec.structs.replace(
    desk.with_limits(gross_leverage=5.0),
    edge=msgspec.structs.replace(desk.MANDATE.edge, payback_days=20.0),
)
STORM = {"BTC": [1.0, 1.13] + [1.13] * 14}


def actions(frames: list[tuple[str, dict[str, object]]]) -> list[str]:
    return [str(payload["action"]) for kind, payload in frames if kind == "decision"]


def test_book_with_carry_is_built_hedged_and_the_journal_verifies(tmp_path: Path) -> None:
    built = room()
    built.play(8)
    assert built.lots(ALPHA_BTC) > 0
    assert 100 * built.lots(ALPHA_BTC) == -built.lots(BETA_BTC)
    assert built.cycle.tally.refusals == built.cycle.tally.failures == 0
    built.record.journal.seal()
    path = tmp_path / "journal"
    path.write_bytes(built.record.journal.content())
    assert [check for check in verify(str(path)) if not check.passed] == []


def test_decision_is_written_before_approvals_and_each_submission_before_its_events() -> None:
    built = room()
    built.play(2)
    kinds = [kind for kind, _ in built.frames()]
    first = kinds.index("decision")
    approved = [i for i, kind in enumerate(kinds) if kind == "approved"]
    submitted = [i for i, kind in enumerate(kinds) if kind == "submitted"]
    assert first < approved[0]
    assert approved[-1] < submitted[0]
    assert len(approved) == len(submitted) > 2
    assert all(kinds[place + 1 : place + 3] == ["replied", "events"] for place in submitted)


def test_what_every_check_found_is_written_after_the_decision_and_before_its_approvals() -> None:
    built = room()
    built.play(2)
    frames = built.frames()
    pinned = frames[0][1]["checks"]
    (place,) = (n for n, (kind, _) in enumerate(frames) if kind == "checked")
    assert [kind for kind, _ in frames[place - 1 : place + 2]] == [
        "decision",
        "checked",
        "approved",
    ]
    cited = {payload["decision"] for kind, payload in frames if kind in ("checked", "approved")}
    assert cited == {place - 1}
    assert frames[place][1]["checks"] == [[name, True, []] for name in pinned]  # type: ignore[attr-defined]


def test_submissions_cite_an_approval_of_the_same_content_once() -> None:
    built = room()
    built.play(2)
    frames = built.frames()
    granted = {str(p["id"]): p["content"] for kind, p in frames if kind == "approved"}
    cited = [(str(p["approval"]), p["content"]) for kind, p in frames if kind == "submitted"]
    assert dict(cited) == granted
    assert len(cited) == len(granted)


def test_nothing_is_solved_between_triggers() -> None:
    """A review a day, decisions every hour, steps every quarter: one solve."""
    built = room()
    built.play(12)
    assert built.cycle.tally.decisions == 3
    assert built.cycle.tally.solves == 1
    assert actions(built.frames())[1:] == ["hold", "hold"]


def test_account_below_the_inner_level_is_cut_off_the_grid() -> None:
    """Beta's short loses; the step after the move is no hour and yet decides."""
    built = room(STORM, mandate=BOLD)
    built.play(2)
    before = built.lots(BETA_BTC)
    built.play(1)
    assert abs(built.lots(BETA_BTC)) < abs(before)
    triggers = [p["trigger"] for kind, p in built.frames() if kind == "decision"]
    assert triggers == ["grid", "margin"]


def failing(question: Question, threat: Threat | None = None) -> Answer:
    raise SolveError("planted")


def test_review_without_a_solution_holds_and_does_not_raise() -> None:
    built = room(tools=Tools(allocate=failing))
    built.play(5)
    assert built.lots(ALPHA_BTC) == 0
    assert built.cycle.tally.failures == built.cycle.tally.solves > 0
    assert actions(built.frames())[0] == "hold: no agreed solution"


def test_defence_without_a_solution_takes_the_ladder_and_does_not_raise() -> None:
    """Reviews are solved, the defence is not: the same share comes off both legs."""
    built = room(STORM, mandate=BOLD, tools=Tools(relieve=failing))
    built.play(2)
    before = built.lots(BETA_BTC)
    built.play(1)
    assert abs(built.lots(BETA_BTC)) / abs(before) == pytest.approx(0.7, abs=0.01)
    assert 100 * built.lots(ALPHA_BTC) == -built.lots(BETA_BTC)
    assert "ladder" in actions(built.frames())


def enlarging(question: Question, threat: Threat) -> Answer:
    answer = relieve(question, threat)
    return replace(answer, target=1.5 * question.legs.held, transfer=np.zeros_like(answer.transfer))


def test_refused_reduction_is_followed_by_the_ladder_at_once(tmp_path: Path) -> None:
    built = room(STORM, mandate=BOLD, tools=Tools(relieve=enlarging))
    built.play(2)
    before = built.lots(BETA_BTC)
    built.play(1)
    assert abs(built.lots(BETA_BTC)) / abs(before) == pytest.approx(0.7, abs=0.01)
    assert 100 * built.lots(ALPHA_BTC) == -built.lots(BETA_BTC)
    assert built.cycle.tally.refusals == 1
    frames = built.frames()
    told = [str(p.get("action", kind)) for kind, p in frames if kind in {"decision", "refused"}]
    assert told == ["review", "reduce", "refused", "ladder"]
    path = tmp_path / "journal"
    path.write_bytes(built.record.journal.content())
    assert [check for check in verify(str(path)) if not check.passed] == []


def test_ladder_that_is_refused_too_ends_there() -> None:
    """Nobody may act any more: both are refused, nothing is sent, and the cycle goes on."""
    built = room(STORM, mandate=BOLD)
    built.play(2)
    before = built.lots(BETA_BTC)
    nobody = msgspec.structs.replace(BOLD.authority, level="observe", reduce_without_human=False)
    watching = msgspec.structs.replace(BOLD, authority=nobody)
    built.cycle._terms_at = lambda _: desk.terms(watching)
    built.play(1)
    assert built.cycle.tally.refusals == 2
    assert built.lots(BETA_BTC) == before
    told = actions(built.frames())
    assert told == ["review", "reduce", "ladder"]


def answered(form: solving.StandardForm, value: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full(form.cost.size, value), np.zeros(form.row_lower.size)


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("dual_bound", lambda _form, _duals: -1e9),
        ("dual_bound", lambda _form, _duals: float("nan")),
        ("solve_highs", lambda f, _: (*answered(f, np.nan), None)),
        ("solve_highs", lambda f, _: (*answered(f, -1.0), None)),
    ],
    ids=["not proved", "proof is no number", "answer is no number", "rows broken"],
)
def test_solver_that_cannot_be_trusted_is_a_solve_error_and_a_hold(
    name: str, planted: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, name, planted)
    built = room()
    built.play(1)
    assert built.cycle.tally.failures == 1
    assert built.lots(ALPHA_BTC) == 0


def test_feasible_answer_that_is_not_the_best_is_a_solve_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The objective is taken from the answer, never from what a solver says about it."""
    true = solving.solve_highs

    def idle(form: solving.StandardForm, _: object) -> object:
        still = replace(form, upper=np.where(form.cost < 0, 0.0, form.upper))
        return true(still)

    monkeypatch.setattr(solving, "solve_highs", idle)
    built = room()
    built.play(1)
    assert built.cycle.tally.failures == 1


def one_coin(question: Question) -> Answer:
    """Only bitcoin may be traded and no money sent, so that the stress itself sets the size."""
    cap = np.where(question.legs.coin == 0, question.legs.trade_cap, 0.0)
    legs = replace(question.legs, trade_cap=cap)
    edges = replace(question.edges, open=np.zeros_like(question.edges.open))
    return allocate(replace(question, legs=legs, edges=edges))


def scaled_margin(question: Question) -> Answer:
    legs = replace(question.legs, margin_rate=0.1 * question.legs.margin_rate)
    return one_coin(replace(question, legs=legs))


def halved_stress(question: Question) -> Answer:
    stakes = replace(
        question.stakes, outer=question.stakes.outer / 2, inner=question.stakes.inner / 2
    )
    return one_coin(replace(question, stakes=stakes))


@pytest.mark.parametrize("planted", [scaled_margin, halved_stress])
def test_error_planted_in_the_allocator_alone_is_refused_and_nothing_is_sent(
    planted: Callable[[Question], Answer],
) -> None:
    """The gate asks the exact rule, not the programme."""
    bold = desk.with_limits(gross_leverage=40.0)
    honest = room(mandate=bold, tools=Tools(one_coin))
    honest.play(1)
    assert honest.lots(ALPHA_BTC) > 0
    wrong = room(mandate=bold, tools=Tools(planted))
    wrong.play(1)
    frames = wrong.frames()
    refused = [payload for kind, payload in frames if kind == "refused"]
    (checks,) = (payload["checks"] for kind, payload in frames if kind == "checked")
    assert [name for name, passed, _ in checks if not passed]  # type: ignore[attr-defined]
    assert wrong.cycle.tally.refusals == len(refused) == 1
    named = {breach["rule"] for breach in refused[0]["breaches"]}  # type: ignore[attr-defined]
    assert "survives stress" in named
    assert not {kind for kind, _ in frames} & {"approved", "submitted", "sent"}
    assert wrong.lots(ALPHA_BTC) == wrong.lots(BETA_BTC) == 0


def lose_a_quantum(built: Room) -> None:
    built.exchange._books["alpha"].balances["USDT"] -= 1


def lose_a_lot(built: Room) -> None:
    positions = built.exchange._books["alpha"].positions
    held = positions[ALPHA_BTC]
    positions[ALPHA_BTC] = Position(held.lots - 1, held.cost)


def forget_a_position(built: Room) -> None:
    del built.exchange._books["beta"].positions[BETA_BTC]


@pytest.mark.parametrize("differ", [lose_a_quantum, lose_a_lot, forget_a_position])
def test_coins_of_a_venue_that_states_another_account_are_left_alone_until_it_agrees(
    differ: Callable[[Room], None],
) -> None:
    built = room()
    built.play(1)
    books = deepcopy(built.exchange._books)
    differ(built)
    before = built.exchange.account("alpha"), built.exchange.account("beta")
    built.play(3)
    assert (built.exchange.account("alpha"), built.exchange.account("beta")) == before
    assert built.hands.breaks
    built.exchange._books.update(books)
    built.play(1)
    assert not built.hands.breaks
    kinds = [kind for kind, _ in built.frames()]
    assert kinds.count("break") == kinds.count("agreed") == 1


RISING = {"BTC": [1.0, 1.0, 1.1, *(1.1 + 0.02 * step for step in range(13))]}


@pytest.mark.parametrize("said", ["one quantum more", "a stranger's order", "nothing"])
def test_accounts_are_cut_in_time_whatever_is_in_doubt_at_another_venue(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = room(RISING, mandate=REPLAYABLE, funds={"alpha": 60_000.0, "beta": 60_000.0})
    built.play(2)
    true = built.venues.statement

    def doubtful(venue: str) -> Statement | Unclear:
        found = true(venue)
        if venue != "alpha":
            return found
        if said == "nothing":
            return Unclear("no answer")
        if said == "a stranger's order":
            return msgspec.structs.replace(found, working=("somebody's",))
        more = {**found.account.balances, "USDT": found.account.balances["USDT"] + 1}
        account = msgspec.structs.replace(found.account, balances=more)
        return msgspec.structs.replace(found, account=account)

    monkeypatch.setattr(built.venues, "statement", doubtful)
    before = built.lots(ALPHA_BTC)
    built.play(11)
    assert 0 < built.lots(ALPHA_BTC) < before / 2
    assert built.lots(BETA_BTC) == -100 * built.lots(ALPHA_BTC)
    kinds = [type(event) for event in built.record.events]
    assert LiquidationStarted not in kinds


def test_refused_order_stops_everything_after_it_in_the_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = room()
    asked: list[Order] = []
    trade = built.exchange.trade

    def third_is_refused(order: Order) -> list[Event]:
        asked.append(order)
        if len(asked) == 3:
            return [OrderRefused(built.exchange.now_ms, order.instrument, order.id, "planted")]
        return trade(order)

    monkeypatch.setattr(built.exchange, "trade", third_is_refused)
    built.play(1)
    assert len(asked) == 3
    kinds = [kind for kind, _ in built.frames()]
    assert kinds.count("approved") > kinds.count("submitted") == 3


def test_observer_decides_and_journals_and_does_nothing() -> None:
    authority = msgspec.structs.replace(desk.MANDATE.authority, level="observe")
    built = room(mandate=msgspec.structs.replace(desk.MANDATE, authority=authority))
    built.play(2)
    kinds = [kind for kind, _ in built.frames()]
    assert "decision" in kinds
    assert "refused" in kinds
    assert "submitted" not in kinds


def test_frozen_venue_blocks_growth_until_it_thaws() -> None:
    start = desk.NOW_MS
    frozen = Freeze("alpha", start, start + 2 * 3_600_000)
    built = room(freezes=(frozen,))
    built.play(8)
    assert built.lots(ALPHA_BTC) == 0
    assert built.cycle.tally.solves == 0
    built.play(1)
    assert built.lots(ALPHA_BTC) > 0


def test_same_world_twice_has_the_same_journal_to_the_byte() -> None:
    contents = []
    for _ in range(2):
        built = room(CRASH)
        built.play(10)
        built.record.journal.seal()
        contents.append(built.record.journal.content())
    assert contents[0] == contents[1]


def test_what_left_over_a_capped_route_is_that_of_the_last_day_however_old_the_book_is() -> None:
    built = room(steps=30 * HOUR_MS // STEP_MS)
    for hours, usd in ((1, 7_000), (20, 9_000), (30, 11_000)):
        ts_ms = built.exchange.now_ms + hours * HOUR_MS
        parcel = TransferSent(ts_ms, f"s{hours}", "alpha", "beta", "USDT", usd * MICRO, 0)
        built.record.take([parcel])
    now_ms = built.exchange.now_ms + 30 * HOUR_MS
    outlook = FixedOutlook().at(now_ms)
    look = built.cycle._look(desk.routed(1e6), outlook, now_ms)
    assert look is not None
    assert look.situation.sent_day_usd == {("alpha", "beta"): 20_000.0}


def test_second_run_at_the_same_venues_sends_no_id_of_the_first() -> None:
    """Venues that outlive a run do nothing twice under one id."""
    known: set[str] = set()
    for run in ("", "again."):
        built = room()
        built.record.run = run
        built.play(2)
        actions = [frame["action"] for kind, frame in built.frames() if kind == "approved"]
        sent = {action["id"] for action in actions if isinstance(action, dict)}
        assert sent
        assert not sent & known
        known |= sent


def test_money_that_may_be_back_as_a_deposit_is_in_no_equity_and_is_not_counted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = room()
    parcel = TransferSent(built.exchange.now_ms, "s", "alpha", "beta", "USDT", 7_000 * MICRO, 0)
    built.record.take([parcel])
    now_ms, outlook = built.exchange.now_ms, FixedOutlook().at(built.exchange.now_ms)
    sure = built.cycle._look(desk.terms(), outlook, now_ms)
    known = built.hands.standing
    back = frozenset({"s"})
    monkeypatch.setattr(
        built.hands, "standing", lambda ts_ms: msgspec.structs.replace(known(ts_ms), returned=back)
    )
    doubted = built.cycle._look(desk.terms(), outlook, now_ms)
    assert sure is not None
    assert doubted is not None
    assert sure.situation.equity_usd - doubted.situation.equity_usd == pytest.approx(7_000)
    assert (sure.situation.void, doubted.situation.void) == (frozenset(), back)


@pytest.mark.parametrize(("usd", "mended"), [(0, {"BTC"}), (5_000, set())])
def test_coin_whose_legs_came_apart_is_remembered_until_they_are_together(
    monkeypatch: pytest.MonkeyPatch, usd: int, mended: set[str]
) -> None:
    """Five thousand dollars are naked, which is below the naked limit."""
    built, told = room(), []
    lots, ticks = desk.base_lots(ALPHA_BTC, usd), desk.MARKS[ALPHA_BTC]
    if lots:
        numbers = (lots, ticks, ticks, 0, 0, 0)
        filled = Filled(built.exchange.now_ms, ALPHA_BTC, *numbers, "stray", "order")
        built.record.take([filled])
    known, now_ms = built.hands.standing, built.exchange.now_ms
    apart = frozenset({"BTC"})
    monkeypatch.setattr(
        built.hands, "standing", lambda ts_ms: msgspec.structs.replace(known(ts_ms), loose=apart)
    )
    monkeypatch.setattr(built.hands, "mended", told.append)
    assert built.cycle._look(desk.terms(), FixedOutlook().at(now_ms), now_ms) is not None
    assert told == [mended]
