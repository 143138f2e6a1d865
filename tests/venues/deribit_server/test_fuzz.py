# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, the answer is one JSON-RPC envelope, and nothing grows without bound."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.deribit_server.houses import Held, held
from tidegate.venues.deribit_server.house import BODY_MAX, METHODS, encode
from tidegate.venues.deribit_server.refusals import Refusal
from tidegate.venues.deribit_server.session import OUTBOX_MAX, Session

NAMES = (
    "instrument_name currency kind amount price type label order_id channels count depth offset "
    "start_timestamp end_timestamp resolution grant_type client_id client_secret refresh_token "
    "timestamp nonce signature scope destination interval sorting post_only reduce_only "
    "time_in_force contracts index_name start_seq end_seq detailed expired extended"
).split()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["BTC-PERPETUAL", "BTC", "any", "limit", "market", "true", "1e400", "-0", "NaN"]
    ),
    st.sampled_from(["BTC-1", "ETH_USDC-PERPETUAL", "1D", "60", "10", "1" * 400, "good_til_day"]),
    st.sampled_from(["book.BTC-PERPETUAL.100ms", "user.orders.any.any.raw", "book..", "user."]),
    st.text(max_size=12),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PARAMS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=9)


@lru_cache
def house() -> Held:
    """One house for all examples: what is left of one is met by the next."""
    return held()


def answered(raw: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(encode(house().house.answer(house().session, raw)))
    assert ("result" in said) != ("error" in said)
    assert said["jsonrpc"] == "2.0"
    session = house().session
    session.outbox.clear()
    session.dropped = ""
    return said


@given(st.sampled_from(sorted(set(METHODS) - {"private/logout"})), PARAMS)
@settings(max_examples=120, deadline=None)
def test_any_parameters_of_any_method_are_answered_or_refused(
    method: str, params: dict[str, Any]
) -> None:
    said = answered(json.dumps({"id": 7, "method": method, "params": params}).encode())
    assert said["id"] == 7
    assert len(house().session.channels) <= 500
    assert len(house().session.outbox) <= OUTBOX_MAX


@given(
    st.sampled_from(sorted(set(METHODS) - {"private/logout"})),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30), max_size=8),
)
@settings(max_examples=50, deadline=None)
def test_any_query_is_answered_or_refused(method: str, params: dict[str, str]) -> None:
    one = Session("http", principal=house().session.principal)
    with suppress(Refusal):
        assert encode(house().house.call(one, method, params))


@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(LEAVES, st.lists).map(lambda value: json.dumps(value).encode()),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_answered_with_an_error(raw: bytes) -> None:
    assert answered(raw)["error"]["code"] in (-32700, -32600)


def test_deep_long_and_huge_requests_are_refused_at_once() -> None:
    deep = b'{"id":1,"method":"public/test","params":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    huge = b'{"id":1,"method":"private/buy","params":{"amount":1e999999999,"price":' + b"9" * 5_000
    for raw in (deep, deep + b"}", b"[" * 60_000, huge + b"}}", b" " * (BODY_MAX + 1)):
        assert answered(raw)["error"]["code"] in (-32700, -32600, -32602)
    numbers = {"instrument_name": "BTC-PERPETUAL", "amount": "1e30", "price": "1e-30"}
    said = answered(json.dumps({"method": "private/buy", "params": numbers}).encode())
    assert said["error"]["code"] == -32602
