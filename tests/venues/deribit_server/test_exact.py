# SPDX-License-Identifier: Apache-2.0
"""What the interface says is what the exchange has, to the quantum, whatever is asked of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.deribit_server.houses import MAIN, Held, held
from tests.venues.street.streets import opened, street
from tidegate.model.units import unit_quanta
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import amount, price
from tidegate.venues.deribit_server.house import encode
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.values import NewOrder, OrderState

SYMBOLS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")
WORDS = {"gtc": "good_til_cancelled", "ioc": "immediate_or_cancel", "fok": "fill_or_kill"}
MOVES = st.one_of(
    st.tuples(
        st.just("place"),
        st.integers(0, 3),
        st.integers(1, 5_000),
        st.booleans(),
        st.one_of(st.none(), st.integers(-60, 60)),
        st.sampled_from(sorted(WORDS)),
        st.booleans(),
    ),
    st.tuples(st.just("cancel"), st.integers(1, 8)),
    st.tuples(st.just("amend"), st.integers(1, 8), st.integers(1, 3_000), st.integers(-40, 40)),
    st.tuples(st.just("wait"), st.integers(1, 90)),
)


def exactly(held: Held, method: str, **params: Any) -> Any:
    """A result whose numbers keep every digit."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    raw = encode(held.house.answer(held.session, json.dumps(request).encode()))
    said = json.loads(raw, parse_float=Decimal)
    return said.get("result")


def twice(held: Held, direct: StreetAccount, move: tuple[Any, ...]) -> None:
    """A move through the interface, and the same on the account itself."""
    if move[0] == "cancel":
        state = direct.order(move[1])
        if state is not None:
            settle = held.house.known(state.order.symbol).settle
            held.ask("private/cancel", order_id=f"{settle}-{move[1]}")
        direct.cancel(move[1])
    elif move[0] == "amend":
        _amend(held, direct, *move[1:])
    else:
        _place(held, direct, *move[1:])


def _place(
    held: Held, direct: StreetAccount, which: int, lots: int, buys: bool, off: int | None, *how: Any
) -> None:
    in_force, reduces = how
    one = held.house.known(SYMBOLS[which])
    quote = held.house.street.quote(one.symbol)
    assert quote is not None
    ticks = None if off is None else quote.mark_ticks + off
    side = 1 if buys else -1
    params: dict[str, Any] = {"type": "market"}
    if ticks is not None:
        params = {"type": "limit", "price": str(price(one, ticks))}
    size = {"amount": str(amount(one, lots)), "reduce_only": reduces}
    words = {"instrument_name": one.symbol, "time_in_force": WORDS[in_force]}
    held.ask("private/buy" if buys else "private/sell", **words, **size, **params)
    direct.place(NewOrder(one.symbol, side * lots, ticks, in_force, reduce_only=reduces))


def _amend(held: Held, direct: StreetAccount, order: int, lots: int, off: int) -> None:
    state = direct.order(order)
    if not isinstance(state, OrderState) or state.order.ticks is None:
        return
    one, ticks = held.house.known(state.order.symbol), state.order.ticks + off
    settle, side = one.settle, 1 if state.order.lots > 0 else -1
    words = {"amount": str(amount(one, lots)), "price": str(price(one, ticks))}
    held.ask("private/edit", order_id=f"{settle}-{order}", **words)
    direct.amend(order, side * lots, ticks)


@given(st.lists(MOVES, max_size=14))
@settings(max_examples=12, deadline=None)
def test_summaries_and_fills_equal_the_exchange_of_a_twin_to_the_quantum(moves: list[Any]) -> None:
    through = held()
    twin, clock = street()
    direct = opened(twin, MAIN.client_id)
    for move in moves:
        if move[0] == "wait":
            through.pass_s(move[1])
            clock.pass_ms(1_000 * move[1])
            twin.advance()
        else:
            twice(through, direct, move)
    assert through.account.fills() == direct.fills()
    for currency, venue in VENUES.items():
        said = exactly(through, "private/get_account_summary", currency=currency)
        state, unit = direct.margin(venue), unit_quanta(currency)
        assert said["margin_balance"] * unit == state.equity
        assert said["equity"] * unit == state.equity
        session = said["futures_session_rpl"] + said["futures_session_upl"]
        assert said["balance"] + session == said["margin_balance"]
        assert said["initial_margin"] * unit == state.initial
        assert said["maintenance_margin"] * unit == state.maintenance
        assert said["available_withdrawal_funds"] * unit == state.withdrawable
        trades = exactly(
            through, "private/get_user_trades_by_currency", currency=currency, count=1_000
        )["trades"]
        fees = [
            f.fee_quanta for f in direct.fills() if through.house.known(f.symbol).settle == currency
        ]
        assert [t["fee"] * unit for t in reversed(trades)] == fees


def test_profit_of_the_session_is_told_beside_the_balance_and_is_not_in_it() -> None:
    """As in the venue's example: 302.60065765 - 0.03258105 + 0.05921555 = 302.62729215, its margin
    balance, and with options worth -0.0086 its equity (docs.deribit.com, get_account_summaries)."""
    through = held()
    words = {"instrument_name": "BTC_USDC-PERPETUAL", "amount": 1, "type": "market"}
    through.ask("private/buy", **words)
    through.pass_s(60)
    through.ask("private/sell", **words)
    said = exactly(through, "private/get_account_summary", currency="USDC")
    assert said["futures_session_rpl"] != 0
    assert said["balance"] + said["futures_session_rpl"] == said["equity"]


def test_an_option_moves_balance_by_its_premium_and_equity_by_its_value() -> None:
    through = held()
    symbol = max(
        (s for s in through.house.street.instruments if s.startswith("BTC-") and s.endswith("-C")),
        key=lambda s: through.house.street.board().marks[through.house.street.name(s)],
    )
    done = through.ask("private/buy", instrument_name=symbol, amount=0.5, type="market")
    trade = done["trades"][0]
    said = exactly(through, "private/get_account_summary", currency="BTC")
    position = through.account.venue("deribit-btc").positions[f"deribit-btc:{symbol}"]
    value = through.house.known(symbol).value(
        5, through.house.street.board().marks[f"deribit-btc:{symbol}"]
    )
    unit, fee = unit_quanta("BTC"), Decimal(str(trade["fee"]))
    assert position.cost == round(0.5 * trade["price"] * unit)
    assert said["balance"] * unit == 100 * unit - position.cost - fee * unit
    assert said["options_value"] * unit == value
    assert said["equity"] == said["balance"] + said["options_value"]


@given(
    st.booleans(),
    st.integers(1_000, 45_000),
    st.sampled_from(["BTC-PERPETUAL", "BTC_USDC-PERPETUAL"]),
)
@settings(max_examples=12, deadline=None)
def test_liquidation_price_is_the_first_mark_at_which_the_rule_finds_too_little(
    buys: bool, lots: int, symbol: str
) -> None:
    through = held()
    one = through.house.known(symbol)
    size = 10 * lots if one.inverse else lots
    through.account.place(NewOrder(symbol, size if buys else -size, None))
    said = exactly(through, "private/get_position", instrument_name=symbol)
    marks, book = through.house.street.board().marks, through.account.venue(one.venue)
    rule, away = through.house.street.rule(one.venue), -1 if buys else 1

    def dies(ticks: int) -> bool:
        equity, maintenance = rule.health_at(book, {**marks, one.id: ticks})
        return equity < maintenance

    if said["estimated_liquidation_price"] is None:
        assert not dies(1 if buys else 10 * marks[one.id])
    else:
        ticks = int(said["estimated_liquidation_price"] / one.tick)
        assert dies(ticks)
        assert not dies(ticks - away)
        summary = exactly(through, "private/get_account_summary", currency=one.settle)
        ratio = summary["estimated_liquidation_ratio"]
        assert abs(ratio * marks[one.id] - ticks) < Decimal("0.01")
