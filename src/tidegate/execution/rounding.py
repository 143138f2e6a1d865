# SPDX-License-Identifier: Apache-2.0
"""Rounding hedged legs together, so that lots of different sizes leave no naked remainder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import gcd, lcm

from tidegate.model.instruments import Instrument, InstrumentId

# An amount this near to a whole lot is that lot, seen through a float; else what is to stay as it
# is would lose a lot at every look.
NOISE_LOTS = Fraction(1, 1000)


def common_lot(instruments: Iterable[Instrument]) -> Fraction:
    """The smallest base amount that is a whole number of lots of every instrument."""
    lots = [Fraction(instrument.lot) for instrument in instruments]
    numerator = lcm(*(lot.numerator for lot in lots))
    denominator = gcd(*(lot.denominator for lot in lots))
    return Fraction(numerator, denominator)


def hedged_lots(
    instruments: Mapping[InstrumentId, Instrument], amounts: Mapping[InstrumentId, float]
) -> dict[InstrumentId, int]:
    """Whole lots near signed base amounts of one coin that sum to zero exactly.

    Every amount is rounded toward zero to the common lot; the heavier side then gives up what the
    lighter does not match, largest leg first. Size is only ever rounded down, but for the noise.
    """
    unit = common_lot(instruments.values())
    units = {name: _toward_zero(Fraction(amount) / unit) for name, amount in amounts.items()}
    excess = sum(units.values())
    side = 1 if excess > 0 else -1
    for name in sorted(units, key=lambda n: (-abs(units[n]), n)):
        if excess and units[name] * side > 0:
            cut = min(abs(excess), abs(units[name]))
            units[name] -= side * cut
            excess -= side * cut
    return {name: int(n * unit / Fraction(instruments[name].lot)) for name, n in units.items()}


def _toward_zero(units: Fraction) -> int:
    return int(units + NOISE_LOTS if units > 0 else units - NOISE_LOTS)


def slices(lots: Mapping[InstrumentId, int], count: int) -> list[dict[InstrumentId, int]]:
    """Orders cut into `count` steps that each trade every leg in the same proportion; steps in
    which no leg trades are left out."""
    equal = [Fraction(step, count) for step in range(1, count + 1)]
    return [part for part in parts(lots, equal) if part]


def parts(
    lots: Mapping[InstrumentId, int], reached: Iterable[Fraction]
) -> list[dict[InstrumentId, int]]:
    """What each leg trades in steps after which the shares `reached` of every leg are done.

    Cumulative lots are rounded per leg, so the parts add up exactly where the last share is one; a
    leg is never more than one of its own lots from the others' proportion.
    """
    found = []
    done = dict.fromkeys(lots, 0)
    for share in reached:
        now = {name: int(total * share) for name, total in lots.items()}
        found.append({name: now[name] - done[name] for name in lots if now[name] != done[name]})
        done = now
    return found
