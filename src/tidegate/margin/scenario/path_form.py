# SPDX-License-Identifier: Apache-2.0
"""The convex form of a rule in many moved markets at once, for a programme that chooses sizes.

    health(q, c; m) >= min_r [ worth_mr'c + gains_mr'q - weights_mr'u(q) - constant_mr ]
    u_a(q) = max_j (slope_aj net_a'q - offset_aj)

over sizes q of instruments and collateral c >= 0 by asset, which is what the account holds in it
now at marks, unrealised profit and the worth of options included. Gains are changes from now to
market m and on to the rule's scenario r, so that a loss and the margin after it are one row. The
functions u do not depend on the market: where a venue charges max_j (a_j q + b_j) with slopes that
do, and their sum with other such terms must stand inside one maximum, there are two ways,

    exact     every choice of a piece of each term is a row of its own
    bounded   max_j (a_j q + b_j) <= a* q + b* + sum_i [max_j (a_ji - a*_i)+ q_i+
                                     + max_j (a*_i - a_ji)+ q_i-] + max_j (b_j - b*)+

with * the piece that is largest for a reference book. Terms are exact in the order of what the
bound would cost that book, as long as a scenario has no more rows than the caller allows.

A net whose weights depend on the market is charged on nets of fixed weights. With knots k of the
price ratio, chord weights l_k >= 0 of sum one, and d the weights in market m,

    f(|d'q|) <= sum_k l_k f(|d_k'q|) + L sum_i |d - sum_k l_k d_k|_i |q_i|

for f convex and rising with slope at most L, by Jensen and the triangle inequality; equal in the
knots' own markets, and for weights that do not move. Source: Boyd and Vandenberghe (2004), 3.1-3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WHERE = "moved markets"
COMBINATIONS = 4
KNOTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class PathForm:
    """The module's right side over M markets and R rows.

    Args: `gains` [M, R, n], `worth` [M, R, a], `weights` [M, R, A] >= 0, `constant` [M, R], in the
        rule's unit; `net` [A, n], `slope` and `offset` [A, J]; valid for |q| <= `span` [n].
    """

    columns: tuple[str, ...]
    assets: tuple[str, ...]
    span: FloatArray
    net: FloatArray
    slope: FloatArray
    offset: FloatArray
    gains: FloatArray
    worth: FloatArray
    weights: FloatArray
    constant: FloatArray

    def functions(self, sizes: FloatArray) -> FloatArray:
        """u of books [B, n], [B, A]."""
        nets = (sizes @ self.net.T)[:, :, None]
        return np.asarray((self.slope * nets - self.offset).max(axis=2, initial=-np.inf))

    def rows(self, sizes: ArrayLike, collateral: ArrayLike) -> FloatArray:
        """What the minimum is taken of, for books [B, n] and [B, a], [B, M, R].

        Raises: `InputError` for a size outside the span or collateral below zero.
        """
        books = np.atleast_2d(np.asarray(sizes, dtype=float))
        money = np.atleast_2d(np.asarray(collateral, dtype=float))
        if not (np.abs(books) <= self.span).all():
            raise InputError(WHERE, "sizes", "expected sizes within the span")
        if not (money >= 0.0).all():
            raise InputError(WHERE, "collateral", "expected amounts of at least 0")
        held = np.tensordot(books, self.gains, (1, 2)) + np.tensordot(money, self.worth, (1, 2))
        charged = np.tensordot(self.functions(books), self.weights, (1, 2))
        return np.asarray(held - charged - self.constant)

    def health(self, sizes: ArrayLike, collateral: ArrayLike) -> FloatArray:
        """Never above equity less the requirement, [B, M]; raises as `rows` does."""
        return np.asarray(self.rows(sizes, collateral).min(axis=2))


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What of a rule is asked for: sizes within `span` [n], tight near the `reference` [n], with at
    most `combinations` rows of one scenario; the initial requirement or the maintenance."""

    span: ArrayLike
    reference: ArrayLike
    combinations: int = COMBINATIONS
    initial: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A loss max_j (slopes[m, j] q + offsets[m, j]); slopes [M, J, n], offsets [M, J]."""

    slopes: FloatArray
    offsets: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MovedCharge:
    """weights[m] max_j (slope_j net'q - offset_j), weights [M] >= 0, net [n]."""

    net: FloatArray
    slope: FloatArray
    offset: FloatArray
    weights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A scenario's losses as rows: slopes [M, R, n], offsets [M, R], rates on q+ and q- [M, n]."""

    slopes: FloatArray
    offsets: FloatArray
    long: FloatArray
    short: FloatArray


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of the rows: instruments with their value now [n] in their settlement asset, which is
    at `settle` [n] among the assets; then assets. `reference` [n] and `span` [n] are sizes, and
    `combinations` the most rows of one scenario."""

    columns: tuple[str, ...]
    assets: tuple[str, ...]
    settle: IntArray
    value_now: FloatArray
    span: FloatArray
    reference: FloatArray
    combinations: int = COMBINATIONS

    def __post_init__(self) -> None:
        count = (len(self.columns),)
        if self.span.shape != count or not ((self.span > 0.0) & np.isfinite(self.span)).all():
            raise InputError(WHERE, "span", "expected a finite number above 0 for each instrument")
        if self.reference.shape != count or not np.isfinite(self.reference).all():
            raise InputError(WHERE, "reference", "expected a finite size of each instrument")

    @property
    def count(self) -> int:
        """Instruments."""
        return len(self.columns)

    def from_now(self, rows: FloatArray) -> FloatArray:
        """Rows [..., n + a] of raw sizes and amounts as rows of sizes and of amounts at marks.

        An account of c at marks has the amount c - sum_i value_i q_i in its wallet.
        """
        if not rows[..., self.count :].any():
            return rows
        out = np.array(rows, dtype=float)
        out[..., : self.count] -= self.value_now * rows[..., self.count + self.settle]
        return out


@dataclass(eq=False)
class FormBuilder:
    """Equity [M, n + a] by column (already `from_now`), and what is asked of it, as it is added.

    `factor` [M] multiplies the worst scenario; `extra` is asked whatever is held.
    """

    layout: Layout
    equity: FloatArray
    factor: FloatArray
    extra: float = 0.0
    blocks: list[_Block] = field(default_factory=list)
    charges: list[MovedCharge] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = (len(self.equity), self.layout.count)
        self.long, self.short = np.zeros(shape), np.zeros(shape)
        self.linear = np.zeros_like(self.equity)

    @property
    def markets(self) -> int:
        """Number of markets."""
        return len(self.equity)

    def scenario(self, terms: Sequence[Pieces], gaining: bool = False) -> None:
        """One scenario of the maximum, as the sum of these losses.

        `gaining` says that each term is l or k l with 0 <= k <= 1, in this order; then the choice
        of the latter in every term is left out, as another choice or nothing at all is above it.
        """
        self.blocks.append(_expanded(terms, self.layout, gaining))

    def charge(self, net: FloatArray, sides: tuple[float, float], weights: FloatArray) -> None:
        """weights (long (net'q)+ + short (net'q)-) besides the maximum."""
        if any(sides) and net.any():
            slope = np.array([sides[0], -sides[1]])
            self.charges.append(MovedCharge(net, slope, np.zeros(2), weights))

    def on_size(self, rates: FloatArray, nets: FloatArray) -> None:
        """rates [M] |nets [M, n] q|, option by option: an upper bound, exact of one column."""
        self.long += rates[:, None] * np.abs(nets)
        self.short += rates[:, None] * np.abs(nets)

    def build(self) -> PathForm:
        """The form; without a scenario nothing is lost but what is charged."""
        n = self.layout.count
        blocks = [*self.blocks, _nothing(self.equity, n)]
        rows = [len(block.offsets[0]) for block in blocks]
        total = np.concatenate([block.slopes for block in blocks], axis=1)
        constant = np.concatenate([block.offsets for block in blocks], axis=1)
        constant *= self.factor[:, None]
        total *= -self.factor[:, None, None]
        total += (self.equity - self.linear)[:, None, :]
        sides = {
            "long": self._rates(self.long, [block.long for block in blocks], rows),
            "short": self._rates(self.short, [block.short for block in blocks], rows),
        }
        functions, weights = _functions(self.charges, sides, sum(rows))
        return PathForm(
            self.layout.columns,
            self.layout.assets,
            self.layout.span,
            *functions,
            gains=np.ascontiguousarray(total[:, :, :n]),
            worth=np.ascontiguousarray(total[:, :, n:]),
            weights=weights,
            constant=constant + self.extra,
        )

    def _rates(
        self, common: FloatArray, more: Sequence[FloatArray], rows: Sequence[int]
    ) -> FloatArray:
        """Rates on q+ or q- [M, R, n]; of one row where no scenario adds its own."""
        if not any(each.any() for each in more):
            return common[:, None, :]
        each_row = [
            np.repeat(each[:, None, :], n, axis=1) for each, n in zip(more, rows, strict=True)
        ]
        return common[:, None, :] + self.factor[:, None, None] * np.concatenate(each_row, axis=1)

    def charge_net(self, nets: FloatArray, knots: Knots, growth: MovedGrowth) -> None:
        """weights[m] f(|nets[m] q|), by the module's chords; exact of a net of one column."""
        used = np.flatnonzero(nets.any(axis=0))
        if len(used) == 1 and growth.is_linear:
            net = np.eye(self.layout.count)[used[0]]
            rate = growth.slope[0] * np.abs(nets[:, used[0]])
            self.charge(net, (1.0, 1.0), rate * growth.weights)
            return
        rest = nets - knots.weights @ nets[knots.markets]
        self.on_size(growth.weights * growth.slope.max(), rest)
        for k, market in enumerate(knots.markets):
            net, share = nets[market], growth.weights * knots.weights[:, k]
            both = (np.concatenate([growth.slope, -growth.slope, [0.0]]), growth.offset)
            offset = np.concatenate([both[1], both[1], [0.0]])
            if net.any() and share.any():
                self.charges.append(MovedCharge(net, both[0], offset, share))


@dataclass(frozen=True, slots=True, eq=False)
class MovedGrowth:
    """weights[m] max_j (slope_j |d| - offset_j)+, slopes >= 0; weights [M]."""

    slope: FloatArray
    offset: FloatArray
    weights: FloatArray

    @property
    def is_linear(self) -> bool:
        """Whether it is a rate alone."""
        return len(self.slope) == 1 and self.offset[0] == 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """Markets [K] whose nets stand for all, and chord weights [M, K]."""

    markets: IntArray
    weights: FloatArray

    @classmethod
    def of(cls, ratios: FloatArray, most: int = KNOTS) -> Knots:
        """At most so many markets, evenly along the order of the ratios [M]."""
        order = np.argsort(ratios, kind="stable")
        _, first = np.unique(ratios[order], return_index=True)
        distinct = order[first]
        place = np.unique(np.round(np.linspace(0, len(distinct) - 1, most)).astype(np.int64))
        markets = distinct[place]
        return cls(markets, chords(ratios, ratios[markets]))


def _nothing(equity: FloatArray, n: int) -> _Block:
    zero = np.zeros((len(equity), n))
    return _Block(np.zeros_like(equity)[:, None, :], zero[:, :1] * 0.0, zero, zero)


def _functions(
    charges: Sequence[MovedCharge], sides: dict[str, FloatArray], rows: int
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], FloatArray]:
    """Nets, slopes and offsets of all functions, and their weights [M, R, A]; those without a
    weight anywhere are left out. Weights that are the same in all rows are one row seen R times."""
    markets, own, n = np.broadcast_shapes(sides["long"].shape, sides["short"].shape)
    eye, width = np.eye(n), max([2, *(len(each.slope) for each in charges)])
    nets, slopes, offsets = [], [], []
    for each in charges:
        more = width - len(each.slope)
        nets.append(each.net)
        slopes.append(np.pad(each.slope, (0, more), mode="edge"))
        offsets.append(np.pad(each.offset, (0, more), mode="edge"))
    parts = [np.stack([each.weights for each in charges], axis=1)[:, None, :]] if charges else []
    both = np.minimum(sides["long"], sides["short"])
    rates = (both, sides["long"] - both, sides["short"] - both)
    for rate, first, last in zip(rates, (1.0, 1.0, -1.0), (-1.0, 0.0, 0.0), strict=True):
        used = np.flatnonzero(rate.any(axis=(0, 1)))
        parts.append(rate[:, :, used])
        nets += list(eye[used])
        slopes += [np.array([first, *([last] * (width - 1))])] * len(used)
        offsets += [np.zeros(width)] * len(used)
    seen = [np.broadcast_to(part, (markets, own, part.shape[2])) for part in parts]
    found = np.concatenate(seen, axis=2)
    shape = (len(nets), width)
    functions = (
        np.array(nets).reshape(len(nets), n),
        np.array(slopes).reshape(shape),
        np.array(offsets).reshape(shape),
    )
    return functions, np.broadcast_to(found, (markets, rows, len(nets)))


def _expanded(terms: Sequence[Pieces], layout: Layout, gaining: bool) -> _Block:
    """Rows for every choice of pieces of the terms that are exact, the others bounded."""
    n = layout.count
    single = [term for term in terms if len(term.offsets[0]) == 1]
    several = [_bounded(term, layout) for term in terms if len(term.offsets[0]) > 1]
    several.sort(key=lambda each: -each.cost)
    exact: list[Pieces] = []
    slopes = np.sum([term.slopes for term in single], axis=0) if single else 0.0
    offsets = np.sum([term.offsets for term in single], axis=0) if single else 0.0
    shape = terms[0].slopes.shape
    slopes = np.zeros((shape[0], 1, shape[2])) + slopes
    offsets = np.zeros((shape[0], 1)) + offsets
    long, short = np.zeros((2, shape[0], n))
    rows = 1
    for each in several:
        pieces = each.term.offsets.shape[1]
        if rows * pieces > layout.combinations:
            slopes, offsets = slopes + each.slopes[:, None, :], offsets + each.offsets[:, None]
            long, short = long + each.long, short + each.short
            continue
        rows *= pieces
        exact.append(each.term)
    chosen = [range(term.offsets.shape[1]) for term in exact]
    picks = list(product(*chosen))
    if gaining and 0 < len(exact) == len(terms):
        picks = picks[:-1]
    added = [
        np.sum([t.slopes[:, j] for t, j in zip(exact, pick, strict=True)], 0) for pick in picks
    ]
    steps = [
        np.sum([t.offsets[:, j] for t, j in zip(exact, pick, strict=True)], 0) for pick in picks
    ]
    if not exact:
        return _Block(slopes, offsets, long, short)
    return _Block(slopes + np.stack(added, axis=1), offsets + np.stack(steps, axis=1), long, short)


@dataclass(frozen=True, slots=True, eq=False)
class _Bounded:
    """A term by its piece at the reference and what any other piece can add; on assets, which are
    not below zero, that is linear."""

    term: Pieces
    slopes: FloatArray
    offsets: FloatArray
    long: FloatArray
    short: FloatArray
    cost: float


def _bounded(term: Pieces, layout: Layout) -> _Bounded:
    n = layout.count
    book = np.concatenate([layout.reference, np.zeros(len(layout.assets))])
    chosen = (term.slopes @ book + term.offsets).argmax(axis=1)
    every = np.arange(len(chosen))
    slopes, offsets = term.slopes[every, chosen], term.offsets[every, chosen]
    more = term.slopes - slopes[:, None, :]
    long, short = more.max(axis=1), -more.min(axis=1)
    beyond = np.maximum((term.offsets - offsets[:, None]).max(axis=1), 0.0)
    amount = layout.reference if layout.reference.any() else layout.span
    cost = long[:, :n] @ np.maximum(amount, 0.0) + short[:, :n] @ np.maximum(-amount, 0.0) + beyond
    if not layout.reference.any():
        cost = cost + short[:, :n] @ layout.span
    held = slopes.copy()
    held[:, n:] += long[:, n:]
    return _Bounded(term, held, offsets + beyond, long[:, :n], short[:, :n], float(cost.mean()))


def chords(ratios: FloatArray, knots: FloatArray) -> FloatArray:
    """Weights [M, K] >= 0 of sum one that make each ratio [M] of the knots [K] beside it; beyond
    the knots, the nearest alone."""
    place = np.clip(np.searchsorted(knots, ratios) - 1, 0, max(len(knots) - 2, 0))
    out = np.zeros((len(ratios), len(knots)))
    every = np.arange(len(ratios))
    if len(knots) == 1:
        return out + 1.0
    share = (ratios - knots[place]) / (knots[place + 1] - knots[place])
    share = np.clip(share, 0.0, 1.0)
    out[every, place] = 1.0 - share
    out[every, place + 1] += share
    return out
