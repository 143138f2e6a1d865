# SPDX-License-Identifier: Apache-2.0
"""How long a start takes from a journal of a hundred thousand events with fifty open orders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, ScriptedVenues, approval
from tests.risk import desk as book
from tests.risk.desk import ALPHA_BTC, BETA_BTC, INSTRUMENTS, MARKS, VAULT_BTC
from tests.soak import Budget, quantile
from tidegate.engine.record_frames import open_record
from tidegate.engine.restart import resume_file
from tidegate.execution.desk import Desk
from tidegate.journal.writer import Journal
from tidegate.model.account import Account
from tidegate.model.actions import Order
from tidegate.model.events import Deposited, Event, Filled
from tidegate.model.replies import OrderStatus, Statement, Unclear

STABLE = {"USDT": 1_000_000, "USDC": 1_000_000}
EVENTS, A_FRAME, OPEN, RESTARTS, LIMIT_S = 100_000, 5, 50, 100, 5.0
NAMES = (ALPHA_BTC, BETA_BTC, VAULT_BTC)


class Settled(ScriptedVenues):
    """Venues at the end of their logs, of which they state the accounts without a delay."""

    accounts: dict[str, Account]
    numbers: dict[str, int]

    def entries(self, venue: str, after: int) -> tuple[()]:
        return ()

    def statement(self, venue: str) -> Statement | Unclear:
        number = self.numbers[venue]
        return Statement(venue, self.now_ms, number, self.accounts[venue], self.working(venue))


def written(path: Path, events: int) -> Settled:
    """A journal of that many events, and the venues that its orders are at."""
    journal = Journal.create(path, {"mandate": "m"}, durable=False)
    record = open_record(INSTRUMENTS, STABLE, {"BTC": VAULT_BTC}, journal, "run")
    venues, numbers = Settled(), dict.fromkeys(book.COLLATERAL, 0)
    for venue, asset in book.COLLATERAL.items():
        numbers[venue] += 1
        funds = Deposited(NOW_MS, venue, asset, 10**12)
        record.take([funds], {venue: 1}, NOW_MS)
    for number in range((events - len(numbers)) // A_FRAME + OPEN):
        name = NAMES[number % len(NAMES)]
        venue, lots = INSTRUMENTS[name].venue, A_FRAME * (1 if number // 3 % 2 else -1)
        order = Order(f"{venue}.{number}", name, lots, reduce_only=False, reason="test")
        leave = approval(order, place=f"{number}.0")
        granted = {"id": leave.id, "action": order, "expires_ms": leave.expires_ms}
        record.note("approved", granted)
        record.note("submitted", {"ts_ms": NOW_MS, "approval": leave.id, "content": leave.content})
        said = OrderStatus(order.id, "working", 0, NOW_MS)
        record.note("replied", {"ts_ms": NOW_MS, "id": order.id, "reply": said})
        venues.truth[order.id] = said
        if len(record.events) + A_FRAME > events:
            continue
        lines: list[Event] = [
            Filled(
                NOW_MS, name, lots // A_FRAME, MARKS[name], MARKS[name], 0, 0, 0, order.id, "order"
            )
        ] * A_FRAME
        numbers[venue] += A_FRAME
        record.take(lines, {venue: numbers[venue]}, NOW_MS)
        venues.truth[order.id] = msgspec.structs.replace(said, state="filled", filled_lots=lots)
    venues.numbers = numbers
    venues.accounts = {venue: record.ledger.account(venue) for venue in numbers}
    journal.close()
    assert len(record.events) > events - A_FRAME
    return venues


@contextmanager
def started(path: Path, venues: Settled) -> Iterator[Office]:
    """A process that starts from the journal and has looked at its venues once."""
    resumed = resume_file(path, NOW_MS + 1_000)
    desk = Desk(venues, resumed.record, (book.MANDATE.limits, INSTRUMENTS), None, resumed.past)
    assert desk.standing(NOW_MS).unsettled.unseen == frozenset()
    try:
        yield Office(venues, resumed.record, desk)
    finally:
        resumed.record.journal.close()  # type: ignore[attr-defined]


def test_start_from_a_short_journal_knows_every_event_and_asks_of_every_open_order(
    tmp_path: Path,
) -> None:
    venues = written(tmp_path / "j", 2_000)
    with started(tmp_path / "j", venues) as built:
        open_orders = {record.order.id for record in built.desk.books.open_orders}
        assert len(built.record.events) > 2_000 - A_FRAME
        assert built.desk.breaks == {}
    assert len(open_orders) >= OPEN
    assert open_orders <= {*venues.asked, *venues.cancelled}
    assert venues.placed == []


@pytest.mark.soak(promise="R4", weight=2)
def test_start_from_a_hundred_thousand_events_takes_no_more_than_five_seconds(
    budget: Budget, tmp_path: Path
) -> None:
    """Of the processor's time, which a busy machine does not lengthen as much; both are told."""
    venues = written(tmp_path / "j", EVENTS)
    wall_s, processor_s = list[float](), list[float]()

    def judge(_: int) -> None:
        began_s = time.perf_counter(), time.process_time()
        with started(tmp_path / "j", venues) as built:
            wall_s.append(time.perf_counter() - began_s[0])
            processor_s.append(time.process_time() - began_s[1])
            assert len(built.desk.books.open_orders) >= OPEN

    budget.each("start", judge, RESTARTS)
    for name, taken_s in (("by the clock", wall_s), ("of the processor", processor_s)):
        read = f"median {quantile(taken_s, 0.5):.2f}, p99 {quantile(taken_s, 0.99):.2f}"
        budget.figures.append(f"seconds {name}: {read}")
    assert quantile(processor_s, 0.99) <= LIMIT_S, budget.figures
