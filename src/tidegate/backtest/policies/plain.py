# SPDX-License-Identifier: Apache-2.0
"""The two plainest rules: cash, and a hedged book at one leverage that is never touched."""

from __future__ import annotations

from fractions import Fraction

from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.sight import SPOT_RESERVE
from tidegate.backtest.policies.trading import Trader
from tidegate.backtest.run import Session
from tidegate.costs.financing import accrued_yield
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    LiquidationStarted,
    VenueFailed,
    YieldAccrued,
)
from tidegate.model.instruments import Spot
from tidegate.model.times import HOUR_MS
from tidegate.model.units import MICRO

# Where bills are held: no venue, so that nothing of one can touch them.
BILLS, DOLLAR = "bills", "USD"


class CashPolicy:
    """No positions: all capital in bills, in dollars and at no venue, so that neither a dollar
    coin's price nor a freeze touches it; they earn the hurdle rate over exactly the time passed."""

    def __init__(self, session: Session, rate_annual: Fraction) -> None:
        self._session, self._rate = session, rate_annual
        self._accrued_ms = session.exchange.now_ms
        capital = int(session.arrangement.mandate.capital_usd.scaleb(6))
        session.take([Deposited(self._accrued_ms, BILLS, DOLLAR, capital)])

    def act(self, ts_ms: int) -> None:
        """Accrue the time that has passed since the last look."""
        balance = self._session.record.ledger.wallet(BILLS, DOLLAR)
        quanta = accrued_yield(balance, self._rate, ts_ms - self._accrued_ms)
        if quanta:
            self._session.take([YieldAccrued(ts_ms, BILLS, DOLLAR, quanta)])
        self._accrued_ms = ts_ms


class FixedPolicy:
    """Hedged pairs at one leverage, opened at the start; a leg whose partner the venue closed, or
    took with it when it failed, is closed at the next step, as anyone would, and after a
    liquidation the rule is over. `pairs` are (long, short) instruments, one per coin. An opening
    that any venue's initial margin refuses is closed again for good, and `refused` says so: a
    half-opened hedge is no rule."""

    def __init__(self, session: Session, pairs: Pairs, leverage: float) -> None:
        self._session, self._pairs, self._leverage = session, pairs, leverage
        self._trader = Trader(session)
        self._opened: dict[str, float] = {}
        self._start_ms = session.exchange.now_ms
        self._seen = 0
        self.decisions = 0
        self.dead = False

    @property
    def refused(self) -> bool:
        """Whether the book could not be opened."""
        return self._trader.refused

    def act(self, ts_ms: int) -> None:
        """Open at the start, then only mend a broken hedge; a venue's notice is read at once, all
        else hourly."""
        self._read_notices()
        if self.dead:
            self._trader.flatten(self._pairs)
            return
        if (ts_ms - self._start_ms) % HOUR_MS:
            return
        self.decisions += 1
        if not self._opened:
            self._open()
        else:
            self._mend()
            self.watch(ts_ms)

    def _read_notices(self) -> None:
        events = self._session.record.events
        news, self._seen = events[self._seen :], len(events)
        self.dead = self.dead or any(isinstance(event, LiquidationStarted) for event in news)
        if any(map(_breaks_hedges, news)):
            self._mend()

    def watch(self, ts_ms: int) -> None:
        """Nothing: this rule does not watch."""

    def _open(self) -> None:
        """Open all pairs or none; wait for a venue that is out."""
        if not self.refused and self._trader.tradable(*(n for pair in self._pairs for n in pair)):
            if not self.resize(self._leverage):
                return
            if not self.refused:
                self._opened = self.venue_leverage()
                self._trader.opened()
        if self.refused:
            self._trader.flatten(self._pairs)

    def _mend(self) -> None:
        for pair in self._pairs:
            self._trader.match(pair)

    def resize(self, leverage: float) -> bool:
        """Trade toward gross notional of leverage x equity, split evenly over coins; False while
        money for a spot leg has yet to arrive."""
        pairs = self._pairs
        equity = self._trader.equity_usd()
        if not pairs or not self._funds_ready(pairs, leverage * equity):
            return not pairs
        for pair in pairs:
            self._trader.size(pair, self._trader.leg_usd(leverage * equity, pairs))
        return True

    def _funds_ready(self, pairs: Pairs, gross_usd: float) -> bool:
        """Send what a venue with coins to buy lacks, and say whether all of it is there."""
        arrangement = self._session.arrangement
        leg = self._trader.leg_usd(gross_usd, pairs)
        needs: dict[str, float] = {}
        for long, _ in pairs:
            instrument = arrangement.terms.instruments[long]
            if isinstance(instrument, Spot):
                missing = max(0.0, leg - self._trader.size_usd(long)) * (1 + SPOT_RESERVE)
                needs[instrument.venue] = needs.get(instrument.venue, 0.0) + missing
        for venue, need in needs.items():
            asset = arrangement.mandate.venue[venue].collateral
            short_usd = need - self._session.record.ledger.wallet(venue, asset) / MICRO
            if short_usd > 1.0:
                donor = next((v for v in arrangement.mandate.venue if v != venue), venue)
                self._trader.transfer(donor, venue, short_usd)
                return False
        return True

    def venue_leverage(self) -> dict[str, float]:
        """Notional over equity at each venue that carries positions."""
        sizes = self._trader.notional_usd()
        return {
            venue: size / max(1.0, self._session.exchange.margin(venue).equity / MICRO)
            for venue, size in sizes.items()
        }


def _breaks_hedges(event: Event) -> bool:
    deleveraged = isinstance(event, Filled) and event.reason == "deleveraging"
    return deleveraged or isinstance(event, VenueFailed)
