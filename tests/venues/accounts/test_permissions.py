# SPDX-License-Identifier: Apache-2.0
"""A key that can take money out is refused unless transfers are allowed, and is said nowhere."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.venues.accounts import told_deribit
from tests.venues.accounts.served import served
from tidegate.model.errors import InputError
from tidegate.risk.gate import Gate
from tidegate.venues.accounts.permissions import can_withdraw, expect_key
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.session_command import open_house
from tidegate.venues.exchanges.settings import read_session_file

CANARY = "canary-9f27d1"
KEY = Credentials({"apiKey": "id-of-key", "secret": CANARY, "password": CANARY})
# The first private key of the examples of Ethereum's tools, and its address.
OWN_KEY = "0x" + "00" * 31 + "01"
OWN_ADDRESS = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@pytest.fixture(autouse=True)
def _live() -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")


def deribit(scope: str) -> Mapping[str, Any]:
    return told_deribit.answers(scope=scope)


def binance(enabled: bool) -> Mapping[str, Any]:
    return {"account/apiRestrictions": {"enableReading": True, "enableWithdrawals": enabled}}


def okx(perm: str) -> Mapping[str, Any]:
    return {"account/config": {"code": "0", "msg": "", "data": [{"perm": perm, "acctLv": "2"}]}}


def bybit(read_only: int, wallet: list[str]) -> Mapping[str, Any]:
    key = {"readOnly": read_only, "permissions": {"Wallet": wallet, "Spot": []}}
    return {"user/query-api": {"retCode": 0, "retMsg": "", "result": key}}


CASES: list[tuple[str, Mapping[str, Any], bool]] = [
    ("deribit", deribit("account:read trade:read wallet:read"), False),
    ("deribit", deribit("account:read trade:read_write wallet:read_write"), True),
    ("deribit", deribit("account:read trade:read_write wallet:none"), False),
    ("binance", binance(enabled=False), False),
    ("binance", binance(enabled=True), True),
    ("okx", okx("read_only,trade"), False),
    ("okx", okx("read_only,withdraw,trade"), True),
    ("bybit", bybit(0, ["AccountTransfer"]), False),
    ("bybit", bybit(0, ["AccountTransfer", "Withdraw"]), True),
    ("bybit", bybit(1, ["Withdraw"]), False),
]


@pytest.mark.parametrize(("kind", "answers", "withdraws"), CASES)
def test_what_a_key_may_do_is_what_its_venue_says(
    kind: str, answers: Mapping[str, Any], *, withdraws: bool
) -> None:
    with served(answers) as url:
        assert can_withdraw(kind, open_client(kind, KEY, url)) is withdraws


def test_bybits_own_answer_is_read(data_root: Path) -> None:
    path = data_root / "wire/bybit/http_get_user_query_api.json"
    if not path.exists():
        pytest.skip("no recorded payloads here")
    with served({"user/query-api": json.loads(path.read_text())}) as url:
        assert can_withdraw("bybit", open_client("bybit", KEY, url)) is False


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("kind", ["deribit", "okx"])
def test_key_that_can_withdraw_is_refused_unless_transfers_are_allowed(
    kind: str, *, acts: bool
) -> None:
    answers = {**deribit("wallet:read_write"), **okx("withdraw")}
    with served(answers) as url:
        client = open_client(kind, KEY, url)
        with pytest.raises(InputError, match="without the right to withdraw") as caught:
            expect_key("key", kind, client, transfers=False, acts=acts)
        assert expect_key("key", kind, client, transfers=True, acts=acts) == ""
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", ["okx", "derive"])
def test_key_of_which_nothing_is_told_does_not_act_and_looks_with_a_warning(kind: str) -> None:
    key = {"walletAddress": OWN_ADDRESS, "privateKey": OWN_KEY} if kind == "derive" else KEY
    with served({}) as url:
        client = open_client(kind, Credentials(key), url)
        with pytest.raises(InputError, match="is known that it cannot withdraw") as caught:
            expect_key("key", kind, client, transfers=False, acts=True)
        assert "can withdraw" in expect_key("key", kind, client, transfers=False, acts=False)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("address", "withdraws"), [(OWN_ADDRESS, True), ("0x" + "ab" * 20, False)])
def test_key_of_hyperliquid_withdraws_where_it_is_the_accounts_own(
    address: str, *, withdraws: bool
) -> None:
    key = Credentials({"walletAddress": address, "privateKey": OWN_KEY})
    assert can_withdraw("hyperliquid", open_client("hyperliquid", key)) is withdraws


def test_key_that_is_none_is_not_quoted() -> None:
    key = Credentials({"walletAddress": OWN_ADDRESS, "privateKey": CANARY})
    client = open_client("hyperliquid", key)
    with pytest.raises(InputError) as caught:
        expect_key("key", "hyperliquid", client, transfers=False, acts=True)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


SETTINGS = """
[session]
trading_token = "a"
watching_token = "b"
gate_key = "c"
log = "session.log"
[venue.hyperliquid]
kind = "hyperliquid"
credentials = "file:key.json"
[venue.hyperliquid.contracts]
BTC = { base = "BTC", tick = "1", lot = "0.00001" }
[policy]
kinds = ["order"]
"""


def test_session_that_signs_no_transfer_does_not_open_with_an_accounts_own_key(
    tmp_path: Path,
) -> None:
    (tmp_path / "session.toml").write_text(SETTINGS)
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"walletAddress": OWN_ADDRESS, "privateKey": OWN_KEY}))
    key.chmod(0o600)
    path = tmp_path / "session.toml"
    refused = r"venue\.hyperliquid\.credentials.*right to withdraw"
    with pytest.raises(InputError, match=refused) as caught:
        open_house(path, read_session_file(path), Gate(b"k" * 32), {})
    assert OWN_KEY not in "".join(traceback.format_exception(caught.value))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key.json", "session.toml"]


def test_key_that_lacks_a_part_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(SETTINGS)
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"walletAddress": OWN_ADDRESS}))
    key.chmod(0o600)
    path = tmp_path / "session.toml"
    with pytest.raises(InputError, match="a key with privateKey"):
        open_house(path, read_session_file(path), Gate(b"k" * 32), {})
