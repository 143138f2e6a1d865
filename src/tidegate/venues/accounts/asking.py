# SPDX-License-Identifier: Apache-2.0
"""Which venues are asked for which account, read-only, and the book that their answers make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from tidegate.model.errors import InputError
from tidegate.venues.accounts import binance, bybit, deribit, derive, dydx, hyperliquid, okx
from tidegate.venues.accounts.answers import NotTold
from tidegate.venues.accounts.permissions import expect_key
from tidegate.venues.accounts.told import Told, Whose
from tidegate.venues.exchanges.client import CCXT_NAMES, Client, open_client
from tidegate.venues.exchanges.credentials import Credentials, public_name, read_credentials

WORDS = "expected VENUE:ADDRESS, such as hyperliquid:0x12ab"
HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
ADDRESS_DIGITS = 40
BY_ADDRESS = frozenset(("hyperliquid", "dydx"))


class Asked(NamedTuple):
    """One account at one venue: by a public address, or by where its key is kept."""

    name: str
    kind: str
    said: str
    url: str | None = None


def asked_of(text: str, urls: Mapping[str, str]) -> Asked:
    """What one `--venue` says, [NAME=]VENUE:ADDRESS or [NAME=]VENUE:KEY; raises `InputError`."""
    venue, _, said = text.partition(":")
    name, named, kind = venue.rpartition("=")
    if kind not in CCXT_NAMES:
        raise InputError("--venue", "VENUE", f"expected one of {', '.join(CCXT_NAMES)}")
    if kind == "hyperliquid":
        digits = said.removeprefix("0x")
        if len(digits) != ADDRESS_DIGITS or not set(digits) <= HEXADECIMAL:
            # Not quoted: it may be a key, typed where an address belongs.
            raise InputError("--venue", kind, f"{WORDS}; an address has 40 hexadecimal digits")
    elif not said:
        raise InputError("--venue", kind, "expected VENUE:KEY, such as deribit:env:DERIBIT_KEY")
    if named and not name:
        raise InputError("--venue", kind, "expected a name before =")
    return Asked(name or kind, kind, said, urls.get(kind))


def told_by(asked: Asked, *, transfers: bool = False) -> tuple[Told, ...]:
    """The accounts there; raises `InputError` where the venue does not answer, or where its key
    can withdraw and no transfers are allowed."""
    by_key = asked.kind not in BY_ADDRESS
    key = read_credentials(asked.said, f"--venue {asked.name}") if by_key else None
    client = open_client(asked.kind, key, asked.url)
    warning = ""
    if by_key:
        field = f"--venue {asked.name}"
        warning = expect_key(field, asked.kind, client, transfers=transfers, acts=False)
    try:
        told = _READERS[asked.kind](client, asked)
    except NotTold as error:
        raise InputError("--venue", asked.name, f"expected an answer, got {error}") from None
    if not told:
        raise InputError("--venue", asked.name, "expected an account that holds anything")
    whose = Whose(asked.kind, asked.said if key is None else _owner(key), asked.url)
    more = (warning,) if warning else ()
    return tuple(
        msgspec.structs.replace(one, unread=(*one.unread, *more), whose=whose) for one in told
    )


def _owner(key: Credentials) -> str:
    """Of a key a hash of its name alone, which tells it from others and opens nothing."""
    return key.get("walletAddress") or sha256(public_name(key).encode()).hexdigest()[:16]


def book_of(told: tuple[Told, ...]) -> dict[str, object]:
    """One book of all accounts at the latest of their times, as `tidegate observe` and `plan` read
    it; what was told earlier keeps its own time, and is refused where it is too old."""
    latest = max(str(one.book["as_of"]) for one in told)
    accounts = [{**one.book, "as_of": latest, "figures_as_of": one.book["as_of"]} for one in told]
    return {"as_of": latest, "accounts": accounts, "stable": {"USDC": "1", "USDT": "1"}}


_READERS: dict[str, Callable[[Client, Asked], tuple[Told, ...]]] = {
    "hyperliquid": lambda client, asked: hyperliquid.accounts(
        asked.name, hyperliquid.ask(client, asked.said)
    ),
    "dydx": lambda client, asked: dydx.accounts(asked.name, dydx.ask(client, asked.said)),
    "deribit": lambda client, asked: deribit.accounts(asked.name, deribit.ask(client)),
    "binance": lambda client, asked: binance.accounts(asked.name, binance.ask(client)),
    "okx": lambda client, asked: okx.accounts(asked.name, okx.ask(client)),
    "bybit": lambda client, asked: bybit.accounts(asked.name, bybit.ask(client)),
    "derive": lambda client, asked: derive.accounts(asked.name, derive.ask(client)),
}


def save(path: Path, text: str) -> None:
    """Write a new file; raises `InputError` where something stands there or it cannot be made."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        expected = f"expected a new file ({error.strerror})"
        raise InputError(str(path), "--save", expected) from None
