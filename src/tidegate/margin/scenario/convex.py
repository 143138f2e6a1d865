# SPDX-License-Identifier: Apache-2.0
"""The convex form of a prepared rule, for a programme that chooses sizes.

    requirement(q) <= f max(0, floor(q), max_p sum_t max_j (a_ptj q + b_ptj)) + charges(q) + extra
    charges, floor  = sum_k long (d)+ + short (-d)+ + count max_j (c_j |d| - o_j)+,   d = w_k q

Every max and absolute value is one row of an epigraph. The right side is convex in q, and nowhere
below the exact rule for |q_i| <= span_i. It equals it where the rule is convex; where it is not,
the bound is tight at the reference book's signs:

- a group counted by a smaller factor when long than when short is convex and exact; under a skew
  scenario |x - m| has a concave half, which a line through the reference's factor bounds;
- shrinking towards zero is left out of losses, and a shrunk gain covers nothing;
- a charge whose rate is capped goes on growing as it did below the cap;
- of Derive's standard margin the smaller of two requirements holds for each expiry: the form takes
  the one that holds for the reference book.

`margin.convex_form` bounds what depends on one amount by lines; this bounds a whole book, whose
positions offset each other, and so needs a slope for each column.

Source: scenario margin as a maximum of linear pieces, Boyd and Vandenberghe (2004), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.scenario.charges import (
    CEILING,
    GROWTH_INITIAL,
    GROWTH_MAINTENANCE,
    LONG_INITIAL,
    LONG_MAINTENANCE,
    SHORT_INITIAL,
    SHORT_MAINTENANCE,
    SLOPE,
    THRESHOLD,
    Charges,
    Side,
)
from tidegate.margin.scenario.prepared import Prepared
from tidegate.margin.scenario.table import EXTRA_ROWS, Group, Pool, ScenarioTable
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]

CHORDS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """max_j (slopes_j q + offsets_j), which adds to the loss of one scenario; slopes [J, n]."""

    scenario: int
    slopes: FloatArray
    offsets: FloatArray

    def at(self, books: FloatArray) -> FloatArray:
        """Its value for books [B, n], [B]."""
        return np.asarray((books @ self.slopes.T + self.offsets).max(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class ConvexCharges:
    """Rows on nets `weights` [K, n]: `rates` [K, 4] for long and short, initial then maintenance;
    `bends` [K, J, 2] of slope and offset on |net|, which count by `counts` [K, 2]."""

    weights: FloatArray
    rates: FloatArray
    bends: FloatArray
    counts: FloatArray

    def at(self, books: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Initial and maintenance charges of books [B, n], [B] each."""
        nets = books @ self.weights.T
        long, short = np.maximum(nets, 0.0), np.maximum(-nets, 0.0)
        bent = np.abs(nets)[:, :, None] * self.bends[:, :, 0] - self.bends[:, :, 1]
        grown = np.maximum(bent.max(axis=2, initial=0.0), 0.0)
        initial = long @ self.rates[:, 0] + short @ self.rates[:, 1] + grown @ self.counts[:, 0]
        kept = long @ self.rates[:, 2] + short @ self.rates[:, 3] + grown @ self.counts[:, 1]
        return initial, kept


@dataclass(frozen=True, slots=True, eq=False)
class BookForm:
    """The module's right side over `columns`, valid for |sizes| <= `span` [n]."""

    columns: tuple[str, ...]
    span: FloatArray
    terms: tuple[Term, ...]
    charges: ConvexCharges
    floor: ConvexCharges | None
    factors: Side
    extra: Side
    equity_per_unit: FloatArray

    def requirements(self, sizes: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Initial and maintenance requirement of books [B, n], [B] each.

        Raises: `InputError` for a size outside the span.
        """
        books = np.atleast_2d(np.asarray(sizes, dtype=float))
        if (np.abs(books) > self.span).any():
            raise InputError("convex form", "sizes", "expected sizes within the span")
        loss = self.losses(books).max(axis=1, initial=0.0)
        if self.floor is not None:
            loss = np.maximum(loss, self.floor.at(books)[0])
        initial, maintenance = self.charges.at(books)
        return (
            self.factors.initial * loss + initial + self.extra.initial,
            self.factors.maintenance * loss + maintenance + self.extra.maintenance,
        )

    def losses(self, books: FloatArray) -> FloatArray:
        """Loss of books [B, n] in each scenario that has a term, [B, scenarios]."""
        names = sorted({term.scenario for term in self.terms})
        place = {name: index for index, name in enumerate(names)}
        out = np.zeros((len(books), len(names)))
        for term in self.terms:
            out[:, place[term.scenario]] += term.at(books)
        return out


def book_form(prepared: Prepared, span: ArrayLike, reference: ArrayLike) -> BookForm:
    """The convex form of a scenario rule.

    Args: `span` [n] > 0 of each column, in whose bounds it is never below the rule; `reference`
        [n], the book at whose signs it is tight.
    Raises: `InputError` for another shape or a span that is not above zero.
    """
    book = prepared.books(reference)[0]
    reach = np.asarray(span, dtype=float)
    if reach.shape != book.shape or not (reach > 0.0).all() or not np.isfinite(reach).all():
        raise InputError(prepared.rule, "span", "expected a finite number above 0 for each column")
    return BookForm(
        columns=prepared.columns,
        span=reach,
        terms=tuple(_terms(prepared.table, book)),
        charges=convex_charges(prepared.charges, reach),
        floor=None if prepared.floor is None else convex_charges(prepared.floor, reach),
        factors=prepared.factors,
        extra=Side(
            sum(side.initial for side in prepared.extra.values()),
            sum(side.maintenance for side in prepared.extra.values()),
        ),
        equity_per_unit=prepared.equity_per_unit,
    )


def _terms(table: ScenarioTable, book: FloatArray) -> list[Term]:
    plain = all(
        (pool.keep, pool.cap_usd) == (1.0, np.inf) and not table.shrink_usd[c].any()
        for c, pool in enumerate(table.pools)
    )
    terms = []
    for p in range(len(table.names)):
        if plain:
            for g in range(len(table.groups)):
                terms.append(_group_term(table, book, p, g))
        else:
            terms += [_pool_term(table, p, c) for c in range(len(table.pools))]
    return [*terms, *_basis_terms(table)]


def _columns_of(table: ScenarioTable, g: int, row: int) -> FloatArray:
    """Values of a group's columns in a row, zero elsewhere, [n]."""
    out = np.zeros(table.values.shape[1])
    held = slice(table.starts[g], table.starts[g + 1])
    out[held] = table.values[row, held]
    return out


def _group_term(table: ScenarioTable, book: FloatArray, p: int, g: int) -> Term:
    """-w (s factor - m) as pieces; the factor of the reference's sign where one line must do."""
    group = table.groups[g]
    worth, base = _columns_of(table, g, p), _columns_of(table, g, -1)
    scale = table.weights[g, p] / table.scale[p]
    both = (group.long_factor, group.short_factor)
    line = group.long_factor if worth @ book >= 0.0 else group.short_factor
    convex = group.long_factor <= group.short_factor
    losing = [base - factor * worth for factor in (both if convex else (line,))]
    if table.skews[p] and group.smiles:
        losing += [factor * worth - base for factor in ((line,) if convex else both)]
    # Of a few rows this is several times as fast as numpy's unique, and the same.
    slopes = scale * np.array(sorted({tuple(row.tolist()) for row in losing}))
    return Term(p, slopes, np.zeros(len(slopes)))


def _pool_term(table: ScenarioTable, p: int, c: int) -> Term:
    """-t, of gains the share kept or the cap, nothing of gains that are shrunk."""
    pool: Pool = table.pools[c]
    gains = np.zeros(table.values.shape[1])
    for g, group in enumerate(table.groups):
        if group.pool == c:
            _require_linear(group)
            worth = _columns_of(table, g, p) - _columns_of(table, g, -1)
            gains += table.weights[g, p] * worth
    slopes, offsets = [-gains], [0.0]
    if table.shrink_usd[c, p] > 0.0:
        slopes, offsets = [*slopes, 0.0 * gains], [*offsets, 0.0]
    else:
        slopes, offsets = [*slopes, -pool.keep * gains], [*offsets, 0.0]
        if np.isfinite(pool.cap_usd):
            slopes, offsets = [*slopes, 0.0 * gains], [*offsets, -pool.cap_usd]
    return Term(p, np.stack(slopes) / table.scale[p], np.array(offsets) / table.scale[p])


def _require_linear(group: Group) -> None:
    if (group.long_factor, group.short_factor) != (1.0, 1.0) or group.smiles:
        raise InputError("convex form", group.name, "expected linear groups where gains are pooled")


def _basis_terms(table: ScenarioTable) -> list[Term]:
    """b max(m - m_up, m - m_down, 0) of each expiry, as a scenario of its own."""
    terms, count = [], len(table.names)
    for g, group in enumerate(table.groups):
        if group.basis_factor:
            base = _columns_of(table, g, -1)
            falls = [base - _columns_of(table, g, count + row) for row in range(EXTRA_ROWS - 1)]
            slopes = group.basis_factor * np.stack([*falls, np.zeros_like(base)])
            terms.append(Term(count, slopes, np.zeros(len(slopes))))
    return terms


def convex_charges(charges: Charges, span: FloatArray) -> ConvexCharges:
    """Rows of charges as convex pieces within a span [n] of their columns."""
    rows, n = len(charges.labels), len(span)
    weights = np.zeros((rows, n))
    row_of = np.repeat(np.arange(rows), np.diff(charges.starts))
    weights[row_of, charges.columns] = charges.weights
    reach = np.abs(weights) @ span
    sides = [LONG_INITIAL, SHORT_INITIAL, LONG_MAINTENANCE, SHORT_MAINTENANCE]
    pieces = [bends(charges.rates[k], float(reach[k])) for k in range(rows)]
    return ConvexCharges(
        weights=weights,
        rates=charges.rates[:, sides],
        bends=np.array(pieces).reshape(rows, CHORDS, 2),
        counts=charges.rates[:, [GROWTH_INITIAL, GROWTH_MAINTENANCE]],
    )


def bends(rates: FloatArray, reach: float) -> FloatArray:
    """Chords (slope, offset) at or above d slope (d - threshold) from the threshold to where the
    rate is capped, or the reach if nearer; the last goes on, above the capped charge."""
    slope, threshold, ceiling = rates[SLOPE], rates[THRESHOLD], rates[CEILING]
    if slope == 0.0 or ceiling == 0.0 or reach <= threshold:
        return np.zeros((CHORDS, 2))
    end = min(reach, threshold + ceiling / slope)
    knots = np.linspace(threshold, end, CHORDS + 1)
    grown = knots * slope * (knots - threshold)
    rise = np.diff(grown) / np.diff(knots)
    return np.stack([rise, rise * knots[:-1] - grown[:-1]], axis=1)
