# SPDX-License-Identifier: Apache-2.0
"""The named crises: what happened, by figures that each carry a source, and where they are played.

`crises.toml` holds them. A figure that an event has nothing of is left out, and is then zero. What
was measured, published, or assumed is said in each source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from math import isfinite
from types import MappingProxyType
from typing import Literal

import msgspec

from tidegate.model.errors import InputError

FILE = "crises.toml"
FIRST, SECOND, HISTORY = "first", "second", "history"
Market = Literal["first", "second", "history"]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number and who says so."""

    value: float
    source: str

    def __post_init__(self) -> None:
        if not isfinite(self.value) or not self.source.strip():
            raise ValueError("expected a finite value and a source")

    @property
    def assumed(self) -> bool:
        """Whether no document states it."""
        return self.source.startswith("assumed:")


NOTHING = Figure(0.0, "no part of the event")


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One crisis: `move` of the first coin and `falls` of others, as shares over `minutes`; the
    share of `depth` left at the struck venue; how far perpetuals leave the index (`premium_8h`)
    and venues each other (`basis_kick`, the mean of a gap); the share that comes back (`rebound`).
    The struck venue may be out, hold money, be `insolvent`, close winners (`adl_share`), stick its
    marks, count collateral at less, or be drained; a dollar coin may lose `depeg`."""

    title: str
    markets: tuple[Market, ...]
    move: Figure
    minutes: Figure
    depth: Figure
    premium_8h: Figure
    basis_kick: Figure
    rebound: Figure
    falls: dict[str, Figure] = {}
    outage_probability: Figure = NOTHING
    outage_minutes: Figure = NOTHING
    freeze_hours: Figure = NOTHING
    depeg: Figure = NOTHING
    adl_share: Figure = NOTHING
    collateral_depeg: Figure = NOTHING
    collateral_depeg_minutes: Figure = NOTHING
    stuck_mark_minutes: Figure = NOTHING
    rush_hours: Figure = NOTHING
    drain_hours: Figure = NOTHING
    insolvent: Figure = NOTHING

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure that the event has, by name; a coin's fall as `falls.COIN`."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Figure) and value is not NOTHING:
                yield name, value
        yield from ((f"falls.{coin}", fall) for coin, fall in self.falls.items())

    @property
    def loses_money(self) -> bool:
        """Whether what lies at the struck venue never comes back."""
        return self.insolvent.value > 0.0


def read_definitions(text: str, where: str = FILE) -> Mapping[str, Definition]:
    """Crises by name; raises `InputError` that names crisis and field for what is amiss."""
    try:
        found = msgspec.toml.decode(text, type=dict[str, Definition])
    except msgspec.DecodeError as error:
        raise InputError(where, "crises", f"expected figures with sources: {error}") from None
    for name, crisis in found.items():
        _check(where, name, crisis)
    return MappingProxyType(found)


def _check(where: str, name: str, crisis: Definition) -> None:
    if not crisis.markets:
        raise InputError(where, f"{name}.markets", "expected at least one market")
    if crisis.move.value == 0.0 or crisis.minutes.value < 1.0:
        raise InputError(where, f"{name}.move", "expected a move, over a minute or more")
    for coin, fall in {"BTC": crisis.move, **crisis.falls}.items():
        if fall.value <= -1.0 or fall.value * crisis.move.value <= 0.0:
            expected = "expected above -1 and in the direction of the first coin's"
            raise InputError(where, f"{name}.falls.{coin}", expected)


def crises() -> Mapping[str, Definition]:
    """The named crises, in the order of the file."""
    text = files("tidegate.backtest.crisis").joinpath(FILE).read_text(encoding="utf-8")
    return read_definitions(text)


def one_crisis(name: str) -> Definition:
    """A crisis by its name; raises `InputError` for an unknown one."""
    known = crises()
    if name not in known:
        raise InputError("tidegate crisis", name, f"expected one of {', '.join(known)}, or all")
    return known[name]
