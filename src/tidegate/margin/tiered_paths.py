# SPDX-License-Identifier: Apache-2.0
"""The convex form of tiered margin in many moved markets: Binance USD-M, Bybit, dYdX, Hyperliquid
cross, OKX cross.

    maintenance(q; r) = m(r p |q|) <= sum_k l_k m(r_k p |q|)        m(n) = max_j (rate_j n - cut_j)

with p the price now, r its ratio, knots r_k at {lowest, 1, highest} of the markets, and chord
weights l_k: m is convex in r, so the chord is never below it and equal at the knots, and everywhere
for a size that stays in the first tier. An inverse contract's worth is q / (r p) coins, so that its
knots are of 1 / r. Initial requirements jump from tier to tier; the form takes the rate of the span
for every size. What a rule rounds up is added as so many quanta a position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.dydx import DydxCross
from tidegate.margin.linear import HYPERLIQUID_WITHDRAW_FLOOR, HyperliquidCross, LinearCross
from tidegate.margin.scenario.path_form import (
    WHERE,
    FormBuilder,
    Layout,
    MovedCharge,
    PathForm,
    Scope,
    chords,
)
from tidegate.margin.tiered_account import PositionTerms
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument
from tidegate.model.units import MICRO, unit_quanta

FloatArray = NDArray[np.float64]
Lines = tuple[tuple[float, float], ...]

# The chain rounds up twice, the others at most once.
ROUNDINGS = 2


@dataclass(frozen=True, slots=True)
class TieredColumn:
    """A contract with its price now and its requirement as max_j (rate_j worth - cut_j), worth in
    the settlement asset, for any size within the span; `rounding` is what the rule rounds up."""

    instrument: Instrument
    price: float
    lines: Lines
    rounding: float = 0.0


def tiered_column(
    rule: LinearCross | DydxCross,
    name: str,
    ticks: int,
    span: float,
    highest_ratio: float,
    initial: bool = False,
) -> TieredColumn:
    """A contract of a rule of integers at a mark now, for sizes up to the span in coins at prices
    up to the highest ratio; raises `InputError` for one that the rule does not know."""
    if name not in rule.instruments:
        raise InputError(WHERE, name, "expected a contract of the rule")
    instrument = rule.instruments[name]
    price = ticks * float(instrument.tick)
    rounding = ROUNDINGS / unit_quanta(instrument.settle)
    if not initial:
        cut = tuple((rate, less / MICRO) for rate, less in rule.lines(name, ticks, span * price))
        return TieredColumn(instrument, price, cut, rounding)
    if isinstance(rule, DydxCross):
        highest = {name: floor(ticks * highest_ratio) + 1}
        rate = rule.initial_ppm(name, highest) / MICRO
    else:
        rate = _initial_rate(rule, name, span * price * highest_ratio)
    return TieredColumn(instrument, price, ((rate, 0.0),), rounding)


def _initial_rate(rule: LinearCross, name: str, most: float) -> float:
    """1 over the leverage of the tier of the largest notional; at Hyperliquid at least what must
    stay of it when money leaves."""
    notional = floor(most * unit_quanta(rule.collateral)) + 1
    chosen = rule.leverages.get(name, rule.leverage)
    rate = 1.0 / min(chosen, rule.tiers[name].at(notional).max_leverage)
    stays = 1.0 / HYPERLIQUID_WITHDRAW_FLOOR if isinstance(rule, HyperliquidCross) else 0.0
    return max(rate, stays)


def position_column(
    instrument: Instrument,
    price: float,
    terms: PositionTerms,
    span: float,
    initial: bool = False,
) -> TieredColumn:
    """A contract of Bybit's or OKX's tiers at a price now, up to a span of what its table goes by:
    worth in the settlement asset in every market, or size; raises `InputError` beyond the last
    tier."""
    form = terms.convex_form(span)
    if not initial:
        return TieredColumn(instrument, price, form.lines)
    most = Fraction(span)
    rate = max(1 / terms.leverage, terms.tiers.tier(most, most).initial) + terms.fee_to_close
    return TieredColumn(instrument, price, ((float(rate), 0.0), *form.lines))


def tiered_path_form(
    columns: Sequence[TieredColumn],
    ratios: ArrayLike,
    worth: Mapping[str, ArrayLike],
    scope: Scope,
    prices: Mapping[str, ArrayLike] | None = None,
) -> PathForm:
    """An account of such contracts in M markets.

    Args: `ratios` [M, n] of each contract's own mark over that of now; `worth` by asset, what one
        unit of it counts in the account's unit in every market [M]; all contracts settle in one of
        these; `scope` in contracts' sizes. `prices` by asset [M] are what a unit of requirement
        counts where collateral and profit count for less, as after a haircut; else `worth`.
    Raises: `InputError` for a ratio that is not above zero, or an asset without a worth.
    """
    moves = np.asarray(ratios, dtype=float)
    if moves.ndim != 2 or moves.shape[1] != len(columns) or not (moves > 0.0).all():
        raise InputError(WHERE, "ratios", f"expected [markets, {len(columns)}] above 0")
    assets = tuple(worth)
    counted = [np.broadcast_to(np.asarray(worth[a], dtype=float), len(moves)) for a in assets]
    builder = FormBuilder(
        layout := _layout(columns, assets, scope),
        layout.from_now(_equity(columns, moves, np.stack(counted, axis=1), layout)),
        np.ones(len(moves)),
        sum(each.rounding for each in columns),
    )
    for i, each in enumerate(columns):
        asset = each.instrument.settle
        unit = np.broadcast_to(np.asarray((prices or worth)[asset], dtype=float), len(moves))
        for charge in _charges(each, i, moves[:, i], len(columns)):
            weights = charge.weights * unit
            builder.charges.append(MovedCharge(charge.net, charge.slope, charge.offset, weights))
    return builder.build()


def _layout(columns: Sequence[TieredColumn], assets: tuple[str, ...], scope: Scope) -> Layout:
    for each in columns:
        if each.instrument.settle not in assets:
            raise InputError(WHERE, each.instrument.id, f"expected a worth: {assets}")
    return Layout(
        columns=tuple(each.instrument.id for each in columns),
        assets=assets,
        settle=np.array([assets.index(each.instrument.settle) for each in columns], dtype=int),
        value_now=np.array([_value(each) for each in columns]),
        span=np.asarray(scope.span, dtype=float),
        reference=np.asarray(scope.reference, dtype=float),
        combinations=scope.combinations,
    )


def _value(each: TieredColumn) -> float:
    return -1.0 / each.price if each.instrument.inverse else each.price


def _equity(
    columns: Sequence[TieredColumn], moves: FloatArray, counted: FloatArray, layout: Layout
) -> FloatArray:
    held = np.empty_like(moves)
    for i, each in enumerate(columns):
        grown = 1.0 / moves[:, i] if each.instrument.inverse else moves[:, i]
        held[:, i] = _value(each) * grown * counted[:, layout.settle[i]]
    return np.concatenate([held, counted], axis=1)


def _charges(each: TieredColumn, i: int, ratios: FloatArray, n: int) -> list[MovedCharge]:
    """The requirement at every knot, with the chord weights."""
    grown = 1.0 / ratios if each.instrument.inverse else ratios
    knots = np.unique([grown.min(), 1.0, grown.max()])
    shares = chords(grown, knots)
    rate = np.array([rate for rate, _ in each.lines])
    cut = np.array([cut for _, cut in each.lines])
    out = []
    for k, knot in enumerate(knots):
        slope = rate * knot * abs(_value(each))
        both, less = np.concatenate([slope, -slope, [0.0]]), np.concatenate([cut, cut, [0.0]])
        if shares[:, k].any():
            out.append(MovedCharge(np.eye(n)[i], both, less, shares[:, k]))
    return out
