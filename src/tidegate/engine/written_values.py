# SPDX-License-Identifier: Apache-2.0
"""The engine's inputs as plain JSON values that say what they are, and back, exactly.

    number, text, true, false, null    themselves (a float as the shortest text that reads back)
    tuple                              a list
    mapping                            {"@": "map", "of": [[key, value], ...]}, its order kept
    Fraction, Decimal, other floats    {"@": name of the type, "of": text}
    array                              {"@": "array", "type", "shape", "of": all numbers in a row}
    mandate                            {"@": "Mandate", "of": its tables}
    record                             {"@": name of the type, field: value, ...}

Only the types below are written or read: a journal from elsewhere makes nothing else. Fields that
a record derives from its others are left out, and derived anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from tidegate.allocation.question import Answer
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.engine.outlook import Outlook
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.dydx import DydxCross, LiquidityTier
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.tiers import Tier, TierTable
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.instruments import Future, Index, Option, Perpetual, Spot
from tidegate.model.mandate import Mandate
from tidegate.model.times import DayWindow
from tidegate.risk.plan import Terms
from tidegate.risk.scenarios import Scenarios
from tidegate.signals.carry import CarryEdge

_RECORDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Terms, TradingCosts, Passage, DayWindow),
        *(Perpetual, Future, Option, Spot, Index),
        *(HyperliquidCross, BinanceUsdm, SpotWallet, TierTable, Tier),
        *(DeribitStandard, SizeMargin, SizedRate, DydxCross, LiquidityTier),
        *(Outlook, CarryEdge, Scenarios, Answer),
    )
}
_ARRAYS = ("float64", "int64", "bool")
_TEXTS: Mapping[str, type] = {"Fraction": Fraction, "Decimal": Decimal, "float": float}
_UNFIT = (KeyError, TypeError, AttributeError, ArithmeticError, msgspec.ValidationError)
KIND, CONTENT = "@", "of"


def written(value: object) -> Any:
    """A value as plain JSON; raises `TypeError` for one of a type that is not written."""
    match value:
        case None | bool() | str() | int():
            return value
        case float() if isfinite(value):
            return float(value)
        case float() | Fraction() | Decimal():
            kind = "float" if isinstance(value, float) else type(value).__name__
            return {KIND: kind, CONTENT: str(value)}
        case tuple():
            return [written(item) for item in value]
        case Mapping():
            return {KIND: "map", CONTENT: [[written(k), written(v)] for k, v in value.items()]}
        case np.ndarray():
            numbers = [written(number) for number in value.ravel().tolist()]
            shape = list(value.shape)
            return {KIND: "array", "type": value.dtype.name, "shape": shape, CONTENT: numbers}
        case Mandate():
            return {KIND: "Mandate", CONTENT: written(msgspec.to_builtins(value))}
        case _:
            return _record(value)


def _record(value: object) -> dict[str, object]:
    kind = type(value)
    if _RECORDS.get(kind.__name__) is not kind:
        raise TypeError(f"a journal does not know values of {kind.__name__}")
    return {KIND: kind.__name__, **{n: written(getattr(value, n)) for n in _given(kind)}}


def _given(kind: type) -> tuple[str, ...]:
    """The fields that a record is made from."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind) if field.init)
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    return names


def read(plain: Any) -> Any:
    """The value that `written` wrote; raises `ValueError` for what it cannot have written."""
    if isinstance(plain, list):
        return tuple(read(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    try:
        return _read(plain)
    except (*_UNFIT, InputError, InvariantError) as error:
        raise ValueError(f"no value of the engine: {type(error).__name__}: {error}") from None


def _read(plain: dict[str, Any]) -> Any:
    kind = plain[KIND]
    if kind in _TEXTS:
        return _TEXTS[kind](plain[CONTENT])
    if kind == "map":
        return {read(key): read(value) for key, value in plain[CONTENT]}
    if kind == "array":
        numbers = [read(number) for number in plain[CONTENT]]
        dtype = _ARRAYS[_ARRAYS.index(plain["type"])]
        return np.array(numbers, dtype=dtype).reshape(plain["shape"])
    if kind == "Mandate":
        return msgspec.convert(read(plain[CONTENT]), Mandate)
    record = _RECORDS[kind]
    given = {name: read(value) for name, value in plain.items() if name != KIND}
    if set(given) != set(_given(record)):
        raise ValueError(f"{kind} with the fields {sorted(given)}")
    return record(**given)
