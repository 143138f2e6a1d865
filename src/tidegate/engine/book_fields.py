# SPDX-License-Identifier: Apache-2.0
"""The fields of BOOK.json, and how one value of it is read, refused or noted as missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec

from tidegate.engine.observed_book import Unknown
from tidegate.model.errors import InputError
from tidegate.model.units import read_decimal

TARGET = Decimal("0.15")
T = TypeVar("T")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Document(_Strict, frozen=True):
    """The whole file; entries of its lists and tables are read one by one, to name their place."""

    as_of: str
    accounts: list[object]
    routes: list[object] = []
    stable: dict[str, object] = {}
    betas: dict[str, object] = {}
    vol_annual: dict[str, object] = {}
    target_distance: Decimal = TARGET


class SaidAccount(_Strict, frozen=True):
    """One venue's account as the user says it."""

    venue: str
    rule: Literal["binance_usdm", "hyperliquid_cross", "spot"]
    collateral: str
    balances: dict[str, object]
    positions: list[object]
    leverage: Annotated[int, msgspec.Meta(ge=1)] | None = None
    as_of: str | None = None


class SaidPosition(_Strict, frozen=True):
    """One contract held, or one coin of a spot wallet; None is UNKNOWN."""

    symbol: str
    base: str
    tick: Decimal
    lot: Decimal
    size: Decimal | None = None
    lots: int | None = None
    entry: Decimal | None = None
    mark: Decimal | None = None
    tiers: list[list[Decimal | None]] | None = None
    quote: str | None = None
    taker_fee: Decimal | None = None
    half_spread: Decimal | None = None
    adl_rank: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None


class SaidRoute(_Strict, frozen=True):
    """One way for money between two venues; None is UNKNOWN."""

    source: str
    destination: str
    fee: Decimal | None = None
    minimum: Decimal | None = None
    latency_median_s: Decimal | None = None
    latency_p95_s: Decimal | None = None
    conversion_cost: Decimal | None = None
    conversion_rate: Decimal | None = None
    frozen: bool = False
    blocked_until: str | None = None


class Reader:
    """The file's name for refusals, and what was found missing while reading."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.unknown: list[Unknown] = []

    def refuse(self, field: str, expected: str) -> InputError:
        """The error that names the file and this field."""
        return InputError(self.where, field, expected)

    def missing(self, field: str, what: str) -> None:
        """Note what was not given, and what therefore is unknown."""
        self.unknown.append(Unknown(field, what))

    def shape(self, value: object, kind: type[T], field: str) -> T:
        """A value in a declared shape, its numbers of ordinary size."""
        try:
            found = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            named = (field + path.rstrip("`")).lstrip(".") or "document"
            raise self.refuse(named, _expectation(message)) from None
        for name in getattr(found, "__struct_fields__", ()):
            if isinstance(number := getattr(found, name), Decimal):
                self.ordinary(number, f"{field}.{name}".lstrip("."))
        return found

    def ordinary(self, number: Decimal, field: str) -> Decimal:
        """The number, if finite and of ordinary size."""
        return read_decimal(str(number), self.where, field)

    def decimal(self, value: object, field: str) -> Decimal:
        """An exact number from JSON, written as number or text."""
        return self.ordinary(self.shape(value, Decimal, field), field)

    def positive(self, number: Decimal | None, field: str) -> None:
        """Refuse a number that is given and not above zero."""
        if number is not None and number <= 0:
            raise self.refuse(field, f"expected more than 0, got {number}")

    def share(self, number: Decimal | None, field: str) -> None:
        """Refuse a number that is given and not in [0, 1)."""
        if number is not None and not 0 <= number < 1:
            raise self.refuse(field, f"expected at least 0 and less than 1, got {number}")


def _expectation(message: str) -> str:
    said = message[:1].lower() + message[1:]
    if message.startswith("Invalid enum value"):
        return f"expected another name, got {message.removeprefix('Invalid enum value ')}"
    if message.startswith("Object"):
        return f"expected the documented fields, but {said.removeprefix('object ')}"
    return said if said.startswith("expected") else f"expected a number, got an {said}"
