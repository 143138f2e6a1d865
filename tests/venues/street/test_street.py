# SPDX-License-Identifier: Apache-2.0
"""The street: one market, accounts of their own, orders that cross, rest, are amended and met."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.street.streets import BTC, COIN, DOLLAR, USDC, market, opened, street
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.venues.deribit_server.contracts import street_terms
from tidegate.venues.street.clock import HandClock, RunningClock
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import (
    AccountNews,
    FillNews,
    Funded,
    Moved,
    NewOrder,
    OrderState,
    Refused,
    Sent,
)

PERP = "BTC-PERPETUAL"
LINEAR = "BTC_USDC-PERPETUAL"


def best(held: Street, symbol: str, side: int) -> int:
    quote = held.quote(symbol)
    assert quote is not None
    ticks = quote.ask_ticks if side > 0 else quote.bid_ticks
    assert ticks is not None
    return ticks


def test_market_of_a_seed_is_the_same_however_time_is_cut() -> None:
    (one, first), (two, second) = street(), street()
    first.pass_ms(6 * MINUTE_MS)
    one.advance()
    for _ in range(36):
        second.pass_ms(10_000)
        two.advance()
    symbols = sorted(one.instruments)
    assert symbols == sorted(two.instruments)
    for symbol in symbols[:40]:
        assert one.quote(symbol) == two.quote(symbol)
        assert one.prints(symbol, 0, 1_000) == two.prints(symbol, 0, 1_000)


def test_quotes_stay_within_the_world_and_the_last_tick_of_a_step_is_its_close() -> None:
    held, clock = street()
    paths, seen = held.market.paths, []
    step = (held.now_ms - paths.start_ms) // paths.step_ms
    for _ in range(300):
        clock.pass_ms(1_000)
        held.advance()
        seen.append(held.board().mid(f"{BTC}:{PERP}"))
    low, high = paths.low["deribit:BTC"][step], paths.high["deribit:BTC"][step]
    assert 2 * low - 1 <= min(seen) <= max(seen) <= 2 * high + 1
    assert seen[-1] == round(2 * paths.close["deribit:BTC"][step])
    assert len(set(seen)) > 100


def test_market_order_fills_no_better_than_the_best_and_no_worse_than_walking_the_book() -> None:
    for symbol in (PERP, LINEAR):
        for side in (1, -1):
            for lots in (1, 100, 2_000):
                held, _ = street()
                ladder = held.ladder(symbol)
                assert ladder is not None
                left, worst = lots, 0
                for ticks, size in ladder.asks if side > 0 else ladder.bids:
                    if left > 0:
                        left, worst = left - size, ticks
                done = opened(held).place(NewOrder(symbol, side * lots, None))
                assert done.state == "filled"
                assert done.average_ticks is not None
                assert done.average_ticks * side >= best(held, symbol, side) * side
                if left <= 0:
                    assert done.average_ticks * side <= (worst + 2 * side) * side


def test_limit_order_takes_the_depth_up_to_its_limit_and_rests_with_what_is_left() -> None:
    held, clock = street()
    account = opened(held)
    limit = best(held, PERP, -1) - 20
    placed = account.place(NewOrder(PERP, -50_000, limit))
    assert placed.state == "open"
    assert -50_000 < placed.filled_lots < 0
    assert placed.average_ticks is not None
    assert placed.average_ticks >= limit
    assert account.place(NewOrder(PERP, -50_000, limit)).filled_lots == 0
    held.advance()
    clock.pass_ms(10 * MINUTE_MS)
    told = [n.fill for n in held.advance() if isinstance(n, FillNews)]
    assert told
    assert all(f.maker and f.ticks == limit and f.fee_quanta == 0 for f in told)


def test_what_may_not_rest_is_cancelled_and_post_only_never_takes() -> None:
    held, _ = street()
    account = opened(held)
    ask = best(held, PERP, 1)
    part = account.place(NewOrder(PERP, 90_000, ask + 10, in_force="ioc"))
    assert (part.state, part.reason) == ("cancelled", "not filled at once")
    assert 0 < part.filled_lots < 90_000
    none = account.place(NewOrder(PERP, 90_000, ask + 10, in_force="fok"))
    assert (none.state, none.filled_lots) == ("cancelled", 0)
    crossing = account.place(NewOrder(PERP, 10, ask + 500, post_only=True))
    assert (crossing.state, crossing.reason) == ("rejected", "would cross")
    assert account.place(NewOrder(PERP, 10, ask - 60, post_only=True)).state == "open"


def test_reduce_only_never_opens_and_is_cut_to_the_position() -> None:
    held, _ = street()
    account = opened(held)
    assert account.place(NewOrder(PERP, 10, None, reduce_only=True)).reason == "reduce only"
    account.place(NewOrder(PERP, 100, None))
    done = account.place(NewOrder(PERP, -1_000, None, reduce_only=True))
    assert (done.state, done.filled_lots) == ("filled", -100)
    assert not account.positions(BTC)


def test_cancel_and_amend_keep_the_id_and_say_what_cannot_be() -> None:
    held, _ = street()
    account = opened(held)
    far = best(held, PERP, -1) - 2_000
    first = account.place(NewOrder(PERP, 100, far, label="mine"))
    moved = account.amend(first.id, 300, far - 10)
    assert isinstance(moved, OrderState)
    assert (moved.id, moved.order.lots, moved.order.ticks) == (first.id, 300, far - 10)
    assert moved.amended
    assert account.amend(first.id, 10**9, far) == Refused("initial margin")
    assert account.order(first.id) == moved
    assert account.open_orders() == [moved]
    taken = account.amend(first.id, 300, best(held, PERP, 1) + 200)
    assert isinstance(taken, OrderState)
    assert taken.state == "filled"
    assert account.amend(first.id, 400, far) == Refused("already closed")
    assert account.cancel(first.id) == Refused("already closed")
    assert account.cancel(99) == Refused("no such order")


def test_orders_beyond_the_margin_and_of_nothing_listed_are_rejected() -> None:
    held, _ = street()
    account = opened(held, deposits={(BTC, "BTC"): COIN // 100})
    assert account.place(NewOrder(PERP, 100_000, None)).reason == "initial margin"
    assert account.place(NewOrder("BTC-NONE", 1, None)).reason == "no such instrument"
    assert account.place(NewOrder(PERP, 0, None)).reason in ("no lots", "not filled at once")
    assert account.margin(BTC).equity == COIN // 100


def test_funding_is_paid_at_its_stamp_as_it_was_printed() -> None:
    held, clock = street()
    account = opened(held)
    account.place(NewOrder(PERP, 10_000, None))
    clock.pass_ms(HOUR_MS)
    news = held.advance()
    paid = [n.event for n in news if isinstance(n, AccountNews)]
    printed = [n.funding for n in news if isinstance(n, Funded) and n.funding.symbol == PERP]
    assert len(paid) == len(printed) == 1
    assert paid[0].rate_e12 == printed[0].rate_e12  # type: ignore[union-attr]
    assert held.funding_history(PERP, held.now_ms - HOUR_MS + 1, held.now_ms)[-1] == printed[0]


def test_option_is_delivered_and_its_orders_go() -> None:
    held, clock = street()
    account = opened(held)
    due = min(i.expiry_ms for i in held.instruments.values() if isinstance(i, Option))
    symbol = max(
        (s for s, i in held.instruments.items() if isinstance(i, Option) and i.expiry_ms == due),
        key=lambda s: held.board().marks[held.name(s)],
    )
    assert account.place(NewOrder(symbol, -1, None)).state == "filled"
    resting = account.place(NewOrder(symbol, 1, 1))
    clock.pass_ms(due - held.now_ms + 1_000)
    events = [n.event for n in held.advance() if isinstance(n, AccountNews)]
    assert "Delivered" in {type(e).__name__ for e in events}
    assert not account.positions(held.market.instruments[held.name(symbol)].venue)
    assert symbol not in held.instruments
    ended = account.order(resting.id)
    assert ended is not None
    assert ended.state == "cancelled"


def test_money_between_accounts_is_gone_at_once_and_lands_later() -> None:
    held, clock = street()
    one, two = opened(held), opened(held, "two", {})
    sent = held.transfer(("one", USDC), ("two", USDC), "USDC", 5 * DOLLAR)
    assert isinstance(sent, Sent)
    assert (one.margin(USDC).equity, two.margin(USDC).equity) == (10**7 * DOLLAR - 5 * DOLLAR, 0)
    clock.pass_ms(1_000)
    held.advance()
    assert two.margin(USDC).equity == 5 * DOLLAR
    route = ("two", USDC), ("one", USDC)
    assert held.transfer(*route, "USDC", 6 * DOLLAR) == Refused("more than is withdrawable")
    assert held.transfer(*route, "BTC", 1) == Refused("no such route")
    assert held.transfer(*route, "USDC", 0) == Refused("below the minimum")


def test_account_in_a_crash_is_liquidated_and_told_so() -> None:
    held, clock = street("crash")
    account = opened(held, deposits={(BTC, "BTC"): COIN})
    quote = held.quote(PERP)
    assert quote is not None
    account.place(NewOrder(PERP, int(42 * quote.mark_ticks / 20), None))
    names: set[str] = set()
    fills = []
    for _ in range(80):
        clock.pass_ms(HOUR_MS // 4)
        news = held.advance()
        names |= {type(n.event).__name__ for n in news if isinstance(n, AccountNews)}
        fills += [n.fill for n in news if isinstance(n, FillNews)]
        if "LiquidationStarted" in names:
            break
    assert "LiquidationStarted" in names
    assert any(f.cause == "liquidation" and f.order is None for f in fills)


def test_ladder_number_rises_by_one_at_each_change_shown() -> None:
    held, clock = street()
    shown = [held.ladder(PERP)]
    for _ in range(30):
        clock.pass_ms(1_000)
        moved = Moved(PERP) in held.advance()
        shown.append(held.ladder(PERP))
        last, new = shown[-2:]
        assert last is not None
        assert new is not None
        assert new == held.ladder(PERP)
        changed = (last.bids, last.asks) != (new.bids, new.asks)
        assert new.number == last.number + changed
        assert moved or not changed
    assert len({ladder.number for ladder in shown if ladder}) > 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PERP, LINEAR, "ETH-PERPETUAL"]),
            st.integers(-3_000, 3_000),
            st.one_of(st.none(), st.integers(-200, 200)),
            st.sampled_from(["gtc", "ioc", "fok"]),
            st.integers(0, 40),
        ),
        max_size=12,
    )
)
@settings(max_examples=10, deadline=None)
def test_books_are_the_sum_of_fills_and_payments_whatever_is_placed(moves: list) -> None:  # type: ignore[type-arg]
    held, clock = street()
    account = opened(held)
    start = {venue: account.venue(venue).balances for venue in (BTC, USDC, "deribit-eth")}
    costs, paid = dict.fromkeys(start, 0), dict.fromkeys(start, 0)
    for symbol, lots, off, in_force, seconds in moves:
        ticks = None if off is None else best(held, symbol, 1) + off
        account.place(NewOrder(symbol, lots, ticks, in_force=in_force))
        clock.pass_ms(seconds * 1_000)
        for news in held.advance():
            if isinstance(news, FillNews):
                instrument = held.instruments[news.fill.symbol]
                cost = instrument.entry_cost(news.fill.lots, news.fill.ticks)
                costs[instrument.venue] += cost + news.fill.fee_quanta
    for venue, balances in start.items():
        book = account.venue(venue)
        held_cost = sum(p.cost for p in book.positions.values())
        moved = sum(book.balances.values()) - sum(balances.values())
        assert moved == held_cost - costs[venue] - paid[venue]


def test_bars_of_a_minute_are_of_ended_minutes_within_those_of_five() -> None:
    held, clock = street()
    name = held.name(PERP)
    seen: list[int] = []
    for _ in range(150):
        clock.pass_ms(1_000)
        held.advance()
        seen.append(held.board().mid(name))
    bars = held.minute_bars(PERP, held.market.begin_ms, held.now_ms)
    assert [bar.open_ms - held.market.begin_ms for bar in bars] == [0, MINUTE_MS]
    for bar, part in zip(bars, (seen[:60], seen[60:120]), strict=True):
        shown = (bar.open, bar.high, bar.low, bar.close)
        assert shown == (part[0], max(part), min(part), part[-1])
    prints = held.prints(PERP, 0, 1_000)
    first = [p for p in prints if p.ts_ms <= held.market.begin_ms + MINUTE_MS]
    assert sum(abs(p.lots) for p in first) == bars[0].lots
    hour = held.bars(PERP, held.now_ms - HOUR_MS, held.now_ms)
    fine = held.minute_bars(PERP, hour[0].open_ms, hour[0].open_ms + 4 * MINUTE_MS)
    assert len(fine) == 5
    assert (max(b.high for b in fine), min(b.low for b in fine)) == (hour[0].high, hour[0].low)
    assert fine[-1].close == hour[0].close


def test_clocks_run_at_their_speed_and_refuse_what_is_none() -> None:
    passed = [0]
    clock = RunningClock(1_000, 60.0, lambda: passed[0])
    passed[0] = 2_500_000_000
    assert clock.now_ms() == 151_000
    with pytest.raises(InputError, match="speed"):
        RunningClock(0, 0.0)


def test_market_refuses_an_unknown_crisis_and_days_out_of_range() -> None:
    from tidegate.venues.street.market import make_market

    terms = market().terms
    with pytest.raises(InputError, match="crisis"):
        make_market(replace(terms, crisis="boom"))
    with pytest.raises(InputError, match="days"):
        make_market(replace(terms, days=0))


def test_time_stands_still_when_the_market_ends() -> None:
    made = market()
    clock = HandClock(made.begin_ms)
    held = Street(made, street_terms(made), clock)
    clock.pass_ms(made.end_ms - made.begin_ms + HOUR_MS)
    held.advance(5)
    assert held.now_ms == made.begin_ms + 5_000
    assert Fraction(held.end_ms - made.begin_ms, HOUR_MS) == 24
