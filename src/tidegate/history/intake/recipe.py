# SPDX-License-Identifier: Apache-2.0
"""What a user's columns mean, said by the user: names, constants and units. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from tidegate.history.intake.columns import Column, Columns
from tidegate.history.intake.layout import OPTIONAL, PRICES, Table, table_named
from tidegate.history.intake.stamps import UNITS, fitting_unit
from tidegate.history.intake.store import Rows, constant_texts
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

_RATES = {"fraction": 1.0, "percent": 0.01, "bp": 1e-4}
_INDICES = {"percent": 1.0, "fraction": 100.0}
_WHOLE_MAX = 2.0**53
ZONED_US = "datetime64[us]"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How columns become a table.

    `columns`: the user's name of a column of the table, where it is another. `constants`: columns
    that say the same in every row. `units` by field: `ts` s, ms, us, ns or utc (a text or stamp
    without a zone that is UTC), not needed for stamps that say their zone; of bars `stamp` open or
    close, `price` how many coins it is the price of, `volume` how many coins one unit is; of
    funding `rate` fraction, percent or bp of notional for the row's own interval; of an index
    `dvol` percent or fraction.
    """

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def rows_of(given: Columns, recipe: Recipe, where: str) -> Rows:
    """The rows of a table that columns are by a recipe.

    Raises `InputError` naming column and row (from 1) for a column or unit that is missing or not
    known, a text that is no number, a stamp without a zone, and a stamp that its unit puts out of
    2009 to 2099.
    """
    table = table_named(recipe.table)
    _ensure_known(table, recipe, where)
    ts_ms = _stamps(_column(given, recipe, "ts", where), recipe.units.get("ts"), where)
    if _is_close(table, recipe, where):
        ts_ms = ts_ms - table.interval_ms
    texts = {name: _texts(given, recipe, name, (where, ts_ms.size)) for name in table.texts}
    numbers = {}
    for name in table.numbers:
        if name in OPTIONAL and name not in (*recipe.columns, *recipe.constants, *given):
            continue
        values = _numbers(given, recipe, name, (where, ts_ms.size))
        numbers[name] = values * _factor(table, recipe, name, where)
    return Rows(table, ts_ms, texts, numbers)


def needed_units(table: Table) -> tuple[str, ...]:
    """The fields whose units must be said; that of `ts` only where the column does not say it."""
    if table.kind == "bars":
        return ("stamp", "price", *(("volume",) if "volume" in table.numbers else ()))
    return ("rate",) if table.kind == "funding" else table.numbers


def _ensure_known(table: Table, recipe: Recipe, where: str) -> None:
    known = {"ts", *table.texts, *table.numbers}
    for name in (*recipe.columns, *recipe.constants):
        if name not in known:
            expected = f"expected a column of {table.name} ({', '.join(sorted(known))})"
            raise InputError(where, name, expected)
    units = {"ts", *needed_units(table)}
    for name in recipe.units:
        if name not in units:
            expected = f"expected a unit of one of {', '.join(sorted(units))}"
            raise InputError(where, name, expected)


def _unit(recipe: Recipe, name: str, where: str, choices: str) -> str:
    if name not in recipe.units:
        raise InputError(where, name, f"expected its unit to be said: {name}={choices}")
    return recipe.units[name]


def _choice(recipe: Recipe, name: str, where: str, choices: Mapping[str, float]) -> float:
    said = _unit(recipe, name, where, "|".join(choices))
    if said not in choices:
        raise InputError(where, name, f"expected a unit of {', '.join(choices)}, got {said!r}")
    return choices[said]


def _coins(recipe: Recipe, name: str, where: str) -> float:
    said = _unit(recipe, name, where, "COINS, 1 if it is of one coin")
    try:
        coins = float(said)
    except ValueError:
        coins = 0.0
    if not (isfinite(coins) and coins > 0):
        raise InputError(where, name, f"expected a number of coins above zero, got {said!r}")
    return coins


def _is_close(table: Table, recipe: Recipe, where: str) -> bool:
    if table.kind != "bars":
        return False
    return _choice(recipe, "stamp", where, {"open": 0.0, "close": 1.0}) == 1.0


def _factor(table: Table, recipe: Recipe, name: str, where: str) -> float:
    if table.kind == "bars" and name in PRICES:
        return 1.0 / _coins(recipe, "price", where)
    if table.kind == "bars" and name == "volume":
        return _coins(recipe, "volume", where)
    if table.kind == "funding" and name == "rate":
        return _choice(recipe, "rate", where, _RATES)
    if table.kind == "index":
        return _choice(recipe, name, where, _INDICES)
    return 1.0


def _column(given: Columns, recipe: Recipe, name: str, where: str) -> Column:
    theirs = recipe.columns.get(name, name)
    if theirs not in given:
        listed = ", ".join(sorted(given))
        expected = f"expected a column {theirs!r} among {listed}; name another by {name}=NAME"
        raise InputError(where, name, expected)
    return given[theirs]


def _texts(given: Columns, recipe: Recipe, name: str, place: tuple[str, int]) -> np.ndarray:
    where, count = place
    if name in recipe.constants:
        return constant_texts({name: recipe.constants[name]}, count)[name]
    if name == "source" and recipe.columns.get(name, name) not in given:
        return constant_texts({name: "import"}, count)[name]
    values = _column(given, recipe, name, where).values
    for row, value in enumerate(values, 1):
        if not isinstance(value, str) or not value:
            raise InputError(where, name, f"row {row}: expected a text, got {value!r}")
    return np.asarray(values, dtype=object)


def _numbers(given: Columns, recipe: Recipe, name: str, place: tuple[str, int]) -> FloatArray:
    where, count = place
    if name in recipe.constants:
        values = np.full(count, recipe.constants[name], dtype=object)
    else:
        values = _column(given, recipe, name, where).values
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
    else:
        numbers = np.array([_number(value) for value in values], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        at = int(bad[0])
        got = f"row {at + 1}: expected a finite number, got {values[at]!r}"
        raise InputError(where, name, f"{got}; {bad.size} are not")
    return numbers


def _number(value: object) -> float:
    """The number of a text or object, NaN for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | np.number):
        return float("nan")
    try:
        # Python takes an underscore between digits, no venue writes one.
        return float("nan") if "_" in str(value) else float(value)
    except ValueError:
        return float("nan")


def _stamps(column: Column, unit: str | None, where: str) -> IntArray:
    values = column.values
    if unit is not None and unit not in (*UNITS, "utc"):
        expected = f"expected a unit of {', '.join(UNITS)} or utc, got {unit!r}"
        raise InputError(where, "ts", expected)
    if values.dtype.kind == "M":
        return _typed_stamps(column, unit, where)
    if unit in UNITS:
        return _epochs(values, unit, where)
    if any(not isinstance(value, str) for value in values):
        expected = "expected the unit of numbers to be said: ts=s|ms|us|ns"
        raise InputError(where, "ts", expected)
    return np.array(
        [_written(text, unit, (where, row)) for row, text in enumerate(values, 1)], dtype=np.int64
    )


def _typed_stamps(column: Column, unit: str | None, where: str) -> IntArray:
    if not column.zoned and unit != "utc":
        expected = "expected stamps with a zone, or ts=utc said of stamps without one"
        raise InputError(where, "ts", expected)
    if column.zoned and unit is not None:
        raise InputError(where, "ts", f"expected no unit for stamps that say it, got {unit!r}")
    if np.isnat(column.values).any():
        row = int(np.flatnonzero(np.isnat(column.values))[0]) + 1
        raise InputError(where, "ts", f"row {row}: expected a stamp, found none")
    whole_us = column.values.astype(ZONED_US).astype(np.int64)
    if (whole_us.astype(ZONED_US) != column.values).any() or (whole_us % 1_000).any():
        raise InputError(where, "ts", "expected stamps of whole milliseconds")
    return _ensure_sane(whole_us // 1_000, where)


def _epochs(values: np.ndarray, unit: str, where: str) -> IntArray:
    counts = np.array([_whole(value) for value in values], dtype=object)
    for row, (count, value) in enumerate(zip(counts, values, strict=True), 1):
        if count is None:
            expected = f"row {row}: expected a whole number of {unit}, got {value!r}"
            raise InputError(where, "ts", expected)
        fits = fitting_unit(count)
        if fits != unit:
            hint = f"; it would be one in {fits}" if fits else ""
            expected = f"row {row}: expected a time of 2009 to 2099 in {unit}, got {count}{hint}"
            raise InputError(where, "ts", expected)
        if count * 1_000 % UNITS[unit]:
            raise InputError(where, "ts", f"row {row}: expected whole milliseconds, got {count}")
    return np.array([count * 1_000 // UNITS[unit] for count in counts], dtype=np.int64)


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return int(number) if abs(number) < _WHOLE_MAX and number == int(number) else None
    return None


def _written(text: str, unit: str | None, place: tuple[str, int]) -> int:
    where, row = place
    said = text if unit is None else f"{text}Z"
    return parse_time_ms(said, where, f"ts: row {row}")


def _ensure_sane(ts_ms: IntArray, where: str) -> IntArray:
    for row, value in enumerate(ts_ms, 1):
        if fitting_unit(int(value)) != "ms":
            expected = f"row {row}: expected a time of 2009 to 2099, got {int(value)} ms"
            raise InputError(where, "ts", expected)
    return ts_ms
