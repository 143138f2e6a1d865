# SPDX-License-Identifier: Apache-2.0
"""Logs, statements and doubts where there are several venues, transfers or lines at once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.scripted import NOW_MS
from tests.execution.test_following import (
    LONG,
    SENDING,
    SENT,
    SHORT,
    fill,
    listen,
    listen_for_statements,
    working,
)
from tests.execution.test_returns import LANDED, credited, is_locked, sending
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC
from tidegate.execution.bookkeeping import sure_capital_micro
from tidegate.execution.books import Books
from tidegate.execution.doubts import Doubts
from tidegate.execution.reconciliation import Break, unsettled
from tidegate.model.actions import Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.events import (
    Deposited,
    Event,
    LiquidationStarted,
    TransferLanded,
    TransferReturned,
    TransferSent,
)
from tidegate.model.replies import Entry, OrderStatus, Statement, Unclear


def deposited(venue: str = "alpha", asset: str = "USDT", quanta: int = 1) -> Deposited:
    return Deposited(NOW_MS, venue, asset, quanta)


def test_line_of_a_venue_that_nobody_knows_is_journalled_once_and_booked_nowhere() -> None:
    built = working()
    for number in (1, 2):
        built.venues.told.append(Entry("gamma", number, deposited("gamma")))
        built.venues.told.append(Entry("delta", number, deposited("delta")))
        built.desk.tick(NOW_MS)
    ignored = [p["entry"]["venue"] for kind, p in built.frames() if kind == "ignored"]  # type: ignore[index]
    assert ignored == ["gamma", "delta"]
    assert built.record.ledger.wallet("gamma", "USDT") == 0


def test_every_venue_that_owes_a_statement_is_asked_again() -> None:
    built = working()
    heard = listen_for_statements(built, {"alpha", "beta"})
    built.desk.standing(NOW_MS)
    built.wait(7)
    for venue in ("alpha", "beta"):
        assert [ms // 1_000 for v, ms in heard if v == venue] == [0, 2, 6]


def test_venue_that_owes_a_statement_again_is_asked_again_as_soon_as_the_first_time() -> None:
    built, silent = working(), {"alpha"}
    heard = listen_for_statements(built, silent)
    built.desk.standing(NOW_MS)
    built.wait(10)
    silent.clear()
    built.wait(10)
    silent.add("alpha")
    heard.clear()
    built.desk.standing(built.venues.now_ms)
    built.wait(7)
    assert [ms // 1_000 for venue, ms in heard if venue == "alpha"] == [20, 22, 26]


def test_deposit_that_may_be_a_transfer_is_no_capital_for_sure() -> None:
    built = credited(sending(), 4_000_000)
    doubts = told(SENT, deposited(quanta=4_000_000))
    assert built.record.ledger.waterfall["capital"] == 54_000_000
    assert sure_capital_micro(built.record.ledger, doubts) == 50_000_000
    assert sure_capital_micro(built.record.ledger, Doubts()) == 54_000_000


def test_log_that_cannot_be_read_is_asked_for_no_more_often_than_another() -> None:
    built = working(LONG)
    heard = listen(built, lambda: False)
    built.wait(12)
    assert [ms // 1_000 for venue, ms in heard if venue == "alpha"] == [1, 6, 11]


def test_word_of_an_order_that_has_ended_is_not_journalled_again() -> None:
    built = working(LONG)
    built.venues.fill(LONG, 100)
    built.wait(1)
    built.venues.told.append(OrderStatus(LONG.id, "filled", 100, NOW_MS))
    built.wait(1)
    assert [kind for kind in built.kinds() if kind == "replied"] == ["replied"]


def test_lines_behind_one_that_cannot_be_booked_move_no_order_and_no_doubt() -> None:
    built = working(LONG)
    for event in (fill(10, LONG.id), deposited(asset="BNB"), fill(20, LONG.id), fill(5, "hand")):
        built.venues.log("alpha", event)
    built.wait(1)
    assert built.desk.books.order(LONG.id).filled_lots == 10
    assert built.record.ledger.position(ALPHA_BTC).lots == 10
    assert built.desk.breaks["alpha"].doubts == {}


def test_what_differed_at_a_venue_still_differs_when_its_log_cannot_be_followed() -> None:
    built = working()
    real = built.venues.statement

    def statement(venue: str) -> Statement | Unclear:
        said = real(venue)
        assert isinstance(said, Statement)
        more = {**said.account.balances, "USDT": said.account.balances.get("USDT", 0) - 7}
        return msgspec.structs.replace(
            said, account=msgspec.structs.replace(said.account, balances=more)
        )

    built.venues.statement = statement  # type: ignore[method-assign]
    built.desk.standing(NOW_MS)
    before = built.desk.breaks["alpha"].quanta
    built.venues.log("alpha", fill(5, "hand"))
    built.desk.tick(NOW_MS)
    assert built.desk.breaks["alpha"].doubts
    assert before == built.desk.breaks["alpha"].quanta
    built.venues.log("alpha", deposited(asset="BNB"))
    built.desk.tick(NOW_MS)
    assert before == built.desk.breaks["alpha"].quanta == {"USDT": -7}
    assert built.desk.breaks["alpha"].stuck
    missing = built.desk.standing(NOW_MS).unsettled.missing
    assert missing == {venue: {"USDT": 7} for venue in ("alpha", "beta", "vault")}


def test_plan_ends_by_a_liquidation_that_is_not_the_last_line_that_came() -> None:
    built = working(LONG)
    for event in (LiquidationStarted(NOW_MS, "alpha", 1, 2), deposited()):
        built.venues.log("alpha", event)
    built.wait(1)
    assert built.venues.cancelled == [LONG.id]


@pytest.mark.parametrize("ahead_ms", [-(10**9), 10**9])
def test_venue_is_seen_when_we_compared_it_whatever_its_clock_says(ahead_ms: int) -> None:
    built = working()
    real = built.venues.statement

    def statement(venue: str) -> Statement | Unclear:
        said = real(venue)
        assert isinstance(said, Statement)
        return msgspec.structs.replace(said, ts_ms=said.ts_ms + ahead_ms)

    built.venues.statement = statement  # type: ignore[method-assign]
    assert built.desk.standing(NOW_MS).unsettled.unseen == frozenset()
    built.venues.statements = False
    built.venues.statement = lambda _: Unclear("no answer")  # type: ignore[method-assign]
    unseen = built.desk.standing(NOW_MS + 120_001).unsettled.unseen
    assert unseen == {"alpha", "beta", "vault"}


def test_breaks_of_two_venues_come_and_go_by_themselves() -> None:
    built = working()
    for venue in ("alpha", "beta"):
        name = f"{venue}.stranger"
        built.venues.truth[name] = OrderStatus(name, "working", 0, NOW_MS)
    assert built.desk.standing(NOW_MS).unsettled.unseen == {"alpha", "beta"}
    assert {v: b.strangers for v, b in built.desk.breaks.items()} == {
        "alpha": ("alpha.stranger",),
        "beta": ("beta.stranger",),
    }
    del built.venues.truth["alpha.stranger"]
    built.desk.standing(NOW_MS)
    assert list(built.desk.breaks) == ["beta"]


def test_answer_that_contradicts_what_has_traded_is_a_doubt_before_the_next_look() -> None:
    built = working(LONG, SHORT)
    built.venues.fill(LONG, 40)
    built.desk.tick(NOW_MS)
    built.venues.truth[LONG.id] = OrderStatus(LONG.id, "refused", 30, NOW_MS)
    asked: list[bool] = []
    real = built.venues.order

    def order(venue: str, name: str) -> OrderStatus | Unclear:
        asked.append(ALPHA_BTC in dict(built.desk.breaks.get("alpha", Break({}, {}, {})).doubts))
        return real(venue, name)  # type: ignore[return-value]

    built.venues.order = order  # type: ignore[method-assign,assignment]
    built.wait(2)
    assert asked == [False, True]


@pytest.mark.parametrize("behind_ms", [0, 1_000, 10**6])
def test_finding_is_booked_though_the_clock_was_set_back_behind_the_ledgers_time(
    behind_ms: int,
) -> None:
    built = credited(sending(), 4_000_000)
    built.desk.settle("t", "returned", "anna", built.record.ledger.ts_ms - behind_ms)
    assert built.record.ledger.wallet("alpha", "USDT") == 49_000_000
    assert not is_locked(built)


def test_settling_what_a_venue_disagreed_about_clears_its_break_at_once() -> None:
    built = working(LONG)
    built.venues.log("alpha", fill(5, "hand"))
    built.venues.log("beta", fill(5, "hand", BETA_BTC))
    built.desk.tick(NOW_MS)
    assert set(built.desk.breaks) == {"alpha", "beta"}
    built.desk.settle(ALPHA_BTC, "unfounded", "anna", NOW_MS)
    assert set(built.desk.breaks) == {"beta"}


def test_transfer_whose_money_is_back_did_not_do_what_was_planned() -> None:
    built = working(SENDING)
    built.venues.log("alpha", SENT)
    built.venues.log("alpha", TransferReturned(NOW_MS, "t", "alpha", "USDT", 4_000_000))
    built.desk.tick(NOW_MS)
    assert built.desk.books.open_transfers == ()
    assert built.desk.books.has_failed(SENDING)


def sent(name: str, quanta: int, fee: int, venue: str = "alpha") -> TransferSent:
    return TransferSent(NOW_MS, name, venue, "vault", "USDT", quanta, fee)


def landed(name: str) -> TransferLanded:
    return TransferLanded(NOW_MS, name, "vault", "USDT", 4, "USDT", 4, 0)


def told(*events: Event) -> Doubts:
    doubts = Doubts()
    for event in events:
        doubts.take(event, Books(), "alpha")
    return doubts


def test_deposit_is_the_largest_shipment_that_it_can_be_and_each_is_one_deposit() -> None:
    """Of 10 with a fee of 1, and of 9 with one of 2: both may come back as 9."""
    both = sent("small", 9, 2), sent("large", 10, 1)
    assert set(told(*both, deposited(quanta=9)).returns) == {"large"}
    assert set(told(*both[::-1], deposited(quanta=9)).returns) == {"large"}
    twice = told(*both, deposited(quanta=9), deposited(quanta=9))
    assert {name: back.quanta for name, back in twice.returns.items()} == {"small": 9, "large": 9}
    assert set(told(*both, *[deposited(quanta=9)] * 3).returns) == {"small", "large"}


@pytest.mark.parametrize("over", [landed("t"), TransferReturned(NOW_MS, "t", "alpha", "USDT", 9)])
def test_shipment_that_has_come_is_no_deposit_that_comes_after_it(over: Event) -> None:
    assert told(sent("t", 10, 1), over, deposited(quanta=9)).returns == {}
    ended = told(sent("t", 10, 1), deposited(quanta=9), over)
    assert (ended.returns, ended.venues, ended.holds("t")) == ({}, frozenset(), False)


@given(st.integers(1, 30), st.integers(0, 4), st.integers(-3, 40))
@settings(max_examples=60)
def test_deposit_may_be_a_shipment_that_arrived_give_or_take_its_fee(
    arrives: int, fee: int, quanta: int
) -> None:
    doubts = told(sent("t", arrives + fee, fee), deposited(quanta=quanta))
    expected = quanta if quanta > 0 and abs(quanta - arrives) <= fee else None
    assert (doubts.returns["t"].quanta if doubts.returns else None) == expected


def test_doubts_are_of_the_venue_where_they_arose_alone() -> None:
    doubts = told(sent("t", 10, 1), deposited(quanta=9), fill(-5, "hand", ALPHA_ETH))
    assert told(sent("t", 10, 1), deposited(quanta=9)).venues == {"alpha"}
    doubts.take(fill(-5, "other", BETA_BTC), Books(), "beta")
    assert (set(doubts.returns_at("alpha")), doubts.returns_at("beta")) == ({"t"}, {})
    assert (set(doubts.fills_at("alpha")), set(doubts.fills_at("beta"))) == (
        {ALPHA_ETH},
        {BETA_BTC},
    )
    assert doubts.venues == {"alpha", "beta"}
    holds = [doubts.holds(name) for name in ("t", ALPHA_ETH, BETA_BTC, ALPHA_BTC, "u")]
    assert holds == [True, True, True, False, False]
    doubts.settle("t")
    doubts.settle(BETA_BTC)
    assert doubts.venues == {"alpha"}


def test_money_that_lacks_at_several_venues_and_in_several_coins_is_missing_there() -> None:
    breaks = {
        "alpha": Break({}, {"USDT": -5, "USDC": -3, "BNB": 4}, {}),
        "beta": Break({}, {"USDT": -2}, {}, returns={"t": "back"}),
        "gamma": Break({}, {}, {}, returns={"u": "back"}),
    }
    found = unsettled((), (), breaks, frozenset({"alpha"}))
    assert found.missing == {"alpha": {"USDT": 5, "USDC": 3, "BNB": 0}, "beta": {"USDT": 2}}
    assert found.unseen == {"alpha", "beta", "gamma"}
    assert all(not one.is_none for one in breaks.values())


def test_second_transfer_waits_for_the_first_to_leave_and_both_may_be_gone_meanwhile() -> None:
    other = Transfer("u", "alpha", "vault", "USDT", 3_000_000, "test")
    built = working(SENDING, other)
    found = built.desk.standing(NOW_MS).unsettled
    assert found.missing == {"alpha": {"USDT": 8_000_000}}
    assert found.arriving == {"vault": 8_000_000}
    built.venues.log("alpha", SENT)
    built.wait(1)
    found = built.desk.standing(built.venues.now_ms).unsettled
    assert (found.missing, found.arriving) == ({"alpha": {"USDT": 3_000_000}}, {"vault": 3_000_000})


def test_gaps_of_all_venues_are_filled_and_all_logs_are_read_in_their_time() -> None:
    built = working()
    heard = listen(built)
    for venue in ("alpha", "beta"):
        built.venues.log(venue, deposited(venue, quanta=7), push=False)
        built.venues.log(venue, deposited(venue, quanta=8))
    built.desk.tick(NOW_MS)
    assert [built.record.ledger.wallet(v, "USDT") for v in ("alpha", "beta")] == [50_000_015, 15]
    busy = working(LONG, SHORT)
    heard = listen(busy)
    busy.wait(11)
    for venue in ("alpha", "beta"):
        assert [ms // 1_000 for v, ms in heard if v == venue] == [1, 6, 11]


@pytest.mark.parametrize("quanta", [3_000_000, 5_000_000])
def test_money_that_came_back_is_what_was_deposited_and_the_rest_is_lost_or_saved(
    quanta: int,
) -> None:
    built = credited(sending(), quanta)
    built.desk.settle("t", "returned", "anna", built.venues.now_ms)
    ledger = built.record.ledger
    assert ledger.wallet("alpha", "USDT") == 45_000_000 + quanta
    assert ledger.equity_micro == sum(ledger.waterfall.values()) == 45_000_000 + quanta
    assert ledger.waterfall["capital"] == 50_000_000


def test_coin_that_nobody_knows_is_a_stranger_at_its_venue() -> None:
    built = working()
    real = built.venues.statement

    def statement(venue: str) -> Statement | Unclear:
        said = real(venue)
        assert isinstance(said, Statement)
        more = {**said.account.balances, "BNB": 5} if venue == "beta" else said.account.balances
        return msgspec.structs.replace(
            said, account=msgspec.structs.replace(said.account, balances=more)
        )

    built.venues.statement = statement  # type: ignore[method-assign]
    standing = built.desk.standing(NOW_MS)
    assert {venue: found.strangers for venue, found in built.desk.breaks.items()} == {
        "beta": ("BNB",)
    }
    assert standing.unsettled.unseen == {"beta"}


def test_landing_that_is_told_again_is_refused_loudly_and_waits_for_nothing() -> None:
    built = sending()
    for _ in range(2):
        built.venues.log("vault", LANDED)
    built.wait(1)
    assert "line 2 cannot be booked" in built.desk.breaks["vault"].stuck


def test_money_that_leaves_again_contradicts_its_transfer_by_itself() -> None:
    books = Books()
    books.intend_transfer(SENDING, NOW_MS)
    books.check(SENT)
    books.debited("t")
    for told_again in (SENT, sent("t", 1, 0)):
        with pytest.raises(InvariantError, match="transfer t: money left while under way"):
            books.check(told_again)
    books.check(sent("by hand", 5, 1))
