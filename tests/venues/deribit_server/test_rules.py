# SPDX-License-Identifier: Apache-2.0
"""Deribit's rules on the local server: keys and scopes, codes, labels, limits, disconnects."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.venues.deribit_server.houses import MAIN, READER, SUB, Held, held, login
from tidegate.model.errors import InputError
from tidegate.venues.deribit_server.accounts import Keyring, credentials
from tidegate.venues.deribit_server.refusals import Refusal
from tidegate.venues.deribit_server.session import Session

PERP = "BTC-PERPETUAL"


def bid(house: Held, off: float = 0.0) -> float:
    return float(house.ask("public/ticker", instrument_name=PERP)["best_bid_price"]) + off


def buy(house: Held, amount: float = 10, **params: Any) -> Any:
    return house.ask("private/buy", instrument_name=PERP, amount=amount, **params)


def test_private_methods_need_a_key_and_one_that_may() -> None:
    house = held()
    nobody = Session("ws-9", is_websocket=True)
    assert house.ask("private/get_positions", nobody)[0] == 13009
    wrong = replace(MAIN, client_secret="wrong")
    assert login(house, nobody, wrong)[0] == 13004
    assert login(house, nobody, replace(MAIN, client_id="none"))[0] == 13004
    login(house, nobody, READER)
    assert house.ask("private/get_positions", nobody) == []
    order = {"instrument_name": PERP, "amount": 10, "type": "market"}
    assert house.ask("private/buy", nobody, **order)[0] == 13021
    transfer = {"currency": "USDC", "amount": 1, "destination": 2}
    assert house.ask("private/submit_transfer_to_subaccount", nobody, **transfer)[0] == 13021


def test_tokens_are_of_their_kind_expire_and_can_be_narrower_than_the_key() -> None:
    house = held()
    said = login(house, Session("one"), MAIN)
    keyring, wall = house.house.keyring, house.wall
    bearer = f"Bearer {said['access_token']}"
    assert keyring.by_header(bearer, ("GET", "/", ""), wall()).name == "main"
    with pytest.raises(Refusal):
        keyring.by_header(f"Bearer {said['refresh_token']}", ("GET", "/", ""), wall())
    wall.ms += 1_000 * said["expires_in"]
    with pytest.raises(Refusal, match="13009"):
        keyring.by_header(bearer, ("GET", "/", ""), wall())
    refresh = {"grant_type": "refresh_token", "refresh_token": said["refresh_token"]}
    narrow = Session("two")
    assert house.ask("public/auth", narrow, scope="trade:read", **refresh)["scope"] == "trade:read"
    order = {"instrument_name": PERP, "amount": 10, "type": "market"}
    assert house.ask("private/buy", narrow, **order)[0] == 13021


def test_a_signature_counts_for_its_request_alone_and_not_for_long() -> None:
    house = held()
    keyring, now = house.house.keyring, house.wall()
    request = ("GET", "/api/v2/private/get_positions?currency=BTC", "")

    def header(ts: int, signed: tuple[str, str, str]) -> str:
        text = f"{ts}\nn1\n" + "".join(f"{part}\n" for part in signed)
        key = MAIN.client_secret.encode()
        signature = hmac.new(key, text.encode(), sha256).hexdigest()
        return f"deri-hmac-sha256 id={MAIN.client_id},ts={ts},sig={signature},nonce=n1"

    assert keyring.by_header(header(now, request), request, now).name == "main"
    other = ("GET", "/api/v2/private/get_positions?currency=ETH", "")
    for told, at in ((header(now, other), now), (header(now - 60_001, request), now)):
        with pytest.raises(Refusal, match="13004"):
            keyring.by_header(told, request, at)
    for garbage in ("", "deri-hmac-sha256", "Basic ???", "Bearer", "deri-hmac-sha256 id=main_key"):
        with pytest.raises(Refusal):
            keyring.by_header(garbage, request, now)


def test_what_cannot_be_is_refused_by_the_venues_code() -> None:
    house = held()
    far = bid(house, -500)
    assert buy(house, 10**9, type="market")[0] == 10009
    assert buy(house, 15, price=far) == (-32602, "Invalid params")
    assert buy(house, 10, price=far + 0.2)[0] == 10043
    assert buy(house, 10, price=far + 5_000)[0] == 10007
    assert buy(house, 10)[0] == -32602
    assert buy(house, 10, type="stop_limit", price=far)[0] == 10033
    assert buy(house, 10, price=far, trigger_price=far)[0] == 10033
    assert buy(house, 10, price=far, time_in_force="good_til_day")[0] == 10033
    assert buy(house, 10, price=far, label="x" * 65)[0] == -32602
    assert buy(house, 10, type="market", post_only=True)[0] == 11029
    assert buy(house, 10, price=bid(house, 400), post_only=True, reject_post_only=True)[0] == 11054
    assert buy(house, 10, type="market", reduce_only=True)[0] == 11030
    assert house.ask("private/sell", instrument_name="BTC-NONE", amount=1)[0] == 13020
    assert house.ask("private/cancel", order_id="BTC-77")[0] == 10004
    assert house.ask("private/nothing")[0] == -32601
    done = buy(house, 10, type="market")["order"]
    assert house.ask("private/cancel", order_id=done["order_id"])[0] == 11044
    assert house.ask("private/edit", order_id=done["order_id"], amount=20, price=far)[0] == 11044
    assert house.ask("private/cancel", order_id=done["order_id"].replace("BTC", "ETH"))[0] == 10004


def test_labels_are_not_unique_and_are_asked_for_before_an_order_is_sent_again() -> None:
    house = held()
    for _ in range(2):
        buy(house, 10, price=bid(house, -500), label="twice")
    named = {"currency": "BTC", "label": "twice"}
    assert len(house.ask("private/get_order_state_by_label", **named)) == 2
    assert house.ask("private/get_open_orders_by_label", **named)
    edit = {"instrument_name": PERP, "label": "twice", "amount": 30, "price": bid(house, -600)}
    assert house.ask("private/edit_by_label", **edit)[0] == 10004
    assert house.ask("private/cancel_by_label", label="twice", currency="ETH") == 0
    assert house.ask("private/cancel_by_label", label="twice") == 2
    buy(house, 10, price=bid(house, -500), label="twice")
    assert house.ask("private/edit_by_label", **edit)["order"]["amount"] == 30
    states = [s["order_state"] for s in house.ask("private/get_order_state_by_label", **named)]
    assert states == ["open", "cancelled", "cancelled"]


def test_orders_are_edited_closed_and_cancelled_by_kind() -> None:
    house = held()
    placed = buy(house, 100, price=bid(house, -500))["order"]
    done = house.ask("private/edit", order_id=placed["order_id"], amount=50, price=bid(house, -400))
    assert (done["order"]["order_id"], done["order"]["replaced"]) == (placed["order_id"], True)
    assert house.ask("private/cancel_all_by_kind_or_type", currency="BTC", kind="option") == 0
    assert house.ask("private/cancel_all_by_kind_or_type", currency="BTC", kind="future") == 1
    buy(house, 500, type="market")
    close = house.ask("private/close_position", instrument_name=PERP, type="market")
    assert close["order"]["filled_amount"] == 500
    assert house.ask("private/get_positions", currency="BTC") == []
    assert house.ask("private/get_position", instrument_name=PERP)["direction"] == "zero"


def test_a_post_only_order_that_would_cross_is_put_just_behind_the_other_side() -> None:
    house = held()
    ask = house.ask("public/ticker", instrument_name=PERP)["best_ask_price"]
    order = buy(house, 10, price=ask + 100, post_only=True)["order"]
    assert (order["order_state"], order["price"]) == ("open", ask - 0.5)


def test_matching_requests_beyond_the_rate_are_refused_and_end_the_session() -> None:
    house = held(limits=True)
    far = bid(house, -500)
    for _ in range(20):
        assert "order" in buy(house, 10, price=far)
    assert buy(house, 10, price=far) == (10028, "too_many_requests")
    assert house.session.dropped == "too_many_requests"
    house.wall.ms += 1_000
    assert [("order" in buy(house, 10, price=far)) for _ in range(6)] == [True] * 5 + [False]


def test_ordinary_requests_beyond_their_credits_are_refused_until_some_are_back() -> None:
    house = held(limits=True)
    anybody = Session("http")
    # One of the hundred was spent on logging in.
    said = [house.ask("public/test", anybody) for _ in range(100)]
    assert said[-1][0] == 10028
    assert all("version" in one for one in said[:-1])
    house.wall.ms += 50
    assert "version" in house.ask("public/test", anybody)


def test_a_lost_connection_cancels_its_own_orders_where_it_asked_for_that() -> None:
    house = held()
    other = Session("ws-1", is_websocket=True)
    house.house.join(other)
    login(house, other, MAIN)
    far = bid(house, -500)
    buy(house, 10, price=far)
    house.ask("private/buy", other, instrument_name=PERP, amount=10, price=far)
    assert house.ask("private/enable_cancel_on_disconnect", other) == "ok"
    assert house.ask("private/get_cancel_on_disconnect", other)["enabled"]
    house.house.leave(other)
    assert len(house.account.open_orders()) == 1
    house.ask("private/enable_cancel_on_disconnect", scope="account")
    house.house.leave(house.session)
    assert house.account.open_orders() == []


def test_logging_out_cancels_nothing() -> None:
    house = held()
    buy(house, 10, price=bid(house, -500))
    house.ask("private/enable_cancel_on_disconnect")
    assert house.ask("private/logout") == "ok"
    house.house.leave(house.session)
    assert len(house.account.open_orders()) == 1


def test_who_does_not_answer_a_heartbeat_is_dropped() -> None:
    house = held()
    assert house.ask("public/set_heartbeat", interval=9)[0] == -32602
    assert house.ask("public/set_heartbeat", interval=10) == "ok"
    for answers in (True, True, False):
        house.wall.ms += 10_000
        house.house.look()
        kinds = [m["params"]["type"] for m in house.session.outbox if m["method"] == "heartbeat"]
        assert kinds == ["heartbeat", "test_request"]
        house.session.outbox.clear()
        assert not house.session.dropped
        if answers:
            house.ask("public/test")
    house.wall.ms += 10_000
    house.house.look()
    assert house.session.dropped == "heartbeat"


def test_a_reader_who_is_too_slow_is_dropped_and_no_more_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tidegate.venues.deribit_server.session.OUTBOX_MAX", 100)
    house = held()
    house.ask("public/subscribe", channels=[f"book.{PERP}.100ms", f"ticker.{PERP}.100ms"])
    session = house.session
    while not session.dropped:
        house.pass_s(5)
    assert session.dropped == "slow reader"
    for _ in range(5):
        house.pass_s(5)
    assert len(session.outbox) == 100


def test_book_changes_chain_and_rebuild_the_book() -> None:
    house = held()
    name = f"book.{PERP}.100ms"
    assert house.ask("public/subscribe", channels=[name, "book.NONE.100ms", "nothing"]) == [name]
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    last, changes = None, 0
    for _ in range(60):
        house.pass_s(1)
        for channel, data in house.told():
            assert channel == name
            assert data.get("prev_change_id") == last
            last, changes = data["change_id"], changes + (data["type"] == "change")
            for side, levels in sides.items():
                for action, price, amount in data[side]:
                    assert (action == "new") == (price not in levels)
                    if action == "delete":
                        del levels[price]
                    else:
                        levels[price] = amount
    book = house.ask("public/get_order_book", instrument_name=PERP)
    assert changes > 5
    assert book["change_id"] == last
    for side, levels in sides.items():
        assert dict(map(tuple, book[side])) == levels


def test_raw_channels_need_a_key_and_users_channels_tell_only_their_own() -> None:
    house = held()
    nobody, sub = Session("a", is_websocket=True), Session("b", is_websocket=True)
    raw = {"channels": [f"book.{PERP}.raw"]}
    assert house.ask("public/subscribe", nobody, **raw)[0] == 13009
    house.house.join(sub)
    login(house, sub, SUB)
    names = ["user.orders.any.any.raw", "user.trades.future.BTC.100ms", "user.portfolio.btc"]
    names += [f"user.changes.{PERP}.raw"]
    for session in (house.session, sub):
        assert house.ask("private/subscribe", session, channels=names) == names
    house.house.look()
    for session in (house.session, sub):
        assert [c for c, _ in house.told(session)] == ["user.portfolio.btc"]
    buy(house, 10, type="market", label="seen")
    house.house.look()
    told = dict(house.told())
    assert told["user.orders.any.any.raw"]["label"] == "seen"
    assert told["user.trades.future.BTC.100ms"][0]["label"] == "seen"
    assert told[f"user.changes.{PERP}.raw"]["positions"][0]["size"] == 10
    assert told["user.portfolio.btc"]["initial_margin"] > 0
    assert house.told(sub) == []


def test_subscriptions_and_heartbeats_are_of_websockets_alone() -> None:
    house = held()
    over_http = Session("http")
    for method in ("public/subscribe", "public/set_heartbeat", "public/unsubscribe_all"):
        assert house.ask(method, over_http, channels=[], interval=10)[0] == 10030


def test_keys_are_made_in_a_private_file_and_read_from_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = credentials(path, 3)
    assert path.stat().st_mode & 0o777 == 0o600
    assert credentials(path, 1) == made
    assert [p.name for p in Keyring(made).principals.values()] == ["main", "sub_1", "sub_2"]
    assert made[0].client_secret not in repr(made)
    path.chmod(0o644)
    with pytest.raises(InputError, match="0600"):
        credentials(path, 1)
    path.chmod(0o600)
    path.write_text('{"accounts": [{"client_id": "canary-secret"}]}')
    with pytest.raises(InputError) as told:
        credentials(path, 1)
    assert "canary-secret" not in str(told.value)
    assert told.value.__suppress_context__


def test_money_is_sent_to_a_subaccount_and_no_more_than_may_leave() -> None:
    house = held()
    send = "private/submit_transfer_to_subaccount"
    done = house.ask(send, currency="BTC", amount=1.5, destination=2)
    assert (done["state"], done["direction"]) == ("prepared", "payment")
    house.pass_s(1)
    listed = house.ask("private/get_transfers", currency="BTC")
    assert [t["state"] for t in listed["data"]] == ["confirmed"]
    assert house.ask(send, currency="BTC", amount=99, destination=2)[0] == 10009
    assert house.ask(send, currency="BTC", amount="0.000000001", destination=2)[0] == -32602
    assert house.ask(send, currency="BTC", amount=1, destination=77)[0] == -32602
    assert house.ask(send, currency="BTC", amount=1, destination=1)[0] == 12100


def test_an_order_that_comes_after_its_time_is_not_begun() -> None:
    house = held()
    now_ms = house.ask("public/get_time")
    for valid_until in (now_ms - 1, now_ms):
        assert buy(house, type="market", valid_until=valid_until)[0] == 13888
    assert buy(house, type="market", valid_until=now_ms + 1)["order"]["order_state"] == "filled"


def test_a_session_that_ends_states_its_funding_once_and_the_next_begins_at_nothing() -> None:
    house = held()
    buy(house, 100_000, type="market")
    for _ in range(12):
        house.pass_s(599)
    (position,) = house.ask("private/get_positions", currency="BTC")
    before = position["realized_funding"]
    assert before != 0
    for _ in range(12):
        house.pass_s(2)
    (position,) = house.ask("private/get_positions", currency="BTC")
    assert position["realized_funding"] == 0
    span = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": house.clock.time_ms}
    told = house.ask("private/get_transaction_log", query="settlement", **span)
    (row,) = told["logs"]
    assert told["continuation"] is None
    assert row["timestamp"] % (24 * 3_600_000) == 8 * 3_600_000
    assert row["position"] == 100_000
    # The funding of 08:00 itself belongs to the session that ends with it.
    assert abs(row["total_interest_pl"]) >= abs(before)
    whole = house.ask("private/get_transaction_log", **span)["logs"]
    assert [each["type"] for each in whole] == ["settlement", "trade"]
    page = house.ask("private/get_transaction_log", count=1, **span)
    rest = house.ask("private/get_transaction_log", continuation=page["continuation"], **span)
    assert page["logs"] + rest["logs"] == whole
