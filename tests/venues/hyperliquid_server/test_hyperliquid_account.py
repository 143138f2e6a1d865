# SPDX-License-Identifier: Apache-2.0
"""What the API says of an account is the exchange's own integers, to the quantum."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.venues.hyperliquid_server.running import (  # noqa: E402
    ADDRESSES,
    COINS,
    OPENING,
    Venue,
    made,
    wire,
)
from tidegate.model.times import HOUR_MS, MINUTE_MS  # noqa: E402
from tidegate.venues.hyperliquid_server import listing  # noqa: E402
from tidegate.venues.hyperliquid_server.amounts import without_trailing_zeros  # noqa: E402
from tidegate.venues.street.clock import HandClock  # noqa: E402
from tidegate.venues.street.street import Street  # noqa: E402
from tidegate.venues.street.values import NewOrder  # noqa: E402

USER = ADDRESSES[0]
TICK_MS = MINUTE_MS


def quanta(text: str) -> int:
    exact = Decimal(text).scaleb(6)
    assert exact == exact.to_integral_value()
    return int(exact)


class Twin:
    """The same account on a street of its own, asked without the server."""

    def __init__(self, crisis: str = "calm") -> None:
        market = made(1, crisis, TICK_MS)
        self.clock = HandClock(market.begin_ms)
        self.street = Street(market, listing.terms(COINS), self.clock)
        self.account = self.street.open(USER, {(listing.VENUE, listing.ASSET): OPENING})

    def passes(self, duration_ms: int) -> None:
        self.clock.pass_ms(duration_ms)
        self.street.advance()


ORDERS = st.tuples(
    st.just("order"),
    st.integers(0, 2),
    st.booleans(),
    st.integers(-400, 400),
    st.integers(1, 400),
    st.sampled_from(["Gtc", "Ioc", "Alo"]),
    st.booleans(),
)
DONE = st.lists(
    ORDERS
    | st.tuples(st.just("cancel"), st.integers(0, 5))
    | st.tuples(st.just("pass"), st.integers(1, 90))
    | st.tuples(st.just("lever"), st.integers(0, 2), st.integers(1, 20)),
    max_size=12,
)


def place(venue: Venue, twin: Twin, said: tuple[Any, ...]) -> None:
    _, asset, buys, distance, count, tif, reduce_only = said
    coin = COINS[asset]
    quote = venue.house.quote(coin)
    step = 10 ** max(0, len(str(quote.mark_ticks)) - 5)
    ticks = (quote.mark_ticks + distance) // step * step
    lots = count * 10 ** (coin.size_decimals - (2 if asset == 0 else 1))
    if coin.contract.notional(lots, ticks) < 10_000_000:
        return
    price, size = (without_trailing_zeros(t) for t in (coin.price(ticks), coin.size(lots)))
    text = wire(price, size, buys, tif, reduce_only, asset)
    venue.order(text)
    force = "ioc" if tif == "Ioc" else "gtc"
    signed_lots = lots if buys else -lots
    new = NewOrder(coin.name, signed_lots, ticks, force, tif == "Alo", reduce_only)
    twin.account.place(new)


def cancel(venue: Venue, twin: Twin, which: int) -> None:
    rest = venue.desk().open_orders()
    if not rest:
        return
    state = rest[which % len(rest)]
    asset = venue.house.by_name[state.order.symbol].asset
    venue.post({"type": "cancel", "cancels": [{"a": asset, "o": state.id}]})
    twin.account.cancel(twin.account.open_orders()[which % len(rest)].id)


def lever(venue: Venue, twin: Twin, asset: int, leverage: int) -> None:
    said = {"type": "updateLeverage", "asset": asset, "isCross": True, "leverage": leverage}
    if venue.post(said)["status"] == "ok":
        chosen = venue.desk().user.leverages
        twin.account.under(listing.VENUE, listing.cross_rule(COINS, chosen))


def same(venue: Venue, twin: Twin) -> None:
    state, margin = venue.state(), twin.account.margin(listing.VENUE)
    held, marks = twin.account.venue(listing.VENUE), twin.street.board().marks
    summary = state["marginSummary"]
    assert quanta(summary["accountValue"]) == margin.equity
    assert quanta(summary["totalMarginUsed"]) == margin.initial
    assert quanta(state["crossMaintenanceMarginUsed"]) == margin.maintenance
    assert quanta(state["withdrawable"]) == margin.withdrawable
    shown = {row["position"]["coin"]: row["position"] for row in state["assetPositions"]}
    assert len(shown) == len(held.positions)
    for name, position in held.positions.items():
        coin = venue.house.by_id[name]
        said = shown[coin.name]
        value = coin.contract.value(position.lots, marks[name])
        assert Decimal(said["szi"]) == position.lots * coin.contract.lot
        assert quanta(said["positionValue"]) == abs(value)
        assert quanta(said["unrealizedPnl"]) == value - position.cost
    fills = [(f.lots, f.ticks, f.fee_quanta, f.realised_quanta) for f in twin.account.fills()]
    told = venue.ask("userFills", user=USER)[::-1]
    assert [quanta(row["fee"]) for row in told] == [fee for _, _, fee, _ in fills]
    assert [quanta(row["closedPnl"]) for row in told] == [realised for *_, realised in fills]
    ids = [row["oid"] % 10**10 for row in venue.ask("openOrders", user=USER)[::-1]]
    assert ids == [order.id for order in twin.account.open_orders()]


@settings(max_examples=30)
@given(DONE)
def test_any_orders_through_the_api_leave_the_account_as_they_leave_the_exchange(
    done: list[tuple[Any, ...]],
) -> None:
    venue, twin = Venue(tick_ms=TICK_MS), Twin()
    for said in done:
        if said[0] == "order":
            place(venue, twin, said)
        elif said[0] == "cancel":
            cancel(venue, twin, said[1])
        elif said[0] == "lever":
            lever(venue, twin, said[1], said[2])
        else:
            venue.passes(said[1] * MINUTE_MS)
            twin.passes(said[1] * MINUTE_MS)
        same(venue, twin)


def test_funding_is_paid_each_hour_and_what_was_paid_is_told_to_the_quantum() -> None:
    venue = Venue(tick_ms=TICK_MS)
    venue.order(wire("105000", "0.5", tif="Ioc"), wire("3000", "5", False, "Ioc", asset=1))
    before = quanta(venue.state()["marginSummary"]["totalRawUsd"])
    venue.passes(3 * HOUR_MS)
    rows = venue.ask("userFunding", user=USER, startTime=0)
    assert len(rows) == 6
    assert all(row["time"] % HOUR_MS == 0 for row in rows)
    received = sum(quanta(row["delta"]["usdc"]) for row in rows)
    assert quanta(venue.state()["marginSummary"]["totalRawUsd"]) - before == received
    prints = venue.ask("fundingHistory", coin="BTC", startTime=rows[0]["time"])
    paid = [row["delta"] for row in rows if row["delta"]["coin"] == "BTC"]
    assert [p["fundingRate"] for p in prints] == [d["fundingRate"] for d in paid]


def test_an_account_below_maintenance_is_liquidated_as_the_exchange_does_it() -> None:
    venue, twin = Venue(crisis="crash", tick_ms=TICK_MS), Twin("crash")
    lever(venue, twin, 0, 40)
    ask = venue.house.quote(COINS[0]).ask_ticks or 0
    lots = 36 * OPENING // COINS[0].contract.notional(1, ask)
    price = str((ask * 11 // 10) // 10 * 10)
    size = without_trailing_zeros(COINS[0].size(lots))
    venue.order(wire(price, size, tif="Ioc"), wire(str(ask // 2 // 10 * 10), "0.1"))
    for new in (
        NewOrder("BTC", lots, int(price), "ioc"),
        NewOrder("BTC", 10_000, ask // 2 // 10 * 10),
    ):
        twin.account.place(new)
    same(venue, twin)
    for _ in range(40):
        venue.passes(HOUR_MS // 2)
        twin.passes(HOUR_MS // 2)
        same(venue, twin)
        told = [row for row in venue.ask("userFills", user=USER) if "liquidation" in row]
        if told:
            break
    assert told
    assert told[0]["liquidation"]["liquidatedUser"] == USER
    statuses = {row["status"] for row in venue.ask("historicalOrders", user=USER)}
    assert "liquidatedCanceled" in statuses


def test_the_liquidation_price_shown_is_where_the_account_dies() -> None:
    venue = Venue(tick_ms=TICK_MS)
    venue.order(wire("105000", "5", tif="Ioc"))
    (row,) = venue.state()["assetPositions"]
    ticks, held = int(Decimal(row["position"]["liquidationPx"])), venue.desk().held()
    name = COINS[0].contract.id
    for at, solvent in ((ticks, False), (ticks + 1, True)):
        equity, maintenance = held.rule.health_at(held.account, {**held.marks, name: at})
        assert (equity >= maintenance) == solvent
