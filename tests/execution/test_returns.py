# SPDX-License-Identifier: Apache-2.0
"""Money that may be back where it left counts once, and locks its venue until somebody looked."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, approval, office
from tests.execution.test_unbookable import ORDER, SENDING, SENT, fill, funded
from tests.risk.desk import ALPHA_BTC, INSTRUMENTS
from tidegate.execution.doubts import Finding
from tidegate.execution.record import Record
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import Frame
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.events import Deposited, TransferLanded

LANDED = TransferLanded(NOW_MS, "t", "vault", "USDT", 4_000_000, "USDT", 4_000_000, 0)


def begun(action: Order | Transfer) -> Office:
    built, leave = funded(), approval(action)
    granted = {"id": leave.id, "action": action, "expires_ms": leave.expires_ms}
    built.record.note("approved", granted)
    built.desk.begin(((leave,),), NOW_MS)
    return built


def sending() -> Office:
    """5 of 50 dollars have left, of which 1 was the fee."""
    built = begun(SENDING)
    built.venues.log("alpha", SENT)
    built.wait(1)
    return built


def credited(built: Office, quanta: int, venue: str = "alpha", asset: str = "USDT") -> Office:
    built.venues.log(venue, Deposited(NOW_MS, venue, asset, quanta))
    built.wait(1)
    return built


def restarted(built: Office) -> Office:
    """A new process over the same venues."""
    told = [Frame(0, 0, b"", k, msgspec.json.encode(v), b"") for k, v in built.frames()]
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    journal = Journal.in_memory({"book": "test"})
    for frame in told[1:-1]:
        journal.append(frame.kind, msgspec.Raw(frame.payload))
    record = Record(ledger, journal)
    again = office(past=recover_run(told, record, INSTRUMENTS), record=record)
    again.venues.lines, again.venues.now_ms = built.venues.lines, built.venues.now_ms
    return again


def judged_micro(built: Office) -> int:
    return built.record.ledger.equity_at({}, built.desk.returned)


def is_locked(built: Office) -> bool:
    return "alpha" in built.desk.standing(built.venues.now_ms).unsettled.unseen


@pytest.mark.parametrize("quanta", [3_000_000, 4_000_000, 5_000_000])
def test_deposit_that_may_be_a_transfer_is_counted_once_named_and_locks_its_venue(
    quanta: int,
) -> None:
    built = credited(sending(), quanta)
    assert built.desk.standing(built.venues.now_ms).returned == {"t"}
    assert judged_micro(built) == 45_000_000 + quanta
    assert is_locked(built)
    breaks = [value for kind, value in built.frames() if kind == "break"]
    assert f"a deposit of {quanta} quanta of USDT may be transfer t" in str(breaks[-1])


@pytest.mark.parametrize(
    ("quanta", "venue", "asset"),
    [
        (2_999_999, "alpha", "USDT"),
        (5_000_001, "alpha", "USDT"),
        (4_000_000, "alpha", "USDC"),
        (4_000_000, "vault", "USDT"),
    ],
)
def test_deposit_that_cannot_be_the_transfer_is_capital(
    quanta: int, venue: str, asset: str
) -> None:
    built = credited(sending(), quanta, venue, asset)
    assert built.desk.returned == frozenset()
    assert judged_micro(built) == 49_000_000 + quanta
    assert not is_locked(built)


def test_transfer_that_lands_after_all_ends_the_doubt() -> None:
    built = credited(sending(), 4_000_000)
    built.venues.log("alpha", LANDED)
    built.wait(1)
    assert not is_locked(built)
    assert judged_micro(built) == 53_000_000


@pytest.mark.parametrize(
    ("finding", "capital", "equity", "under_way"),
    [
        ("returned", 50_000_000, 49_000_000, False),
        ("unfounded", 54_000_000, 53_000_000, True),
        ("lost", 54_000_000, 49_000_000, False),
    ],
)
def test_what_a_person_found_is_booked_and_journalled_and_unlocks_beyond_a_restart(
    finding: Finding, capital: int, equity: int, under_way: bool
) -> None:
    built = credited(sending(), 4_000_000)
    built.desk.settle("t", finding, "anna", built.venues.now_ms)
    for there in (built, restarted(built)):
        ledger = there.record.ledger
        assert not is_locked(there)
        assert ledger.waterfall["capital"] == capital
        assert ledger.equity_micro == judged_micro(there) == sum(ledger.waterfall.values())
        assert ledger.equity_micro == equity
        assert bool(there.desk.books.open_transfers) == under_way
        assert ledger.wallet("alpha", "USDT") == 49_000_000


def test_overdue_shipment_that_a_person_gives_up_is_lost_and_no_other_can_be() -> None:
    built = sending()
    built.desk.settle("t", "lost", "anna", built.venues.now_ms)
    assert built.record.ledger.waterfall["lost in transit"] == -4_000_000
    for finding in ("lost", "returned"):
        with pytest.raises(InvariantError, match="not under way"):
            built.desk.settle("t", finding, "anna", built.venues.now_ms)


def test_shipment_without_a_deposit_cannot_be_settled_as_returned() -> None:
    built = sending()
    with pytest.raises(InvariantError, match="no deposit may be it"):
        built.desk.settle("t", "returned", "anna", built.venues.now_ms)
    assert built.record.ledger.equity_micro == 49_000_000


def test_restart_forgets_no_doubt_and_says_it_again() -> None:
    built = credited(sending(), 4_000_000)
    again = restarted(built)
    again.wait(1)
    assert again.desk.returned == {"t"}
    assert is_locked(again)
    assert "t" in str([value for kind, value in again.frames() if kind == "break"])


@pytest.mark.parametrize("fills", [[fill(14)], [fill(5, "by hand")]])
def test_restart_keeps_an_instrument_locked_whose_fill_nobody_can_explain(fills: list) -> None:  # type: ignore[type-arg]
    built = begun(ORDER)
    for event in fills:
        built.venues.log("alpha", event)
    built.wait(2)
    again = restarted(built)
    again.wait(2)
    assert ALPHA_BTC in again.desk.standing(again.venues.now_ms).unsettled.lots
    assert again.desk.breaks["alpha"].doubts[ALPHA_BTC]
    again.desk.settle(ALPHA_BTC, "unfounded", "anna", again.venues.now_ms)
    assert again.desk.breaks == {}
    third = restarted(again)
    third.wait(2)
    assert third.desk.breaks == {}
