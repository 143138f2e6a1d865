# SPDX-License-Identifier: Apache-2.0
"""What the market shows now, once for all accounts: marks, middles and depth."""

from __future__ import annotations

from tidegate.costs.trading import TradingCosts
from tidegate.model.instruments import Instrument, InstrumentId, Option
from tidegate.model.market import Quote
from tidegate.model.units import MICRO, unit_quanta
from tidegate.simulation.kernel.resting import show
from tidegate.simulation.tape import Tape
from tidegate.venues.street.depth import Depth, depth_of


class Board:
    """The present: `tape` has tracks of latest values, which the exchanges read."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.marks: dict[InstrumentId, int] = dict.fromkeys(tape.tracks, 0)
        self.now_ms = tape.start_ms

    def price(self, name: InstrumentId, mark: int, mid: int) -> None:
        """Show a mark and the middle around which orders fill, in ticks."""
        self.marks[name] = mark
        show(self.tape.tracks[name], open=mid, mark_low=mark, mark_high=mark, mark_close=mark)

    def liquidity(self, name: InstrumentId, volume: float, vol: float, half_spread: float) -> None:
        """Show what the impact law needs; `volume` is a day's, in settlement quanta a million, or
        in dollars of premium for options."""
        track = self.tape.tracks[name]
        show(track, volume_day_usd=volume, vol_daily=vol, half_spread=half_spread)

    def mid(self, name: InstrumentId) -> int:
        """The middle in ticks; 0 where there is none."""
        return int(self.tape.tracks[name].open[0])

    def usd_per_amount(self, instrument: Instrument) -> float:
        """Dollars that the exchange counts for a million settlement quanta."""
        if not (isinstance(instrument, Option) and instrument.coin_settled):
            return 1.0
        price = instrument.index.price(self.marks[instrument.index.id])
        return float(price * MICRO / unit_quanta(instrument.settle))

    def depth(self, instrument: Instrument, costs: TradingCosts) -> Depth:
        """The book of an instrument; an empty one where it has no price."""
        mid = self.mid(instrument.id)
        if mid < 1:
            return Depth(0, 0, 0.0, 1.0)
        shown = self.tape.tracks[instrument.id].quote(0, mid, self.now_ms)
        volume = shown.volume_day_usd / self.usd_per_amount(instrument)
        quote = Quote(mid, self.now_ms, False, volume, shown.vol_daily, shown.half_spread)
        return depth_of(costs, quote, _per_lot(instrument, mid))


def _per_lot(instrument: Instrument, ticks: int) -> float:
    """What a lot is worth, in millions of settlement quanta."""
    numerator, denominator = instrument.unit_numerator, instrument.unit_denominator
    if instrument.inverse:
        return numerator / (ticks * denominator * MICRO)
    return ticks * numerator / (denominator * MICRO)
