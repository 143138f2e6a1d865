# SPDX-License-Identifier: Apache-2.0
"""The convex form of Derive's standard margin: per expiry, the requirement that holds now."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.derive_standard_book import (
    INITIAL,
    MAINTENANCE,
    ExpiryOptions,
    PreparedStandard,
)
from tidegate.margin.scenario.charges import (
    Charge,
    Charges,
    Side,
    stacked_charges,
    stacked_together,
)
from tidegate.margin.scenario.convex import BookForm, Term, convex_charges
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]


def standard_book_form(
    prepared: PreparedStandard, span: ArrayLike, reference: ArrayLike
) -> BookForm:
    """Never below the rule for |sizes| <= `span` [n]; equal to it wherever each expiry is held to
    the same of its two requirements as in the `reference` [n], for both margins alike.

    Raises: `InputError` for a span that is not above zero.
    """
    book, reach = np.asarray(reference, dtype=float), np.asarray(span, dtype=float)
    if reach.shape != book.shape or not (reach > 0.0).all():
        raise InputError(prepared.rule, "span", "expected a number above 0 for each column")
    terms: list[Term] = []
    rows: list[Charge] = []
    for each in prepared.expiries:
        isolated, most = each.requirements(book[None, :])
        if isolated[0, MAINTENANCE] <= most[0, MAINTENANCE]:
            rows += _isolated(prepared.columns, each)
        else:
            terms.append(_max_loss(each, len(prepared.columns)))
            rows.append(_unpaired(prepared.columns, each))
    charges: Charges = stacked_together(prepared.charges, stacked_charges(rows, prepared.columns))
    return BookForm(
        columns=prepared.columns,
        span=reach,
        terms=tuple(terms),
        charges=convex_charges(charges, reach),
        floor=None,
        factors=Side(1.0, 1.0),
        extra=Side(),
        equity_per_unit=prepared.equity_per_unit,
    )


def _isolated(columns: tuple[str, ...], each: ExpiryOptions) -> list[Charge]:
    return [
        Charge("isolated", {columns[place]: 1.0}, short=Side(*map(float, each.isolated[:, m])))
        for m, place in enumerate(each.columns)
    ]


def _max_loss(each: ExpiryOptions, n: int) -> Term:
    slopes = np.zeros((len(each.payoffs) + 1, n))
    slopes[:-1, each.columns] = -each.payoffs
    return Term(0, slopes, np.zeros(len(slopes)))


def _unpaired(columns: tuple[str, ...], each: ExpiryOptions) -> Charge:
    calls = {columns[place]: call for place, call in zip(each.columns, each.calls, strict=True)}
    short = Side(float(each.unpaired[INITIAL]), float(each.unpaired[MAINTENANCE]))
    return Charge("unpaired calls", calls, short=short)
