# SPDX-License-Identifier: Apache-2.0
"""Keys of a vault's people: read once, and said nowhere."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from tests.contracts.edge_bench import secret
from tidegate.model.errors import InputError
from tidegate.venues.vault.deploying import created
from tidegate.venues.vault.keys import VaultKey, read_key
from tidegate.venues.vault.node import NodeError, connect
from tidegate.venues.vault.outbox import Attempt, Call, Fees
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Unsigned

pytestmark = pytest.mark.contracts
SECRET = secret("canary")
UNSIGNED = Unsigned(0, "0x" + "11" * 20, "0x", 21_000, 10, 1)


def _kept(folder: Path, value: str) -> str:
    path = folder / "kept.key"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"privateKey": value}), encoding="utf-8")
    return f"file:{path.name}"


def _says_nothing(text: str) -> bool:
    return SECRET.hex() not in text.lower() and str(int(SECRET.hex(), 16)) not in text


def test_key_signs_and_shows_its_address_alone(tmp_path: Path) -> None:
    key = read_key(_kept(tmp_path, "0x" + SECRET.hex()), "allocator", 1, tmp_path)
    hash, raw = key.sign(UNSIGNED)
    assert hash != raw
    assert _says_nothing(f"{key!r} {key} {hash} {raw}")
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied"):
            copied(key)


@pytest.mark.parametrize("spoil", ["{}zz", "{}00", "x{}", "{}{}"])
def test_key_that_is_none_is_refused_and_not_quoted(tmp_path: Path, spoil: str) -> None:
    reference = _kept(tmp_path, spoil.replace("{}", SECRET.hex()))
    with pytest.raises(InputError, match="allocator: expected privateKey") as caught:
        read_key(reference, "allocator", 1, tmp_path)
    assert _says_nothing("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 65_536])
def test_address_of_a_contract_is_that_of_the_library_s_own_rlp(nonce: int) -> None:
    import rlp
    from eth_utils.address import to_checksum_address
    from eth_utils.crypto import keccak

    address = VaultKey(SECRET, 1).address
    packed = rlp.encode([bytes.fromhex(address[2:]), nonce])
    assert created(address, nonce) == to_checksum_address(keccak(packed)[-20:])


def test_journal_of_an_outbox_holds_no_key(tmp_path: Path) -> None:
    key = VaultKey(SECRET, 1)
    log = OutboxLog(tmp_path / "outbox", 1, key.address)
    log.queue(Call("call", UNSIGNED.to, "0x", 21_000, 1))
    log.attempt("call", 0, Attempt(*key.sign(UNSIGNED), Fees(10, 1), 0))
    log.close()
    for path in tmp_path.iterdir():
        assert SECRET not in path.read_bytes()
        assert _says_nothing(path.read_bytes().decode("latin-1"))


def test_node_that_does_not_answer_is_one_line_without_its_whole_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ask() -> None:
        node = connect("http://127.0.0.1:9/canary-77f02d")
        try:
            await node.chain_id()
        finally:
            await node.close()

    caplog.set_level(logging.DEBUG)
    with pytest.raises(NodeError, match=r"^127\.0\.0\.1:9: chain id: expected an answer") as caught:
        asyncio.run(ask())
    assert "canary-77f02d" not in "".join(traceback.format_exception(caught.value))
    assert "canary-77f02d" not in caplog.text
