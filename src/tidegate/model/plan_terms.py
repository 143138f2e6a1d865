# SPDX-License-Identifier: Apache-2.0
"""What holds when a plan is made: every field of a mandate, said or by default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, Stable, Venue
from tidegate.model.parsing import toml_tables
from tidegate.model.plan_sections import BEYOND, DEFAULTS, OptionTerms, Sleeve, VolStress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """A mandate with its defaults filled in; shares are of the book's equity."""

    mandate: Mandate
    option: OptionTerms
    sleeves: Mapping[str, Sleeve]
    vol: VolStress
    venue_spread: float
    outage_s: float
    payback_share: float

    @property
    def target_delta_usd(self) -> float:
        """Delta of the whole book that is aimed at, coin equity included."""
        return float(Decimal(self.mandate.mandate.target_delta_usd))

    @property
    def hurdle_annual(self) -> float:
        """What idle capital could earn."""
        return float(Decimal(self.mandate.mandate.hurdle_rate_annual.value))

    def venue(self, name: str) -> Venue | None:
        """What is said of a venue; None where nothing is, so that it may only be left."""
        return self.mandate.venue.get(name)

    def stable_cap(self, asset: str) -> float:
        """Most of a dollar coin: its cap, and what its shock may cost."""
        said = self.mandate.stable.get(asset)
        cap = _or(said.cap if said else UNSET, "stable.cap", float)
        shock = _or(said.shock if said else UNSET, "stable.shock", float)
        bearable = self.mandate.limits.loss_from_peak / shock if shock > 0.0 else 1.0
        return min(cap, bearable)


def plan_terms(mandate: Mandate) -> PlanTerms:
    """The mandate with the defaults of `plan_sections`."""
    return PlanTerms(
        mandate=mandate,
        option=_or(mandate.option, "option", OptionTerms),
        sleeves=_or(mandate.sleeve, "sleeve", dict),
        vol=_or(mandate.stress.vol, "stress.vol", VolStress),
        venue_spread=_or(mandate.stress.venue_spread, "stress.venue_spread", float),
        outage_s=3600.0 * _or(mandate.stress.outage_hours, "stress.outage_hours", float),
        payback_share=_or(mandate.edge.payback_share, "edge.payback_share", float),
    )


def _or(said: T | UnsetType, field: str, kind: type[T]) -> T:
    if isinstance(said, UnsetType):
        found = DEFAULTS[field]
        assert isinstance(found, kind)
        return found
    return said


def tenor_days(tenor: str, where: str) -> float:
    """The longest time to expiry of a tenor of `[option.vega_usd]`; raises `InputError`."""
    if tenor == BEYOND:
        return float("inf")
    days = tenor.removesuffix("d")
    if not tenor.endswith("d") or not days.isdigit() or int(days) == 0:
        expected = f'expected tenors as "30d", or "{BEYOND}", got {tenor!r}'
        raise InputError(where, "option.vega_usd", expected)
    return float(days)


@dataclass(frozen=True, slots=True)
class Holds:
    """One field of the mandate, its value in words, and whether it was said."""

    field: str
    value: str
    said: bool


def explained(mandate: Mandate, text: str) -> tuple[Holds, ...]:
    """Every field that holds, in the order of the mandate's sections; `text` is its TOML."""
    raw = toml_tables(text, "mandate")
    return tuple(Holds(path, _word(value), _said(raw, path)) for path, value in _fields(mandate))


def _fields(mandate: Mandate) -> Iterator[tuple[str, object]]:
    whole = msgspec.to_builtins(mandate)
    for name in ("option", "sleeve"):
        whole.setdefault(name, msgspec.to_builtins(DEFAULTS[name]))
    for field in ("stress.vol", "stress.venue_spread", "stress.outage_hours", "edge.payback_share"):
        section, name = field.split(".")
        whole[section].setdefault(name, msgspec.to_builtins(DEFAULTS[field]))
    for stable in whole["stable"].values():
        for name in set(Stable.__struct_fields__) - {"price_usd"}:
            stable.setdefault(name, DEFAULTS[f"stable.{name}"])
    yield from _leaves(whole, "")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value and "as_of" not in value:
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        for index, part in enumerate(value):
            yield from _leaves({k: v for k, v in part.items() if k != "as_of"}, f"{path}[{index}]")
    else:
        yield path, value


def _word(value: object) -> str:
    if isinstance(value, Mapping) and "as_of" in value:
        return f"{value['value']} ({value['as_of']}: {value['source']})"
    if value in ({}, [], None, ()):
        return "none"
    return str(value)


def _said(raw: Any, path: str) -> bool:
    """Whether a path stands in the file."""
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            raw = raw[int(step[1:-1])]
        elif isinstance(raw, Mapping) and step in raw:
            raw = raw[step]
        else:
            return False
    return True
