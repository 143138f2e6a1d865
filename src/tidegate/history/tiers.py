# SPDX-License-Identifier: Apache-2.0
"""Maintenance tiers of one symbol, read exactly and checked row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tidegate.history.dated import Place, read_decimal, read_fraction, read_leverage

TIER_COLUMNS = ("notional_floor", "notional_cap", "maintenance_rate", "max_leverage")
TierRow = tuple[Decimal, Decimal | None, Fraction, Fraction, int]


@dataclass(frozen=True, slots=True)
class TierEntry:
    """A ladder of maintenance tiers with its ISO date, source and what the source remarks.

    A row is (floor, cap, rate, deduction, max_leverage) and holds for floor < notional <= cap,
    in the settlement asset; a cap of None has no end. Maintenance = notional * rate - deduction.
    """

    rows: tuple[TierRow, ...]
    as_of: str
    source: str
    note: str = ""


def read_ladder(rows: object, place: Place) -> tuple[TierRow, ...]:
    """Read rows of floor, cap, rate, leverage, deduction; a gap or wrong deduction is refused.

    deduction_n = deduction_(n-1) + floor_n * (rate_n - rate_(n-1)), the first 0; rates rise,
    0 < rate <= 1 / leverage, floors join the caps before them, only the last cap may be open.
    Raises `InputError` naming the row.
    """
    if not isinstance(rows, list) or not rows:
        raise place.refuse(f"expected at least one row, got {rows!r}")
    ladder = tuple(_read_row(row, place.at(i)) for i, row in enumerate(rows))
    _ensure_start(ladder[0], place.at(0))
    for number, (below, above) in enumerate(pairwise(ladder), start=1):
        _ensure_step(below, above, place.at(number))
    return ladder


def flat_ladder(leverage: object, place: Place) -> tuple[TierRow, ...]:
    """The single tier of a maximum leverage: rate = 1 / (2 * leverage), no cap, no deduction."""
    whole = read_leverage(leverage, place)
    return ((Decimal(0), None, Fraction(1, 2 * whole), Fraction(0), whole),)


def is_ladder(columns: object) -> bool:
    """Whether an entry's columns are those of a ladder in the settlement asset."""
    return isinstance(columns, Sequence) and tuple(columns[:4]) == TIER_COLUMNS


def _read_row(row: object, place: Place) -> TierRow:
    if not isinstance(row, list) or len(row) != 5:
        raise place.refuse(f"expected floor, cap, rate, leverage and deduction, got {row!r}")
    floor, cap, rate, leverage, deduction = row
    return (
        read_decimal(floor, place.at("notional_floor")),
        None if cap is None else read_decimal(cap, place.at("notional_cap")),
        read_fraction(rate, place.at("maintenance_rate")),
        read_fraction(deduction, place.at("deduction")),
        read_leverage(leverage, place.at("max_leverage")),
    )


def _ensure_start(row: TierRow, place: Place) -> None:
    floor, cap, rate, deduction, leverage = row
    if floor != 0 or deduction != 0:
        raise place.refuse("expected the first tier to begin at 0 with a deduction of 0")
    if cap is not None and cap <= floor:
        raise place.refuse(f"expected a cap above the floor, got {cap}")
    if not 0 < rate * leverage <= 1:
        raise place.refuse(f"expected 0 < rate <= 1/leverage, got {rate} at {leverage}x")


def _ensure_step(below: TierRow, above: TierRow, place: Place) -> None:
    floor, cap, rate, deduction, leverage = above
    if below[1] != floor or (cap is not None and cap <= floor):
        raise place.refuse(f"expected to join the tier before it at {below[1]}, got {floor}")
    if not below[2] < rate <= Fraction(1, leverage):
        raise place.refuse(f"expected a rate above the last and <= 1/leverage, got {rate}")
    due = below[3] + Fraction(floor) * (rate - below[2])
    if deduction != due:
        raise place.refuse(f"expected a deduction of {due}, got {deduction}")
