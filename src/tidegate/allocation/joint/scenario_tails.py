# SPDX-License-Identifier: Apache-2.0
"""The tails of a question and its functions: solvency, stresses, drawdown, what may be withdrawn.

A venue's form of margin gives its health in its own unit for its own sizes q and amounts. With E
the book's equity, a position's x is notional over equity, q = x E / notional of one unit, and a
node's c is its worth now over equity, an amount of c E / price. Health over equity is then

    min_r [ sum_i (U gains_ri / notional_i) x_i + sum_m (U worth_rm / price_m) c_m
            - U sum_a weights_ra u_a(q) / E - U constant_r / E ]

with U the USD price of the unit in that market. `Scaled` alone changes units. Rows r become points
of the tail, so that a loss and the margin after it are judged together (Rockafellar and Uryasev
2000, eq. 17, for CVaR).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.allocation.joint.question import Functions, Tail
from tidegate.margin.market_values import MarketValues
from tidegate.margin.scenario.path_form import PathForm
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Perpetual
from tidegate.risk.factor_paths import FactorPaths, Names, neutral

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
# A venue's form in these markets; the initial requirement instead of maintenance where true.
FormOf = Callable[[MovedMarkets, bool], PathForm]

WHERE = "tails"


@dataclass(frozen=True, slots=True, eq=False)
class VenueBook:
    """A venue's instruments and collateral, and how its margin is written.

    Args: `columns` int64 [n'], places of its instruments among the question's positions;
        `notional_usd` [n'], USD of the underlying of one unit now; `nodes` by asset of the form;
        `price_usd` by asset now; `unit`, the asset that the rule counts in, or "USD". The form's
        span must hold every size between the question's bounds.
    """

    name: str
    venue: int
    instruments: tuple[Instrument, ...]
    columns: IntArray
    notional_usd: FloatArray
    nodes: dict[str, int]
    price_usd: dict[str, float]
    unit: str
    market: MarketValues
    form: FormOf

    def sizes(self, x: FloatArray, equity_usd: float) -> FloatArray:
        """Contracts' sizes of positions x [..., n] of the question, [..., n'], for the span and the
        reference of a form."""
        return np.asarray(x[..., self.columns] * equity_usd / self.notional_usd)


@dataclass(frozen=True, slots=True)
class TailTerms:
    """What a mandate asks of the tails: price per unit of shortfall of each kind, and the budget of
    the whole book's drawdown as a share of equity (None: no such limit)."""

    solvency_penalty: float
    outer_penalty: float
    inner_penalty: float
    drawdown: float | None
    drawdown_penalty: float = np.inf


@dataclass(frozen=True, slots=True)
class Stresses:
    """History with its tail, and named stresses; outer ones see money landed, inner ones not."""

    history: FactorPaths | None
    outer: tuple[FactorPaths, ...]
    inner: tuple[FactorPaths, ...]

    def __post_init__(self) -> None:
        if not (self.outer and self.inner):
            raise InputError(WHERE, "stresses", "expected a named outer and inner stress")


@dataclass(eq=False)
class Catalogue:
    """Functions of the question, each once; n positions."""

    positions: int
    places: dict[bytes, int] = field(default_factory=dict)
    rows: list[tuple[FloatArray, FloatArray, FloatArray]] = field(default_factory=list)

    def place(self, net: FloatArray, slope: FloatArray, offset: FloatArray) -> int:
        """Number of a function, which is added where it is new; pieces that repeat are one."""
        pieces = np.unique(np.stack([slope, offset], axis=1) + 0.0, axis=0)
        net, slope, offset = net + 0.0, pieces[:, 0].copy(), pieces[:, 1].copy()
        key = b"".join(np.ascontiguousarray(part).tobytes() for part in (net, slope, offset))
        if key not in self.places:
            self.places[key] = len(self.rows)
            self.rows.append((net, slope, offset))
        return self.places[key]

    def functions(self) -> Functions:
        """All of them, pieces repeated to one width."""
        width = max((len(slope) for _, slope, _ in self.rows), default=1)
        count = len(self.rows)
        padded = [
            [np.pad(part, (0, width - len(part)), mode="edge") for part in row[1:]]
            for row in self.rows
        ]
        return Functions(
            net=np.array([net for net, _, _ in self.rows]).reshape(count, self.positions),
            slope=np.array([slope for slope, _ in padded]).reshape(count, width),
            offset=np.array([offset for _, offset in padded]).reshape(count, width),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A form in units of equity, as arrays of a tail: [W, P R, ...] with the rows as points."""

    slopes: FloatArray
    weights: FloatArray
    worth: FloatArray
    constant: FloatArray
    functions: IntArray
    landed: BoolArray

    @classmethod
    def of(
        cls, form: PathForm, moved: MovedMarkets, book: VenueBook, equity_usd: float, to: Catalogue
    ) -> Scaled:
        """The one place where contracts, coins and dollars become shares of equity."""
        if form.columns != tuple(each.id for each in book.instruments):
            raise InputError(WHERE, book.name, "expected a form of the venue's own instruments")
        unit = _unit(book, moved)[:, None]
        per_usd = 1.0 / np.array([book.price_usd[asset] for asset in form.assets])
        slopes = form.gains * unit[:, :, None] / book.notional_usd
        slopes = slopes - _funding(book, moved)[:, None, :]
        places = []
        for net, slope, offset in zip(form.net, form.slope, form.offset, strict=True):
            wide = np.zeros(to.positions)
            wide[book.columns] = net / book.notional_usd
            places.append(to.place(wide, slope, offset / equity_usd))
        rows = form.gains.shape[1]
        paths = moved.paths
        return cls(
            slopes=_by_scenario(slopes, paths.count),
            weights=_by_scenario(form.weights * unit[:, :, None], paths.count),
            worth=_by_scenario(form.worth * unit[:, :, None] * per_usd, paths.count),
            constant=_by_scenario(form.constant * unit / equity_usd, paths.count),
            functions=np.array(places, dtype=np.int64),
            landed=np.repeat(paths.landed, rows, axis=1),
        )

    def tail(self, name: str, book: VenueBook, form: PathForm, mass: float) -> Tail:
        """A hard limit of a venue's own health, at nought or above."""
        return Tail(
            name=name,
            venue=book.venue,
            columns=book.columns,
            functions=self.functions,
            nodes=np.array([book.nodes[asset] for asset in form.assets], dtype=np.int64),
            slopes=self.slopes,
            weights=self.weights,
            worth=self.worth,
            constant=self.constant,
            landed=self.landed,
            mass=mass,
            penalty=np.inf,
        )


def _unit(book: VenueBook, moved: MovedMarkets) -> FloatArray:
    """USD per unit of the rule in every market."""
    if book.unit == "USD":
        return np.ones(moved.count)
    return np.asarray(book.price_usd[book.unit] * moved.usd(book.unit))


def _funding(book: VenueBook, moved: MovedMarkets) -> FloatArray:
    paid = [
        moved.funding(each.base) if isinstance(each, Perpetual) else np.zeros(moved.count)
        for each in book.instruments
    ]
    return np.stack(paid, axis=1)


def _by_scenario(rows: FloatArray, scenarios: int) -> FloatArray:
    """[W P, R, ...] as [W, P R, ...]."""
    return np.ascontiguousarray(rows).reshape(scenarios, -1, *rows.shape[2:])


def question_tails(
    books: Sequence[VenueBook],
    stresses: Stresses,
    terms: TailTerms,
    equity_usd: float,
    shape: tuple[int, int],
) -> tuple[tuple[Tail, ...], Functions]:
    """All tails of a question, and the functions that they weigh.

    Args: `shape`, how many positions and how many nodes the question has.
    Raises: `InputError` for an equity that is not above zero, and what a form or market refuses.
    """
    if not equity_usd > 0.0:
        raise InputError(WHERE, "equity_usd", f"expected above 0, got {equity_usd}")
    catalogue = Catalogue(shape[0])
    tails: list[Tail] = []
    for book in books:
        tails += _venue_tails(book, stresses, terms, equity_usd, catalogue)
        bound = _withdrawal(book, stresses, equity_usd, catalogue)
        # A book may stand below initial margin already; then nothing may leave, and it may shrink.
        tails.append(replace(bound, penalty=terms.inner_penalty))
    if terms.drawdown is not None:
        sets = [stresses.history] if stresses.history is not None else list(stresses.inner)
        tails += [_drawdown(books, paths, terms, terms.drawdown) for paths in sets]
    return tuple(tails), catalogue.functions()


def _venue_tails(
    book: VenueBook, stresses: Stresses, terms: TailTerms, equity_usd: float, to: Catalogue
) -> list[Tail]:
    sets = [
        (f"outer {paths.name}", paths.when_landed(True), terms.outer_penalty)
        for paths in stresses.outer
    ]
    sets += [
        (f"inner {paths.name}", paths.when_landed(False), terms.inner_penalty)
        for paths in stresses.inner
    ]
    if stresses.history is not None:
        sets.append(("solvency", stresses.history, terms.solvency_penalty))
    found = []
    for name, paths, penalty in sets:
        tail = venue_tail(f"{name} at {book.name}", book, paths, equity_usd, to)
        found.append(replace(tail, penalty=penalty))
    return found


def venue_tail(
    name: str,
    book: VenueBook,
    paths: FactorPaths,
    equity_usd: float,
    to: Catalogue,
    initial: bool = False,
) -> Tail:
    """CVaR of a venue's shortfall of health over a set of paths, which is to be nought at most."""
    moved = MovedMarkets(paths, book.name, book.market)
    form = book.form(moved, initial)
    return Scaled.of(form, moved, book, equity_usd, to).tail(name, book, form, paths.mass)


def _withdrawal(book: VenueBook, stresses: Stresses, equity_usd: float, to: Catalogue) -> Tail:
    """Initial margin now, with what has left and nothing that is on its way: what stays covers
    it, and no gain is in it, since the market is that of now."""
    names = stresses.inner[0]
    still = np.ones((1, 1, len(names.coins)))
    of = Names(names.coins, names.venues, names.stables, names.landed.shape[2])
    paths = neutral(of, still, 1.0, "now")
    return venue_tail(f"withdrawal at {book.name}", book, paths, equity_usd, to, True)


def _drawdown(
    books: Sequence[VenueBook], paths: FactorPaths, terms: TailTerms, budget: float
) -> Tail:
    """What the whole book loses, collateral's own moves counted, at most the budget."""
    slopes, worth, nodes = [], [], []
    for book in books:
        moved = MovedMarkets(paths, book.name, book.market)
        slopes.append(moved.gains(book.instruments))
        for asset, node in book.nodes.items():
            nodes.append(node)
            worth.append(moved.usd(asset) - 1.0)
    gained = np.concatenate(slopes, axis=1).reshape(paths.count, paths.points, -1)
    changes = np.stack(worth, axis=1).reshape(paths.count, paths.points, -1)
    return Tail(
        name=f"drawdown {paths.name}",
        venue=-1,
        columns=np.concatenate([book.columns for book in books]),
        functions=np.zeros(0, dtype=np.int64),
        nodes=np.array(nodes, dtype=np.int64),
        slopes=gained,
        weights=np.zeros((paths.count, paths.points, 0)),
        worth=changes,
        constant=np.zeros((paths.count, paths.points)),
        landed=np.zeros_like(paths.landed),
        mass=paths.mass,
        penalty=terms.drawdown_penalty,
        limit=budget,
    )
