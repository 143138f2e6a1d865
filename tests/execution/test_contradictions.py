# SPDX-License-Identifier: Apache-2.0
"""A venue's log against its own words, and money in another shape: booked, named, and locked."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, approval
from tests.execution.test_returns import (
    LANDED,
    begun,
    credited,
    is_locked,
    judged_micro,
    restarted,
    sending,
)
from tests.execution.test_unbookable import ORDER, SENDING, SENT, fill, funded
from tests.risk.desk import ALPHA_BTC
from tidegate.execution.doubts import Finding
from tidegate.execution.orders import State
from tidegate.model.actions import Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.events import TransferLanded
from tidegate.model.replies import OrderStatus, TransferStatus, Unclear


def short_of_its_word(has: int = 9) -> Office:
    """An order of 10 lots that its venue says is filled, and whose log has fewer."""
    built = begun(ORDER)
    built.venues.log("alpha", fill(has))
    built.venues.truth[ORDER.id] = OrderStatus(ORDER.id, "filled", 10, NOW_MS)
    built.wait(10)
    return built


def test_order_whose_log_has_fewer_lots_than_its_venue_said_is_ended_by_a_person() -> None:
    built = short_of_its_word()
    assert built.desk.books.order(ORDER.id).state is State.CLOSING
    assert ALPHA_BTC in built.desk.standing(built.venues.now_ms).unsettled.lots
    built.desk.settle(ORDER.id, "ended", "anna and ben", built.venues.now_ms)
    for _ in range(2):
        built.wait(2)
        record = built.desk.books.order(ORDER.id)
        assert (record.state, record.filled_lots, record.open_lots) == (State.CLOSED, 9, 0)
        standing = built.desk.standing(built.venues.now_ms)
        assert ALPHA_BTC not in standing.unsettled.lots
        assert not standing.busy
        assert built.desk.breaks == {}
        built = restarted(built)


def test_fill_after_a_person_ended_its_order_is_booked_and_in_doubt() -> None:
    built = short_of_its_word()
    built.desk.settle(ORDER.id, "ended", "anna and ben", built.venues.now_ms)
    built.venues.log("alpha", fill(1))
    built.wait(2)
    assert built.record.ledger.position(ALPHA_BTC).lots == 10
    assert "overfilled" in built.desk.breaks["alpha"].doubts[ALPHA_BTC]


def test_fill_that_came_unseen_is_booked_before_its_order_is_ended() -> None:
    built = short_of_its_word(8)
    built.venues.log("alpha", fill(1), push=False)
    built.desk.settle(ORDER.id, "ended", "anna and ben", built.venues.now_ms)
    record = built.desk.books.order(ORDER.id)
    assert (record.state, record.filled_lots) == (State.CLOSED, 9)


@pytest.mark.parametrize("name", [ORDER.id, "alpha.other", "t", ALPHA_BTC])
def test_order_that_works_or_is_none_of_ours_cannot_be_ended_by_a_person(name: str) -> None:
    built = begun(ORDER)
    with pytest.raises(InvariantError):
        built.desk.settle(name, "ended", "anna and ben", built.venues.now_ms)
    assert "settled" not in built.kinds()


def test_order_is_not_ended_while_its_venues_log_cannot_be_read() -> None:
    built = short_of_its_word()
    built.venues.entries = lambda venue, after: Unclear("lost")  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(InvariantError, match="cannot be read"):
        built.desk.settle(ORDER.id, "ended", "anna and ben", built.venues.now_ms)


def refused_and_gone() -> Office:
    """A withdrawal that its venue refused, and whose money left all the same."""
    built = funded()
    built.venues.send = lambda a: TransferStatus("t", "refused", NOW_MS)  # type: ignore[method-assign]
    leave = approval(SENDING)
    granted = {"id": leave.id, "action": SENDING, "expires_ms": leave.expires_ms}
    built.record.note("approved", granted)
    built.desk.begin(((leave,),), NOW_MS)
    built.venues.log("alpha", SENT)
    built.wait(2)
    return built


def test_money_that_leaves_after_its_venue_refused_is_booked_named_and_locks_its_venue() -> None:
    built = refused_and_gone()
    for there in (built, restarted(built)):
        assert there.record.ledger.wallet("alpha", "USDT") == 45_000_000
        assert [sent.transfer.id for sent in there.desk.books.open_transfers] == ["t"]
        assert is_locked(there)
        found = there.desk.breaks["alpha"]
        assert found.stuck == ""
        assert "money of transfer t left" in found.returns["t"]
        assert there.desk.returned == frozenset()


@pytest.mark.parametrize("person", [True, False])
def test_money_that_left_against_its_venues_word_is_in_doubt_until_it_lands_or_a_person_looks(
    person: bool,
) -> None:
    built = refused_and_gone()
    if person:
        built.desk.settle("t", "unfounded", "anna", built.venues.now_ms)
    else:
        built.venues.log("alpha", LANDED)
        built.wait(1)
    assert not is_locked(built)
    assert "alpha" not in built.desk.breaks
    assert bool(built.desk.books.open_transfers) == person


def test_money_that_leaves_a_second_time_is_not_booked() -> None:
    built = sending()
    for event in (LANDED, SENT):
        built.venues.log("alpha", event)
        built.wait(1)
    assert "money left while closed" in built.desk.breaks["alpha"].stuck
    assert built.record.ledger.wallet("alpha", "USDT") == 45_000_000


def test_landing_of_what_this_run_did_not_send_is_named_and_locks_until_it_has_left() -> None:
    built = funded()
    sent = msgspec.structs.replace(SENT, id="hand", source="alpha", destination="beta")
    landed = TransferLanded(NOW_MS, "hand", "beta", "USDT", 4_000_000, "USDT", 4_000_000, 0)
    built.venues.log("beta", landed)
    built.wait(3)
    words = "line 1 waits: transfer hand was not sent by this run"
    assert built.desk.breaks["beta"].stuck == words
    assert words in str([value for kind, value in built.frames() if kind == "break"])
    assert built.record.ledger.wallet("beta", "USDT") == 0
    again = funded()
    for venue, event in (("beta", landed), ("alpha", sent)):
        again.venues.log(venue, event)
        again.wait(1)
    assert again.record.ledger.wallet("beta", "USDT") == 4_000_000
    assert again.desk.breaks == {}


def test_landing_of_our_own_transfer_waits_for_its_departure_without_a_lock() -> None:
    built = begun(SENDING)
    built.venues.log("vault", LANDED)
    built.wait(1)
    assert built.desk.breaks == {}
    built.venues.log("alpha", SENT)
    built.wait(1)
    assert built.desk.books.open_transfers == ()


def two_away() -> Office:
    """5 dollars and 8 have left, each for a fee of 1."""
    built = funded()
    for key, quanta in (("t", 5_000_000), ("u", 8_000_000)):
        sending = Transfer(key, "alpha", "vault", "USDT", quanta, "test")
        leave = approval(sending, place=f"{key}.0")
        granted = {"id": leave.id, "action": sending, "expires_ms": leave.expires_ms}
        built.record.note("approved", granted)
        built.desk.begin(((leave,),), built.venues.now_ms)
        built.venues.log("alpha", msgspec.structs.replace(SENT, id=key, quanta=quanta))
        built.wait(1)
    return built


@pytest.mark.parametrize("quanta", [9_000_000, 10_500_000, 11_000_000, 13_000_000])
@pytest.mark.parametrize("finding", ["returned", "unfounded"])
def test_two_shipments_that_come_back_in_one_deposit_are_counted_once(
    quanta: int, finding: Finding
) -> None:
    built = credited(two_away(), quanta)
    for _ in range(2):
        assert is_locked(built)
        assert built.desk.returned == {"t", "u"}
        assert judged_micro(built) == 37_000_000 + quanta
        built = restarted(built)
    for key in ("t", "u"):
        built.desk.settle(key, finding, "anna", built.venues.now_ms)
    ledger = built.record.ledger
    assert not is_locked(built)
    assert ledger.wallet("alpha", "USDT") == 37_000_000 + quanta
    capital = 50_000_000 + (quanta if finding == "unfounded" else 0)
    assert ledger.waterfall["capital"] == capital
    assert ledger.equity_micro == sum(ledger.waterfall.values())


@pytest.mark.parametrize("quanta", [8_999_999, 13_000_001, 1])
def test_deposit_that_is_neither_shipment_nor_both_is_capital(quanta: int) -> None:
    assert credited(two_away(), quanta).desk.returned == frozenset()


@pytest.mark.parametrize("parts", [(2_500_000, 1_500_000), (1_200_000, 1_300_000, 1_500_000)])
def test_shipment_that_comes_back_in_parts_is_counted_once_with_its_last(
    parts: tuple[int, ...],
) -> None:
    built = sending()
    for part in parts[:-1]:
        credited(built, part)
    assert built.desk.returned == frozenset()
    credited(built, parts[-1])
    for _ in range(2):
        assert built.desk.returned == {"t"}
        assert judged_micro(built) == 49_000_000
        built = restarted(built)
    built.desk.settle("t", "returned", "anna", built.venues.now_ms)
    assert built.record.ledger.waterfall["capital"] == 50_000_000
    assert built.record.ledger.equity_micro == 49_000_000


def test_deposit_from_before_a_shipment_left_is_no_part_of_it() -> None:
    built = credited(two_away(), 100)
    built.venues.log("alpha", msgspec.structs.replace(SENT, id="v", quanta=21_000_000))
    built.wait(1)
    credited(built, 19_000_000 - 50)
    assert built.desk.returned == frozenset()
