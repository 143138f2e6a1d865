# SPDX-License-Identifier: Apache-2.0
"""What a journal tells of a run is what the run knew, less what died with its process."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.scripted import NOW_MS, TAKES, Office, approval, office
from tests.risk.desk import ALPHA_BTC, BETA_BTC, INSTRUMENTS
from tidegate.execution.brake import Day
from tidegate.execution.orders import State
from tidegate.execution.record import Record
from tidegate.execution.recovery import BooksFold, recover_run
from tidegate.journal.frames import Frame
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.events import Deposited, LiquidationStarted, TransferSent
from tidegate.model.replies import NotTaken, Unclear

LONG = Order("alpha.long", ALPHA_BTC, 100, reduce_only=False, reason="test")
SHORT = Order("beta.short", BETA_BTC, -10_000, reduce_only=False, reason="test")
SENDING = Transfer("t", "alpha", "vault", "USDT", 5_000_000, "test")
STEPS = (
    (approval(LONG), approval(SHORT, place="1.1")),
    (approval(SENDING, place="1.2"),),
)
LOST, BUSY = Unclear("no answer"), NotTaken("too many requests")


def frame(kind: str, payload: object) -> Frame:
    return Frame(0, 0, b"", kind, msgspec.json.encode(payload), b"")


APPROVED = [frame("approved", granted) for step in STEPS for granted in step]


def empty() -> Record:
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    return Record(ledger, Journal.in_memory({"book": "test"}))


def told(built: Office) -> list[Frame]:
    return [*APPROVED, *(frame(kind, payload) for kind, payload in built.frames())]


def played(replies: list[NotTaken | Unclear | str], fills: list[int], stops: bool) -> Office:
    """Some of a plan over a session that answers as it is told."""
    built = office(list(replies))
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 50_000_000))
    built.desk.begin(STEPS, NOW_MS)
    for lots in fills:
        if LONG.id in built.venues.truth:
            built.venues.fill(LONG, lots)
        built.wait(2)
    if SENDING.id in built.venues.placed:
        built.venues.log("alpha", TransferSent(NOW_MS, "t", "alpha", "vault", "USDT", 5_000_000, 1))
    if stops:
        built.desk.stop(built.venues.now_ms, "test")
    built.desk.standing(built.venues.now_ms)
    return built


@settings(max_examples=80)
@given(
    replies=st.lists(st.sampled_from([LOST, BUSY, TAKES, TAKES]), max_size=6),
    fills=st.lists(st.sampled_from([40, 60]), max_size=3),
    stops=st.booleans(),
)
def test_books_and_ledger_of_a_journal_are_those_of_its_run_restarted(
    replies: list[NotTaken | Unclear | str], fills: list[int], stops: bool
) -> None:
    built = played(replies, fills, stops)
    own, record = built.desk.books, empty()
    past = recover_run(told(built), record, INSTRUMENTS)
    own.restarted()
    assert list(past.books.all_orders()) == list(own.all_orders())
    assert past.books.open_orders == own.open_orders
    assert past.books.open_transfers == own.open_transfers
    assert record.events == built.record.events
    assert past.lines == {venue: len(lines) for venue, lines in built.venues.lines.items()}
    kept = built.record.ledger
    assert [record.ledger.account(v) for v in ("alpha", "beta")] == [
        kept.account(v) for v in ("alpha", "beta")
    ]


def test_everything_that_can_be_known_of_a_run_comes_back() -> None:
    """Of both kinds something is open and something closed."""
    built = played([], [100], stops=True)
    past = recover_run(told(built), empty(), INSTRUMENTS)
    assert past.books.order(LONG.id).state is State.CLOSED
    lost = played([TAKES, TAKES, LOST], [], stops=True)
    past = recover_run(told(lost), empty(), INSTRUMENTS)
    assert past.books.order(LONG.id).state is State.CANCELLING


def test_submission_that_cites_no_approval_is_refused_by_its_name() -> None:
    fold = BooksFold(INSTRUMENTS)
    with pytest.raises(InvariantError, match=r"1\.7: submitted without an approval"):
        fold.take(frame("submitted", {"approval": "1.7"}))


@pytest.mark.parametrize(("kind", "granted"), [("submitted", APPROVED[0]), ("sent", APPROVED[2])])
def test_restart_within_a_journal_leaves_what_was_sent_before_it_unknown(
    kind: str, granted: Frame
) -> None:
    fold = BooksFold(INSTRUMENTS)
    fold.take(granted)
    fold.take(frame(kind, {"approval": granted.value()["id"]}))
    fold.take(frame("restarted", {}))
    orders, sent = fold.books.open_orders, fold.books.open_transfers
    known = [record.state.value for record in orders] + [record.leg.value for record in sent]
    assert known == ["unknown"]


# An account, quanta and a cause of the first posting.
@pytest.mark.parametrize(("place", "other"), [(0, "own/alpha/other"), (2, 1), (4, "fees")])
def test_postings_that_the_events_no_longer_give_are_refused(place: int, other: object) -> None:
    built = played([], [], stops=False)
    frames = []
    for kind, payload in built.frames():
        if kind == "events":
            postings = msgspec.convert(payload["postings"], list[list[object]])
            postings[0][place] = other
            payload = {**payload, "postings": postings}
        frames.append(frame(kind, payload))
    with pytest.raises(InvariantError, match="no longer give its postings"):
        recover_run([*APPROVED, *frames], empty(), INSTRUMENTS)


def test_day_of_the_brake_is_the_last_that_was_written() -> None:
    days = [Day(1, 10.0), Day(2, 11.0, 5.0, lost=True)]
    frames = [frame("day", {"ts_ms": NOW_MS, "day": day}) for day in days]
    assert recover_run(frames, empty(), INSTRUMENTS).day == days[-1]


@pytest.mark.parametrize(("kind", "granted"), [("submitted", APPROVED[0]), ("sent", APPROVED[2])])
def test_journal_that_ends_with_a_sending_leaves_what_was_sent_unknown(
    kind: str, granted: Frame
) -> None:
    cited = frame(kind, {"approval": granted.value()["id"]})
    books = recover_run([granted, cited], empty(), INSTRUMENTS).books
    known = [record.state.value for record in books.open_orders]
    known += [record.leg.value for record in books.open_transfers]
    assert known == ["unknown"]


def test_what_was_sent_comes_back_with_the_expiry_of_its_approval() -> None:
    """Until then, and ten seconds more, it may still arrive."""
    sent = [frame(k, {"approval": granted.value()["id"]}) for k, granted in
            (("submitted", APPROVED[0]), ("sent", APPROVED[2]))]  # fmt: skip
    books = recover_run([*APPROVED, *sent], empty(), INSTRUMENTS).books
    expiries = [r.expires_ms for r in (*books.open_orders, *books.open_transfers)]
    assert expiries == [STEPS[0][0].expires_ms, STEPS[1][0].expires_ms]


def test_postings_of_events_that_give_none_are_refused() -> None:
    payload = {
        "ts_ms": NOW_MS,
        "events": [LiquidationStarted(NOW_MS, "alpha", 1, 2)],
        "postings": [("own/alpha", "USDT", 5, 5, "capital"), ("world", "USDT", -5, -5, "capital")],
    }
    with pytest.raises(InvariantError, match="no longer give its postings"):
        recover_run([frame("events", payload)], empty(), INSTRUMENTS)


def test_capital_of_a_days_frame_is_without_deposits_that_may_be_our_own_money() -> None:
    built = office()
    for event in (
        Deposited(NOW_MS, "alpha", "USDT", 50_000_000),
        TransferSent(NOW_MS, "t", "alpha", "vault", "USDT", 5_000_000, 1_000_000),
        Deposited(NOW_MS, "alpha", "USDT", 4_000_000),
    ):
        built.venues.log("alpha", event)
    built.desk.tick(NOW_MS)
    frames = [*told(built), frame("day", {"ts_ms": NOW_MS, "day": Day(1, 10.0)})]
    assert recover_run(frames, empty(), INSTRUMENTS).capital_micro == 50_000_000
