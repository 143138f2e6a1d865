# SPDX-License-Identifier: Apache-2.0
"""Actions on the paper venue: who may act, what becomes of orders and money, in whose words."""

from __future__ import annotations

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from eth_account import Account  # noqa: E402

from tests.venues.hyperliquid_server.running import (  # noqa: E402
    ADDRESSES,
    BEGIN_MS,
    KEYS,
    OPENING,
    Venue,
    signed,
    wire,
)
from tidegate.model.times import DAY_MS  # noqa: E402
from tidegate.venues.hyperliquid_server import exchange  # noqa: E402

STRANGER = f"{0x57A46E:064x}"
SEND = {"type": "usdSend", "destination": ADDRESSES[1], "amount": "5"}
CLASS = {"type": "usdClassTransfer", "amount": "10", "toPerp": False}
CLOID = "0x" + "ab" * 16


@pytest.fixture
def venue() -> Venue:
    return Venue()


def refused(reply: dict[str, object], words: str) -> None:
    assert reply["status"] == "err"
    assert words in str(reply["response"])


@pytest.mark.parametrize(
    "action",
    [{"type": "order", "orders": [wire("90000")], "grouping": "na"}, {"type": "noop"}, SEND, CLASS],
    ids=lambda action: action["type"],
)
def test_an_action_signed_for_mainnet_is_refused_clearly_and_nothing_is_done(
    venue: Venue, action: dict[str, object]
) -> None:
    refused(venue.post(dict(action), mainnet=True), "Signed for mainnet: refused")
    assert venue.state()["marginSummary"]["accountValue"] == "100000.0"
    assert venue.ask("openOrders", user=ADDRESSES[0]) == []
    assert venue.post(dict(action))["status"] == "ok"


def test_a_transfer_signed_for_mainnet_that_says_testnet_is_refused_clearly(venue: Venue) -> None:
    body = signed(dict(SEND), KEYS[0], venue.nonce(), mainnet=True)
    reply, _ = exchange.answer(venue.house, body.replace(b"Mainnet", b"Testnet"))
    refused(reply, "Signed for mainnet: refused")


@pytest.mark.parametrize("mainnet", [False, True])
def test_an_address_that_nobody_named_does_not_exist(venue: Venue, mainnet: bool) -> None:
    refused(venue.post({"type": "noop"}, STRANGER, mainnet=mainnet), "does not exist")
    assert len(venue.house.users.all()) == 2


def test_an_address_that_was_asked_about_has_an_account_with_the_opening_balance(
    venue: Venue,
) -> None:
    address = Account.from_key(STRANGER).address
    state = venue.ask("clearinghouseState", user=address)
    assert state["marginSummary"]["accountValue"] == f"{OPENING / 1e6}"
    assert venue.post({"type": "noop"}, STRANGER)["status"] == "ok"


def test_the_same_signed_action_is_done_once() -> None:
    body = signed({"type": "order", "orders": [wire("90000")], "grouping": "na"}, KEYS[0], BEGIN_MS)
    house = Venue().house
    first, _ = exchange.answer(house, body)
    second, _ = exchange.answer(house, body)
    assert first["status"] == "ok"
    refused(second, "duplicate nonce")


@pytest.mark.parametrize("distance_ms", [-2 * DAY_MS, DAY_MS])
def test_a_nonce_outside_the_window_is_refused(distance_ms: int) -> None:
    house = Venue().house
    reply, _ = exchange.answer(house, signed({"type": "noop"}, KEYS[0], BEGIN_MS + distance_ms))
    refused(reply, "Invalid nonce")


def test_an_action_after_its_expiry_is_refused_and_counts_five_times(venue: Venue) -> None:
    used = venue.ask("userRateLimit", user=ADDRESSES[0])["nRequestsUsed"]
    refused(venue.post({"type": "noop"}, expires=BEGIN_MS - 1), "Action expired")
    assert venue.ask("userRateLimit", user=ADDRESSES[0])["nRequestsUsed"] == used + 5
    assert venue.post({"type": "noop"}, expires=BEGIN_MS + 1)["status"] == "ok"


def test_an_action_for_a_vault_is_refused(venue: Venue) -> None:
    refused(venue.post({"type": "noop"}, vault=ADDRESSES[1]), "Vault not registered")


REFUSALS = [
    (wire("98000.5"), "Price must be divisible by tick size."),
    (wire("0"), "Order has invalid price."),
    (wire("x"), "Order has invalid price."),
    (wire("1000"), "Order price cannot be more than 80% away from the reference price."),
    (wire("90000", "0.000001"), "Order has invalid size."),
    (wire("90000", "0"), "Order has zero size."),
    (wire("90000", "0.0001"), "Order must have minimum value of $10."),
    (wire("90000", "100"), "Insufficient margin to place order."),
    (wire("90000", reduce_only=True), "Reduce only order would increase position."),
    (wire("110000", tif="Alo"), "Post only order would have immediately matched, bbo was "),
    (
        wire("90000", tif="Ioc"),
        "Order could not immediately match against any resting orders.",
    ),
]


@pytest.mark.parametrize(("said", "words"), REFUSALS, ids=lambda part: str(part)[:40])
def test_an_order_against_a_rule_is_refused_in_the_words_of_the_venue(
    venue: Venue, said: dict[str, object], words: str
) -> None:
    # Words: hyperliquid.gitbook.io, Error responses; those of sizes and the 80 % from answers of
    # the venue that ccxt 4.5.90 knows.
    (status,) = venue.order(said)
    assert status["error"].startswith(words)
    assert status["error"].endswith("asset=0")
    assert venue.ask("openOrders", user=ADDRESSES[0]) == []


def test_what_became_of_an_order_is_told_in_the_words_of_the_venue(venue: Venue) -> None:
    venue.order(wire("90000", "100"), wire("110000", tif="Alo"), wire("90000", tif="Ioc"))
    venue.order(wire("98090", "15", tif="Ioc"), wire("110000", tif="Ioc"))
    told = [row["status"] for row in venue.ask("historicalOrders", user=ADDRESSES[0])[::-1]]
    assert told == [
        "perpMarginRejected",
        "badAloPxRejected",
        "iocCancelRejected",
        "canceled",
        "filled",
    ]


def test_a_trigger_order_is_refused_by_name(venue: Venue) -> None:
    trigger = {"trigger": {"isMarket": True, "triggerPx": "90000", "tpsl": "sl"}}
    (status,) = venue.order(wire("90000") | {"t": trigger})
    assert "Trigger orders are not offered" in status["error"]


def test_orders_of_a_batch_are_answered_one_by_one_in_their_order(venue: Venue) -> None:
    first, second, third = venue.order(wire("90000", cloid=CLOID), wire("0"), wire("90001"))
    assert first["resting"]["cloid"] == CLOID
    assert "error" in second
    assert third["resting"]["oid"] == first["resting"]["oid"] + 1


def test_a_market_order_fills_at_the_depth_that_was_shown(venue: Venue) -> None:
    asks = venue.ask("l2Book", coin="BTC")["levels"][1]
    (status,) = venue.order(wire("105000", "0.05", tif="Ioc"))
    filled = status["filled"]
    assert filled["totalSz"] == "0.05"
    assert float(asks[0]["px"]) <= float(filled["avgPx"]) <= float(asks[1]["px"])
    (fill,) = venue.ask("userFills", user=ADDRESSES[0])
    assert (fill["dir"], fill["crossed"], fill["oid"]) == ("Open Long", True, filled["oid"])


def test_a_cancelled_order_is_gone_and_its_second_cancel_is_refused(venue: Venue) -> None:
    (placed,) = venue.order(wire("90000", cloid=CLOID))
    by_oid = {"type": "cancel", "cancels": [{"a": 0, "o": placed["resting"]["oid"]}]}
    by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}]}
    assert venue.post(by_oid)["response"]["data"]["statuses"] == ["success"]
    for again in (by_oid, by_cloid):
        (status,) = venue.post(again)["response"]["data"]["statuses"]
        assert status["error"].startswith("Order was never placed, already canceled, or filled.")
    status = venue.ask("orderStatus", user=ADDRESSES[0], oid=CLOID)
    assert status["order"]["status"] == "canceled"


def test_an_order_of_another_user_can_be_neither_seen_nor_cancelled(venue: Venue) -> None:
    (placed,) = venue.order(wire("90000"))
    oid = placed["resting"]["oid"]
    reply = venue.post({"type": "cancel", "cancels": [{"a": 0, "o": oid}]}, KEYS[1])
    assert "error" in reply["response"]["data"]["statuses"][0]
    assert venue.ask("orderStatus", user=ADDRESSES[1], oid=oid) == {"status": "unknownOid"}
    assert len(venue.ask("openOrders", user=ADDRESSES[0])) == 1


def test_a_modified_order_stands_under_a_new_number_and_the_old_one_is_canceled(
    venue: Venue,
) -> None:
    (placed,) = venue.order(wire("90000"))
    old = placed["resting"]["oid"]
    change = {"type": "batchModify", "modifies": [{"oid": old, "order": wire("91000", "0.2")}]}
    (status,) = venue.post(change)["response"]["data"]["statuses"]
    (left,) = venue.ask("openOrders", user=ADDRESSES[0])
    assert (left["oid"], left["limitPx"], left["sz"]) == (
        status["resting"]["oid"],
        "91000.0",
        "0.2",
    )
    assert venue.ask("orderStatus", user=ADDRESSES[0], oid=old)["order"]["status"] == "canceled"
    refused(
        venue.post({"type": "modify", "oid": old, "order": wire("91000")}),
        "Cannot modify canceled or filled order",
    )


def test_an_order_stays_as_it_was_where_the_new_one_cannot_be_read(venue: Venue) -> None:
    (placed,) = venue.order(wire("90000"))
    oid = placed["resting"]["oid"]
    refused(venue.post({"type": "modify", "oid": oid, "order": wire("0.5")}), "Price must be")
    (left,) = venue.ask("openOrders", user=ADDRESSES[0])
    assert left["oid"] == oid


def test_a_scheduled_cancel_comes_at_its_time_and_takes_all_orders(venue: Venue) -> None:
    venue.order(wire("90000"), wire("91000"))
    assert venue.post({"type": "scheduleCancel", "time": BEGIN_MS + 5_000})["status"] == "ok"
    venue.passes(4_000)
    assert len(venue.ask("openOrders", user=ADDRESSES[0])) == 2
    venue.passes(1_000)
    assert venue.ask("openOrders", user=ADDRESSES[0]) == []
    history = venue.ask("historicalOrders", user=ADDRESSES[0])
    assert [row["status"] for row in history] == ["scheduledCancel"] * 2


def test_a_cancel_is_scheduled_five_seconds_ahead_and_ten_times_a_day(venue: Venue) -> None:
    soon = {"type": "scheduleCancel", "time": BEGIN_MS + 4_999}
    refused(venue.post(soon), "at least 5 seconds")
    for _ in range(10):
        now_ms = venue.clock.time_ms
        assert venue.post({"type": "scheduleCancel", "time": now_ms + 5_000})["status"] == "ok"
        venue.passes(5_000)
    late = {"type": "scheduleCancel", "time": venue.clock.time_ms + 5_000}
    refused(venue.post(late), "at most 10 times a day")
    assert venue.post({"type": "scheduleCancel"})["status"] == "ok"


def test_leverage_changes_what_a_position_requires(venue: Venue) -> None:
    venue.order(wire("105000", "0.1", tif="Ioc"))
    used = float(venue.state()["marginSummary"]["totalMarginUsed"])
    lever = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 10}
    assert venue.post(lever)["status"] == "ok"
    state = venue.state()
    assert float(state["marginSummary"]["totalMarginUsed"]) == pytest.approx(2 * used)
    assert state["assetPositions"][0]["position"]["leverage"] == {"type": "cross", "value": 10}
    refused(venue.post(lever | {"leverage": 41}), "Invalid leverage value")
    refused(venue.post(lever | {"isCross": False}), "Isolated margin is not offered")


def test_leverage_cannot_fall_below_what_the_margin_carries(venue: Venue) -> None:
    venue.order(wire("105000", "10", tif="Ioc"))
    lever = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5}
    refused(venue.post(lever), "Insufficient margin to change leverage.")
    assert venue.state()["assetPositions"][0]["position"]["leverage"]["value"] == 20


def test_money_between_wallets_is_in_neither_until_it_lands(venue: Venue) -> None:
    assert venue.post(dict(CLASS))["status"] == "ok"
    assert venue.state()["withdrawable"] == "99990.0"
    spot = venue.ask("spotClearinghouseState", user=ADDRESSES[0])
    assert spot["balances"][0]["total"] == "0.0"
    venue.passes(2_000)
    spot = venue.ask("spotClearinghouseState", user=ADDRESSES[0])
    assert spot["balances"][0]["total"] == "10.0"


def test_money_sent_reaches_the_other_user_to_the_quantum(venue: Venue) -> None:
    assert venue.post(SEND | {"amount": "0.000001"})["status"] == "ok"
    asset = {
        "type": "sendAsset",
        "destination": ADDRESSES[1],
        "sourceDex": "",
        "destinationDex": "spot",
        "token": "USDC",
        "amount": "3",
        "fromSubAccount": "",
    }
    assert venue.post(asset)["status"] == "ok"
    venue.passes(2_000)
    assert venue.state(0)["marginSummary"]["accountValue"] == "99996.999999"
    assert venue.state(1)["marginSummary"]["accountValue"] == "100000.000001"
    assert venue.desk(1).spot_quanta() == 3_000_000
    refused(venue.post(asset | {"token": "HYPE"}), "Only USDC")
    rows = venue.ask("userNonFundingLedgerUpdates", user=ADDRESSES[1], startTime=0)
    assert [row["delta"]["type"] for row in rows] == ["internalTransfer", "send"]


def test_no_more_is_sent_or_withdrawn_than_the_margin_lets_go(venue: Venue) -> None:
    venue.order(wire("105000", "1", tif="Ioc"))
    free = venue.state()["withdrawable"]
    more = f"{float(free) + 0.000001:.6f}"
    refused(venue.post(SEND | {"amount": more}), "Insufficient balance")
    out = {"type": "withdraw3", "destination": ADDRESSES[0]}
    refused(venue.post(out | {"amount": more}), "Insufficient balance for withdrawal.")
    assert venue.post(out | {"amount": free})["status"] == "ok"
    assert venue.state()["withdrawable"] == "0.0"


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "0.0000001", "x", "5 subaccount:0x1"])
def test_an_amount_that_is_no_amount_is_refused(venue: Venue, amount: str) -> None:
    for action in (SEND, CLASS):
        assert venue.post(action | {"amount": amount})["status"] == "err"
    assert venue.state()["marginSummary"]["accountValue"] == "100000.0"


def test_an_approved_agent_trades_for_its_master_and_moves_no_money(venue: Venue) -> None:
    agent = Account.from_key(STRANGER).address
    approve = {"type": "approveAgent", "agentAddress": agent, "agentName": "bot"}
    assert venue.post(approve)["status"] == "ok"
    (status,) = venue.order(wire("90000"), key=STRANGER)
    assert "resting" in status
    assert len(venue.ask("openOrders", user=ADDRESSES[0])) == 1
    refused(venue.post(dict(SEND), STRANGER), "Must deposit")
    assert venue.ask("userRole", user=agent)["role"] == "agent"


def test_an_agent_whose_name_is_taken_anew_signs_no_more(venue: Venue) -> None:
    approve = {"type": "approveAgent", "agentName": "bot"}
    for number in (STRANGER, f"{7:064x}"):
        agent = Account.from_key(number).address
        assert venue.post(approve | {"agentAddress": agent})["status"] == "ok"
    refused(venue.post({"type": "noop"}, STRANGER), "does not exist")
    assert venue.post({"type": "noop"}, f"{7:064x}")["status"] == "ok"


def test_a_builder_fee_and_a_referrer_are_recorded_and_charge_nothing(venue: Venue) -> None:
    fee = {"type": "approveBuilderFee", "maxFeeRate": "0.01%", "builder": ADDRESSES[1]}
    assert venue.post(fee)["status"] == "ok"
    asked = venue.ask("maxBuilderFee", user=ADDRESSES[0], builder=ADDRESSES[1])
    assert asked == 10
    assert venue.post({"type": "setReferrer", "code": "X"})["status"] == "ok"
    refused(venue.post({"type": "setReferrer", "code": "Y"}), "Referrer already set.")
    order = {"type": "order", "orders": [wire("105000", tif="Ioc")], "grouping": "na"}
    venue.post(order | {"builder": {"b": ADDRESSES[1], "f": 10}})
    (fill,) = venue.ask("userFills", user=ADDRESSES[0])
    assert float(fill["fee"]) == pytest.approx(0.00045 * 0.1 * float(fill["px"]), abs=1e-6)


@pytest.mark.parametrize(
    "action",
    [
        {"type": "vaultTransfer", "vaultAddress": ADDRESSES[1], "isDeposit": True, "usd": 1},
        {"type": "twapOrder", "twap": {}},
        {"type": "subAccountTransfer", "subAccountUser": ADDRESSES[1], "isDeposit": True, "usd": 1},
        {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1},
    ],
    ids=lambda action: action["type"],
)
def test_what_is_not_offered_is_refused_by_name(venue: Venue, action: dict[str, object]) -> None:
    refused(venue.post(action), "not offered by this paper venue")


def test_an_address_without_requests_left_is_told_so_and_may_still_cancel() -> None:
    venue = Venue(buffer=2)
    (placed, _) = venue.order(wire("90000"), wire("90001"))
    order = {"type": "order", "orders": [wire("90002")], "grouping": "na"}
    refused(venue.post(order), "Too many cumulative requests sent (3 > 2)")
    cancel = {"type": "cancel", "cancels": [{"a": 0, "o": placed["resting"]["oid"]}]}
    assert venue.post(cancel)["response"]["data"]["statuses"] == ["success"]
