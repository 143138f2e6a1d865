# SPDX-License-Identifier: Apache-2.0
"""The desk head's rule: little leverage, a hot reserve, a look every few minutes, and a hand on
the brake. It is what Tidegate is compared with first, so it is meant to be hard to beat."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.backtest.policies.hedging import Hedger
from tidegate.backtest.policies.pace import Pace
from tidegate.backtest.policies.pairs import Pair, Pairs
from tidegate.backtest.policies.relief import Comfort, Relief
from tidegate.backtest.policies.rolling import free_profit
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.sizing import equities_usd, grow, needs, shifts, spare_usd
from tidegate.backtest.policies.trading import Trader
from tidegate.backtest.run import Session
from tidegate.model.events import Filled, LiquidationStarted
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import DAY_MS, HOUR_MS


@dataclass(frozen=True, slots=True)
class DeskRule:
    """The desk's house rule; every number is its own judgement and none is fitted.

    reserve_share: of all capital, kept free where money is sent from fastest.
    lowest, highest: gross over leverage x (capital less reserve) within which size is left alone;
    above, it is cut to the middle at the next hour, below it grows back to there when quiet.
    levels: when an account is relieved, see `Comfort`.
    roomy: adverse move that an account must have left after growing.
    fast: move of a coin within an hour that is an alarm by itself.
    quiet_ms: time without any alarm before anything grows.
    adl_rank, adl_profit: a leg this high in the venue's deleveraging queue, with this profit over
    its entry, is taken off with its partner once its coin is fast or a venue has deleveraged us
    within a day; in a quiet market nobody is deleveraged.
    """

    reserve_share: float = 0.15
    lowest: float = 0.85
    highest: float = 1.0
    levels: Comfort = field(default_factory=Comfort)
    roomy: float = 0.22
    fast: float = 0.05
    quiet_ms: int = 6 * HOUR_MS
    adl_rank: float = 0.8
    adl_profit: float = 0.10

    @property
    def middle(self) -> float:
        """Where size is brought back to."""
        return (self.lowest + self.highest) / 2


class DeskPolicy:
    """Hedged pairs under a `DeskRule`, looked at in every step. A liquidation of one account ends
    nothing: orphans are closed, and the desk carries on with what is left."""

    def __init__(
        self, session: Session, pairs: Pairs, leverage: float = 3.0, rule: DeskRule | None = None
    ) -> None:
        self._session, self._pairs, self._leverage = session, pairs, leverage
        self._rule = rule or DeskRule()
        self._trader, self._pace = Trader(session), Pace()
        self._relief = Relief(self._trader, pairs, self._rule.levels, self._pace)
        self._hedger = Hedger(self._trader, pairs, self._rule.levels.comfort)
        self._needs = needs(self._trader.instruments, pairs) if pairs else {}
        self._reserve = reserve_venue(session, tuple(self._needs))
        self._start_ms = session.exchange.now_ms
        self._alarm_ms = self._deleveraged_ms = self._placed_ms = -DAY_MS
        self._seen = 0
        self.decisions = 0

    @property
    def refused(self) -> bool:
        """Whether an order was refused before anything was held."""
        return self._trader.refused

    def act(self, ts_ms: int) -> None:
        """Mend hedges, relieve accounts, step out of the deleveraging queue, then size."""
        self.decisions += 1
        self._pace.see(ts_ms, self._session.exchange.marks())
        alarmed = [self._bad_news(ts_ms), self._hedger.mend(), self._relieved()]
        alarmed += [self._left_the_queue(ts_ms), any(map(self._is_fast, self._pairs))]
        if any(alarmed):
            self._alarm_ms = ts_ms
        if (ts_ms - self._start_ms) % HOUR_MS == 0 and self._pairs:
            self._size(ts_ms)
        if self._hedger.mend():
            self._alarm_ms = ts_ms

    def _bad_news(self, ts_ms: int) -> bool:
        """Whether a venue has liquidated or deleveraged us since the last look."""
        events = self._session.record.events
        news, self._seen = events[self._seen :], len(events)
        if any(isinstance(e, Filled) and e.reason == "deleveraging" for e in news):
            self._deleveraged_ms = ts_ms
            return True
        return any(isinstance(event, LiquidationStarted) for event in news)

    def _relieved(self) -> bool:
        venues = self._relief.endangered()
        for venue in venues:
            self._relief.relieve(venue, self._reserve)
        return bool(venues)

    def _left_the_queue(self, ts_ms: int) -> bool:
        """Halve pairs with a winner that the venue may close first, then close them."""
        recently = ts_ms - self._deleveraged_ms < DAY_MS
        chosen = [pair for pair in self._pairs if self._may_be_closed(pair, recently)]
        target_usd = self._leg_usd() if chosen else 0.0
        acted = False
        for pair in chosen:
            whole = self._trader.size_usd(pair[1]) > 0.6 * target_usd
            acted = self._trader.keep(pair, 0.5 if whole else 0.0) or acted
        return acted

    def _may_be_closed(self, pair: Pair, recently: bool) -> bool:
        return any(
            (recently or self._is_fast(pair))
            and self._profit(name) >= self._rule.adl_profit
            and (self._session.exchange.adl_rank(name) or 0.0) >= self._rule.adl_rank
            for name in pair
        )

    def _is_fast(self, pair: Pair) -> bool:
        return any(self._pace.moved(name) >= self._rule.fast for name in pair)

    def _profit(self, name: InstrumentId) -> float:
        """Unrealised profit over the cost of entry; 0 where nothing is held."""
        instrument = self._trader.instruments[name]
        position = self._session.exchange.account(instrument.venue).positions.get(name)
        if position is None:
            return 0.0
        value = instrument.value(position.lots, self._session.exchange.marks()[name])
        return (value - position.cost) / abs(position.cost)

    def _size(self, ts_ms: int) -> None:
        """Never above the highest size; when quiet, put money in its place and grow back."""
        sight = Sight.of(self._session)
        quiet = ts_ms - self._alarm_ms >= self._rule.quiet_ms and not (sight.out or sight.frozen)
        due = ts_ms - self._placed_ms >= DAY_MS or self._alarm_ms > self._placed_ms
        if quiet and due and not self._trader.shipments():
            self._place(sight)
            self._placed_ms = ts_ms
            sight = Sight.of(self._session)
        target_usd, used = self._leg_usd(), self._used()
        if used > self._rule.highest:
            for pair in self._pairs:
                self._trim(pair, target_usd)
        elif used < self._rule.lowest and quiet:
            for pair in self._pairs:
                grow(self._trader, pair, target_usd, sight.equal(self._rule.roomy))
            if any(self._trader.lots(name) for pair in self._pairs for name in pair):
                self._trader.opened()

    def _capacity_usd(self) -> float:
        working = (1.0 - self._rule.reserve_share) * max(0.0, self._trader.equity_usd())
        return self._leverage * working

    def _leg_usd(self) -> float:
        return self._trader.leg_usd(self._rule.middle * self._capacity_usd(), self._pairs)

    def _used(self) -> float:
        return sum(self._trader.notional_usd().values()) / max(1.0, self._capacity_usd())

    def _trim(self, pair: Pair, target_usd: float) -> None:
        held_usd = max(self._trader.size_usd(name) for name in pair)
        if held_usd > target_usd:
            self._trader.keep(pair, target_usd / held_usd)

    def _place(self, sight: Sight) -> None:
        """Bring money to where legs stand and to the reserve, rolling profit where it must be."""
        have = equities_usd(sight)
        working = (1.0 - self._rule.reserve_share) * sum(have.values())
        wanted = {venue: share * working for venue, share in self._needs.items()}
        kept = self._rule.reserve_share * sum(have.values())
        wanted[self._reserve] = wanted.get(self._reserve, 0.0) + kept
        for source, destination, amount_usd in shifts(have, wanted):
            sendable = min(amount_usd, spare_usd(sight, source, sight.equal(self._rule.roomy)))
            free_profit(self._trader, source, sendable)
            self._trader.transfer(source, destination, sendable)


def reserve_venue(session: Session, venues: tuple[str, ...]) -> str:
    """Where a reserve reaches all of the venues soonest, by the slowest route's 95 % latency; the
    first of the mandate among equals. A venue without a route to some other comes last."""
    passages = session.arrangement.terms.passages

    def slowest_s(source: str) -> float:
        others = [venue for venue in venues if venue != source]
        ways = [passages.get((source, other)) for other in others]
        return max((w.latency_p95_s if w else float("inf") for w in ways), default=0.0)

    return min(session.arrangement.mandate.venue, key=slowest_s)
