# SPDX-License-Identifier: Apache-2.0
"""An account as its venue tells it: what a margin book says, and the venue's own sums.

A book is in the words of docs/margin-books.md. What a venue does not tell is left out of it, so
that whoever reads it says what is unknown; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from tidegate.model.times import format_time

Book = Mapping[str, object]


class Stated(msgspec.Struct, frozen=True):
    """A venue's own sums in `unit`, None where it does not tell one."""

    unit: str
    equity: Decimal | None = None
    initial: Decimal | None = None
    maintenance: Decimal | None = None


class Market(msgspec.Struct, frozen=True):
    """What is public of some contracts: by symbol all of a position but its holding, by coin what
    it is valued with, the latest time among them (0: none), and symbols that are not listed."""

    rows: Mapping[str, Book]
    coins: Mapping[str, Book] = {}
    ts_ms: int = 0
    lacking: tuple[str, ...] = ()


class Whose(msgspec.Struct, frozen=True):
    """What was asked: the kind of venue, the owner's public address or a hash of the key's name,
    and the address of a server on this machine, if it was one."""

    kind: str
    owner: str
    url: str | None = None


class Told(msgspec.Struct, frozen=True):
    """One account: its book, its venue's sums, and what of it could not be read, each in words."""

    book: Book
    stated: Stated
    unread: tuple[str, ...] = ()
    whose: Whose | None = None


def number(value: Decimal | int | str) -> str:
    """A number as a book says it, in plain digits."""
    return f"{Decimal(value):f}"


def figure(value: Decimal | int | str, ts_ms: int) -> Book:
    """A figure that was seen at a time of its own."""
    return {"value": number(value), "as_of": moment(ts_ms)}


def moment(ts_ms: int) -> str:
    """A time as a book says it."""
    return format_time(ts_ms)


def without_none(said: Mapping[str, object]) -> dict[str, object]:
    """The fields that are known."""
    return {name: value for name, value in said.items() if value is not None}
