# SPDX-License-Identifier: Apache-2.0
"""A file of the world's parameters: what it names is taken, the rest stays at its default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from tidegate.model.errors import InputError
from tidegate.simulation.world.fitting import Estimate
from tidegate.simulation.world.parameters import WorldParameters

_ERRORS = "errors"
_NEVER_FITTED = (
    "Why what is not named stays: a beta in a crash wants an hour in which the first coin moved",
    "8 % or more; jumps want five of a kind, and are taken as a whole law or not at all;",
    "stress is not told from the wobble of volatility; crises, depth, spreads, holders and",
    "interruptions are not in bars and funding at all.",
)


def load_parameters(path: Path) -> WorldParameters:
    """The world's parameters with those of a TOML file in their place.

    Tables are the parts (`regimes`), or a part and a name (`coins.BTC`, `venues.binance`). Raises
    `InputError` for a file or name that is not known, and a value that is no number or out of its
    range.
    """
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), "file", f"expected a TOML file: {error}") from error
    if not document.keys() - {_ERRORS}:
        raise InputError(str(path), "file", "expected at least one part of the world's parameters")
    parameters = WorldParameters()
    for part, values in document.items():
        if part == _ERRORS:
            continue
        now = getattr(parameters, part, None)
        if not isinstance(values, dict) or now is None:
            raise InputError(path.name, part, "expected a part of the world's parameters")
        parameters = replace(parameters, **{part: _changed(now, values, path.name, part)})
    return parameters


def _changed(now: Any, values: Mapping[str, Any], where: str, name: str) -> Any:
    if isinstance(now, tuple):
        known = {getattr(one, "name", None): one for one in now}
        for key in values:
            if key not in known:
                raise InputError(
                    where, f"{name}.{key}", f"expected one of {sorted(map(str, known))}"
                )
        return tuple(
            _changed(one, values[one.name], where, f"{name}.{one.name}")
            if one.name in values
            else one
            for one in now
        )
    if not is_dataclass(now) or not isinstance(values, dict):
        raise InputError(where, name, "expected a table of numbers")
    for key, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not isinstance(getattr(now, key, None), int | float):
            raise InputError(where, f"{name}.{key}", "expected a number of the world's parameters")
    return replace(now, **values)  # type: ignore[type-var]


def parameter_text(estimates: Iterable[Estimate], source: str) -> str:
    """A file of estimates: their tables, their standard errors, and what was left as it is."""
    every = tuple(estimates)
    found = tuple(one for one in every if one.determined)
    tables: dict[str, list[str]] = {}
    for one in found:
        table, _, key = one.name.rpartition(".")
        tables.setdefault(table, []).append(f"{key} = {one.value!r}")
    lines = [f"# Fitted to {source}. What is not named stays at its default:"]
    lines += [f"# {name}" for name in left_alone(found)]
    weak = (one for one in every if not one.determined)
    lines += [f"# Not determined: {one.name}, {one.value:.3g} +- {one.error:.2g}" for one in weak]
    lines += [f"# {line}" for line in _NEVER_FITTED]
    for table, rows in tables.items():
        lines += ["", f"[{table}]", *rows]
    lines += ["", f"[{_ERRORS}]", *(f'"{one.name}" = {one.error!r}' for one in found)]
    return "\n".join(lines) + "\n"


def left_alone(estimates: Iterable[Estimate]) -> Iterator[str]:
    """The parts of the parameters, each with the fields that no estimate names."""
    named = {one.name for one in estimates}
    defaults = WorldParameters()
    for part in fields(defaults):
        value = getattr(defaults, part.name)
        for owner, path in _owners(value, part.name):
            if rest := [f.name for f in fields(owner) if f"{path}.{f.name}" not in named]:
                yield f"{path}: {', '.join(name for name in rest if name != 'name')}"


def _owners(value: Any, name: str) -> Iterator[tuple[Any, str]]:
    if is_dataclass(value):
        yield value, name
    elif isinstance(value, tuple):
        for one in value:
            if is_dataclass(one):
                yield one, f"{name}.{getattr(one, 'name', '')}"
