# SPDX-License-Identifier: Apache-2.0
"""What a desk does for an account that comes too near to liquidation: send money, else cut.

Money counts only when it is certain to land: neither end is frozen, and the route's 95 % latency
is short against the time that the remaining distance gives at the speed of the last hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tidegate.backtest.policies.pace import Pace
from tidegate.backtest.policies.pairs import Pair, Pairs
from tidegate.backtest.policies.rolling import free_profit
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.sizing import spare_usd
from tidegate.backtest.policies.trading import SMALLEST_TRANSFER_USD, Trader
from tidegate.costs.financing import Passage
from tidegate.model.account import Account
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO

# Cuts are looked for in this many parts of a leg.
_PARTS = 64


@dataclass(frozen=True, slots=True)
class Comfort:
    """Adverse moves of all positions at once that an account should have left: less than
    `comfort` calls for relief, which brings back `restored`; below `brink` a leg is cut even if
    its partner cannot be. A route is in time if its 95 % latency is at most `in_time` of the
    time left."""

    comfort: float = 0.15
    restored: float = 0.20
    brink: float = 0.05
    in_time: float = 0.5


class Relief:
    """Relieves one account at a time, from the venues' statements after each of its own acts."""

    def __init__(self, trader: Trader, pairs: Pairs, levels: Comfort, pace: Pace) -> None:
        self._trader, self._pairs, self._levels, self._pace = trader, pairs, levels, pace
        self._passages = trader.session.arrangement.terms.passages

    def endangered(self) -> list[str]:
        """Accounts with less than comfort left, money counted that is certain to land."""
        sight = Sight.of(self._trader.session)
        return [v for v in sight.exposed() if not self._has(sight, v, self._levels.comfort)]

    def relieve(self, venue: str, reserve: str) -> None:
        """Send money from the reserve first and then from the richest; cut what it cannot save."""
        for source in self._sources(venue, reserve):
            self._send(source, venue)
        self._cut_pairs(venue)
        self._cut_alone(venue)

    def _has(self, sight: Sight, venue: str, move: float) -> bool:
        """Whether an account survives a move by itself, or with money certain to land in time."""
        account = sight.accounts[venue]
        if sight.survives(account, sight.equal(move)):
            return True
        return sight.survives(self._with_arriving(sight, venue), sight.equal(move))

    def _with_arriving(self, sight: Sight, venue: str) -> Account:
        quanta = 0
        for shipment in self._trader.shipments():
            passage = self._passages[shipment.source, shipment.destination]
            left_s = passage.latency_p95_s - (sight.ts_ms - shipment.sent_ms) / SECOND_MS
            # What is late already may be any time late; it is not counted on.
            if shipment.destination == venue and left_s >= 0 and self._lands(sight, venue, left_s):
                quanta += passage.received(shipment.quanta)
        return sight.with_money(sight.accounts[venue], quanta)

    def _lands(self, sight: Sight, venue: str, wait_s: float) -> bool:
        """Whether money that arrives after a wait is certain to come before the end."""
        in_time = wait_s <= self._levels.in_time * self._time_left_s(sight, sight.accounts[venue])
        return in_time and venue not in sight.frozen

    def _time_left_s(self, sight: Sight, account: Account) -> float:
        """Time to liquidation if all of the account's coins ran on against it as they moved
        lately: distance over the speed averaged by notional; 0 where no speed is known yet."""
        sizes = {n: self._trader.size_usd(n) for n in account.positions}
        speeds = {n: self._pace.speed(n) for n in sizes}
        weighted = 0.0
        for name, speed in speeds.items():
            if speed is None:
                return 0.0
            weighted += sizes[name] * speed
        if weighted == 0.0:
            return inf
        return sight.distance(account) * sum(sizes.values()) / weighted

    def _sources(self, venue: str, reserve: str) -> list[str]:
        sight = Sight.of(self._trader.session)
        spare = {v: self._spare_usd(sight, v) for v in sight.accounts if v != venue}
        return sorted(spare, key=lambda v: (v != reserve, -spare[v], v))

    def _spare_usd(self, sight: Sight, source: str) -> float:
        return spare_usd(sight, source, sight.equal(self._levels.restored))

    def _send(self, source: str, venue: str) -> None:
        """Send what the account lacks, as far as the source can spare it and it lands for sure."""
        sight = Sight.of(self._trader.session)
        passage = self._passages.get((source, venue))
        lacks = -sight.health(self._with_arriving(sight, venue), sight.equal(self._levels.restored))
        if lacks <= 0 or passage is None or source in sight.frozen:
            return
        amount_usd = min(_to_deliver_usd(passage, lacks), self._spare_usd(sight, source))
        worthwhile = amount_usd >= SMALLEST_TRANSFER_USD
        if worthwhile and self._lands(sight, venue, passage.latency_p95_s):
            free_profit(self._trader, source, amount_usd)
            self._trader.transfer(source, venue, amount_usd)

    def _cut_pairs(self, venue: str) -> None:
        """Cut both legs, of the pairs that lose fastest first, until the distance is restored but
        for what the cuts cost; the venue's statement is read anew after each."""
        enough = self._levels.comfort
        for pair, name in self._by_danger(venue):
            sight = Sight.of(self._trader.session)
            if self._has(sight, venue, enough):
                return
            enough = (self._levels.comfort + self._levels.restored) / 2
            share = self._least_cut(sight, venue, name, self._levels.restored)
            self._trader.keep(pair, 1.0 - share)

    def _cut_alone(self, venue: str) -> None:
        """At the brink cut legs whose partner is stuck, by no more than the brink asks for: what
        is left naked is smaller than what a liquidation would leave."""
        for pair, name in self._by_danger(venue):
            sight = Sight.of(self._trader.session)
            if self._has(sight, venue, self._levels.brink) or not self._trader.tradable(name):
                return
            if not self._trader.tradable(*pair):
                share = self._least_cut(sight, venue, name, self._levels.brink)
                held = self._trader.lots(name)
                self._trader.order(name, -_part(held, share))

    def _by_danger(self, venue: str) -> list[tuple[Pair, InstrumentId]]:
        """Pairs with a contract held at a venue, and that leg; the fastest loser first."""
        positions = Sight.of(self._trader.session).accounts[venue].positions
        found = [(pair, n) for pair in self._pairs for n in pair if n in positions]
        return sorted(found, key=lambda leg: (-self._danger(leg[1]), leg[1]))

    def _danger(self, name: InstrumentId) -> float:
        """Dollars a second that a leg moves by; its size alone while no speed is known."""
        speed = self._pace.speed(name)
        return self._trader.size_usd(name) * (1.0 if speed is None else speed)

    def _least_cut(self, sight: Sight, venue: str, name: InstrumentId, move: float) -> float:
        """Smallest share of a leg whose closing restores a distance; all of it if none does."""
        account, held = self._with_arriving(sight, venue), self._trader.lots(name)
        low, high = 0, _PARTS
        while high - low > 1:
            middle = (low + high) // 2
            after = sight.after(account, {name: -_part(held, middle / _PARTS)})
            if sight.survives(after, sight.equal(move)):
                high = middle
            else:
                low = middle
        return high / _PARTS


def _part(lots: int, share: float) -> int:
    return int(lots * share)


def _to_deliver_usd(passage: Passage, quanta: int) -> float:
    """Dollars to send so that so many quanta arrive."""
    return float(quanta / passage.received_share + passage.fee_quanta) / MICRO
