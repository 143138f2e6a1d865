# SPDX-License-Identifier: Apache-2.0
"""The fields of a margin book, in the words of `book_fields` where they mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from tidegate.engine.book_fields import Reader
from tidegate.model.units import read_decimal

T = TypeVar("T")

# So many digits survive the way through a float and back.
DIGITS_MAX = 15
STALE_AFTER_S = Decimal(60)
ONE = Decimal(1)


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object that refuses a field which it does not know."""


class SaidFigure(Strict, frozen=True):
    """A figure with its own time and the venue's confidence in it."""

    value: Decimal
    as_of: str | None = None
    confidence: Decimal = ONE


class SaidCoin(Strict, frozen=True):
    """What a coin is valued with; expiries are UTC times."""

    index: object = None
    forwards: dict[str, object] = {}
    rates: dict[str, object] = {}
    fixed: dict[str, object] = {}
    fixed_shares: dict[str, object] = {}


class SaidRate(Strict, frozen=True):
    """A rate that grows with size: `at_zero` + `per_coin` x coins."""

    at_zero: Decimal
    per_coin: Decimal = Decimal(0)


class SaidLiquidityTier(Strict, frozen=True):
    """dYdX's tier of a market: shares, and caps on open notional in USDC (0: none)."""

    initial: Decimal
    maintenance_fraction: Decimal
    open_notional_lower: Decimal = Decimal(0)
    open_notional_upper: Decimal = Decimal(0)


class SaidContract(Strict, frozen=True):
    """One instrument, what is held of it, what it is marked at, and its terms of margin."""

    symbol: str
    kind: Literal["perpetual", "future", "option", "spot"]
    base: str
    settle: str
    size: Decimal
    entry: Decimal | None = None
    funding: Decimal | None = None
    inverse: bool = False
    face_usd: Decimal | None = None
    strike: Decimal | None = None
    right: Literal["call", "put"] | None = None
    expiry: str | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    mark: object = None
    vol: object = None
    funding_next: object = None
    tiers: list[list[Decimal | None]] | None = None
    leverage: Decimal | None = None
    fee_to_close: Decimal | None = None
    clearance_fee: Decimal | None = None
    initial_rate: SaidRate | None = None
    maintenance_rate: SaidRate | None = None
    liquidity_tier: SaidLiquidityTier | None = None
    open_interest: Decimal | None = None
    chosen_initial: Decimal | None = None


class SaidOrder(Strict, frozen=True):
    """A working order on an instrument of the book."""

    symbol: str
    size: Decimal
    price: Decimal
    reduce_only: bool = False


class SaidBook(Strict, frozen=True):
    """The whole file; entries of its lists and tables are read one by one, to name their place."""

    as_of: str
    rule: str
    balances: dict[str, Decimal]
    positions: list[object] = []
    venue: str = "venue"
    collateral: str | None = None
    leverage: Decimal | None = None
    orders: list[object] = []
    realised: dict[str, Decimal] | None = None
    coins: dict[str, object] = {}
    stable: dict[str, object] = {}
    figures_as_of: str | None = None
    stale_after_s: Decimal = STALE_AFTER_S
    least_confidence: Decimal = ONE
    parameters: dict[str, object] = {}


def shaped(reader: Reader, value: object, kind: type[T], field: str) -> T:
    """A value in a declared shape, its numbers of ordinary size; raises `InputError`."""
    found = reader.shape(value, kind, field)
    _require_ordinary(reader, found, field)
    return found


def _require_ordinary(reader: Reader, value: object, field: str) -> None:
    if isinstance(value, Decimal):
        read_decimal(str(value), reader.where, field)
        if len(value.as_tuple().digits) > DIGITS_MAX:
            raise reader.refuse(field, f"expected at most {DIGITS_MAX} digits, got {value}")
    elif isinstance(value, str) and not value.isprintable():
        raise reader.refuse(field, f"expected text that can be printed, got {value!r}")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _require_ordinary(reader, getattr(value, name), f"{field}.{name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, part in value.items():
            _require_ordinary(reader, part, f"{field}.{name}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _require_ordinary(reader, part, f"{field}[{index}]")
