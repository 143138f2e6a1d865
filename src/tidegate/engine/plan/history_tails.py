# SPDX-License-Identifier: Apache-2.0
"""Solvency of an account over the book's history, as a tail of the joint question.

At each point of a scenario the account is worth what it is now at marks, plus gains of what it then
holds; that less its maintenance there, in units of equity, is its health, and the tail says

    CVaR_w( max_p -health_wp ) <= 0        over the mass of the mandate's solvency tail

with money counted that has landed by the point (Rockafellar and Uryasev 2000, eq. 17). Rules of
scenarios come as `margin.scenario.path_form`. Of rules of integers, maintenance of a size q at the
ratio r of its mark now, p, is convex in r, so that chords between knots bound it from above:

    m(r p |q|) <= sum_k l_k m(r_k p |q|)    knots r_k the lowest, now, the highest
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.allocation.joint.question import Tail
from tidegate.allocation.joint.scenario_tails import Catalogue, Scaled, VenueBook
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.history_markets import funding_rates, moved_markets, moved_values
from tidegate.engine.plan.past import FloatArray
from tidegate.engine.plan.pieces import Function, Row, hinge
from tidegate.engine.plan.shared_functions import Scale, SharedFunctions
from tidegate.engine.plan.tails import Place
from tidegate.margin.deribit_paths import deribit_path_form
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_paths import derive_path_form
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.derive_standard_paths import derive_standard_path_form
from tidegate.margin.market_values import mark_of
from tidegate.margin.scenario.path_form import PathForm, Scope, chords
from tidegate.model.instruments import Option
from tidegate.model.units import MICRO
from tidegate.risk.factor_paths import FactorPaths

NAME = "solvency over history"
LEAST_SPAN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """An account in a question: its place, the scale and the span (n) of its instruments, and what
    its equity is in the unit of its node's asset."""

    account: PlanAccount
    place: int
    scale: Scale
    span: FloatArray


def history_tail(
    seat: Seat, paths: FactorPaths, functions: SharedFunctions, place: Place
) -> Tail | None:
    """The tail of an account; None where no move of a price changes what it requires, or its rule
    has no form over paths. Raises `InputError` as the rule does."""
    rule, moved = seat.account.book.rule, moved_markets(seat.account, paths)
    if not seat.account.dealt:
        return None
    if isinstance(rule, ExactAccount):
        return _tail(_of_integers(seat, rule, moved, functions), paths, place)
    form = _path_form(seat, moved)
    return None if form is None else _tail(_of_form(seat, form, moved, functions), paths, place)


def _tail(found: Scaled, paths: FactorPaths, place: Place) -> Tail:
    return Tail(
        name=place.name,
        venue=place.venue,
        columns=place.columns,
        functions=found.functions,
        nodes=np.array(place.nodes, dtype=np.int64),
        slopes=found.slopes,
        weights=found.weights,
        worth=found.worth,
        constant=found.constant,
        landed=found.landed,
        mass=paths.mass,
        penalty=place.penalty,
        limit=place.limit,
    )


# Rules of integers.


def _of_integers(
    seat: Seat, rule: ExactAccount, moved: MovedMarkets, functions: SharedFunctions
) -> Scaled:
    account, paths = seat.account, moved.paths
    worth = moved.usd(rule.unit) if rule.unit in paths.stables else np.ones(moved.count)
    marks = np.stack([moved.marks(each) for each in account.dealt], axis=1)
    slopes = (marks - 1.0) * worth[:, None] - funding_rates(account.dealt, moved)
    places, weights = [], []
    for i in range(len(account.dealt)):
        knots = np.unique([marks[:, i].min(), 1.0, marks[:, i].max()])
        shares = chords(marks[:, i], knots)
        for function, share in zip(_at_knots(seat, rule, i, knots), shares.T, strict=True):
            added = functions.add(function, seat.scale)
            if added is not None and share.any():
                places.append(added[0])
                weights.append(added[1] * share * worth)
    count = paths.count
    shape = (count, paths.points)
    return Scaled(
        slopes=slopes.reshape(*shape, -1),
        weights=np.stack(weights, axis=1).reshape(*shape, -1) if weights else np.zeros((*shape, 0)),
        worth=worth.reshape(*shape, 1),
        constant=np.zeros(shape),
        functions=np.array(places, dtype=np.int64),
        landed=paths.landed,
    )


def _at_knots(seat: Seat, rule: ExactAccount, i: int, knots: FloatArray) -> list[Function]:
    """Maintenance of one contract at each knot of its mark, by lines that hold from the lowest."""
    account, each = seat.account, seat.account.dealt[i]
    mark = account.book.market.doubted().positive(mark_of(each.id))
    held = account.held(each.id)
    most = max(float(seat.span[i]), abs(held), LEAST_SPAN)
    ticks = max(1, int(mark * knots[0] / float(each.tick)))
    lines = rule.rule.lines(each.id, ticks, most * mark * float(knots[-1]) * 1.001)
    unit = np.zeros(len(account.dealt))
    unit[i] = 1.0
    found = []
    for knot in knots.tolist():
        slopes = [rate * mark * knot for rate, _ in lines]
        cuts = [deduction / MICRO for _, deduction in lines]
        both = [*slopes, *(-slope for slope in slopes), 0.0]
        own = hinge(Row(unit, held), both, [*cuts, *cuts, 0.0])
        found.append(own.times(account.price(rule.unit)))
    return found


# Rules of scenarios.


def _path_form(seat: Seat, moved: MovedMarkets) -> PathForm | None:
    account, rule = seat.account, seat.account.book.rule
    held = np.array([account.held(each.id) for each in account.dealt])
    scope = Scope(np.maximum(np.maximum(seat.span, np.abs(held)), LEAST_SPAN), held)
    values = moved_values(account, moved, account.dealt)
    holdings = account.book.holdings
    owned = [n for n, amount in holdings.collateral.items() if amount != 0.0]
    assets = sorted({*owned, *holdings.realised, account.asset})
    if isinstance(rule, DeribitPortfolio):
        return deribit_path_form(rule, account.dealt, moved.market, values, scope, assets)
    if isinstance(rule, DerivePortfolio):
        own = [name for name in assets if name != rule.cash]
        return derive_path_form(rule, account.dealt, moved.market, values, scope, own)
    if isinstance(rule, DeriveStandard):
        return derive_standard_path_form(rule, account.dealt, moved.market, values, scope, assets)
    return None


class _Shared(Catalogue):
    """The question's functions as a catalogue, each scaled to slopes of at most one."""

    def __init__(self, functions: SharedFunctions) -> None:
        super().__init__(functions.positions)
        self.functions_of, self.steep = functions, list[float]()

    def place(self, net: FloatArray, slope: FloatArray, offset: FloatArray) -> int:
        """Number of a function; what it was divided by is kept in `steep`."""
        found, steep = self.functions_of.scaled(net, slope, offset)
        self.steep.append(steep)
        return found


def _of_form(seat: Seat, form: PathForm, moved: MovedMarkets, functions: SharedFunctions) -> Scaled:
    """The form in units of equity, with one node: other assets stay as they are."""
    account, shared = seat.account, _Shared(functions)
    prices = {asset: account.price(asset) for asset in form.assets}
    unit = account.statement().unit
    book = VenueBook(
        name=account.venue,
        venue=seat.place,
        instruments=account.dealt,
        columns=seat.scale.columns,
        notional_usd=seat.scale.per_size,
        nodes=dict.fromkeys(form.assets, seat.place),
        price_usd={unit: account.price(unit), **prices},
        unit=unit,
        market=moved.market,
        form=lambda _moved, _initial: form,
    )
    found = Scaled.of(form, moved, book, seat.scale.equity_usd, shared)
    node = form.assets.index(account.asset)
    beside = _beside(account, form.assets) / seat.scale.equity_usd
    # The node is all that the account is worth now, of which some stands in other assets.
    apart = found.worth - found.worth[:, :, node : node + 1]
    return Scaled(
        slopes=found.slopes,
        weights=found.weights * np.array(shared.steep),
        worth=found.worth[:, :, node : node + 1],
        constant=found.constant - apart @ beside,
        functions=found.functions,
        landed=found.landed,
    )


def _beside(account: PlanAccount, assets: Sequence[str]) -> FloatArray:
    """What the account holds at marks in each asset but its node's, USD."""
    holdings, market = account.book.holdings, account.book.market.doubted()
    amounts = dict.fromkeys(assets, 0.0)
    for source in (holdings.collateral, holdings.realised):
        for asset, amount in source.items():
            amounts[asset] = amounts.get(asset, 0.0) + amount
    for each in holdings.positions:
        instrument, asset = each.instrument, each.instrument.settle
        mark = market.at_least_zero(mark_of(instrument.id))
        gained = each.size * (mark - each.entry)
        if isinstance(instrument, Option):
            gained = each.size * mark
        elif instrument.inverse:
            gained = each.size * (1.0 / each.entry - 1.0 / mark)
        amounts[asset] = amounts.get(asset, 0.0) + each.funding + gained
    amounts[account.asset] = 0.0
    return np.array([amounts[asset] * account.price(asset) for asset in assets])
