# SPDX-License-Identifier: Apache-2.0
"""The policies that are compared: Tidegate's engine and the plain rules people use.

`fixed` opens a hedged book at one leverage and never touches it. `threshold` also watches every
hour: it evens out collateral when a venue's leverage leaves its band, rolling profit that could
not leave otherwise, and restores its target leverage when the whole book drifts. `cash` earns the
mandate's hurdle rate. All pay the same costs on the same exchange. Plain rules take each coin in
the direction that funding has paid over the year before the start, which is how
desks do it and does better here than following forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from tidegate.backtest.run import Session
from tidegate.costs.financing import accrued_yield
from tidegate.engine.cycle import Cycle
from tidegate.execution.rounding import hedged_lots
from tidegate.forecast.funding import HOURS_PER_YEAR, FundingPrints
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import LiquidationStarted, YieldAccrued
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.units import MICRO

VENUE_BAND = 1.5
BOOK_BAND = 1.25
# What a purchase of coins keeps ready for fees and the price to move.
SPOT_RESERVE = 0.02
Pairs = tuple[tuple[InstrumentId, InstrumentId], ...]


def paying_pairs(
    instruments: Mapping[InstrumentId, Instrument],
    past: Mapping[InstrumentId, FundingPrints | None],
) -> Pairs:
    """Per coin, long where funding was lowest and short where it was highest, by the mean annual
    rate over the time for which all of the coin's markets have prints; coins held outright pay
    none and are never short. A coin without prints on any margined market has no pair."""
    by_coin: dict[str, list[InstrumentId]] = {}
    for name, instrument in instruments.items():
        by_coin.setdefault(instrument.base, []).append(name)
    pairs = []
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
        pairs.append((long, short))
    return tuple(pairs)


def _mean_annual(prints: FundingPrints, since_ms: int) -> float:
    late = prints.ts_ms >= since_ms
    return float(prints.rate[late].sum() / prints.interval_h[late].sum() * HOURS_PER_YEAR)


class EnginePolicy:
    """Tidegate: the engine's own cycle; events it causes are already recorded by it."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle

    def act(self, ts_ms: int) -> None:
        """One step of the engine."""
        self._cycle.step(ts_ms)


class CashPolicy:
    """No positions: the hurdle rate on all capital, accrued daily."""

    def __init__(self, session: Session, rate_annual: Fraction) -> None:
        self._session, self._rate = session, rate_annual
        self._accrued_ms = session.exchange.now_ms

    def act(self, ts_ms: int) -> None:
        """Accrue the day that has passed, as interest of a bill outside the venues."""
        if ts_ms - self._accrued_ms < DAY_MS:
            return
        for venue, said in self._session.arrangement.mandate.venue.items():
            balance = self._session.record.ledger.wallet(venue, said.collateral)
            quanta = accrued_yield(balance, self._rate, ts_ms - self._accrued_ms)
            self._session.take([YieldAccrued(ts_ms, venue, said.collateral, quanta)])
        self._accrued_ms = ts_ms


class FixedPolicy:
    """Hedged pairs at one leverage, opened at the start; a liquidated pair's other leg is closed
    at the next hour, as anyone would. `pairs` are (long, short) instruments, one per coin."""

    def __init__(self, session: Session, pairs: Pairs, leverage: float) -> None:
        self._session, self._pairs, self._leverage = session, pairs, leverage
        self._opened: dict[str, float] = {}
        self._start_ms = session.exchange.now_ms
        self._count = self._seen = 0
        self.decisions = 0
        self.dead = False

    def act(self, ts_ms: int) -> None:
        """Open at the start, then only mend a broken hedge, hourly."""
        if (ts_ms - self._start_ms) % HOUR_MS:
            return
        self.decisions += 1
        events = self._session.record.events
        self.dead = self.dead or any(
            isinstance(event, LiquidationStarted) for event in events[self._seen :]
        )
        self._seen = len(events)
        if not self._opened:
            if self.resize(self._leverage):
                self._opened = self.venue_leverage()
        elif self.dead:
            self._flatten()
        else:
            self.watch(ts_ms)

    def watch(self, ts_ms: int) -> None:
        """Nothing: this rule does not watch."""

    def resize(self, leverage: float) -> bool:
        """Trade toward gross notional of leverage x equity, split evenly over coins; False while
        money for a spot leg has yet to arrive."""
        pairs = self._pairs
        equity = self.equity_usd()
        if not pairs or not self._funds_ready(pairs, leverage * equity):
            return not pairs
        for long, short in pairs:
            self._size_pair(long, short, self._leg_usd(leverage * equity, pairs))
        return True

    def _leg_usd(self, gross_usd: float, pairs: Pairs) -> float:
        instruments = self._session.arrangement.terms.instruments
        margined = sum(not isinstance(instruments[n], Spot) for n in pairs[0])
        return gross_usd / (margined * len(pairs))

    def _funds_ready(self, pairs: Pairs, gross_usd: float) -> bool:
        """Send what a venue with coins to buy lacks, and say whether all of it is there."""
        arrangement = self._session.arrangement
        leg = self._leg_usd(gross_usd, pairs)
        needs: dict[str, float] = {}
        for long, _ in pairs:
            instrument = arrangement.terms.instruments[long]
            if isinstance(instrument, Spot):
                ticks = self._session.exchange.marks()[long]
                held = instrument.notional(self.lots(long), ticks) / MICRO
                missing = max(0.0, leg - held) * (1 + SPOT_RESERVE)
                needs[instrument.venue] = needs.get(instrument.venue, 0.0) + missing
        for venue, need in needs.items():
            asset = arrangement.mandate.venue[venue].collateral
            short_usd = need - self._session.record.ledger.wallet(venue, asset) / MICRO
            if short_usd > 1.0:
                donor = next((v for v in arrangement.mandate.venue if v != venue), venue)
                self.transfer(donor, venue, short_usd)
                return False
        return True

    def _size_pair(self, long: InstrumentId, short: InstrumentId, leg_usd: float) -> None:
        instruments = self._session.arrangement.terms.instruments
        price = instruments[short].price(self._session.exchange.marks()[short])
        amounts = {long: leg_usd / price, short: -leg_usd / price}
        target = hedged_lots({name: instruments[name] for name in amounts}, amounts)
        for name, lots in target.items():
            self.order(name, lots - self.lots(name))

    def lots(self, name: InstrumentId) -> int:
        """Lots held, of coins too."""
        instrument = self._session.arrangement.terms.instruments[name]
        account = self._session.exchange.account(instrument.venue)
        if isinstance(instrument, Spot):
            return account.balances.get(instrument.base, 0) // instrument.base_quanta(1)
        position = account.positions.get(name)
        return position.lots if position else 0

    def order(self, name: InstrumentId, lots: int) -> None:
        """Send a market order of any size but zero."""
        if lots:
            self._count += 1
            self._session.trade(Order(f"plain.{self._count}", name, lots, False, "rule"))

    def transfer(self, source: str, destination: str, amount_usd: float) -> bool:
        """Send dollars, as far as the venue lets them go; True when they left."""
        free = self._session.exchange.margin(source).withdrawable
        quanta = min(int(amount_usd * MICRO), free)
        passage = self._session.arrangement.terms.passages.get((source, destination))
        if passage is None:
            return False
        if quanta < max(passage.minimum_quanta, passage.fee_quanta + 1, 1000 * MICRO):
            return False
        self._count += 1
        name = f"plain.{self._count}"
        sent = Transfer(name, source, destination, passage.asset_sent, quanta, "rule")
        return len(self._session.send(sent)) > 0

    def equity_usd(self) -> float:
        """Equity at the venues' marks."""
        marks = self._session.exchange.marks()
        return self._session.record.ledger.equity_at(marks) / MICRO

    def notional_usd(self) -> dict[str, float]:
        """Gross notional of contracts per venue."""
        exchange = self._session.exchange
        marks = exchange.marks()
        sizes: dict[str, float] = {}
        for venue in self._session.arrangement.mandate.venue:
            for name, position in exchange.account(venue).positions.items():
                instrument = self._session.arrangement.terms.instruments[name]
                size = instrument.notional(position.lots, marks[name]) / MICRO
                sizes[venue] = sizes.get(venue, 0.0) + size
        return sizes

    def venue_leverage(self) -> dict[str, float]:
        """Notional over equity at each venue that carries positions."""
        sizes = self.notional_usd()
        return {
            venue: size / max(1.0, self._session.exchange.margin(venue).equity / MICRO)
            for venue, size in sizes.items()
        }

    def _flatten(self) -> None:
        """After a liquidation the rule is over: close what is left."""
        for name in self._session.arrangement.terms.instruments:
            self.order(name, -self.lots(name))


class ThresholdPolicy(FixedPolicy):
    """Fixed leverage, watched hourly with a band per venue and a band on the book."""

    def watch(self, ts_ms: int) -> None:
        """Even out collateral when a venue's leverage leaves its band; resize on drift."""
        gross = sum(self.notional_usd().values()) / self.equity_usd()
        if not self._leverage / BOOK_BAND <= gross <= self._leverage * BOOK_BAND:
            self.resize(self._leverage)
        leverage = self.venue_leverage()
        stretched = {venue: leverage[venue] / self._opened[venue] for venue in leverage}
        worst = max(stretched, key=lambda venue: stretched[venue], default="")
        in_flight = bool(self._session.record.ledger.portfolio(()).shipments)
        if worst and stretched[worst] > VENUE_BAND and not in_flight:
            self._even_out(worst)

    def _even_out(self, needy: str) -> None:
        """Send half the difference in equity from the richest venue, rolling profit to free it."""
        equities = self._equities()
        donor = max((v for v in equities if v != needy), key=lambda v: equities[v], default=needy)
        amount = (equities[donor] - equities[needy]) / 2
        if amount <= 0:
            return
        free = self._session.exchange.margin(donor).withdrawable / MICRO
        if free < amount and donor not in self._session.exchange.frozen_venues():
            self._roll(donor)
        self.transfer(donor, needy, amount)

    def _equities(self) -> Mapping[str, float]:
        return {
            venue: self._session.exchange.margin(venue).equity / MICRO
            for venue in self._session.arrangement.mandate.venue
        }

    def _roll(self, venue: str) -> None:
        """Close and reopen profitable positions, so that their profit can leave."""
        exchange = self._session.exchange
        marks = exchange.marks()
        for name, position in exchange.account(venue).positions.items():
            instrument = self._session.arrangement.terms.instruments[name]
            if instrument.value(position.lots, marks[name]) > position.cost:
                self.order(name, -position.lots)
                self.order(name, position.lots)
