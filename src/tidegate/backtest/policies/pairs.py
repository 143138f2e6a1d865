# SPDX-License-Identifier: Apache-2.0
"""Which side of each coin a plain rule takes, and which coins: as funding has paid."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.forecast.funding import HOURS_PER_YEAR, FundingPrints
from tidegate.model.instruments import Instrument, InstrumentId, Spot

Pair = tuple[InstrumentId, InstrumentId]
Pairs = tuple[Pair, ...]
# How many coins a rule holds that picks the best.
BEST_COINS = 2


def paying_pairs(
    instruments: Mapping[InstrumentId, Instrument],
    past: Mapping[InstrumentId, FundingPrints | None],
) -> Pairs:
    """Per coin, long where funding was lowest and short where it was highest, by the mean annual
    rate over the time for which all of the coin's markets have prints; coins held outright pay
    none and are never short. A coin without prints on any margined market has no pair."""
    return tuple(_pairs_and_carries(instruments, past))


def best_pairs(
    instruments: Mapping[InstrumentId, Instrument],
    past: Mapping[InstrumentId, FundingPrints | None],
) -> Pairs:
    """The pairs of the `BEST_COINS` coins with the most carry, by the same mean rates."""
    carries = _pairs_and_carries(instruments, past)
    return tuple(sorted(carries, key=lambda pair: (-carries[pair], pair))[:BEST_COINS])


def _pairs_and_carries(
    instruments: Mapping[InstrumentId, Instrument],
    past: Mapping[InstrumentId, FundingPrints | None],
) -> dict[Pair, float]:
    """Each coin's pair with what it has paid a year, per dollar of one leg."""
    by_coin: dict[str, list[InstrumentId]] = {}
    for name, instrument in instruments.items():
        by_coin.setdefault(instrument.base, []).append(name)
    carries: dict[Pair, float] = {}
    for names in by_coin.values():
        prints = {n: past[n] for n in names if not isinstance(instruments[n], Spot)}
        known = {n: p for n, p in prints.items() if p is not None and p.ts_ms.size}
        if len(known) < len(prints) or len(names) < 2:
            continue
        since = max(int(p.ts_ms[0]) for p in known.values())
        rates = {n: _mean_annual(p, since) for n, p in known.items()}
        rates |= {n: 0.0 for n in names if n not in prints}
        short = max(known, key=lambda n: (rates[n], n))
        long = min((n for n in names if n != short), key=lambda n: (rates[n], n))
        carries[long, short] = rates[short] - rates[long]
    return carries


def _mean_annual(prints: FundingPrints, since_ms: int) -> float:
    late = prints.ts_ms >= since_ms
    return float(prints.rate[late].sum() / prints.interval_h[late].sum() * HOURS_PER_YEAR)
