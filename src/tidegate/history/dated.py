# SPDX-License-Identifier: Apache-2.0
"""Dated entries of the venue tables: which may be used when, and their fields read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import msgspec

from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

RawEntry = Mapping[str, object]
T = TypeVar("T")

_DATED = re.compile(r"(\d{4}-\d{2}(?:-\d{2})?)(T\d{2}:\d{2}(?::\d{2})?Z)?(?: \(([^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the tables a value stands: the file and the path of the field inside it."""

    file: str
    field: str

    def at(self, name: str | int) -> Place:
        """The place of a field or of a row below this one."""
        step = f"[{name}]" if isinstance(name, int) else f".{name}"
        return Place(self.file, f"{self.field}{step}")

    def refuse(self, expected: str) -> InputError:
        """The error that names this place and what was expected there."""
        return InputError(self.file, self.field, expected)


@dataclass(frozen=True, slots=True)
class Dated:
    """An entry with the first moment (ms UTC) it may be used and that day's ISO date."""

    effective_ms: int
    as_of: str
    source: str
    entry: RawEntry
    place: Place


def effective(as_of: object, place: Place) -> tuple[int, str] | None:
    """The first moment (ms UTC) an `as_of` may be used and its ISO date, None when undated.

    A day counts from its first instant, a time from itself, and a bare month, also one marked
    "(inferred)" or "(stored copy)", from the first day of the month. Null, a bare year, a range,
    any other text and whatever is marked undated are unusable. A day that no calendar has, and
    a value that is no text, raise `InputError`.
    """
    if as_of is None:
        return None
    if not isinstance(as_of, str):
        raise place.refuse(f"expected a date as text or null, got {as_of!r}")
    found = _DATED.fullmatch(as_of)
    if found is None or "undated" in (found[3] or ""):
        return None
    day = found[1] if len(found[1]) == 10 else f"{found[1]}-01"
    return parse_time_ms(day + (found[2] or ""), place.file, place.field), day


def dated_entries(entries: Iterable[tuple[Place, RawEntry]]) -> tuple[Dated, ...]:
    """The usable entries, in the order given; undated and illustrative ones are left out."""
    return tuple(
        Dated(*when, _source(entry, place), entry, place)
        for place, entry in entries
        if entry.get("illustrative") is not True
        and (when := effective(entry.get("as_of"), place.at("as_of"))) is not None
    )


def latest(entries: Iterable[Dated], ts_ms: int) -> Dated | None:
    """The entry with the latest date not after `ts_ms`; of equal dates the first given."""
    usable = [entry for entry in entries if entry.effective_ms <= ts_ms]
    return max(usable, key=lambda entry: entry.effective_ms, default=None)


def read_json(path: Path, kind: type[T]) -> T:
    """Decode a JSON file into a declared shape; what does not fit raises `InputError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at ")
        raise InputError(path.name, field.strip("`$.") or "document", message.lower()) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(path.name, "document", f"expected valid JSON: {error}") from error
    except OSError as error:
        expected = f"expected a readable file in {path.parent} ({error.strerror})"
        raise InputError(path.name, "file", expected) from error


def read_decimal(value: object, place: Place) -> Decimal:
    """The exact number of a decimal string, its unit word left out (`10 USDC`, `1 contract`)."""
    number = value.split(" ")[0] if isinstance(value, str) and value.count(" ") <= 1 else ""
    try:
        exact = Decimal(number)
    except InvalidOperation:
        raise place.refuse(f"expected a decimal string, got {value!r}") from None
    if not exact.is_finite():
        raise place.refuse(f"expected a finite number, got {value!r}")
    return exact


def read_fraction(value: object, place: Place) -> Fraction:
    """The exact number of a decimal string or of a fraction `p/q`."""
    try:
        return Fraction(value if isinstance(value, str) else "")
    except (ValueError, ZeroDivisionError):
        raise place.refuse(f"expected a decimal string or p/q, got {value!r}") from None


def read_leverage(value: object, place: Place) -> int:
    """A whole leverage of at least one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise place.refuse(f"expected a whole leverage of 1 or more, got {value!r}")
    return value


def _source(entry: RawEntry, place: Place) -> str:
    key, as_of = entry.get("source"), entry.get("as_of")
    if not isinstance(key, str) or not key:
        raise place.at("source").refuse(f"expected the key of a source, got {key!r}")
    return f"{place.file}: {key}, as of {as_of}"
