# SPDX-License-Identifier: Apache-2.0
"""Whatever a venue says, the desk lives: what cannot be booked locks that venue and no other."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, approval, office
from tests.risk.desk import ALPHA_BTC, INSTRUMENTS, MARKS
from tidegate.execution.record import Record
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import Frame
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.account import Account, Position
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    TransferLanded,
    TransferReturned,
    TransferSent,
)
from tidegate.model.replies import Entry, OrderStatus, Statement, Unclear

SENT = TransferSent(NOW_MS, "t", "alpha", "vault", "USDT", 5_000_000, 1_000_000)
SENDING = Transfer("t", "alpha", "vault", "USDT", 5_000_000, "test")
ORDER = Order("alpha.o", ALPHA_BTC, 10, reduce_only=False, reason="test")


def fill(lots: int, order: str = "alpha.o", instrument: str = ALPHA_BTC) -> Filled:
    ticks = MARKS[ALPHA_BTC]
    return Filled(NOW_MS, instrument, lots, ticks, ticks, 0, 0, 0, order, "order")


def funded() -> Office:
    built = office()
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 50_000_000))
    built.desk.tick(NOW_MS)
    return built


ODD: list[Event] = [
    Deposited(NOW_MS, "alpha", "BNB", 1_000),
    fill(1, "hand", "alpha:DOGE"),
    SENT,
]


@pytest.mark.parametrize("odd", ODD)
def test_line_that_cannot_be_booked_locks_its_venue_and_others_go_on(odd: Event) -> None:
    built = funded()
    built.venues.log("alpha", SENT)
    built.desk.tick(NOW_MS)
    before = built.record.ledger.portfolio(("alpha",)).accounts
    built.venues.log("alpha", odd)
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 1))
    built.venues.log("beta", Deposited(NOW_MS, "beta", "USDC", 7))
    built.venues.statements = False
    built.wait(20)
    assert built.record.ledger.portfolio(("alpha",)).accounts == before
    assert built.record.ledger.wallet("beta", "USDC") == 7
    assert "alpha" in built.desk.standing(built.venues.now_ms).unsettled.unseen
    assert list(built.desk.breaks) == ["alpha"]
    assert "line 3 cannot be booked" in built.desk.breaks["alpha"].stuck
    frames = built.frames()
    (told,) = [value for kind, value in frames if kind == "unbookable"]
    assert (told["venue"], told["number"]) == ("alpha", 3)
    assert [kind for kind, _ in frames].count("break") == 1


def test_restart_sticks_at_the_same_line_and_lives() -> None:
    built = funded()
    built.venues.log("alpha", ODD[0])
    built.wait(2)
    told = [Frame(0, 0, b"", k, msgspec.json.encode(v), b"") for k, v in built.frames()]
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    record = Record(ledger, Journal.in_memory({"book": "test"}))
    again = office(past=recover_run(told, record, INSTRUMENTS), record=record)
    again.venues.lines = built.venues.lines
    again.venues.told = list(built.venues.lines["alpha"])
    again.wait(2)
    assert "line 2" in again.desk.breaks["alpha"].stuck
    assert again.record.ledger.wallet("alpha", "USDT") == 50_000_000


def test_transfer_that_lands_with_less_is_booked_and_one_with_another_amount_is_not() -> None:
    for sent, came, stuck in ((4_000_000, 3_500_000, False), (3_500_000, 3_500_000, True)):
        built = funded()
        built.venues.statements = False
        built.desk.begin(((approval(SENDING),),), NOW_MS)
        built.venues.log("alpha", SENT)
        landed = TransferLanded(NOW_MS, "t", "beta", "USDT", sent, "USDT", came, 0)
        built.venues.log("beta", msgspec.structs.replace(landed, destination="vault"))
        built.wait(2)
        assert ("beta" in built.desk.breaks) == stuck
        assert (built.record.ledger.wallet("vault", "USDT") == came) == (not stuck)
        assert bool(built.desk.books.open_transfers) == stuck


def test_lines_of_a_venue_that_nobody_knows_are_said_once_and_passed_over() -> None:
    built = funded()
    odd = Entry("gamma", 1, Deposited(NOW_MS, "gamma", "USDT", 1))
    for _ in range(3):
        built.venues.told = [odd]
        built.wait(1)
    assert built.kinds().count("ignored") == 1


def test_unknown_contract_and_asset_of_a_statement_are_strangers_and_no_range() -> None:
    built = funded()
    balances = {"USDT": 50_000_000, "BNB": -3}
    odd = Account("alpha", balances, {"alpha:DOGE": Position(1, 1)})
    built.venues.statement = lambda venue: (  # type: ignore[method-assign]
        Statement("alpha", NOW_MS, 1, odd, ()) if venue == "alpha" else Unclear("no")
    )
    standing = built.desk.standing(NOW_MS)
    assert built.desk.breaks["alpha"].strangers == ("alpha:DOGE", "BNB")
    assert standing.unsettled.lots == standing.unsettled.missing == {}
    assert "alpha" in standing.unsettled.unseen


@pytest.mark.parametrize(
    ("fills", "why"),
    [
        ([fill(14)], "overfilled"),
        ([fill(-1)], "overfilled"),
        ([fill(5, "by hand")], "not sent by this run"),
    ],
)
def test_fill_that_contradicts_what_was_sent_locks_its_instrument(
    fills: list[Event], why: str
) -> None:
    built = funded()
    built.desk.begin(((approval(ORDER),),), NOW_MS)
    for event in fills:
        built.venues.log("alpha", event)
    built.wait(300)
    standing = built.desk.standing(built.venues.now_ms)
    assert ALPHA_BTC in standing.unsettled.lots
    assert why in built.desk.breaks["alpha"].doubts[ALPHA_BTC]
    assert built.record.ledger.position(ALPHA_BTC).lots == sum(f.lots for f in fills)  # type: ignore[union-attr]
    told = [v for kind, v in built.frames() if kind == "break"]
    assert any(v["differs"]["doubts"] for v in told)  # type: ignore[index]


def test_absence_told_to_a_placing_by_a_clock_ahead_ends_the_order() -> None:
    built = funded()
    built.venues.place = lambda a: OrderStatus(a.action.id, "absent", 0, NOW_MS + 120_000)  # type: ignore[method-assign]
    built.desk.begin(((approval(ORDER),),), NOW_MS)
    assert built.desk.books.open_orders == ()


def test_money_that_is_back_closes_its_transfer_and_the_plan_and_counts_once() -> None:
    built = funded()
    built.desk.begin(((approval(SENDING),), (approval(ORDER),)), NOW_MS)
    built.venues.log("alpha", SENT)
    built.venues.log("alpha", TransferReturned(NOW_MS, "t", "alpha", "USDT", 5_000_000))
    built.wait(2)
    assert built.record.ledger.equity_micro == 50_000_000
    assert built.desk.books.open_transfers == ()
    assert built.desk.books.has_failed(SENDING)
    assert built.desk.breaks == {}
    built.venues.log("alpha", TransferReturned(NOW_MS, "t", "alpha", "USDT", 5_000_000))
    built.wait(2)
    assert "not under way" in built.desk.breaks["alpha"].stuck
