# SPDX-License-Identifier: Apache-2.0
"""Throwaway keys of paper accounts, in a private file. They hold nothing anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import coincurve
import msgspec
from msgspec import Meta

from tidegate.execution.secret_file import read_private, write_private
from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.venues.hyperliquid_server.signatures import address_of

FILE_MAX, ACCOUNTS_MAX = 65_536, 20


class PaperKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account as the file holds it."""

    address: Annotated[str, Meta(pattern=r"^0x[0-9a-f]{40}$")]
    private_key: Annotated[str, Meta(pattern=r"^0x[0-9a-f]{64}$")]

    def __repr__(self) -> str:
        return f"PaperKey({self.address})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accounts: Annotated[tuple[PaperKey, ...], Meta(min_length=1, max_length=ACCOUNTS_MAX)]


def addresses(path: Path, count: int) -> tuple[str, ...]:
    """The addresses of a file's keys; where nothing stands, new keys are written there.

    Raises `InputError`, which never quotes the file, where it is no private file of such keys, or
    an address is not that of its key.
    """
    if not path.exists() and not path.is_symlink():
        made = tuple(new_key() for _ in range(count))
        text = msgspec.json.format(msgspec.json.encode(_File(made)), indent=1)
        write_private(path, text + b"\n")
        return tuple(one.address for one in made)
    try:
        held = msgspec.json.decode(read_private(path, FILE_MAX), type=_File).accounts
        sound = all(key_address(one.private_key) == one.address for one in held)
    except (*UNREADABLE_JSON, ValueError):
        sound = False
    if not sound:
        expected = f"expected 1 to {ACCOUNTS_MAX} addresses with their keys, a JSON file"
        raise InputError(str(path), "accounts", expected)
    return tuple(one.address for one in held)


def new_key() -> PaperKey:
    """A key of a paper account."""
    secret = coincurve.PrivateKey().secret
    return PaperKey(key_address("0x" + secret.hex()), "0x" + secret.hex())


def key_address(private_key: str) -> str:
    """The address of a private key, 0x and 64 hexadecimals; raises `ValueError` for another."""
    key = coincurve.PrivateKey(bytes.fromhex(private_key.removeprefix("0x")))
    return address_of(key.public_key)
