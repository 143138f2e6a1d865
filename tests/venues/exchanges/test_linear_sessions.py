# SPDX-License-Identifier: Apache-2.0
"""One contract for the sessions with Binance, Bybit and OKX, each at a venue on loopback that keeps
an exact account and speaks as the venue's documents say. No real venue has been asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from math import ceil

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.venues.exchanges.fakes.places import KINDS, Place, place_of
from tidegate.model.actions import Order
from tidegate.model.errors import InputError
from tidegate.model.events import (
    Deposited,
    Filled,
    FundingPaid,
    PenaltyCharged,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.instruments import Perpetual
from tidegate.model.replies import Armed, NotTaken, OrderStatus, Unclear
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import Venue
from tidegate.venues.payloads.fields import decode

PAGE, OK = 4, 200
# Shorter than the time after which a request is too old for its venue anyway.
EXPIRES_MS = 4 * SECOND_MS


@pytest.fixture(params=sorted(KINDS))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with place_of(request.param, page_most=PAGE) as made:
        yield made


def test_order_fills_once_and_its_fills_are_booked_under_our_id(place: Place) -> None:
    status = place.filled("1.buy", 7_000)
    assert (status.state, status.filled_lots) == ("filled", 7_000)
    asked = place.session.order("1.buy", place.kind.symbol)
    assert isinstance(asked, OrderStatus)
    assert (asked.state, asked.filled_lots) == ("filled", 7_000)
    fills = [n.event for n in place.news() if isinstance(n.event, Filled)]
    assert [fill.lots for fill in fills] == [5_000, 2_000]
    assert {fill.order for fill in fills} == {"1.buy"}
    assert place.news() == []
    assert place.wire.count("POST", place.kind.placing) == 1


def test_order_beyond_the_book_is_filled_in_part_and_the_rest_does_not_rest(place: Place) -> None:
    status = place.filled("1.sell", -8_000, by="0.000003")
    assert (status.state, status.filled_lots) == ("cancelled", -5_000)
    again = place.session.cancel("1.sell", place.kind.symbol)
    assert isinstance(again, OrderStatus)
    assert (again.state, again.filled_lots) == ("cancelled", -5_000)
    assert place.look()[0] == place.look()[1]


def test_order_of_ours_that_rests_is_told_as_working_and_cancelled_by_its_id(place: Place) -> None:
    name = client_id(place.kind.name, "1.rests")
    place.account.place(name, True, Decimal("0.5"), Decimal("59000.0"), immediate=False)
    held = place.session.held()
    assert not isinstance(held, Unclear)
    assert held.working == (name,)
    reply = place.session.cancel("1.rests", place.kind.symbol)
    assert isinstance(reply, OrderStatus)
    assert (reply.state, reply.filled_lots) == ("cancelled", 0)


def test_answer_that_is_lost_is_asked_for_and_the_order_is_not_sent_again(place: Place) -> None:
    place.wire.fail(place.kind.placing, "lost")
    assert isinstance(place.order("1.buy", 1_000), Unclear)
    asked = place.session.order("1.buy", place.kind.symbol)
    assert isinstance(asked, OrderStatus)
    assert (asked.state, asked.filled_lots) == ("filled", 1_000)
    assert len(place.account.fills) == 1
    assert place.look()[0] == place.look()[1]


@pytest.mark.parametrize("status", [500, 503])
def test_servers_error_leaves_open_what_it_did(place: Place, status: int) -> None:
    place.wire.fail(place.kind.placing, "done", status)
    place.wire.fail(place.kind.placing, "told", status)
    first, second = place.order("1.buy", 1_000), place.order("2.buy", 1_000)
    assert isinstance(first, Unclear)
    assert isinstance(second, Unclear)
    states = [place.session.order(name, place.kind.symbol) for name in ("1.buy", "2.buy")]
    assert [getattr(one, "state", one) for one in states] == ["filled", "absent"]


def test_request_beyond_the_rate_certainly_did_nothing(place: Place) -> None:
    place.wire.fail(place.kind.placing, "told", 429)
    assert isinstance(place.order("1.buy", 1_000), NotTaken)
    assert place.account.orders == {}


def test_question_beyond_the_rate_after_an_order_was_sent_leaves_the_order_open(
    place: Place,
) -> None:
    kind = place.kind
    if kind.asking == kind.placing:
        place.wire.fail(kind.placing, "")
    place.wire.fail(kind.asking, "told", 429)
    assert isinstance(place.order("1.buy", 1_000), Unclear), "it was sent, and has traded"
    assert len(place.account.fills) == 1


def test_id_that_the_venue_has_does_not_trade_twice(place: Place) -> None:
    name = client_id(place.kind.name, "1.buy")
    place.account.place(name, True, Decimal("0.5"), Decimal("59000.0"), immediate=False)
    reply = place.order("1.buy", 500)
    assert isinstance(reply, Unclear), "the order of that id may have traded"
    assert len(place.account.orders) == 1


def test_order_that_comes_after_its_expiry_is_refused_and_never_known(place: Place) -> None:
    order = Order("1.late", place.contract.id, 1_000, False, "test")
    expires_ms = place.account.time_ms + EXPIRES_MS
    # The venue's clock goes on between the question for its time and the order.
    answer, ends = place.fake.answer, place.kind.placing
    hold = [EXPIRES_MS + 2 * SECOND_MS]

    def slow(asked: object) -> object:
        if getattr(asked, "method", "") == "POST" and str(getattr(asked, "path", "")).endswith(
            ends
        ):
            place.account.ahead_ms += hold.pop() if hold else 0
        return answer(asked)  # type: ignore[arg-type]

    place.slow(slow)
    reply = place.session.place(order, Decimal(70_000), expires_ms)
    assert isinstance(reply, OrderStatus), reply
    assert (reply.state, reply.filled_lots) == ("refused", 0)
    assert place.wire.count("POST", place.kind.placing) == 1
    asked = place.session.order("1.late", place.kind.symbol)
    assert isinstance(asked, OrderStatus)
    assert asked.state == "absent"
    assert asked.ts_ms > expires_ms
    assert place.account.orders == {}


@pytest.mark.parametrize(
    ("lots", "limit", "price"), [(10, "60000.27", "60000.2"), (-10, "59999.73", "59999.8")]
)
def test_limit_between_two_ticks_is_sent_as_the_one_that_is_no_worse(
    place: Place, lots: int, limit: str, price: str
) -> None:
    order = Order("1.order", place.contract.id, lots, False, "test")
    expires_ms = place.account.time_ms + MINUTE_MS // 2
    assert isinstance(place.session.place(order, Decimal(limit), expires_ms), OrderStatus)
    assert [o.price for o in place.account.orders.values()] == [Decimal(price)]


def test_approval_that_has_expired_already_is_not_sent(place: Place) -> None:
    order = Order("1.late", place.contract.id, 1_000, False, "test")
    reply = place.session.place(order, Decimal(70_000), place.account.time_ms - 1)
    assert isinstance(reply, OrderStatus)
    assert reply.state == "refused"
    assert place.wire.count("POST", place.kind.placing) == 0


def test_order_that_only_reduces_is_refused_where_there_is_nothing_to_reduce(place: Place) -> None:
    reply = place.filled("1.sell", -1_000, reduce_only=True)
    assert (reply.state, reply.filled_lots) == ("refused", 0)
    place.filled("2.buy", 1_000)
    reduced = place.filled("3.sell", -2_000, reduce_only=True)
    assert reduced.filled_lots == -1_000
    assert place.account.size == 0


@pytest.mark.parametrize(("lots", "price"), [(1_000_000, "60010"), (-1_000_000, "59990")])
def test_order_beyond_the_margin_is_refused_by_the_venue(
    place: Place, lots: int, price: str
) -> None:
    order = Order("1.large", place.contract.id, lots, False, "test")
    expires_ms = place.account.time_ms + MINUTE_MS // 2
    reply = place.session.place(order, Decimal(price), expires_ms)
    assert isinstance(reply, OrderStatus)
    assert (reply.state, reply.filled_lots) == ("refused", 0)


def test_funding_is_in_the_news_once_and_rounded_against_us(place: Place) -> None:
    place.filled("1.buy", 1_234)
    place.account.ahead_ms += HOUR_MS
    paid = place.account.fund(Decimal("0.0001"))
    place.account.ahead_ms += HOUR_MS
    got = place.account.fund(Decimal("-0.00007"))
    found = [n.event for n in place.news() if isinstance(n.event, FundingPaid)]
    ceilings = [ceil(-income.amount.scaleb(6)) for income in (paid, got)]
    assert [event.quanta for event in found] == ceilings
    assert {event.instrument for event in found} == {place.contract.id}


def test_ledger_follows_the_venues_wallet_to_the_quantum_over_many_lines(place: Place) -> None:
    position = 0
    for number in range(14):
        place.account.quote(Decimal(60_000) + 7 * number, Decimal("3.217"))
        lots = (1_357, -2_411, 733, -519)[number % 4]
        place.filled(f"{number}.order", lots)
        position += lots
        if number % 5 == 0:
            place.account.ahead_ms += HOUR_MS
            place.account.fund(Decimal("0.00012345"))
        place.account.mark = Decimal("60000.01234567") + number
        ours, theirs = place.look()
        assert ours == theirs, number
        assert ours == place.true_wallet(), number
    assert place.position().lots == position
    rounded = [line for line in place.known if isinstance(line.event, YieldAccrued)]
    assert rounded, "fees of eight decimals must have left something"
    assert all(0 < line.event.quanta <= 3 for line in rounded)  # type: ignore[union-attr]


def test_session_that_begins_again_goes_on_to_the_quantum(place: Place) -> None:
    for number in range(4):
        place.filled(f"{number}.order", 311)
        place.session = place.opened()
        ours, theirs = place.look()
        assert ours == theirs == place.true_wallet()


@pytest.mark.parametrize("cause", ["liquidation", "deleveraging"])
def test_order_of_the_venues_own_is_told_with_its_cause_under_its_own_id(
    place: Place, cause: str
) -> None:
    place.filled("1.buy", 3_000)
    place.account.ahead_ms += MINUTE_MS
    forced = place.account.force(cause, Decimal("1.25"))
    *_, last = (n.event for n in place.news())
    assert isinstance(last, Filled)
    assert (last.reason, last.lots) == (cause, -1_250)
    assert last.order == f"{place.kind.name} {forced.number}"
    assert place.look()[0] == place.look()[1]


def test_money_that_came_left_or_was_taken_is_told_by_its_cause(place: Place) -> None:
    told = [("transfer", "1000.5", Deposited), ("transfer", "-250.25", TransferSent)]
    told += [("clearance", "-3.75", PenaltyCharged)] * place.kind.clears
    for kind, amount, _ in told:
        place.account.ahead_ms += MINUTE_MS
        place.account.comes(kind, Decimal(amount))
    events = [n.event for n in place.news()]
    assert [(type(e), getattr(e, "quanta", 0)) for e in events] == [
        (form, abs(int(Decimal(amount).scaleb(6)))) for _, amount, form in told
    ]
    assert place.look()[0] == place.look()[1]


def test_money_of_a_kind_that_is_not_known_is_a_disagreement_and_not_a_rounding(
    place: Place,
) -> None:
    place.account.comes("kickback", Decimal("12.5"))
    ours, theirs = place.look()
    assert theirs - ours == 12_500_000


def test_news_are_whole_over_pages_and_weeks(place: Place) -> None:
    for number in range(3 * PAGE + 1):
        place.filled(f"{number}.order", 100 if number % 2 else -90)
        place.account.quote(Decimal(60_000), Decimal("5"))
        place.account.fund(Decimal("0.0001"))
        if number == 5:
            place.account.ahead_ms += 10 * DAY_MS
            place.now()
    found = place.session.news(place.known[0].event.ts_ms, place.ours, place.known)
    assert not isinstance(found, Unclear), found
    fills = [n for n in found if isinstance(n.event, Filled)]
    paid = [n for n in found if isinstance(n.event, FundingPaid)]
    assert len({n.source for n in fills}) == len(place.account.fills)
    assert len({n.source for n in paid}) == len(place.account.incomes)
    place.known, place.sources = place.known[:1], {"opening"}
    ours, theirs = place.look()
    assert ours == theirs == place.true_wallet()


def test_venue_that_does_not_answer_is_unclear_and_never_flat(place: Place) -> None:
    place.filled("1.buy", 1_000)
    for status in (429, 500):
        place.wire.fail(place.kind.trades, "told", status)
        assert isinstance(place.session.news(0, {}, place.known), Unclear)
    place.wire.fail("", "told", 500)
    assert isinstance(place.session.held(), Unclear)


def test_account_of_another_mode_is_refused_in_one_line(place: Place) -> None:
    for mode, (wrong, words) in place.kind.wrong_modes.items():
        right = place.fake.modes[mode]
        place.fake.modes[mode] = wrong
        with pytest.raises(InputError, match=words):
            place.opened()
        place.fake.modes[mode] = right
    place.opened()


def test_key_that_the_venue_does_not_know_is_not_let_in(place: Place) -> None:
    key = Credentials({**place.kind.key, "secret": "canary-of-a-secret"})
    with pytest.raises(InputError) as caught:
        place.kind.opens(open_client(place.kind.name, key, place.url), place.venue)
    assert "canary" not in str(caught.value)


def test_switch_is_armed_and_disarmed_at_the_venue_or_is_none(place: Place) -> None:
    device = place.session.device()
    if device is None:
        assert isinstance(place.session.arm(30), NotTaken)
        return
    armed = place.session.arm(device.least_s)
    assert isinstance(armed, Armed)
    assert place.account.armed_ms is not None
    assert armed.until_ms is not None
    assert armed.until_ms <= place.account.armed_ms
    disarmed = place.session.arm(0)
    assert isinstance(disarmed, Armed)
    assert (disarmed.until_ms, place.account.armed_ms) == (None, None)


def test_nothing_that_is_sent_names_a_broker(place: Place) -> None:
    place.filled("1.buy", 100)
    for asked in place.wire.asked:
        said = f"{dict(asked.headers)} {asked.params}".lower()
        assert not any(word in said for word in ("referer", "'tag'", "x-cvbprnm9", "ccxt"))
    assert {o.client_id for o in place.account.orders.values()} == set(place.ours)


def test_answers_of_the_fake_have_the_forms_that_are_known_of_the_venue(place: Place) -> None:
    place.filled("1.buy", 100)
    name = client_id(place.kind.name, "2.rests")
    place.account.place(name, True, Decimal("0.5"), Decimal("59000.0"), immediate=False)
    place.look()
    place.session.order("3.unknown", place.kind.symbol)
    for end, form in place.kind.forms.items():
        told = [said for path, said in place.wire.told if path.endswith(end)]
        found = [said.body for said in told if said.status == OK]
        assert found, end
        for body in found:
            decode(json.dumps(body).encode(), form, end)


def test_nothing_is_withdrawn_without_an_id_of_ours(place: Place) -> None:
    assert place.session.ticket() is None


def test_order_that_bybits_last_ones_have_lost_is_found_in_its_history() -> None:
    with place_of("bybit") as place:
        place.filled("1.buy", 1_000)
        place.account.forgotten.add(client_id("bybit", "1.buy"))
        asked = place.session.order("1.buy", place.kind.symbol)
        assert isinstance(asked, OrderStatus)
        assert (asked.state, asked.filled_lots) == ("filled", 1_000)


def test_binances_income_is_asked_for_each_minute_and_when_cash_is_not_what_is_booked() -> None:
    with place_of("binance") as place:
        place.look()
        place.look()
        before = place.wire.count("GET", "/income")
        for _ in range(3):
            assert place.news() == []
        assert place.wire.count("GET", "/income") == before
        place.account.comes("transfer", Decimal("0.5"))
        ours, theirs = place.look()
        assert ours == theirs
        place.account.ahead_ms += MINUTE_MS
        place.news()
        assert place.wire.count("GET", "/income") == before + 2


@pytest.mark.parametrize(("tick", "lot"), [("0.1", "0.0005"), ("0.05", "0.001")])
def test_steps_that_okx_does_not_have_are_refused_by_the_contract(tick: str, lot: str) -> None:
    with place_of("okx") as place:
        other = Perpetual("okx", "BTC-USDT-SWAP", "BTC", "USDT", Decimal(tick), Decimal(lot))
        client = open_client("okx", Credentials(place.kind.key), place.url)
        with pytest.raises(InputError, match=r"BTC-USDT-SWAP: .*tick 0.1 and lot 0.001"):
            place.kind.opens(client, Venue("okx", "USDT", {other.symbol: other}))


def test_fee_in_another_coin_than_the_collateral_ends_the_news_in_one_line() -> None:
    with place_of("binance") as place:
        place.fake.modes["burn"] = True
        place.filled("1.buy", 1_000)
        told = place.session.news(place.known[0].event.ts_ms, place.ours, place.known)
        assert told == Unclear(
            "a fee in BNB, expected USDT: turn payment of fees in other coins off"
        )
