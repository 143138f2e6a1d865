# SPDX-License-Identifier: Apache-2.0
"""The desk's venues as a simulated exchange, over prices that a test writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.risk import desk
from tidegate.model.instruments import InstrumentId
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Freeze, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

STEP_MS = 900_000
TERMS = ExchangeTerms(
    desk.INSTRUMENTS,
    {venue: ((0, rule),) for venue, rule in desk.RULES.items()},
    desk.COSTS,
    {},
    desk.PASSAGES,
)


def track(name: InstrumentId, multiples: Sequence[float]) -> Track:
    """A price that steps to multiples of the present one; a mark is the step's last price."""
    closes = [round(desk.MARKS[name] * m) for m in multiples]
    opens = [desk.MARKS[name], *closes[:-1]]
    highs = [max(pair) for pair in zip(opens, closes, strict=True)]
    lows = [min(pair) for pair in zip(opens, closes, strict=True)]
    count = len(closes)
    return Track(opens, highs, lows, closes, [1e9] * count, [0.03] * count)


def tape(
    multiples: Mapping[str, Sequence[float]], steps: int, freezes: tuple[Freeze, ...] = ()
) -> Tape:
    """Prices per coin; a coin that is not named stands still."""
    tracks = {
        name: track(name, multiples.get(i.base, [1.0] * steps))
        for name, i in desk.INSTRUMENTS.items()
    }
    return Tape(desk.NOW_MS, STEP_MS, steps, tracks, (), freezes)


def exchange(funds_usd: Mapping[str, float], over: Tape | None = None) -> Exchange:
    """An exchange with deposits made."""
    made = Exchange(over or tape({}, 8), TERMS, 1)
    for venue, usd in funds_usd.items():
        made.deposit(venue, desk.COLLATERAL[venue], int(usd * MICRO))
    return made
