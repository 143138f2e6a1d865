# SPDX-License-Identifier: Apache-2.0
"""What an account's rule counts and requires at one market, convex in the sizes traded.

Sizes traded d (n) are as of `Holding`, at the present marks, and pay for themselves in the asset
that they settle in. Amounts are USD at the market asked for:

    equity(d)      = held + gains'd                       per dollar at a node: `worth`
    requirement(d) <= `Pieces`                            nowhere below the exact rule within span

The bound is the exact rule where that is convex, at the signs of the book held elsewhere: see
`margin.scenario.convex` and `MarginRule.lines`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount, lot_of
from tidegate.engine.plan.book import PlanAccount, asset_usd
from tidegate.engine.plan.pieces import Function, Pieces, Row, hinge, summed
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.derive_standard_convex import standard_book_form
from tidegate.margin.market_values import MarketValues, mark_of
from tidegate.margin.paradex_portfolio import ParadexPortfolio
from tidegate.margin.prices import Prices
from tidegate.margin.scenario.convex import BookForm, ConvexCharges, book_form
from tidegate.margin.scenario.prepared import Prepared
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Instrument, InstrumentId, Option
from tidegate.model.units import MICRO, unit_quanta

FloatArray = NDArray[np.float64]
SCENARIO_RULES = (DeribitPortfolio, DerivePortfolio, DeriveStandard, ParadexPortfolio)
CERTIFIED_RULES = (DeribitPortfolio, DerivePortfolio, DeriveStandard)
ScenarioRule = DeribitPortfolio | DerivePortfolio | DeriveStandard | ParadexPortfolio
# Cash is a column too; no book holds as much of it.
BOUNDLESS = 1e15
NO_SLOPE = 1e-9
NOTHING = Pieces((), ())


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """An account at one market; see the module's head. `held_usd` is equity of the book held;
    `cash_free` says that the requirement is the same whatever money comes or goes."""

    held_usd: float
    gains: FloatArray
    worth: float
    maintenance: Pieces
    initial: Pieces
    cash_free: bool = True


def has_convex_form(account: PlanAccount) -> bool:
    """Whether the rule has a convex form for every instrument that the account may hold."""
    rule = account.book.rule
    if isinstance(rule, ExactAccount):
        return not any(isinstance(each, Option) for each in account.dealt) and all(
            each.id in rule.instruments for each in account.dealt
        )
    return isinstance(rule, (*SCENARIO_RULES, WalletAccount))


def may_change(account: PlanAccount) -> bool:
    """Whether a plan may trade in an account: its rule has a convex form, and certificates cover
    what it may hold."""
    rule = account.book.rule
    if isinstance(rule, ExactAccount):
        dollars = unit_quanta(rule.unit) == MICRO
        return dollars and has_convex_form(account) and not any(i.inverse for i in account.dealt)
    return isinstance(rule, (*CERTIFIED_RULES, WalletAccount))


def standing(
    account: PlanAccount, market: MarketValues, span: FloatArray, *, opening: bool = True
) -> Standing:
    """The account at a market, for sizes of at most `span` (n) of its instruments; without
    `opening` initial margin is left out, as it only binds now.

    Raises: `InputError` as the rule does; `TypeError` where it has no convex form.
    """
    there = _at(account, market)
    rule = there.book.rule
    if isinstance(rule, SCENARIO_RULES):
        return _scenario_standing(account, there, rule, span, opening=opening)
    if isinstance(rule, ExactAccount):
        return _exact_standing(account, there, rule, span)
    if isinstance(rule, WalletAccount):
        none = Pieces(((Row(np.zeros(0), 0.0), ()),), ())
        return Standing(_equity_usd(there), np.zeros(0), _worth(account, there), none, none)
    raise TypeError(f"{account.venue}: no convex form of {account.book.card.name}")


def _at(account: PlanAccount, market: MarketValues) -> PlanAccount:
    return replace(account, book=replace(account.book, market=market))


def _equity_usd(there: PlanAccount) -> float:
    stated = there.statement()
    return stated.equity * asset_usd(there, stated.unit)


def _worth(account: PlanAccount, there: PlanAccount) -> float:
    """What a dollar of the node's asset, as of now, counts at the market."""
    return asset_usd(there, account.asset) / asset_usd(account, account.asset)


def entry_cost(instrument: Instrument, mark: float) -> float:
    """What entering one unit of size at a mark takes from the settlement asset: of contracts what
    their profit is counted from, of options the premium."""
    return -1.0 / mark if instrument.inverse else mark


def _present_costs(account: PlanAccount) -> dict[InstrumentId, float]:
    market = account.book.market.doubted()
    return {
        each.id: entry_cost(each, market.at_least_zero(mark_of(each.id))) for each in account.dealt
    }


# Rules of scenarios.


def _scenario_standing(
    account: PlanAccount,
    there: PlanAccount,
    rule: ScenarioRule,
    span: FloatArray,
    *,
    opening: bool,
) -> Standing:
    dealt = account.dealt
    assets = [n for n, a in account.book.holdings.collateral.items() if a != 0.0]
    assets = sorted({*assets, *account.book.holdings.realised, account.asset})
    prepared = rule.prepare(list(dealt), there.book.market, assets)
    columns = _Columns(account, prepared.columns)
    reach = np.array([columns.span(name, span) for name in prepared.columns])
    if isinstance(prepared, Prepared):
        form = book_form(prepared, reach, columns.held)
    else:
        form = standard_book_form(prepared, reach, columns.held)
    price = asset_usd(there, prepared.unit)
    return Standing(
        held_usd=_equity_usd(there),
        gains=price * columns.row(prepared.equity_per_unit).slopes,
        worth=_worth(account, there),
        maintenance=_scaled(_form_pieces(form, columns, initial=False), price),
        initial=_scaled(_form_pieces(form, columns, initial=True), price) if opening else NOTHING,
        cash_free=_cash_free(form, prepared.columns.index(account.asset)),
    )


def _cash_free(form: BookForm, cash: int) -> bool:
    charged = [form.charges, *([form.floor] if form.floor is not None else [])]
    moved = [each.weights[:, cash] for each in charged] + [t.slopes[:, cash] for t in form.terms]
    return not any((np.abs(each) > NO_SLOPE).any() for each in moved)


class _Columns:
    """Columns of a prepared rule as rows of the sizes traded."""

    def __init__(self, account: PlanAccount, names: Sequence[str]) -> None:
        self.account, self.names = account, names
        self.dealt = account.dealt
        place = {name: index for index, name in enumerate(names)}
        amounts = _amounts(account)
        self.held = np.array([amounts.get(name, 0.0) for name in names])
        costs = _present_costs(account)
        # Column j of the book is held_j + sum_i matrix_ji d_i.
        self.matrix = np.zeros((len(names), len(self.dealt)))
        for index, each in enumerate(self.dealt):
            self.matrix[place[each.id], index] += 1.0
            if each.settle in place:
                self.matrix[place[each.settle], index] -= costs[each.id]

    def row(self, slopes: FloatArray, offset: float = 0.0) -> Row:
        """slopes'q + offset of the columns, in the sizes traded."""
        return Row(slopes @ self.matrix, float(slopes @ self.held) + offset)

    def span(self, name: str, span: FloatArray) -> float:
        """Largest size of a column."""
        for index, each in enumerate(self.dealt):
            if each.id == name:
                return float(max(span[index], abs(self.account.held(name)), 1e-9))
        return BOUNDLESS


def _amounts(account: PlanAccount) -> dict[str, float]:
    """Sizes held by column: positions, and assets with what contracts have cost."""
    holdings = account.book.holdings
    amounts: dict[str, float] = {}
    for source in (holdings.collateral, holdings.realised):
        for asset, amount in source.items():
            amounts[asset] = amounts.get(asset, 0.0) + amount
    for each in holdings.positions:
        instrument = each.instrument
        paid = isinstance(instrument, Option)
        cost = 0.0 if paid else each.size * entry_cost(instrument, each.entry)
        amounts[instrument.id] = each.size
        amounts[instrument.settle] = amounts.get(instrument.settle, 0.0) + each.funding - cost
    return amounts


def _form_pieces(form: BookForm, columns: _Columns, *, initial: bool) -> Pieces:
    factor = form.factors.initial if initial else form.factors.maintenance
    extra = form.extra.initial if initial else form.extra.maintenance
    size = len(columns.dealt)
    nothing = Row(np.zeros(size), extra)
    points: list[tuple[Row, tuple[Function, ...]]] = [(nothing, ())]
    for scenario in sorted({term.scenario for term in form.terms}):
        maxima = [
            [columns.row(s, o) for s, o in zip(t.slopes, t.offsets.tolist(), strict=True)]
            for t in form.terms
            if t.scenario == scenario
        ]
        for row, functions in summed(maxima, size):
            points.append((row.times(factor).plus(nothing), _times(functions, factor)))
    if form.floor is not None:
        points.append((nothing, _times(_charges(form.floor, columns, initial=True), factor)))
    return Pieces(tuple(points), _charges(form.charges, columns, initial=initial))


def _charges(charges: ConvexCharges, columns: _Columns, *, initial: bool) -> tuple[Function, ...]:
    first = 0 if initial else 2
    found = []
    for k in range(len(charges.weights)):
        net = columns.row(charges.weights[k])
        long, short = charges.rates[k, first : first + 2].tolist()
        if long or short:
            found.append(hinge(net, (long, -short), (0.0, 0.0)))
        count = float(charges.counts[k, 0 if initial else 1])
        bends = charges.bends[k][charges.bends[k].any(axis=1)]
        if count and len(bends):
            slopes = [0.0, *bends[:, 0], *(-bends[:, 0])]
            offsets = [0.0, *bends[:, 1], *bends[:, 1]]
            found.append(hinge(net, slopes, offsets).times(count))
    return tuple(found)


def _times(functions: Sequence[Function], factor: float) -> tuple[Function, ...]:
    return tuple(each.times(factor) for each in functions)


def _scaled(pieces: Pieces, price: float) -> Pieces:
    rows = tuple((row.times(price), _times(functions, price)) for row, functions in pieces.rows)
    return Pieces(rows, _times(pieces.always, price))


# Rules of integers.


def _exact_standing(
    account: PlanAccount, there: PlanAccount, rule: ExactAccount, span: FloatArray
) -> Standing:
    price = asset_usd(there, rule.unit)
    dealt, costs = account.dealt, _present_costs(account)
    marks = {each.id: there.book.market.positive(mark_of(each.id)) for each in dealt}
    gains = [entry_cost(each, marks[each.id]) - costs[each.id] for each in dealt]
    none = Row(np.zeros(len(dealt)), 0.0)
    lines, opening = [], []
    for index, each in enumerate(dealt):
        lines.append(_tier_function(account, rule, index, marks[each.id], span).times(price))
        opening.append(_opening_function(account, there, index, span).times(price))
    return Standing(
        held_usd=_equity_usd(there),
        gains=price * np.array(gains),
        worth=_worth(account, there),
        maintenance=Pieces(((none, ()),), tuple(lines)),
        initial=Pieces(((none, ()),), tuple(opening)),
    )


def _unit(account: PlanAccount, index: int) -> Row:
    """The size of one instrument after the trade."""
    slopes = np.zeros(len(account.dealt))
    slopes[index] = 1.0
    return Row(slopes, account.held(account.dealt[index].id))


def _worth_per_size(instrument: Instrument, mark: float) -> float:
    return 1.0 / mark if instrument.inverse else mark


def _tier_function(
    account: PlanAccount, rule: ExactAccount, index: int, mark: float, span: FloatArray
) -> Function:
    """Maintenance of one contract by the rule's lines on its notional."""
    each = account.dealt[index]
    per_size = _worth_per_size(each, mark)
    ticks = max(1, int(mark / float(each.tick)))
    most = max(float(span[index]), abs(account.held(each.id)), 1e-9)
    lines = rule.rule.lines(each.id, ticks, most * per_size * 1.001)
    slopes = [rate * per_size for rate, _ in lines]
    offsets = [deduction / MICRO for _, deduction in lines]
    both = [*slopes, *(-s for s in slopes)]
    return hinge(_unit(account, index), [*both, 0.0], [*offsets, *offsets, 0.0])


def _opening_function(
    account: PlanAccount, there: PlanAccount, index: int, span: FloatArray
) -> Function:
    """Initial margin of one contract, at the rate of the largest size within span: what a venue
    asks per dollar falls with no rule as a position grows."""
    each = account.dealt[index]
    rule = account.book.rule
    assert isinstance(rule, ExactAccount)
    lot = float(lot_of(each))
    most = max(float(span[index]), abs(account.held(each.id)), lot)
    lots = max(1, int(most / lot))
    rates = []
    prices = Prices(there.book.market, rule.least_confidence)
    mark = prices.mark(each.id)
    ticks = max(1, int(mark / float(each.tick)))
    for count in {lots, max(1, lots // 2), 1}:
        alone = Account("", {}, {each.id: Position(count, each.entry_cost(count, ticks))})
        state = rule.rule.state(alone, {each.id: ticks})
        rates.append(state.initial / each.notional(count, ticks))
    rate = max(rates) * _worth_per_size(each, mark)
    return hinge(_unit(account, index), (rate, -rate), (0.0, 0.0))


def equity_of(standing_: Standing, traded: FloatArray, sent_usd: float = 0.0) -> float:
    """Equity after trades of sizes (n) and money that came in, USD at the standing's market."""
    return standing_.held_usd + float(standing_.gains @ traded) + standing_.worth * sent_usd


def health_of(standing_: Standing, traded: Mapping[InstrumentId, float] | FloatArray) -> float:
    """A bound from below of equity less maintenance, USD."""
    row = np.asarray(traded, dtype=float)
    return equity_of(standing_, row) - standing_.maintenance.at(row)
