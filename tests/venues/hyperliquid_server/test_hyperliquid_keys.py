# SPDX-License-Identifier: Apache-2.0
"""The private file of throwaway keys."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

for name in ("coincurve", "Crypto", "eth_account"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from eth_account import Account  # noqa: E402

from tidegate.model.errors import InputError  # noqa: E402
from tidegate.venues.hyperliquid_server.keys import PaperKey, addresses  # noqa: E402


def test_new_keys_stand_in_a_file_that_its_owner_alone_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = addresses(path, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = json.loads(path.read_bytes())["accounts"]
    assert tuple(Account.from_key(h["private_key"]).address.lower() for h in held) == made
    assert addresses(path, 5) == made


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    addresses(path, 1)
    path.chmod(0o644)
    with pytest.raises(InputError, match="mode 0600"):
        addresses(path, 1)


@pytest.mark.parametrize("text", ["", "{}", '{"accounts": []}', "\xff", "[" * 9_000])
def test_another_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(InputError, match="addresses with their keys"):
        addresses(path, 1)


def test_an_address_that_is_not_its_keys_is_refused_and_the_key_is_not_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    addresses(path, 1)
    held = json.loads(path.read_bytes())
    secret = held["accounts"][0]["private_key"]
    held["accounts"][0]["address"] = "0x" + "00" * 20
    path.write_text(json.dumps(held))
    with pytest.raises(InputError) as caught:
        addresses(path, 1)
    assert secret[2:] not in str(caught.value)
    assert secret[2:] not in repr(PaperKey(held["accounts"][0]["address"], secret))
