# SPDX-License-Identifier: Apache-2.0
"""Keeping each coin hedged over all venues, also when one of them closed or cannot trade a leg."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.trading import Trader
from tidegate.model.instruments import InstrumentId, Spot


class Hedger:
    """Finds orphans (legs whose partner the venue closed) and ends them at once."""

    def __init__(self, trader: Trader, pairs: Pairs, roomy: float) -> None:
        self._trader, self._roomy = trader, roomy
        coins = {trader.instruments[long].base for long, _ in pairs}
        self._legs = {name for pair in pairs for name in pair}
        self._by_coin: dict[str, list[InstrumentId]] = {coin: [] for coin in sorted(coins)}
        for name, instrument in trader.instruments.items():
            if instrument.base in coins:
                self._by_coin[instrument.base].append(name)

    def mend(self) -> bool:
        """Hedge every coin as far as venues trade; True when something had to be done."""
        mended = [self._mend(names) for names in self._by_coin.values()]
        return any(mended)

    def _mend(self, names: list[InstrumentId]) -> bool:
        trader = self._trader
        held = {name: trader.coins(name) for name in names}
        strays = [n for n, c in held.items() if c and n not in self._legs]
        if strays and trader.tradable(*(n for n, c in held.items() if c)):
            # A makeshift hedge is let go once its coin can trade everywhere again.
            for name in strays:
                trader.trim(name, held[name])
            held = {name: trader.coins(name) for name in names}
        net = sum(held.values(), Fraction(0))
        if abs(net) < self._lot(names):
            return bool(strays)
        self._reduce(held, net)
        return True

    def _reduce(self, held: dict[InstrumentId, Fraction], net: Fraction) -> None:
        """Trim what is too much, largest first; hedge elsewhere what cannot be trimmed."""
        trader = self._trader
        for name in sorted(held, key=lambda n: (-abs(held[n]), n)):
            if held[name] * net > 0 and trader.tradable(name):
                trader.trim(name, net if abs(net) < abs(held[name]) else held[name])
                net += trader.coins(name) - held[name]
        if abs(net) < self._lot(held):
            return
        for name in self._roomiest(list(held)):
            count = int(-net / Fraction(trader.instruments[name].lot))
            if count and self._has_room(name, count) and trader.order(name, count):
                return

    def _lot(self, names: Iterable[InstrumentId]) -> Fraction:
        """Coins below which nothing can be hedged: the coarsest lot."""
        return max(Fraction(self._trader.instruments[name].lot) for name in names)

    def _roomiest(self, names: list[InstrumentId]) -> list[InstrumentId]:
        """Contracts that trade, on the account that is farthest from liquidation first."""
        sight, instruments = Sight.of(self._trader.session), self._trader.instruments
        open_now = [
            n
            for n in names
            if instruments[n].venue not in sight.out and not isinstance(instruments[n], Spot)
        ]
        far = {n: sight.distance(sight.accounts[instruments[n].venue]) for n in open_now}
        return sorted(open_now, key=lambda n: (-far[n], n))

    def _has_room(self, name: InstrumentId, lots: int) -> bool:
        sight = Sight.of(self._trader.session)
        account = sight.accounts[self._trader.instruments[name].venue]
        return sight.carries(sight.after(account, {name: lots}), sight.equal(self._roomy))
