# SPDX-License-Identifier: Apache-2.0
"""A sweep's grid: one mandate at many values of its fields, policies, windows, seeds, strains."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import product
from math import isfinite, prod
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tidegate.backtest.compare import read_freeze, read_specs
from tidegate.backtest.experiment import Spec
from tidegate.backtest.run_id import Strain
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, mandate_of
from tidegate.model.named_field import converted
from tidegate.model.parsing import toml_tables
from tidegate.model.times import parse_time_ms
from tidegate.simulation.tape import Freeze

Value = str | float | int | bool
Point = Mapping[str, Value]
Factor = Annotated[float, msgspec.Meta(gt=0, le=100)]
RUNS_MAX = 100_000


class _Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from"}):
    start: str
    to: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mandate: str
    windows: Annotated[tuple[_Span, ...], msgspec.Meta(min_length=1)]
    policies: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0)], ...], msgspec.Meta(min_length=1)] = (
        1,
    )
    costs: Annotated[tuple[Factor, ...], msgspec.Meta(min_length=1)] = (1.0,)
    latencies: Annotated[tuple[Factor, ...], msgspec.Meta(min_length=1)] = (1.0,)
    freezes: tuple[str, ...] = ()
    fields: dict[str, Annotated[tuple[Value, ...], msgspec.Meta(min_length=1)]] = {}
    points: tuple[dict[str, Value], ...] = ()


class Grid(msgspec.Struct, frozen=True):
    """What a grid's file says, read: `tables` are the mandate's, `where` the name of its file."""

    tables: dict[str, Any]
    where: str
    windows: tuple[Window, ...]
    specs: tuple[Spec, ...]
    seeds: tuple[int, ...]
    strains: tuple[Strain, ...]
    freezes: tuple[Freeze, ...]
    points: tuple[Point, ...]

    def mandate_at(self, point: Point) -> Mandate:
        """The mandate with a point's values in its fields; raises `InputError` where they make
        none."""
        return mandate_of(tables_at(self.tables, point), self.where)


def read_grid(path: Path) -> Grid:
    """A grid from its file, the mandate beside it; raises `InputError` for whatever is wrong with
    the file, the mandate, or the name of a field."""
    where = path.name
    raw = toml_tables(_text(path, "--sweep"), where)
    said = converted(raw, _File, where, "grid")
    mandate = path.parent / said.mandate
    tables = toml_tables(_text(mandate, f"{where}: mandate"), mandate.name)
    mandate_of(copy.deepcopy(tables), mandate.name)
    points = _points(said, where)
    for name, value in {name: value for point in points for name, value in point.items()}.items():
        _require_field(tables, name, value, where)
    grid = Grid(
        tables,
        mandate.name,
        tuple(_window(span, where, index) for index, span in enumerate(said.windows)),
        read_specs(said.policies),
        tuple(dict.fromkeys(said.seeds)),
        _strains(said),
        tuple(read_freeze(text) for text in said.freezes),
        points,
    )
    count = prod(map(len, (points, grid.windows, grid.specs, grid.seeds, grid.strains)))
    if count > RUNS_MAX:
        raise InputError(where, "grid", f"expected at most {RUNS_MAX} runs, got {count}")
    return grid


def tables_at(tables: Mapping[str, Any], point: Point) -> dict[str, Any]:
    """A mandate's tables with values set at dotted names; a number names a place in a list."""
    changed = copy.deepcopy(dict(tables))
    for name, value in point.items():
        *before, last = name.split(".")
        table: Any = changed
        for part in before:
            table = table[int(part)] if isinstance(table, list) else table.setdefault(part, {})
        table[int(last) if isinstance(table, list) else last] = value
    return changed


def _text(path: Path, field: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(field, str(path), "expected a readable TOML file") from None


def _window(span: _Span, where: str, index: int) -> Window:
    field = f"windows[{index}]"
    start_ms = parse_time_ms(span.start, where, f"{field}.from")
    end_ms = parse_time_ms(span.to, where, f"{field}.to", end_of_day=True)
    if end_ms <= start_ms:
        raise InputError(where, field, "expected it to end after its start")
    return Window(start_ms, end_ms)


def _strains(said: _File) -> tuple[Strain, ...]:
    pairs = product(dict.fromkeys(said.costs), dict.fromkeys(said.latencies))
    return tuple(Strain(float(costs), float(latency)) for costs, latency in pairs)


def _points(said: _File, where: str) -> tuple[Point, ...]:
    """Every combination of the fields' values, then the points that are written out; the mandate
    as it stands where there are none of either."""
    made: list[Point] = []
    if said.fields or not said.points:
        count = prod(len(values) for values in said.fields.values())
        if count > RUNS_MAX:
            raise InputError(where, "fields", f"expected at most {RUNS_MAX} points, got {count}")
        made = [
            dict(zip(said.fields, values, strict=True)) for values in product(*said.fields.values())
        ]
    points = [*made, *said.points]
    for point in points:
        for name, value in point.items():
            if isinstance(value, float) and not isfinite(value):
                raise InputError(where, name, f"expected a finite number, got {value}")
    return tuple(points)


def _require_field(tables: Mapping[str, Any], name: str, value: Value, where: str) -> None:
    """A value may be one that the mandate refuses, which is a result; a field that no mandate has
    is a mistake in the grid."""
    try:
        msgspec.convert(tables_at(tables, {name: value}), Mandate)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, msgspec.ValidationError) and "unknown field" not in str(error):
            return
        raise InputError(where, f"fields.{name}", "expected a field of the mandate") from None


def labels(points: Sequence[Point]) -> tuple[str, ...]:
    """Words for each point: the fields in which the points differ, by the end of their names."""
    names = list(dict.fromkeys(name for point in points for name in point))
    differ = [name for name in names if len({repr(point.get(name)) for point in points}) > 1]
    return tuple(
        ", ".join(f"{name.rpartition('.')[2]} {point[name]}" for name in differ if name in point)
        for point in points
    )
