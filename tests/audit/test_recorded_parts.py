# SPDX-License-Identifier: Apache-2.0
"""Parts of a replay by themselves: what a decision must have known, and what may be sent when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, order, send
from tidegate.audit.difference import Differs
from tidegate.audit.doubts import Doubts, _covers
from tidegate.audit.recorded import RecordedDesk, RecordedVenues, Scene
from tidegate.engine.inputs import Columns, Observed
from tidegate.execution.desk import Standing
from tidegate.execution.reconciliation import Break
from tidegate.journal.frames import Frame
from tidegate.journal.writer import encode_payload
from tidegate.model.account import SETTLED, Unsettled
from tidegate.model.actions import Action
from tidegate.risk.gate import Approval

KNOWN = Unsettled(
    lots={ALPHA_BTC: (-3, 2)},
    missing={"alpha": {"USDT": 5}},
    unseen=frozenset({"beta"}),
    arriving={"beta": 5},
)


@pytest.mark.parametrize(
    ("stated", "covers"),
    [
        ({}, True),
        ({"lots": {ALPHA_BTC: (-4, 2)}}, True),
        ({"lots": {ALPHA_BTC: (-3, 3), BETA_BTC: (0, 0)}}, True),
        ({"lots": {ALPHA_BTC: (-2, 2)}}, False),
        ({"lots": {ALPHA_BTC: (-3, 1)}}, False),
        ({"lots": {BETA_BTC: (-3, 2)}}, False),
        ({"missing": {"alpha": {"USDT": 6}, "beta": {"USDC": 1}}}, True),
        ({"missing": {"alpha": {"USDT": 4}}}, False),
        ({"missing": {"alpha": {"USDC": 5}}}, False),
        ({"missing": {"beta": {"USDT": 5}}}, False),
        ({"unseen": frozenset({"beta", "alpha"})}, True),
        ({"unseen": frozenset({"alpha"})}, False),
        ({"arriving": {"beta": 6, "alpha": 1}}, True),
        ({"arriving": {"beta": 4}}, False),
        ({"arriving": {"alpha": 5}}, False),
    ],
)
def test_what_a_decision_knew_is_at_least_as_wide_in_every_part(
    stated: dict[str, Any], covers: bool
) -> None:
    assert _covers(msgspec.structs.replace(KNOWN, **stated), KNOWN) == covers


def frame(kind: str, payload: object) -> Frame:
    return Frame(0, 4, b"", kind, encode_payload(payload), b"")


def knows(unsettled: Unsettled, returned: frozenset[str] = frozenset()) -> Standing:
    return Standing(False, False, unsettled, frozenset(), returned=returned)


SHORT = Break({ALPHA_BTC: -2}, {"USDT": -7}, {})


def told(doubts: Doubts, kind: str, venue: str, differs: Break) -> None:
    doubts.take(frame(kind, {"ts_ms": 1, "venue": venue, "differs": differs}))


def holds(doubts: Doubts, standing: Standing) -> bool:
    try:
        doubts.hold(frame("observed", {}), standing)
    except Differs:
        return False
    return True


WIDE = Unsettled(
    lots={ALPHA_BTC: (-2, 0)}, missing={"alpha": {"USDT": 7}}, unseen=frozenset({"alpha"})
)


def test_break_is_to_be_known_until_its_venue_agrees_and_no_other_venue_ends_it() -> None:
    doubts = Doubts(desk.INSTRUMENTS)
    assert holds(doubts, knows(SETTLED))
    told(doubts, "break", "alpha", SHORT)
    assert (holds(doubts, knows(SETTLED)), holds(doubts, knows(WIDE))) == (False, True)
    told(doubts, "agreed", "beta", Break({}, {}, {}))
    assert not holds(doubts, knows(SETTLED))
    told(doubts, "break", "alpha", Break({}, {"USDT": -1}, {}))
    less = Unsettled(missing={"alpha": {"USDT": 1}}, unseen=frozenset({"alpha"}))
    assert holds(doubts, knows(less))
    told(doubts, "agreed", "alpha", Break({}, {}, {}))
    assert holds(doubts, knows(SETTLED))


def test_new_process_compares_anew_and_knows_no_break_of_the_one_before() -> None:
    doubts = Doubts(desk.INSTRUMENTS)
    told(doubts, "break", "alpha", SHORT)
    doubts.take(frame("restarted", {"ts_ms": 2, "memory": {}}))
    assert holds(doubts, knows(SETTLED))


def granted(action: Action, place: int, expires_ms: int = 100) -> Approval:
    return Approval(action, f"7.{place}", 7, "s", "m", expires_ms, "")


ORDER, MONEY = order(ALPHA_BTC, 1), send("alpha", "beta", 1)
FIRST, SECOND = granted(ORDER, 0), granted(MONEY, 1, 90)


def begun() -> RecordedDesk:
    desk_of = RecordedDesk(SimpleNamespace(seen=SimpleNamespace(standing=knows(SETTLED))))  # type: ignore[arg-type]
    desk_of.begin(((FIRST,), (SECOND,)), 10, (0, 40))
    return desk_of


def sent(hands: RecordedDesk, approval: Approval, ts_ms: object, **changes: object) -> str:
    """The field at which a submission differs; nothing where it is as it should be."""
    kind = str(changes.pop("kind", "submitted" if approval is FIRST else "sent"))
    said = {"approval": approval.id, "content": approval.content, "ts_ms": ts_ms} | changes
    try:
        hands.sent(frame(kind, said))
    except Differs as found:
        return found.difference.field
    return ""


@pytest.mark.parametrize(
    ("ts_ms", "field"), [(9, "ts_ms"), (10, ""), (100, ""), (101, "ts_ms"), ("10", "ts_ms")]
)
def test_action_is_sent_from_the_time_of_its_step_to_its_expiry(ts_ms: object, field: str) -> None:
    assert sent(begun(), FIRST, ts_ms) == field


@pytest.mark.parametrize(("ts_ms", "field"), [(49, "ts_ms"), (50, ""), (90, ""), (91, "ts_ms")])
def test_step_that_waits_is_sent_no_sooner(ts_ms: int, field: str) -> None:
    hands = begun()
    assert sent(hands, FIRST, 10) == ""
    assert sent(hands, SECOND, ts_ms) == field


def test_actions_are_sent_each_once_in_order_as_what_they_are_and_as_approved() -> None:
    assert sent(begun(), SECOND, 60) == "kind"
    assert sent(begun(), FIRST, 60, kind="sent") == "kind"
    assert (
        sent(begun(), msgspec.structs.replace(FIRST, id="7.9"), 60, kind="submitted") == "approval"
    )
    assert sent(begun(), FIRST, 60, content="other") == "content"
    assert sent(begun(), FIRST, 60, more=1) == "more"
    hands = begun()
    assert [sent(hands, a, 60) for a in (FIRST, SECOND, FIRST)] == ["", "", "approval"]


@pytest.mark.parametrize(
    ("busy", "ends", "field"),
    [(True, False, ""), (False, False, "approval"), (True, True, "approval")],
)
def test_nothing_is_sent_of_a_plan_that_is_not_under_way_any_more(
    busy: bool, ends: bool, field: str
) -> None:
    hands = begun()
    standing = msgspec.structs.replace(knows(SETTLED), busy=busy)
    hands._scene.seen = SimpleNamespace(standing=standing)  # type: ignore[assignment]
    assert hands.standing(60) == standing
    if ends:
        hands.end()
    assert sent(hands, FIRST, 60) == field


def test_venues_say_what_they_said_at_the_decision() -> None:
    scene = Scene()
    scene.seen = Observed(
        *(1, "s", 0, (), 1, Columns()),
        frozen_venues=("alpha",),
        out_venues=("beta",),
        stable_micro={"USDT": 5},
        adl_ranks={ALPHA_BTC: 0.0},
    )
    venues = RecordedVenues(scene)
    assert (venues.frozen_venues(), venues.out_venues()) == (("alpha",), ("beta",))
    assert venues.stable_micro() == {"USDT": 5}
    assert (venues.adl_rank(ALPHA_BTC), venues.adl_rank(BETA_BTC)) == (0.0, None)
