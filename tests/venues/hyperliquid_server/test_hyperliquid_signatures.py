# SPDX-License-Identifier: Apache-2.0
"""Signatures of /exchange, against the venue's own SDK and ccxt as oracles."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("coincurve", reason="needs the extra `live`")
pytest.importorskip("Crypto", reason="needs the extra `live`")
sdk = pytest.importorskip("hyperliquid.utils.signing", reason="the official SDK is not here")
messages = pytest.importorskip("eth_account.messages", reason="eth-account is not here")
accounts = pytest.importorskip("eth_account", reason="eth-account is not here")

from tidegate.model.parsing import UNREADABLE_JSON  # noqa: E402
from tidegate.venues.hyperliquid_server import signatures, typed_data  # noqa: E402
from tidegate.venues.hyperliquid_server.actions import Unoffered, read_envelope  # noqa: E402

KEY = "11" * 32
WALLET = accounts.Account.from_key(KEY)
ADDRESS = WALLET.address.lower()
NONCE = 1_780_000_000_000
CLOIDS = st.none() | st.integers(0, 2**128 - 1).map(lambda n: f"0x{n:032x}")
PRICES = st.decimals("0.000001", "999999", places=6).map(lambda d: f"{d.normalize():f}")


def order(price: str, size: str, cloid: str | None, tif: str = "Gtc") -> dict[str, Any]:
    wire = {"a": 1, "b": True, "p": price, "s": size, "r": False, "t": {"limit": {"tif": tif}}}
    return wire if cloid is None else wire | {"c": cloid}


ORDERS = st.builds(order, PRICES, PRICES, CLOIDS, st.sampled_from(["Gtc", "Ioc", "Alo"]))
HASHED = st.one_of(
    st.builds(
        lambda orders: {"type": "order", "orders": orders, "grouping": "na"},
        st.lists(ORDERS, min_size=1, max_size=3),
    ),
    st.builds(
        lambda orders: {
            "type": "order",
            "orders": orders,
            "grouping": "na",
            "builder": {"b": ADDRESS, "f": 10},
        },
        st.lists(ORDERS, min_size=1, max_size=2),
    ),
    st.builds(lambda o: {"type": "cancel", "cancels": [{"a": 0, "o": o}]}, st.integers(0, 2**40)),
    st.builds(
        lambda o, new: {"type": "batchModify", "modifies": [{"oid": o, "order": new}]},
        st.integers(0, 2**40) | CLOIDS.filter(bool),
        ORDERS,
    ),
    st.just({"type": "scheduleCancel"}),
    st.builds(lambda t: {"type": "scheduleCancel", "time": t}, st.integers(0, 2**45)),
    st.builds(
        lambda n: {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": n},
        st.integers(1, 50),
    ),
    st.builds(
        lambda n: {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": n},
        st.integers(-(2**40), 2**40),
    ),
    st.just({"type": "noop"}),
)


def body(action: dict[str, Any], signed: dict[str, Any], **rest: Any) -> bytes:
    return json.dumps({"action": action, "nonce": NONCE, "signature": signed} | rest).encode()


def signed_by(raw: bytes, chain: Any) -> str:
    envelope, action = read_envelope(raw)
    assert not isinstance(action, Unoffered)
    return signatures.signer(envelope, action, chain)


@settings(max_examples=60)
@given(
    action=HASHED,
    expires=st.none() | st.integers(0, 2**45),
    vault=st.none() | st.just("0x" + "22" * 20),
    mainnet=st.booleans(),
)
def test_any_hashed_action_signed_by_the_sdk_gives_its_address_for_that_chain_alone(
    action: dict[str, Any], expires: int | None, vault: str | None, mainnet: bool
) -> None:
    signed = sdk.sign_l1_action(WALLET, action, vault, NONCE, expires, mainnet)
    raw = body(action, signed, vaultAddress=vault, expiresAfter=expires)
    for chain in ("Mainnet", "Testnet"):
        found = signed_by(raw, chain)
        assert (found == ADDRESS) == ((chain == "Mainnet") == mainnet)


WALLET_ACTIONS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (sdk.sign_usd_class_transfer_action, {"type": "usdClassTransfer", "toPerp": True}),
    (sdk.sign_usd_transfer_action, {"type": "usdSend", "destination": ADDRESS}),
    (sdk.sign_withdraw_from_bridge_action, {"type": "withdraw3", "destination": ADDRESS}),
    (
        sdk.sign_send_asset_action,
        {
            "type": "sendAsset",
            "destination": ADDRESS,
            "sourceDex": "",
            "destinationDex": "spot",
            "token": "USDC",
            "fromSubAccount": "",
        },
    ),
    (sdk.sign_agent, {"type": "approveAgent", "agentAddress": ADDRESS, "agentName": "x"}),
    (
        sdk.sign_approve_builder_fee,
        {"type": "approveBuilderFee", "maxFeeRate": "0.01%", "builder": ADDRESS},
    ),
]


@pytest.mark.parametrize(
    ("sign", "said"), WALLET_ACTIONS, ids=[said["type"] for _, said in WALLET_ACTIONS]
)
@pytest.mark.parametrize("mainnet", [False, True])
def test_any_shown_action_signed_by_the_sdk_gives_its_address_for_that_chain_alone(
    sign: Callable[..., Any], said: dict[str, Any], mainnet: bool
) -> None:
    timed = "time" if said["type"] in ("usdSend", "withdraw3") else "nonce"
    action = said | {timed: NONCE}
    if said["type"] not in ("approveAgent", "approveBuilderFee"):
        action["amount"] = "1.5"
    signed = sign(WALLET, action, mainnet)
    for chain in ("Mainnet", "Testnet"):
        found = signed_by(body(action, signed), chain)
        assert (found == ADDRESS) == ((chain == "Mainnet") == mainnet)


def test_a_signature_of_ccxt_in_sandbox_mode_gives_its_address_for_testnet() -> None:
    ccxt = pytest.importorskip("ccxt", reason="ccxt is not here")
    exchange = ccxt.hyperliquid({"walletAddress": ADDRESS, "privateKey": "0x" + KEY})
    exchange.set_sandbox_mode(True)
    action = {"type": "cancel", "cancels": [{"a": 0, "o": 77}]}
    raw = body(action, exchange.sign_l1_action(action, NONCE))
    assert signed_by(raw, "Testnet") == ADDRESS
    exchange.set_sandbox_mode(False)
    raw = body(action, exchange.sign_l1_action(action, NONCE))
    assert signed_by(raw, "Mainnet") == ADDRESS


def test_an_order_signed_with_zeros_at_the_end_of_its_price_gives_another_address() -> None:
    action = {"type": "order", "orders": [order("100.0", "1", None)], "grouping": "na"}
    signed = sdk.sign_l1_action(WALLET, action, None, NONCE, None, False)
    assert signed_by(body(action, signed), "Testnet") != ADDRESS


def test_an_action_sent_in_another_order_of_fields_than_it_was_signed_in_keeps_its_signer() -> None:
    action = {"type": "order", "orders": [order("100", "1", None)], "grouping": "na"}
    signed = sdk.sign_l1_action(WALLET, action, None, NONCE, None, False)
    turned = dict(reversed(action.items()))
    assert signed_by(body(turned, signed), "Testnet") == ADDRESS


@settings(max_examples=40)
@given(action=HASHED, part=st.sampled_from(["r", "s"]), bit=st.integers(0, 255))
def test_a_signature_with_any_bit_changed_never_gives_its_address(
    action: dict[str, Any], part: str, bit: int
) -> None:
    signed = sdk.sign_l1_action(WALLET, action, None, NONCE, None, False)
    changed = signed | {part: hex(int(signed[part], 16) ^ (1 << bit))}
    with contextlib.suppress(signatures.Unsigned):
        assert signed_by(body(action, changed), "Testnet") != ADDRESS


@settings(max_examples=30)
@given(name=st.text(max_size=20), number=st.integers(0, 2**64 - 1), flag=st.booleans())
def test_a_digest_equals_that_of_eth_account(name: str, number: int, flag: bool) -> None:
    fields = (("name", "string"), ("number", "uint64"), ("flag", "bool"), ("who", "address"))
    message = {"name": name, "number": number, "flag": flag, "who": ADDRESS}
    types = {"Thing": [{"name": n, "type": t} for n, t in fields]}
    domain = {
        "name": "D",
        "version": "1",
        "chainId": 7,
        "verifyingContract": typed_data.ZERO_ADDRESS,
    }
    said = messages.encode_typed_data(domain, types, message)
    expected = typed_data.keccak256(b"\x19\x01" + said.header + said.body)
    ours = typed_data.digest(typed_data.domain_hash("D", 7), "Thing", fields, message)
    assert ours == expected


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from("type action nonce signature r s v orders a b p t c".split()),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
)
def test_any_body_is_read_or_refused_as_unreadable(raw: bytes) -> None:
    with pytest.raises(UNREADABLE_JSON):
        read_envelope(raw)


def test_an_action_with_an_unknown_field_is_refused() -> None:
    action = {"type": "noop", "more": 1}
    signed = sdk.sign_l1_action(WALLET, {"type": "noop"}, None, NONCE, None, False)
    with pytest.raises(UNREADABLE_JSON):
        read_envelope(body(action, signed))


def test_an_action_that_the_venue_has_and_this_one_does_not_is_named() -> None:
    signed = {"r": "0x1", "s": "0x1", "v": 27}
    _, action = read_envelope(body({"type": "vaultTransfer", "usd": 1}, signed))
    assert action == Unoffered("vaultTransfer")
