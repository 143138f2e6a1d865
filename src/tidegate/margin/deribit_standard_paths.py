# SPDX-License-Identifier: Apache-2.0
"""The convex form of Deribit's standard margin, options included, in many moved markets.

Every requirement is of one position: of a short option a number of the market alone per contract,
of a future or perpetual the sum of a part that grows with its size and one with its square,

    linear   b p |q| + s p q^2         inverse   (b / p) |q| + (s / p^2) q^2

so that weights by market and functions of size part. The form is equal to the rule, less rounding,
but for the square, which is `CHORDS` chords up to the span: a bound from above. Options are not in
the margin balance, so the form takes their worth of now off the account. Formulas stand in
`deribit_options` and `deribit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.deribit import CHORDS, SizedRate
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.margin.scenario.path_form import (
    WHERE,
    FormBuilder,
    Layout,
    MovedCharge,
    PathForm,
    Scope,
)
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option
from tidegate.model.units import unit_quanta

FloatArray = NDArray[np.float64]


def deribit_standard_path_form(
    rule: DeribitOptions,
    names: Sequence[str],
    now: Mapping[str, float],
    moved: Mapping[str, ArrayLike],
    scope: Scope,
) -> PathForm:
    """One settlement asset's account in M markets.

    Args: `names` of options and contracts; `now` and `moved` [M] are marks in quote units, by name
        of contract, option and option's underlying; `scope` in coins, of inverse contracts in
        dollars of face. Marks of options may be nothing, all others are above it.
    Raises: `InputError` for a name or mark that is missing, and a mark out of range.
    """
    count = len(np.atleast_1d(np.asarray(next(iter(moved.values())), dtype=float)))
    marks = {name: _path(name, path, count, rule) for name, path in moved.items()}
    held = _held(rule, names, now, marks)
    layout = Layout(
        columns=tuple(names),
        assets=(rule.collateral,),
        settle=np.zeros(len(held), dtype=int),
        value_now=np.array([_value(each, np.array(now[each.id])) for each in held]),
        span=np.asarray(scope.span, dtype=float),
        reference=np.asarray(scope.reference, dtype=float),
        combinations=scope.combinations,
    )
    worth = [
        np.zeros(count) if isinstance(each, Option) else _value(each, marks[each.id])
        for each in held
    ]
    equity = np.stack([*worth, np.ones(count)], axis=1)
    # Each position's requirement is rounded up to a quantum.
    extra = len(held) / unit_quanta(rule.collateral)
    builder = FormBuilder(layout, layout.from_now(equity), np.ones(count), extra)
    for i, one in enumerate(held):
        builder.charges += _charges(rule, one, marks, (layout, i), scope.initial)
    return builder.build()


def _held(
    rule: DeribitOptions,
    names: Sequence[str],
    now: Mapping[str, float],
    marks: Mapping[str, FloatArray],
) -> list[Instrument]:
    known: dict[str, Instrument] = {**rule.options, **rule.contracts.instruments}
    for name in names:
        needed = [name, *([rule.underlyings[name].id] if name in rule.options else [])]
        missing = [each for each in needed if each not in marks]
        if missing or name not in known or name not in now:
            where = (missing or [name])[0]
            raise InputError(WHERE, where, "expected a known name, and marks now and moved")
    return [known[name] for name in names]


def _charges(
    rule: DeribitOptions,
    each: Instrument,
    marks: Mapping[str, FloatArray],
    at: tuple[Layout, int],
    initial: bool,
) -> list[MovedCharge]:
    layout, i = at
    if isinstance(each, Option):
        underlying = marks[rule.underlyings[each.id].id]
        needs = option_rates(each, rule.rates[each.base], marks[each.id], underlying)
        short, none = np.array([0.0, -1.0]), np.zeros(2)
        return [MovedCharge(np.eye(layout.count)[i], short, none, needs[0 if initial else 1])]
    margins = rule.contracts.margins[each.id]
    return _sized(each, margins.initial if initial else margins.maintenance, marks[each.id], at)


def _path(name: str, path: ArrayLike, count: int, rule: DeribitOptions) -> FloatArray:
    marks = np.asarray(path, dtype=float)
    least = 0.0 if name in rule.options else np.nextafter(0.0, 1.0)
    if marks.shape != (count,) or not ((marks >= least) & np.isfinite(marks)).all():
        raise InputError(WHERE, name, f"expected {count} finite marks of at least {least:.1g}")
    return marks


def _value(each: Instrument, mark: FloatArray) -> FloatArray:
    """What one unit is worth in the settlement asset."""
    return np.asarray(-1.0 / mark if each.inverse else mark)


def option_rates(
    option: Option, rates: OptionRates, mark: FloatArray, underlying: FloatArray
) -> FloatArray:
    """What one short needs in every market, in the settlement asset: initial and maintenance,
    [2, M]."""
    strike = float(option.strike)
    out = np.maximum(strike - underlying if option.is_call else underlying - strike, 0.0)
    worth = np.ones_like(underlying) if option.coin_settled else underlying
    share = np.maximum(float(rates.initial) - out / underlying, float(rates.initial_floor))
    initial, kept = worth * share + mark, float(rates.maintenance)
    if option.is_call:
        return np.stack([initial, kept * worth + mark])
    maintenance = kept * np.maximum(worth, mark) + mark
    return np.stack([np.maximum(initial, maintenance), maintenance])


def _sized(
    each: Instrument, rate: SizedRate, mark: FloatArray, at: tuple[Layout, int]
) -> list[MovedCharge]:
    """The part that grows with size and that with its square."""
    layout, i = at
    per = 1.0 / mark if each.inverse else mark
    squared = per * per if each.inverse else per
    knots = layout.span[i] * (np.arange(CHORDS + 1) / CHORDS) ** 2
    left, right = knots[:-1], knots[1:]
    slope, offset = np.concatenate([left + right, -left - right]), np.tile(left * right, 2)
    net, one = np.eye(layout.count)[i], np.array([1.0, -1.0])
    charges = [MovedCharge(net, one, np.zeros(2), float(rate.at_zero) * per)]
    if rate.per_base:
        charges.append(MovedCharge(net, slope, offset, float(rate.per_base) * squared))
    return charges
