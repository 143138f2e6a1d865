# SPDX-License-Identifier: Apache-2.0
"""How a plain policy trades: numbered market orders and transfers, and hedged pairs of legs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from tidegate.backtest.policies.pairs import Pair, Pairs
from tidegate.backtest.run import Session
from tidegate.execution.rounding import hedged_lots
from tidegate.model.account import Shipment
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import OrderRefused
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO

# Below this many dollars a transfer is not worth an operator's time.
SMALLEST_TRANSFER_USD = 1000


class Trader:
    """Orders and transfers through a session; `refused` says that an order was refused for want of
    margin or money while the book was `opening` (a venue that is out is not asked)."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.opening, self.refused = True, False
        self._count = 0

    @property
    def instruments(self) -> Mapping[InstrumentId, Instrument]:
        """All instruments of the mandate."""
        return self.session.arrangement.terms.instruments

    def lots(self, name: InstrumentId) -> int:
        """Lots held, of coins too."""
        instrument = self.instruments[name]
        account = self.session.exchange.account(instrument.venue)
        if isinstance(instrument, Spot):
            return account.balances.get(instrument.base, 0) // instrument.base_quanta(1)
        position = account.positions.get(name)
        return position.lots if position else 0

    def coins(self, name: InstrumentId) -> Fraction:
        """Signed coins held in one instrument, exact."""
        return self.lots(name) * Fraction(self.instruments[name].lot)

    def size_usd(self, name: InstrumentId) -> float:
        """Notional of what is held in one instrument, at its mark."""
        marks = self.session.exchange.marks()
        return self.instruments[name].notional(self.lots(name), marks[name]) / MICRO

    def tradable(self, *names: InstrumentId) -> bool:
        """Whether all of the instruments' venues trade now."""
        out = self.session.exchange.out_venues()
        return all(self.instruments[name].venue not in out for name in names)

    def order(self, name: InstrumentId, lots: int) -> bool:
        """Send a market order of any size but zero; False when it did not fill."""
        if not lots:
            return True
        if not self.tradable(name):
            return False
        self._count += 1
        events = self.session.trade(Order(f"plain.{self._count}", name, lots, False, "rule"))
        refused = any(isinstance(event, OrderRefused) for event in events)
        self.refused = self.refused or (self.opening and refused)
        return not refused

    def opened(self) -> None:
        """The book stands: what is refused from now on does not mean that it could not open."""
        self.opening = self.refused = False

    def size(self, pair: Pair, leg_usd: float) -> bool:
        """Trade both legs to a notional at the short leg's mark, in lots that hedge exactly; a
        pair of which one leg is refused is matched down. False unless both legs are there."""
        if not self.tradable(*pair):
            return False
        for name, lots in self.leg_lots(pair, leg_usd).items():
            if not self.order(name, lots - self.lots(name)):
                self.match(pair)
                return False
        return True

    def leg_lots(self, pair: Pair, leg_usd: float) -> dict[InstrumentId, int]:
        """Lots of both legs at a notional, hedged exactly."""
        long, short = pair
        price = self.instruments[short].price(self.session.exchange.marks()[short])
        amounts = {long: leg_usd / price, short: -leg_usd / price}
        return hedged_lots({name: self.instruments[name] for name in pair}, amounts)

    def keep(self, pair: Pair, share: float) -> bool:
        """Cut both legs to a share of what they are; False where either cannot trade."""
        if not self.tradable(*pair):
            return False
        amounts = {name: float(self.coins(name)) * share for name in pair}
        target = hedged_lots({name: self.instruments[name] for name in pair}, amounts)
        filled = [self.order(name, lots - self.lots(name)) for name, lots in target.items()]
        return all(filled)

    def match(self, pair: Pair) -> None:
        """Cut the larger leg of a pair down to the smaller, to within one lot."""
        long, short = pair
        excess = self.coins(long) + self.coins(short)
        name = long if excess > 0 else short
        self.trim(name, excess)

    def trim(self, name: InstrumentId, excess: Fraction) -> bool:
        """Reduce a holding against `excess` coins of its own sign, in whole lots, at most to
        nothing; False when it did not fill."""
        held = self.lots(name)
        if held * excess <= 0:
            return True
        count = min(abs(held), int(abs(excess) / Fraction(self.instruments[name].lot)))
        return self.order(name, -count if held > 0 else count)

    def flatten(self, pairs: Pairs) -> None:
        """Close everything, but keep a leg for as long as its partner is stuck at a venue that is
        out: alone it would be naked."""
        stuck = {n for pair in pairs for n in pair if self.lots(n) and not self.tradable(n)}
        kept = {n for pair in pairs if stuck & set(pair) for n in pair}
        for name in self.instruments:
            if name not in kept:
                self.order(name, -self.lots(name))

    def transfer(self, source: str, destination: str, amount_usd: float) -> bool:
        """Send dollars, as far as the venue lets them go; True when they left."""
        free = self.session.exchange.margin(source).withdrawable
        quanta = min(int(amount_usd * MICRO), free)
        passage = self.session.arrangement.terms.passages.get((source, destination))
        if passage is None:
            return False
        smallest = SMALLEST_TRANSFER_USD * MICRO
        if quanta < max(passage.minimum_quanta, passage.fee_quanta + 1, smallest):
            return False
        self._count += 1
        name = f"plain.{self._count}"
        sent = Transfer(name, source, destination, passage.asset_sent, quanta, "rule")
        return len(self.session.send(sent)) > 0

    def shipments(self) -> tuple[Shipment, ...]:
        """Money under way."""
        return self.session.record.ledger.portfolio(()).shipments

    def equity_usd(self) -> float:
        """Equity at the venues' marks."""
        marks = self.session.exchange.marks()
        return self.session.record.ledger.equity_at(marks) / MICRO

    def notional_usd(self) -> dict[str, float]:
        """Gross notional of contracts per venue."""
        exchange = self.session.exchange
        marks = exchange.marks()
        sizes: dict[str, float] = {}
        for venue in self.session.arrangement.mandate.venue:
            for name, position in exchange.account(venue).positions.items():
                size = self.instruments[name].notional(position.lots, marks[name]) / MICRO
                sizes[venue] = sizes.get(venue, 0.0) + size
        return sizes

    def leg_usd(self, gross_usd: float, pairs: Pairs) -> float:
        """Notional of each leg when a gross notional is split evenly over coins; coins held
        outright do not count as gross."""
        margined = sum(not isinstance(self.instruments[n], Spot) for n in pairs[0])
        return gross_usd / (margined * len(pairs))
