# SPDX-License-Identifier: Apache-2.0
"""Money that a day began without and that comes home hides no loss of that day."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, office
from tests.execution.test_capital import day, record
from tests.execution.test_unbookable import SENT
from tests.risk.desk import INSTRUMENTS
from tidegate.execution.bookkeeping import Past
from tidegate.execution.brake import Weight
from tidegate.execution.desk import Senses
from tidegate.execution.doubts import Finding
from tidegate.execution.record import Record
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import Frame
from tidegate.model.events import Deposited, Event, TransferLanded, TransferReturned
from tidegate.model.times import DAY_MS

LANDED = TransferLanded(NOW_MS, "t", "vault", "USDT", 4_000_000, "USDT", 4_000_000, 0)
BACK = TransferReturned(NOW_MS, "t", "alpha", "USDT", 4_000_000)


class Book:
    """100 dollars of which 5 are sent for a fee of 1; the 4 are overdue from `late_ms` on."""

    def __init__(self, kept: Record | None = None, past: Past | None = None) -> None:
        self.kept, self.lost_usd, self.late_ms = kept or record(), 0.0, NOW_MS + DAY_MS // 4
        senses = Senses(
            weigh=lambda o, t: Weight("alpha", 1.0, self.equity_usd(t)),
            equity_usd=self.equity_usd,
            overdue=self.overdue,
        )
        self.built: Office = office(senses=senses, record=self.kept, past=past)

    def overdue(self, now_ms: int) -> frozenset[str]:
        return frozenset(self.kept.ledger.shipments) if now_ms >= self.late_ms else frozenset()

    def equity_usd(self, now_ms: int) -> float:
        void = self.overdue(now_ms) | self.built.desk.returned
        return self.kept.ledger.equity_at({}, void) / 1e6 - self.lost_usd

    def at(self, days: float, *events: Event) -> Book:
        """The book after a time, at which its venue told events and it was looked at."""
        self.built.venues.now_ms = NOW_MS + round(days * DAY_MS)
        for event in events:
            self.built.venues.log("alpha", event)
        self.built.wait(1)
        day(self.built)
        return self


def sent() -> Book:
    return Book().at(0, Deposited(NOW_MS, "alpha", "USDT", 100_000_000), SENT)


@pytest.mark.parametrize("home", [LANDED, BACK])
def test_money_that_comes_home_a_day_later_hides_no_loss(home: Event) -> None:
    """Of 95 + 4 dollars more than 5 % are gone at 94."""
    book = sent().at(1)
    assert day(book.built).equity_usd == 95.0
    book.at(1.1, home)
    assert day(book.built).equity_usd == 99.0
    book.lost_usd = 4.9
    assert not day(book.built).lost
    book.lost_usd = 5.0
    assert day(book.built).lost


def test_money_that_comes_home_a_day_later_hides_no_loss_of_a_new_process() -> None:
    first = sent().at(1)
    told = [Frame(0, 0, b"", k, msgspec.json.encode(v), b"") for k, v in first.built.frames()]
    kept = record()
    again = Book(kept, recover_run(told, kept, INSTRUMENTS))
    again.built.venues.lines = first.built.venues.lines
    assert day(again.at(1.1, LANDED).built).equity_usd == 99.0


def test_money_that_is_late_and_comes_home_within_the_day_was_a_loss_and_is_none() -> None:
    book = sent()
    began = day(book.built)
    assert book.at(0.26).equity_usd(book.built.venues.now_ms) == 95.0
    assert day(book.at(0.27, LANDED).built).equity_usd == began.equity_usd
    assert book.equity_usd(book.built.venues.now_ms) == 99.0


def test_money_given_up_on_an_earlier_day_hides_no_loss_when_it_comes() -> None:
    book = sent().at(0.3)
    book.built.desk.settle("t", "lost", "anna", book.built.venues.now_ms)
    assert day(book.at(1).built).equity_usd == 95.0
    assert day(book.at(1.1, LANDED).built).equity_usd == 99.0


@pytest.mark.parametrize("finding", ["returned", "unfounded", "lost"])
def test_deposit_that_is_late_money_hides_no_loss_whatever_a_person_finds(finding: Finding) -> None:
    book = sent().at(1)
    book.at(1.1, Deposited(NOW_MS, "alpha", "USDT", 4_000_000))
    assert day(book.built).equity_usd == 99.0
    book.built.desk.settle("t", finding, "anna", book.built.venues.now_ms)
    assert day(book.at(1.2).built).equity_usd == 99.0
