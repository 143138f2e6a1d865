# SPDX-License-Identifier: Apache-2.0
"""How large a hedged pair may be, and where money should lie: each account by its own rule."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.backtest.policies.pairs import Pair, Pairs
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.trading import Trader
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO
from tidegate.risk.stress import Moves

_BISECTIONS = 7
# Less growth than this share of the wanted leg waits until it is worth an order.
WORTHWHILE = 0.1
# An even-out below this share of all equity is not worth the fees.
SHIFT_SHARE = 0.03


def grow(trader: Trader, pair: Pair, wanted_usd: float, moves: Moves) -> None:
    """Grow a pair toward a leg as far as both venues' accounts, each judged alone, can be carried
    through adverse moves; not at all where that is not worth an order."""
    held_usd = min(trader.size_usd(name) for name in pair)
    least_usd = held_usd + WORTHWHILE * wanted_usd
    if wanted_usd < least_usd or not trader.tradable(*pair):
        return
    sight = Sight.of(trader.session)
    if not _fits(trader, sight, pair, least_usd, moves):
        return
    good, bad = least_usd, wanted_usd
    if _fits(trader, sight, pair, wanted_usd, moves):
        good = wanted_usd
    for _ in range(_BISECTIONS if good < wanted_usd else 0):
        middle = (good + bad) / 2
        if _fits(trader, sight, pair, middle, moves):
            good = middle
        else:
            bad = middle
    trader.size(pair, good)


def _fits(trader: Trader, sight: Sight, pair: Pair, leg_usd: float, moves: Moves) -> bool:
    trades: dict[str, dict[InstrumentId, int]] = {}
    for name, lots in trader.leg_lots(pair, leg_usd).items():
        venue = trader.instruments[name].venue
        trades.setdefault(venue, {})[name] = lots - trader.lots(name)
    return all(
        sight.carries(sight.after(sight.accounts[venue], legs), moves)
        for venue, legs in trades.items()
    )


def needs(instruments: Mapping[InstrumentId, Instrument], pairs: Pairs) -> dict[str, float]:
    """How much of the money each venue needs, as a share: by its number of legs, since legs are
    of one size; a coin that is bought needs all of its price, a contract about a third of it."""
    weights: dict[str, float] = {}
    for name in (name for pair in pairs for name in pair):
        instrument = instruments[name]
        weight = 3.0 if isinstance(instrument, Spot) else 1.0
        weights[instrument.venue] = weights.get(instrument.venue, 0.0) + weight
    total = sum(weights.values())
    return {venue: weight / total for venue, weight in weights.items()}


def shifts(
    have_usd: Mapping[str, float], wanted_usd: Mapping[str, float]
) -> list[tuple[str, str, float]]:
    """Transfers (from, to, dollars) that bring every venue nearer to what is wanted, from the
    richest to the poorest first; gaps too small to matter are left."""
    gaps = {venue: have - wanted_usd.get(venue, 0.0) for venue, have in have_usd.items()}
    least = SHIFT_SHARE * sum(have_usd.values())
    found = []
    while gaps:
        rich, poor = max(gaps, key=lambda v: gaps[v]), min(gaps, key=lambda v: gaps[v])
        amount = min(gaps[rich], -gaps[poor])
        if amount < max(least, 1.0):
            break
        found.append((rich, poor, amount))
        gaps[rich] -= amount
        gaps[poor] += amount
    return found


def equities_usd(sight: Sight) -> dict[str, float]:
    """Equity of each account at its venue's marks."""
    return {
        venue: sight.rules[venue].health_at(account, sight.marks)[0] / MICRO
        for venue, account in sight.accounts.items()
    }


def spare_usd(sight: Sight, venue: str, moves: Moves) -> float:
    """What may leave an account so that what stays survives adverse moves by itself."""
    account = sight.accounts[venue]
    if not account.positions:
        return max(0, account.balances.get(sight.cash(venue), 0)) / MICRO
    return max(0, sight.health(account, moves)) / MICRO
