# SPDX-License-Identifier: Apache-2.0
"""Margin tiers as rows: floor, cap or null, maintenance rate, most leverage, and the deduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from tidegate.engine.margin_book.said_account import SaidAccount, whole
from tidegate.margin.position_tiers import PositionTier, PositionTiers
from tidegate.margin.tiers import TierTable, tier_table

Said = Sequence[Sequence[Decimal | None]]


@dataclass(frozen=True, slots=True)
class TierRow:
    """One row; `leverage` below 1 is the initial rate itself."""

    floor: Decimal
    cap: Decimal | None
    rate: Fraction
    leverage: Decimal
    deduction: Fraction | None

    @property
    def initial(self) -> Fraction:
        """The initial rate."""
        return Fraction(self.leverage) if self.leverage < 1 else 1 / Fraction(self.leverage)


def tier_rows(account: SaidAccount, said: Said, place: str) -> list[TierRow]:
    """The rows, checked one by one; raises `InputError`."""
    rows = [_row(account, values, f"{place}[{n}]") for n, values in enumerate(said)]
    if not rows or rows[0].floor != 0:
        raise account.reader.refuse(place, "expected rows from a floor of 0")
    for number, (row, later) in enumerate(pairwise(rows), 1):
        if row.cap is None or row.cap != later.floor or row.cap <= row.floor:
            raise account.reader.refuse(f"{place}[{number}]", "expected to begin at the cap before")
    if rows[-1].cap is not None and rows[-1].cap <= rows[-1].floor:
        raise account.reader.refuse(f"{place}[{len(rows) - 1}]", "expected a cap above the floor")
    return rows


def _row(account: SaidAccount, values: Sequence[Decimal | None], place: str) -> TierRow:
    reader = account.reader
    floor, cap, rate, leverage, deduction = [*values, None][:5] if len(values) > 3 else [None] * 5
    if len(values) > 5 or floor is None or rate is None or leverage is None:
        expected = "expected [floor, cap or null, maintenance rate, max leverage] and the deduction"
        raise reader.refuse(place, expected)
    row = TierRow(
        floor, cap, Fraction(rate), leverage, None if deduction is None else Fraction(deduction)
    )
    if leverage <= 0 or not 0 < row.rate <= row.initial:
        raise reader.refuse(
            place, f"expected 0 < rate <= 1 / leverage, got {rate} at a leverage of {leverage}"
        )
    return row


def exact_table(account: SaidAccount, said: Said, asset: str, place: str) -> TierTable:
    """The table of an integer rule, deductions given or by their recurrence."""
    made, deduction, before = [], Fraction(0), Fraction(0)
    for number, row in enumerate(tier_rows(account, said, place)):
        deduction += Fraction(row.floor) * (row.rate - before) if number else Fraction(0)
        before = row.rate
        most = whole(account.reader, row.leverage, f"{place}[{number}][3]")
        given = deduction if row.deduction is None else row.deduction
        made.append((row.floor, row.cap, row.rate, given, most))
    return tier_table(made, asset, account.said.as_of, f"{account.source} {place}")


def position_tiers(
    account: SaidAccount, said: Said, by: Literal["worth", "size"], place: str
) -> PositionTiers:
    """The table of a rule of floats: marginal by worth, else on the whole of a size."""
    rows = tier_rows(account, said, place)
    tiers = tuple(
        PositionTier(None if row.cap is None else Fraction(row.cap), row.rate, row.initial)
        for row in rows
    )
    made = PositionTiers(tiers, by == "worth", by, account.said.as_of, account.source)
    for number, row in enumerate(rows):
        expected = made.lines()[number][1] if made.marginal else None
        if row.deduction is not None and row.deduction != expected:
            raise account.reader.refuse(f"{place}[{number}][4]", f"expected {expected}, or nothing")
    return made
