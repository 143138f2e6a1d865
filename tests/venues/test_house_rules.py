# SPDX-License-Identifier: Apache-2.0
"""The simulated venues' rules where several venues, orders or approvals meet."""

from __future__ import annotations

import socket

import msgspec
import pytest

from tests.risk import desk
from tests.risk.test_gate import FUNDS, floor, granted
from tests.venues.drill import FAST, GATE, NOW, SLOW, SLOW_MS, house, lots, pairs, slow, transfer
from tidegate.model.actions import Transfer
from tidegate.model.errors import InputError
from tidegate.model.replies import Device, Entry, OrderStatus, Swept
from tidegate.risk.gate import ApprovalError, Gate
from tidegate.venues import paper_house
from tidegate.venues.paper_house import HouseTerms, PaperHouse
from tidegate.venues.paper_server import Access, PaperServer

DEVICES = {v: Device(v, 5, 300, cancels_protective=True) for v in ("alpha", "beta")}


def slow_everywhere(devices: dict[str, Device] | None = None) -> PaperHouse:
    """A house in which orders of both venues rest for half a minute."""
    waits = {SLOW: SLOW_MS, FAST: SLOW_MS}
    return PaperHouse(house().exchange, GATE, HouseTerms(desk.INSTRUMENTS, waits, devices or {}))


def test_venue_cancels_its_own_orders_alone_and_tells_of_each() -> None:
    venues, (at_alpha, at_beta) = slow_everywhere(), pairs(1)
    for approval in (at_alpha, at_beta):
        venues.place(approval)
    assert [venues.statement(v).working for v in ("alpha", "beta")] == [
        (at_alpha.action.id,),
        (at_beta.action.id,),
    ]
    venues.pushed()
    assert venues.cancel("beta", at_alpha.action.id).state == "working"
    assert venues.cancel_all("alpha") == Swept("alpha", (at_alpha.action.id,), NOW)
    assert venues.order("beta", at_beta.action.id).state == "working"
    assert venues.pushed() == (OrderStatus(at_alpha.action.id, "cancelled", 0, NOW),)


def test_switches_of_two_venues_lapse_together_and_before_what_is_due_then() -> None:
    venues, approvals = slow_everywhere(DEVICES), pairs(1)
    for approval in approvals:
        venues.place(approval)
    for venue in ("alpha", "beta"):
        venues.arm(venue, SLOW_MS // 1_000)
    venues.advance(NOW + SLOW_MS)
    states = [venues.order("", approval.action.id).state for approval in approvals]
    assert (states, lots(venues, SLOW), lots(venues, FAST)) == (["cancelled"] * 2, 0, 0)
    late = slow(1, sequence=2, now_ms=venues.now_ms)[0]
    venues.place(late)
    venues.advance(NOW + 2 * SLOW_MS)
    assert venues.order("alpha", late.action.id).state == "filled"


def test_order_that_can_no_longer_be_paid_when_it_is_due_is_cancelled_with_the_reason() -> None:
    venues, (order,) = house(), slow(1)
    venues.place(order)
    for sequence, dollars in ((2, 390_000), (3, 109_990)):
        assert venues.send(transfer(dollars, sequence)).state == "accepted"
    venues.advance(NOW + SLOW_MS)
    found = venues.order("alpha", order.action.id)
    assert (found.state, found.filled_lots, bool(found.reason)) == ("cancelled", 0, True)
    assert lots(venues, SLOW) == 0


def test_transfer_that_is_refused_stays_refused_at_its_source() -> None:
    venues = house()
    assert venues.send(transfer(400_000, 1)).state == "accepted"
    refused = venues.send(transfer(400_000, 2))
    assert (refused.state, bool(refused.reason)) == ("refused", True)
    assert venues.shipment("alpha", "2.send") == refused
    assert venues.shipment("alpha", "1.send").state == "accepted"


def test_log_is_told_a_thousand_lines_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paper_house.ENTRIES_MAX == 1_000
    monkeypatch.setattr(paper_house, "ENTRIES_MAX", 3)
    venues = house()
    for _ in range(4):
        venues.deposit("alpha", "USDT", 1)
    told = [[entry.number for entry in venues.entries("alpha", after)] for after in (0, 3, 5)]
    assert told == [[1, 2, 3], [4, 5], []]


def test_approval_is_used_once_for_its_own_kind_of_action() -> None:
    """Approvals of one sequence and place bear one id, whatever they approve."""
    venues, (order,), sent = house(), slow(1), transfer(10_000)
    assert order.id == sent.id
    assert "for another kind of action" in venues.place(sent).reason
    assert venues.order("alpha", sent.action.id).state == "absent"
    assert venues.place(order).state == "working"
    assert "used before" in venues.send(sent).reason
    other = house()
    assert "for another kind of action" in other.send(order).reason
    assert other.send(sent).state == "accepted"


def test_order_in_what_the_venue_does_not_list_is_refused_and_leaves_no_trace() -> None:
    terms = HouseTerms({SLOW: desk.INSTRUMENTS[SLOW]}, {SLOW: SLOW_MS})
    venues, (_, fast) = PaperHouse(house().exchange, GATE, terms), pairs(1)
    assert venues.place(fast).reason == "no such instrument"
    assert venues.order("beta", fast.action.id).state == "absent"


def test_session_with_the_exchange_tells_each_line_once_by_its_venue_and_number() -> None:
    gate = Gate(b"secret")
    venues = floor(gate)
    sent = Transfer("moved", "beta", "alpha", "USDC", 10_000 * 10**6, "test")
    for number in (1, 2):
        named = msgspec.structs.replace(desk.order(desk.ALPHA_BTC, 100), id=f"o{number}")
        status = venues.place(granted(named, gate, number))
        assert (status.state, status.filled_lots) == ("filled", 100)
    assert venues.send(granted(sent, gate, 3)).state == "accepted"
    assert venues.shipment("beta", "moved").state == "accepted"
    told = [(e.venue, e.number) for e in venues.pushed() if isinstance(e, Entry)]
    assert told == [("alpha", 1), ("alpha", 2), ("beta", 1)]
    assert venues.pushed() == ()
    assert [e.number for e in venues.entries("alpha", 1)] == [2]
    assert [venues.statement(venue).number for venue in FUNDS] == [2, 1]
    assert venues.order("alpha", "nobody's").state == "absent"


def test_session_with_the_exchange_does_nothing_twice_under_one_id() -> None:
    gate = Gate(b"secret")
    venues = floor(gate)
    order = msgspec.structs.replace(desk.order(desk.ALPHA_BTC, 100), id="once")
    first, second = (granted(order, gate, sequence) for sequence in (1, 2))
    assert venues.place(first) == venues.place(second)
    assert venues.statement("alpha").account.positions[desk.ALPHA_BTC].lots == 100
    sent = [granted(desk.send("alpha", "beta", 10_000), gate, n) for n in (3, 4)]
    assert venues.send(sent[0]) == venues.send(sent[1])
    assert venues.statement("alpha").number == 2
    with pytest.raises(ApprovalError, match="used before"):
        venues.send(sent[1])


def test_session_with_the_exchange_says_what_it_refuses_and_why() -> None:
    gate = Gate(b"secret")
    venues = floor(gate)
    moves = [desk.send("alpha", "beta", 400_000) for _ in range(2)]
    named = [msgspec.structs.replace(move, id=f"t{n}") for n, move in enumerate(moves)]
    states = [venues.send(granted(move, gate, n)) for n, move in enumerate(named)]
    assert [status.state for status in states] == ["accepted", "refused"]
    assert states[1].reason
    assert venues.statement("alpha").number == len(venues.entries("alpha", 0))
    pair = desk.order(desk.ALPHA_BTC, 100), desk.order(desk.BETA_BTC, -10_000)
    situation = desk.situation(desk.portfolio(FUNDS))
    verdict = gate.review(desk.terms(), situation, desk.plan(pair, raises=True), 9)
    assert isinstance(verdict, tuple)
    assert venues.place(verdict[1]).filled_lots == -10_000


def test_state_of_an_order_and_of_a_transfer_is_that_of_now() -> None:
    """What is told of an end is believed once it is told again later."""
    venues, (order,) = house(), slow(1)
    venues.place(order)
    venues.send(transfer(10_000, 2))
    venues.cancel("alpha", order.action.id)
    for later_ms in (0, 2_000, 5_000):
        venues.advance(NOW + later_ms)
        asked = venues.order("alpha", order.action.id), venues.shipment("alpha", "2.send")
        assert [status.ts_ms for status in asked] == [NOW + later_ms] * 2
        assert [status.state for status in asked] == ["cancelled", "accepted"]
        assert venues.order("alpha", "nobody's").ts_ms == NOW + later_ms


def test_port_that_is_taken_is_refused_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="a port that is free"):
            PaperServer(house(), Access(b"t" * 32), None, port)
