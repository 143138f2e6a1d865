# SPDX-License-Identifier: Apache-2.0
"""The venues behind the wire: once per id, never after the expiry, and a log that adds up."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.faults.plain_client import LIFE_MS, Bench, approve
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Filled
from tidegate.risk.gate import Approval
from tidegate.simulation.faults.menu import PER_ACTION, Fault, Swarm
from tidegate.simulation.faults.small_book import COLLATERAL, INSTRUMENTS, STABLE_MICRO

BTC, VENUE = "beta:BTC", "beta"
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("place", "again", "cancel", "wait", "send", "reset")),
        st.integers(1, 12),
        st.sampled_from(tuple(INSTRUMENTS)),
    ),
    min_size=1,
    max_size=40,
)


def ordered(bench: Bench, name: str, lots: int = 3, instrument: str = BTC) -> Approval:
    order = Order(name, instrument, lots, False, "test")
    return approve(bench.gate, order, 1, bench.server.now_ms + LIFE_MS)


def bench(*faults: Fault, seed: int = 2, chance: float = 1.0) -> Bench:
    return Bench(Swarm(seed, dict.fromkeys(faults, chance)), 600)


def traded(served: Bench, order: str) -> int:
    log = (e.event for venue in COLLATERAL for e in served.server.entries(venue, 0))
    return sum(e.lots for e in log if isinstance(e, Filled) and e.order == order)


@given(STEPS, st.integers(0, 99))
def test_venues_under_any_requests_act_once_per_id_and_log_what_they_hold(
    steps: list[tuple[str, int, str]], seed: int
) -> None:
    served = bench(*PER_ACTION, seed=seed, chance=0.5)
    approvals: dict[str, Approval] = {}
    said: dict[str, tuple[str, int]] = {}
    for number, (what, size, name) in enumerate(steps):
        known = [a for a in approvals.values() if isinstance(a.action, Order)]
        if what == "place":
            approvals[f"o{number}"] = ordered(served, f"o{number}", size * (-1) ** number, name)
            served.server.place(approvals[f"o{number}"])
        elif what == "again" and known:
            served.server.place(known[size % len(known)])
        elif what == "cancel" and known:
            order = known[size % len(known)].action
            served.server.cancel(INSTRUMENTS[order.instrument].venue, order.id)
        elif what == "send":
            money = Transfer(f"t{number}", "alpha", "beta", "USDT", size * 10**9, "test")
            served.server.send(approve(served.gate, money, 1, served.server.now_ms + LIFE_MS))
        elif what == "reset":
            served.server.reset(INSTRUMENTS[name].venue)
        for _ in range(size if what == "wait" else 0):
            served.tick()
        _check(served, approvals, said)


def _check(served: Bench, approvals: dict[str, Approval], said: dict[str, tuple[str, int]]) -> None:
    """What holds after every step; `said` are the last words on orders."""
    assert set(served.server.seen.acted.values()) <= {1}
    for name, approval in approvals.items():
        word = served.server.order(INSTRUMENTS[approval.action.instrument].venue, name)
        if word.state != "absent":
            assert word.filled_lots == traded(served, name), name
        before = said.get(name, ("working", 0))
        # Only a part that was matched before the cancel may follow an end.
        assert before[0] in ("working", word.state) or word.state == "absent"
        said[name] = (word.state, word.filled_lots)
    for venue in COLLATERAL:
        log = served.server.entries(venue, 0)
        assert [line.number for line in log] == list(range(1, len(log) + 1))
        _ensure_fold(served, venue)


def _ensure_fold(served: Bench, venue: str) -> None:
    """A statement is the fold of the log up to its number, with arrivals taken as they are."""
    ledger, stated = Ledger(INSTRUMENTS, STABLE_MICRO), served.server.statement(venue)
    both = [line for v in COLLATERAL for line in served.server.entries(v, 0)]
    for line in sorted(both, key=lambda line: (line.event.ts_ms, _is_arrival(line.event))):
        ledger.post(line.event)
    ours = ledger.portfolio((venue,)).accounts[venue]
    assert ours.positions == stated.account.positions
    assert {a: q for a, q in ours.balances.items() if q} == {
        a: q for a, q in stated.account.balances.items() if q
    }


def _is_arrival(event: object) -> bool:
    return type(event).__name__ == "TransferLanded"


def test_order_that_comes_again_is_answered_with_its_first_state_and_counted() -> None:
    served = bench()
    approval = ordered(served, "o")
    first, again = served.server.place(approval), served.server.place(approval)
    assert first == again
    assert traded(served, "o") == 3
    assert served.server.seen.repeated == ["o"]


def test_other_order_under_a_used_id_is_not_traded_and_counted() -> None:
    served = bench()
    served.server.place(ordered(served, "o"))
    answer = served.server.place(ordered(served, "o", 7))
    assert (answer.state, answer.filled_lots, traded(served, "o")) == ("filled", 3, 3)
    assert served.server.seen.collided == ["o"]


@pytest.mark.parametrize("late_ms", [0, 1, 10_000])
def test_order_that_arrives_after_its_expiry_never_trades(late_ms: int) -> None:
    served = bench()
    approval = ordered(served, "o")
    for _ in range(LIFE_MS // 1000 - 1):
        served.tick()
    served.wire.advance(approval.expires_ms + late_ms)
    answer = served.server.place(approval)
    assert (answer.state == "filled") == (late_ms == 0)
    assert traded(served, "o") == (3 if late_ms == 0 else 0)


def test_changed_approval_is_refused() -> None:
    served = bench()
    approval = ordered(served, "o")
    changed = msgspec.structs.replace(approval, action=Order("o", BTC, 4, False, "test"))
    assert served.server.place(changed).state == "refused"
    assert traded(served, "o") == 0
    assert len(served.server.seen.unapproved) == 1


def test_order_in_parts_works_over_ticks_and_its_cancel_keeps_what_has_traded() -> None:
    served = bench(Fault.PARTIAL_FILL)
    served.server.place(ordered(served, "o", 1000))
    seen = {served.server.order(VENUE, "o").filled_lots}
    while len(seen - {0}) < 2:
        served.tick()
        seen.add(served.server.order(VENUE, "o").filled_lots)
    word = served.server.cancel(VENUE, "o")
    assert (word.state, word.filled_lots) == ("cancelled", max(seen))
    for _ in range(120):
        served.tick()
    assert traded(served, "o") == max(seen) < 1000


def test_cancel_that_came_too_late_is_answered_with_filled() -> None:
    served = bench()
    served.server.place(ordered(served, "o"))
    assert served.server.cancel(VENUE, "o").state == "filled"


def test_part_matched_before_the_cancel_is_reported_after_it() -> None:
    served = bench(Fault.PARTIAL_FILL, Fault.FILL_LAST)
    served.server.place(ordered(served, "o", 1000))
    word = served.server.cancel(VENUE, "o")
    assert word.state == "cancelled"
    served.tick()
    after = served.server.order(VENUE, "o")
    assert after.state == "cancelled"
    assert after.filled_lots > word.filled_lots
    assert after.filled_lots == traded(served, "o")


def test_silent_reset_forgets_what_works_and_still_knows_its_id() -> None:
    served = bench(Fault.PARTIAL_FILL)
    approval = ordered(served, "o", 1000)
    served.server.place(approval)
    assert served.server.reset(VENUE)
    assert served.server.order(VENUE, "o").state == "absent"
    had = traded(served, "o")
    assert served.server.place(approval).state == "absent"
    for _ in range(120):
        served.tick()
    assert traded(served, "o") == had


def test_reviewed_withdrawal_is_accepted_first_and_debited_or_refused_later() -> None:
    served = bench(Fault.REVIEW, Fault.REVIEW_REFUSED, chance=0.9)
    for number in range(12):
        money = Transfer(f"t{number}", "alpha", "beta", "USDT", 10**9, "test")
        approval = approve(served.gate, money, number, served.server.now_ms + LIFE_MS)
        served.server.send(approval)
    first = {n: served.server.shipment("alpha", f"t{n}").state for n in range(12)}
    while served.ticks < 1_300:
        served.tick()
    last = {n: served.server.shipment("alpha", f"t{n}").state for n in range(12)}
    debits = sum(
        type(e.event).__name__ == "TransferSent" for e in served.server.entries("alpha", 0)
    )
    assert "refused" not in first.values()
    assert "refused" in last.values()
    assert debits == list(last.values()).count("accepted")
