# SPDX-License-Identifier: Apache-2.0
"""Fixed leverage that is watched hourly: the rule that most desks begin with."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.backtest.policies.plain import FixedPolicy
from tidegate.model.units import MICRO

VENUE_BAND = 1.5
BOOK_BAND = 1.25


class ThresholdPolicy(FixedPolicy):
    """Fixed leverage, watched hourly with a band per venue and a band on the book: it evens out
    collateral when a venue's leverage leaves its band, rolling profit that could not leave
    otherwise, and restores its target leverage when the whole book drifts. Venues that announce
    that their money is frozen, or that are out, neither give nor get; money that is stuck on its
    way to a frozen one stops no other transfer."""

    def watch(self, ts_ms: int) -> None:
        """Even out collateral when a venue's leverage leaves its band; resize on drift."""
        gross = sum(self._trader.notional_usd().values()) / self._trader.equity_usd()
        if not self._leverage / BOOK_BAND <= gross <= self._leverage * BOOK_BAND:
            self.resize(self._leverage)
        leverage = self.venue_leverage()
        equities = self._reachable_equities()
        stretched = {v: leverage[v] / self._opened[v] for v in leverage if v in equities}
        worst = max(stretched, key=lambda venue: stretched[venue], default="")
        if worst and stretched[worst] > VENUE_BAND and not self._in_flight():
            self._even_out(worst, equities)

    def _in_flight(self) -> bool:
        """Whether money is under way that is not stuck before a frozen venue."""
        frozen = self._session.exchange.frozen_venues()
        return any(s.destination not in frozen for s in self._trader.shipments())

    def _even_out(self, needy: str, equities: Mapping[str, float]) -> None:
        """Send half the difference in equity from the richest venue, rolling profit to free it."""
        donor = max((v for v in equities if v != needy), key=lambda v: equities[v], default=needy)
        amount = (equities[donor] - equities[needy]) / 2
        if amount <= 0:
            return
        if self._session.exchange.margin(donor).withdrawable / MICRO < amount:
            self._roll(donor)
        self._trader.transfer(donor, needy, amount)

    def _reachable_equities(self) -> Mapping[str, float]:
        """Equity of each venue that announces neither a freeze of money nor an outage."""
        exchange = self._session.exchange
        shut = {*exchange.frozen_venues(), *exchange.out_venues()}
        venues = (v for v in self._session.arrangement.mandate.venue if v not in shut)
        return {venue: exchange.margin(venue).equity / MICRO for venue in venues}

    def _roll(self, venue: str) -> None:
        """Close and reopen profitable positions, so that their profit can leave."""
        exchange = self._session.exchange
        marks = exchange.marks()
        for name, position in exchange.account(venue).positions.items():
            instrument = self._session.arrangement.terms.instruments[name]
            if instrument.value(position.lots, marks[name]) > position.cost:
                self._trader.order(name, -position.lots)
                self._trader.order(name, position.lots)
