# SPDX-License-Identifier: Apache-2.0
"""Approvals are a type: only the gate makes them, and any change makes them void."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, order, plan, send
from tests.risk.floor import exchange
from tests.risk.floor import tape as over
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.events import Filled, TransferSent
from tidegate.model.replies import Entry
from tidegate.risk.gate import Approval, ApprovalError, Gate, content_of
from tidegate.risk.plan import Plan, Step
from tidegate.simulation.tape import Freeze, Queue
from tidegate.venues.paper import PaperVenues

FUNDS = {"alpha": 500_000.0, "beta": 500_000.0}
ACTIONS: tuple[Action, ...] = (order(ALPHA_BTC, 100), send("alpha", "beta", 10_000))
OTHERS: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(10**9), 10**13),
    bool: st.booleans(),
}


def granted(action: Action, gate: Gate, sequence: int = 7) -> Approval:
    """The approval of an action; an order is judged together with the one that hedges it."""
    raises = isinstance(action, Order)
    step = (action, order(desk.BETA_BTC, -10_000)) if raises else (action,)
    situation = desk.situation(desk.portfolio(FUNDS))
    verdict = gate.review(desk.terms(), situation, plan(step, raises=raises), sequence)
    assert isinstance(verdict, tuple)
    return verdict[0]


def floor(gate: Gate, late_ms: int = 0) -> PaperVenues:
    market = exchange(FUNDS)
    market.advance(desk.NOW_MS + late_ms)
    return PaperVenues(market, gate)


def redeem(venues: PaperVenues, approval: Approval) -> list[Any]:
    is_order = isinstance(approval.action, Order)
    _ = venues.place(approval) if is_order else venues.send(approval)
    return [told.event for told in venues.pushed() if isinstance(told, Entry)]


def refused(venues: PaperVenues, approval: Approval, reason: str) -> None:
    before = [venues.statement(venue) for venue in FUNDS]
    with pytest.raises(ApprovalError, match=reason):
        redeem(venues, approval)
    assert [venues.statement(venue) for venue in FUNDS] == before


@pytest.mark.parametrize("action", ACTIONS)
def test_unchanged_approval_passes_and_its_action_is_done(action: Action) -> None:
    gate = Gate(b"secret")
    events = redeem(floor(gate), granted(action, gate))
    assert [type(event) for event in events] == [
        Filled if isinstance(action, Order) else TransferSent
    ]


@given(action=st.sampled_from(ACTIONS), data=st.data())
def test_approval_with_any_field_changed_is_refused(action: Action, data: st.DataObject) -> None:
    gate = Gate(b"secret")
    approval = granted(action, gate)
    field = data.draw(st.sampled_from([f for f in Approval.__struct_fields__ if f != "action"]))
    value = getattr(approval, field)
    changed = data.draw(OTHERS[type(value)].filter(lambda other: other != value))
    copy = msgspec.structs.replace(approval, **{field: changed})
    refused(floor(gate), copy, "not made by this gate, or changed")


@given(action=st.sampled_from(ACTIONS), data=st.data())
def test_approval_with_a_changed_action_inside_is_refused(
    action: Action, data: st.DataObject
) -> None:
    gate = Gate(b"secret")
    approval = granted(action, gate)
    field = data.draw(st.sampled_from(action.__struct_fields__))
    value = getattr(action, field)
    changed = data.draw(OTHERS[type(value)].filter(lambda other: other != value))
    other = msgspec.structs.replace(action, **{field: changed})
    copy = msgspec.structs.replace(approval, action=other)
    refused(floor(gate), copy, "not made by this gate, or changed")


@given(seal=st.one_of(st.just(""), st.text("0123456789abcdef", min_size=64, max_size=64)))
def test_approval_made_by_hand_is_refused(seal: str) -> None:
    gate = Gate(b"secret")
    true = granted(ACTIONS[0], gate)
    forged = Approval(
        ACTIONS[0], true.id, true.sequence, true.snapshot, true.mandate_version,
        true.expires_ms, seal,
    )  # fmt: skip
    refused(floor(gate), forged, "not made by this gate, or changed")


def test_approval_of_an_order_with_the_words_of_a_transfer_is_refused() -> None:
    """The kind of an action is sealed with it, not only its fields."""
    gate = Gate(b"secret")
    approval = granted(ACTIONS[0], gate)
    words = [getattr(ACTIONS[1], field) for field in Transfer.__struct_fields__]
    swapped = msgspec.structs.replace(approval, action=Transfer(*words))
    refused(floor(gate), swapped, "not made by this gate, or changed")


def test_approval_from_another_gate_is_refused() -> None:
    refused(floor(Gate(b"secret")), granted(ACTIONS[0], Gate(b"other")), "not made by this gate")


@pytest.mark.parametrize("action", ACTIONS)
def test_approval_is_refused_the_second_time(action: Action) -> None:
    gate = Gate(b"secret")
    venues, approval = floor(gate), granted(action, gate)
    redeem(venues, approval)
    refused(venues, approval, "used before")


@pytest.mark.parametrize("late_ms", [0, 1])
def test_approval_expires_after_a_minute_to_the_millisecond(late_ms: int) -> None:
    gate = Gate(b"secret")
    venues = floor(gate, 60_000 + late_ms)
    approval = granted(ACTIONS[0], gate)
    if late_ms:
        refused(venues, approval, "expired")
    else:
        assert redeem(venues, approval)


def test_approval_of_an_order_does_not_move_money_nor_the_other_way() -> None:
    gate = Gate(b"secret")
    with pytest.raises(ApprovalError, match="not for a transfer"):
        floor(gate).send(granted(ACTIONS[0], gate))
    with pytest.raises(ApprovalError, match="not for an order"):
        floor(gate).place(granted(ACTIONS[1], gate))


def test_face_reports_what_the_exchange_says_of_accounts_freezes_outages_pegs_and_queues() -> None:
    queue = Queue("profit_leverage", np.array([[[0.1, 0.5, 0.9]] * 2]))
    short = Freeze("alpha", desk.NOW_MS, desk.NOW_MS + 1)
    tape = replace(
        over({}, 8),
        freezes=(replace(short, venue="beta"),),
        outages=(short,),
        queues={ALPHA_BTC: queue},
        stable_micro={"USDT": [990_000] * 9},
    )
    gate = Gate(b"secret")
    stage = exchange(FUNDS, replace(tape, outages=()))
    venues = PaperVenues(stage, gate)
    venues.place(granted(ACTIONS[0], gate))
    assert venues.statement("alpha").account == stage.account("alpha")
    assert venues.statement("alpha").account.positions[ALPHA_BTC].lots == 100
    assert venues.adl_rank(ALPHA_BTC) == stage.adl_rank(ALPHA_BTC) is not None
    assert venues.adl_rank(desk.BETA_BTC) is None
    assert venues.frozen_venues() == ("beta",)
    assert venues.stable_micro() == {"USDT": 990_000}
    assert PaperVenues(exchange(FUNDS, tape), gate).out_venues() == ("alpha",)


def test_approvals_of_a_plan_bind_each_action_in_order_to_what_it_was_judged_on() -> None:
    gate = Gate(b"secret")
    situation = desk.situation(desk.portfolio(FUNDS))
    orders = (order(ALPHA_BTC, 100), order(desk.BETA_BTC, -10_000))
    verdict = gate.review(desk.terms(), situation, plan(orders, raises=True), 7)
    assert isinstance(verdict, tuple)
    assert [a.action for a in verdict] == list(orders)
    assert [a.id for a in verdict] == ["7.0", "7.1"]
    assert {a.snapshot for a in verdict} == {situation.snapshot.id}
    assert {a.mandate_version for a in verdict} == {desk.MANDATE.version}
    assert len({a.content for a in verdict}) == 2


@pytest.mark.parametrize("wild", [False, True], ids=["approved", "refused"])
def test_record_of_the_checks_lists_content_and_expiry_of_every_action_approved_or_not(
    wild: bool,
) -> None:
    gate, noted = Gate(b"secret"), list[Any]()
    situation = desk.situation(desk.portfolio(FUNDS))
    lots = 10**9 if wild else 100
    orders = (order(ALPHA_BTC, lots), order(desk.BETA_BTC, -100 * lots))
    slices = Plan((Step(orders[:1]), Step(orders[1:], 7)), True)
    verdict = gate.review(desk.terms(), situation, slices, 7, lambda *frame: noted.append(frame))
    ends = [situation.snapshot.ts_ms + offset + 60_000 for offset in (0, 7)]
    ((kind, frame),) = noted
    assert (kind, frame["decision"]) == ("checked", 7)
    assert frame["actions"] == [*zip(map(content_of, orders), ends, strict=True)]
    assert all(passed for _, passed, _ in frame["checks"]) == (not wild)
    if not wild:
        assert [a.expires_ms for a in verdict] == ends  # type: ignore[union-attr]
        return
    found = [(breach.rule, breach.where, 1, 0) for breach in verdict]  # type: ignore[union-attr]
    assert [figure for _, _, figures in frame["checks"] for figure in figures] == found
    assert len(found) > len({rule for rule, *_ in found})
