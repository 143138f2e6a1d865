# SPDX-License-Identifier: Apache-2.0
"""A market after prices and vols have moved, as far as it values given instruments.

Prices of a coin move together: its index, forwards and marks of its contracts. A mark of an option
moves by what Black-76 on its own forward changes (Black 1976, eq. 16), so that the market that has
not moved is the present one, whatever the venue's mark has beyond the model. What an average has
fixed of a forward stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from tidegate.margin.market_values import MarketValues, mark_of, vol_of
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import (
    FloatArray,
    Moves,
    OptionColumns,
    option_values,
)
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.model.instruments import Instrument, Option

STILL = Moves.of((Scenario("now", 1.0, VolMove.NONE),))


def revalued(
    market: MarketValues,
    instruments: Iterable[Instrument],
    ratio: Callable[[str], float],
    vols: Callable[[OptionColumns], FloatArray],
) -> MarketValues:
    """The market once prices of each coin are multiplied by its `ratio`, and vols of options are
    those that `vols` makes of the present columns, [n].

    Raises: `InputError` for an option that has a mark or a vol and cannot be priced.
    """
    values = dict(market.values)
    for key, seen in market.values.items():
        if key[0] in ("index", "forward"):
            values[key] = seen.moved(seen.value * ratio(key[1]))
    options = list[Option]()
    for each in instruments:
        key = mark_of(each.id)
        if isinstance(each, Option):
            options += [each] if key in values or vol_of(each.id) in values else []
        elif key in values:
            values[key] = values[key].moved(values[key].value * ratio(each.base))
    # The rule judges how sure the figures are.
    before = option_columns(options, market.doubted())
    for option, vol in zip(options, np.asarray(vols(before)).tolist(), strict=True):
        values[vol_of(option.id)] = values[vol_of(option.id)].moved(vol)
    after = option_columns(options, replace(market, values=values).doubted())
    changes = _model(options, after) - _model(options, before)
    for option, change in zip(options, changes.tolist(), strict=True):
        if mark_of(option.id) in values:
            mark = values[mark_of(option.id)]
            values[mark_of(option.id)] = mark.moved(max(0.0, mark.value + change))
    return replace(market, values=values)


def _model(options: Sequence[Option], columns: OptionColumns) -> FloatArray:
    """Black-76 of options, per coin in their settlement assets, undiscounted, [n]."""
    values = option_values(columns.rows(), columns.vol[None, :], STILL)[0]
    coin = np.array([option.coin_settled for option in options], dtype=bool)
    return np.asarray(np.where(coin, values / columns.forward, values))
