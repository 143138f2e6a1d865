# SPDX-License-Identifier: Apache-2.0
"""Capital that comes within a day neither hides a loss nor is one, also beyond a restart."""

from __future__ import annotations

import msgspec

from tests.execution.scripted import NOW_MS, Office, office
from tests.execution.test_unbookable import SENT
from tests.risk.desk import INSTRUMENTS
from tidegate.execution.brake import Day, Weight
from tidegate.execution.desk import Senses
from tidegate.execution.record import Record
from tidegate.execution.recovery import recover_run
from tidegate.journal.frames import Frame
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.events import Deposited
from tidegate.model.times import DAY_MS


def record() -> Record:
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    return Record(ledger, Journal.in_memory({"book": "test"}))


def senses(lost_usd: list[float], kept: Record, built: list[Office]) -> Senses:
    """The book is worth what its ledger says, less what a test says that prices took."""

    def equity_usd(now_ms: int) -> float:
        void = built[0].desk.returned if built else ()
        return kept.ledger.equity_at({}, void) / 1e6 - lost_usd[0]

    return Senses(weigh=lambda o, t: Weight("alpha", 1.0, equity_usd(t)), equity_usd=equity_usd)


def braked(lost_usd: list[float]) -> Office:
    kept, built = record(), list[Office]()
    built.append(office(senses=senses(lost_usd, kept, built), record=kept))
    return funded(built[0], 100)


def funded(built: Office, dollars: int) -> Office:
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", dollars * 1_000_000))
    built.wait(1)
    return built


def day(built: Office) -> Day:
    """The day after a look, as it would be journalled."""
    built.desk.standing(built.venues.now_ms)
    found = built.desk._brake.day
    assert found is not None
    return found


def test_deposit_within_the_day_hides_no_loss_and_is_none() -> None:
    """Of 100 + 100 dollars more than 5 % are gone at 189, however the deposit covers it."""
    lost_usd = [0.0]
    built = braked(lost_usd)
    assert day(built) == Day(NOW_MS // DAY_MS, 100.0)
    funded(built, 100)
    assert day(built) == Day(NOW_MS // DAY_MS, 200.0)
    lost_usd[0] = 9.0
    assert not day(built).lost
    lost_usd[0] = 11.0
    assert day(built).lost


def test_deposit_booked_after_the_day_was_written_hides_no_loss_of_a_new_process() -> None:
    lost_usd = [0.0]
    first = braked(lost_usd)
    day(first)
    funded(first, 100)
    told = [Frame(0, 0, b"", k, msgspec.json.encode(v), b"") for k, v in first.frames()]
    kept = record()
    past = recover_run(told, kept, INSTRUMENTS)
    again = office(past=past, senses=senses(lost_usd, kept, []), record=kept)
    again.venues.lines, again.venues.now_ms = first.venues.lines, first.venues.now_ms
    assert day(again).equity_usd == 200.0
    lost_usd[0] = 11.0
    assert day(again).lost


def test_deposit_that_may_be_our_own_transfer_is_no_capital_until_a_person_says_so() -> None:
    built = braked([0.0])
    assert day(built).equity_usd == 100.0
    for event in (SENT, Deposited(NOW_MS, "alpha", "USDT", 4_000_000)):
        built.venues.log("alpha", event)
    built.wait(1)
    assert day(built).equity_usd == 100.0
    built.desk.settle("t", "unfounded", "anna", built.venues.now_ms)
    assert day(built).equity_usd == 104.0
