# SPDX-License-Identifier: Apache-2.0
"""The desk under the runaway brake: what it holds waits or ends the plan, and its day is kept."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, Office, ScriptedVenues, approval, office
from tests.risk.desk import ALPHA_BTC, BETA_BTC, INSTRUMENTS, MANDATE
from tidegate.execution.bookkeeping import Past
from tidegate.execution.books import Books
from tidegate.execution.brake import Day, Weight
from tidegate.execution.desk import Desk, Senses
from tidegate.execution.record import Record
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.times import DAY_MS

EQUITY_USD = 100_000.0
NOTIONAL_USD = 600.0
SENDING = Transfer("t", "alpha", "beta", "USDT", 5_000_000, "test")


def order(key: str, lots: int = 1, instrument: str = ALPHA_BTC) -> Order:
    venue = INSTRUMENTS[instrument].venue
    return Order(f"{venue}.{key}", instrument, lots, reduce_only=False, reason="test")


def braked(
    equity: Mapping[str, float | None] | None = None, day: Day | None = None, **limits: float
) -> Office:
    """A desk that weighs each order as 600 dollars; `equity` may be changed while it runs."""
    worth: Mapping[str, float | None] = {"usd": EQUITY_USD} if equity is None else equity
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    record, venues = Record(ledger, Journal.in_memory({"book": "test"})), ScriptedVenues()
    held_to = msgspec.structs.replace(MANDATE.limits, **limits)
    senses = Senses(
        weigh=lambda o, _: Weight(INSTRUMENTS[o.instrument].venue, NOTIONAL_USD, worth["usd"]),
        equity_usd=lambda _: worth["usd"],
    )
    past = Past(Books(), {}, day) if day else None
    return Office(venues, record, Desk(venues, record, (held_to, INSTRUMENTS), senses, past))


def begin(built: Office, *steps: tuple[Action, ...]) -> None:
    granted = (
        tuple(approval(action, place=f"{s}.{n}") for n, action in enumerate(step))
        for s, step in enumerate(steps)
    )
    built.desk.begin(tuple(granted), NOW_MS)


def why_stopped(built: Office) -> list[object]:
    return [payload["why"] for kind, payload in built.frames() if kind == "stopped"]


def test_orders_beyond_the_rate_wait_for_the_next_second_and_then_go() -> None:
    built = braked(messages_per_s=2)
    begin(built, tuple(order(str(n)) for n in range(5)))
    assert len(built.venues.placed) == 2
    built.venues.now_ms += 999
    built.desk.tick(built.venues.now_ms)
    assert len(built.venues.placed) == 2
    built.venues.now_ms += 1
    built.desk.tick(built.venues.now_ms)
    built.wait(4)
    assert len(built.venues.placed) == 5
    assert built.desk.standing(built.venues.now_ms).busy


def test_venue_without_room_holds_up_its_own_orders_alone() -> None:
    built = braked(messages_per_s=1)
    begin(built, (order("one"), order("other", instrument=BETA_BTC)))
    assert built.venues.placed == ["alpha.one", "beta.other"]


def test_transfer_counts_as_a_message_to_its_source() -> None:
    built = braked(messages_per_s=1)
    begin(built, (SENDING, order("after")))
    assert built.venues.placed == ["t"]
    built.wait(5)
    assert built.venues.placed == ["t", "alpha.after"]


def test_question_beyond_the_rate_is_not_asked() -> None:
    """The desk's own session is the paced one: three questions take the second's room."""
    built = braked(messages_per_s=3)
    begin(built, tuple(order(str(n)) for n in range(3)))
    built.venues.now_ms += 2_000
    built.desk.tick(built.venues.now_ms)
    assert len(built.venues.asked) == 3
    assert built.desk.standing(built.venues.now_ms).unsettled.unseen >= {"alpha"}


@pytest.mark.parametrize(
    ("limits", "rule"),
    [({"repeats": 2}, "repeats"), ({"turnover_per_day": 0.013}, "turnover")],
)
def test_order_that_the_brake_will_not_let_pass_ends_the_plan_and_cancels_what_works(
    limits: dict[str, float], rule: str
) -> None:
    built = braked(None, None, **limits)
    begin(built, tuple(order(str(n)) for n in range(3)))
    assert built.venues.placed == ["alpha.0", "alpha.1"]
    assert sorted(built.venues.cancelled) == ["alpha.0", "alpha.1"]
    (why,) = why_stopped(built)
    assert str(why).startswith(f"braked: {rule}: ")


@pytest.mark.parametrize(("lost", "placed"), [(True, []), (False, ["alpha.o"])])
def test_day_that_a_journal_tells_binds_the_process_that_starts_anew(
    lost: bool, placed: list[str]
) -> None:
    built = braked(day=Day(NOW_MS // DAY_MS, EQUITY_USD, 0.0, lost))
    begin(built, (order("o"),))
    assert built.venues.placed == placed


def test_day_is_journalled_when_it_begins_and_when_it_has_changed_and_not_else() -> None:
    worth: dict[str, float | None] = {"usd": EQUITY_USD}
    built = braked(worth)
    for _ in range(3):
        built.desk.standing(built.venues.now_ms)
    begin(built, (order("o"),))
    for _ in range(3):
        built.desk.standing(built.venues.now_ms)
    worth["usd"] = EQUITY_USD * (1 - MANDATE.limits.loss_per_day) - 1
    for _ in range(3):
        built.desk.standing(built.venues.now_ms)
    days = [msgspec.convert(p["day"], Day) for kind, p in built.frames() if kind == "day"]
    number = NOW_MS // DAY_MS
    assert days == [
        Day(number, EQUITY_USD),
        Day(number, EQUITY_USD, NOTIONAL_USD),
        Day(number, EQUITY_USD, NOTIONAL_USD, lost=True),
    ]


def test_day_that_a_journal_tells_is_not_written_again_as_long_as_it_stands() -> None:
    built = braked(day=Day(NOW_MS // DAY_MS, EQUITY_USD, 5.0))
    built.desk.standing(NOW_MS)
    assert "day" not in built.kinds()


def test_equity_that_is_not_known_holds_what_does_more_than_reduce() -> None:
    built = braked({"usd": None})
    built.desk.standing(NOW_MS)
    begin(built, (order("o"),))
    assert built.venues.placed == []
    assert why_stopped(built) == ["braked: loss: equity is not known"]


def test_desk_without_weights_keeps_no_day_though_it_can_tell_equity() -> None:
    built = office(senses=Senses(equity_usd=lambda _: EQUITY_USD))
    built.desk.standing(NOW_MS)
    assert "day" not in built.kinds()
