# SPDX-License-Identifier: Apache-2.0
"""Which venues are asked for which account, read-only, and the book that their answers make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tidegate.model.errors import InputError
from tidegate.model.replies import Unclear
from tidegate.venues.accounts import hyperliquid
from tidegate.venues.accounts.told import Told
from tidegate.venues.exchanges.client import CCXT_NAMES, Client, open_client

WORDS = "expected VENUE:ADDRESS, such as hyperliquid:0x12ab"
HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
ADDRESS_DIGITS = 40


class Asked(NamedTuple):
    """One account at one venue: by a public address."""

    venue: str
    address: str
    url: str | None = None


def asked_of(text: str, urls: Mapping[str, str]) -> Asked:
    """What one `--venue` says; raises `InputError`."""
    venue, _, address = text.partition(":")
    if venue not in CCXT_NAMES:
        raise InputError("--venue", venue, f"expected one of {', '.join(_READERS)}")
    if venue not in _READERS:
        raise InputError("--venue", venue, f"expected one of {', '.join(_READERS)} (so far)")
    digits = address.removeprefix("0x")
    if len(digits) != ADDRESS_DIGITS or not set(digits) <= HEXADECIMAL:
        raise InputError("--venue", text, f"{WORDS}; an address has 40 hexadecimal digits")
    return Asked(venue, address, urls.get(venue))


def told_by(asked: Asked) -> tuple[Told, ...]:
    """The accounts there; raises `InputError` where the venue does not answer."""
    found = _READERS[asked.venue](open_client(asked.venue, None, asked.url), asked)
    if isinstance(found, Unclear):
        raise InputError("--venue", asked.venue, f"expected an answer, got {found.reason}")
    return found


def book_of(told: tuple[Told, ...]) -> dict[str, object]:
    """One book of all accounts at the latest of their times, as `tidegate observe` and `plan` read
    it; what was told earlier keeps its own time, and is refused where it is too old."""
    latest = max(str(one.book["as_of"]) for one in told)
    accounts = [{**one.book, "as_of": latest, "figures_as_of": one.book["as_of"]} for one in told]
    return {"as_of": latest, "accounts": accounts, "stable": {"USDC": "1", "USDT": "1"}}


def _hyperliquid(client: Client, asked: Asked) -> tuple[Told, ...] | Unclear:
    answers = hyperliquid.ask(client, asked.address)
    if isinstance(answers, Unclear):
        return answers
    return hyperliquid.accounts(asked.venue, answers)


_READERS = {"hyperliquid": _hyperliquid}


def save(path: Path, text: str) -> None:
    """Write a new file; raises `InputError` where something stands there or it cannot be made."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        expected = f"expected a new file ({error.strerror})"
        raise InputError(str(path), "--save", expected) from None
