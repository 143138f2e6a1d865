# SPDX-License-Identifier: Apache-2.0
"""Whether accounts survive named moves, by the exact rule, each position at its own worst side.

A move is relative, per coin, and is taken against every position at once: longs down, shorts up.
That is at least as bad as any parallel move of the same size, so an account that passes survives
both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from tidegate.margin.rule import MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.units import MICRO, ceil_div

Moves = Mapping[str, float]
Instruments = Mapping[InstrumentId, Instrument]


def adverse_marks(
    account: Account, marks: Marks, instruments: Instruments, moves: Moves
) -> dict[InstrumentId, int]:
    """Marks (ticks) after each held instrument moved against us, rounded against us.

    Coins held outright count as long. Raises `KeyError` for a coin without a move: an unknown
    move is never taken as none.
    """
    stressed = dict(marks)
    owned = {asset for asset, quanta in account.balances.items() if quanta > 0}
    for name, instrument in instruments.items():
        if instrument.base in owned and instrument.venue == account.venue:
            stressed[name] = _moved(marks[name], moves[instrument.base], up=False)
    # After the coins: a crumb of a coin in the account is no reason to let its short gain.
    for name, position in account.positions.items():
        stressed[name] = _moved(marks[name], moves[instruments[name].base], up=position.lots < 0)
    return stressed


def _moved(ticks: int, move: float, *, up: bool) -> int:
    ppm = ceil(move * MICRO)
    if up:
        return ceil_div(ticks * (MICRO + ppm), MICRO)
    return max(1, ticks * (MICRO - min(ppm, MICRO - 1)) // MICRO)


def stressed_health(
    rule: MarginRule, account: Account, marks: Marks, instruments: Instruments, moves: Moves
) -> int:
    """Health (equity less maintenance, collateral quanta) after adverse moves."""
    equity, maintenance = rule.health_at(account, adverse_marks(account, marks, instruments, moves))
    return equity - maintenance


def scaled(moves: Moves, factor: float) -> dict[str, float]:
    """The same moves, larger or smaller."""
    return {coin: move * factor for coin, move in moves.items()}
