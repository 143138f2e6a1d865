# SPDX-License-Identifier: Apache-2.0
"""The simulated venues keep what a gateway promises: ids, logs, resting orders, the dead man."""

from __future__ import annotations

import msgspec
import pytest

from tests.risk import desk
from tests.venues.drill import FAST, NOW, SLOW, SLOW_MS, house, lots, pairs, slow, transfer
from tidegate.ledger.book import Ledger
from tidegate.model.errors import InvariantError
from tidegate.model.events import TransferLanded, TransferReturned, TransferSent
from tidegate.model.replies import Armed, Entry, NotTaken, OrderStatus
from tidegate.model.units import MICRO
from tidegate.risk.gate import APPROVAL_LIFE_MS


def test_transfer_that_cannot_be_delivered_is_back_at_its_source_under_its_id() -> None:
    venues, sent = house(), transfer(10_000)
    before = venues.statement("alpha").account.balances["USDT"]
    venues.send(sent)
    venues.give_back(sent.action.id)
    left, back = (entry.event for entry in venues.entries("alpha", 0)[-2:])
    assert isinstance(left, TransferSent)
    whole = left.quanta - left.fee_quanta
    assert back == TransferReturned(NOW, sent.action.id, "alpha", "USDT", whole)
    assert before - venues.statement("alpha").account.balances["USDT"] == left.fee_quanta
    with pytest.raises(InvariantError, match="not under way"):
        venues.give_back(sent.action.id)
    venues.advance(venues.end_ms)
    assert not any(isinstance(e.event, TransferLanded) for e in venues.entries("beta", 0))


def test_order_that_rests_fills_at_its_time_and_may_be_cancelled_before() -> None:
    venues, (first, second) = house(), slow(2)
    assert venues.place(first).state == venues.place(second).state == "working"
    assert venues.statement("alpha").working == (first.action.id, second.action.id)
    venues.advance(NOW + SLOW_MS - 1)
    assert venues.cancel("alpha", first.action.id).state == "cancelled"
    venues.advance(NOW + SLOW_MS)
    assert venues.order("alpha", second.action.id).filled_lots == 20
    assert venues.cancel("alpha", second.action.id).state == "filled"
    assert lots(venues, SLOW) == 20
    assert venues.statement("alpha").working == ()


def test_order_placed_again_under_its_id_does_nothing_twice() -> None:
    venues, (_, fast) = house(), pairs(1)
    assert venues.place(fast) == venues.place(fast)
    assert lots(venues, FAST) == -2_000


def test_approval_that_is_changed_or_expired_leaves_its_id_unknown() -> None:
    venues, (_, fast) = house(), pairs(1)
    action = msgspec.structs.replace(fast.action, lots=-4_000)  # type: ignore[call-arg]
    assert venues.place(msgspec.structs.replace(fast, action=action)).state == "refused"
    assert venues.order("beta", fast.action.id).state == "absent"
    venues.advance(NOW + APPROVAL_LIFE_MS + 1)
    assert venues.place(fast).state == "refused"
    assert venues.order("beta", fast.action.id).state == "absent"
    assert lots(venues, FAST) == 0


def test_log_of_a_venue_has_no_gap_and_makes_its_account() -> None:
    venues, (rests, fast) = house(), pairs(1)
    venues.place(rests)
    venues.place(fast)
    venues.send(transfer(10_000))
    venues.advance(venues.end_ms)
    ledger = Ledger(desk.INSTRUMENTS, {"USDC": MICRO, "USDT": MICRO}, {"BTC": desk.VAULT_BTC})
    logs = [entry for venue in ("alpha", "beta") for entry in venues.entries(venue, 0)]
    for entry in sorted(logs, key=lambda entry: entry.event.ts_ms):
        ledger.post(entry.event)
    for venue in ("alpha", "beta"):
        entries, said = venues.entries(venue, 0), venues.statement(venue)
        assert [entry.number for entry in entries] == list(range(1, said.number + 1))
        assert ledger.portfolio((venue,)).accounts[venue].balances == said.account.balances
        assert venues.entries(venue, said.number - 1) == entries[-1:]


def test_what_is_pushed_comes_once_with_entries_and_states() -> None:
    venues, (_, fast) = house(), pairs(1)
    venues.pushed()
    venues.place(fast)
    entry, state = venues.pushed()
    assert isinstance(entry, Entry)
    assert isinstance(state, OrderStatus)
    assert (entry.venue, state.state) == ("beta", "filled")
    assert venues.pushed() == ()


def test_transfer_is_done_once_and_known_at_its_source_only() -> None:
    venues, sent = house(), transfer(10_000)
    assert venues.send(sent) == venues.send(sent)
    assert venues.statement("alpha").account.balances["USDT"] == 490_000 * MICRO
    assert venues.shipment("alpha", sent.action.id).state == "accepted"
    assert venues.shipment("beta", sent.action.id).state == "absent"


def test_device_that_lapses_cancels_what_rests_and_leaves_positions() -> None:
    venues, (rests, fast) = house(), pairs(1)
    assert venues.arm("alpha", 10) == Armed("alpha", NOW + 10_000, NOW)
    venues.place(rests)
    venues.place(fast)
    venues.advance(NOW + 9_999)
    assert venues.order("alpha", rests.action.id).state == "working"
    venues.advance(NOW + 10_000)
    assert venues.order("alpha", rests.action.id).state == "cancelled"
    assert lots(venues, FAST) == -2_000


def test_device_armed_anew_or_disarmed_cancels_nothing() -> None:
    venues, (rests,) = house(), slow(1)
    venues.arm("alpha", 10)
    venues.place(rests)
    venues.advance(NOW + 9_000)
    venues.arm("alpha", 10)
    venues.advance(NOW + 18_999)
    assert venues.arm("alpha", 0) == Armed("alpha", None, NOW + 18_999)
    venues.advance(NOW + SLOW_MS)
    assert venues.order("alpha", rests.action.id).state == "filled"


@pytest.mark.parametrize(("venue", "seconds"), [("alpha", 4), ("alpha", 301), ("beta", 10)])
def test_device_out_of_its_window_or_absent_is_not_armed(venue: str, seconds: int) -> None:
    venues = house()
    assert isinstance(venues.arm(venue, seconds), NotTaken)
    assert (venues.device(venue) is None) == (venue == "beta")
