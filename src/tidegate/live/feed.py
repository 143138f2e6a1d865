# SPDX-License-Identifier: Apache-2.0
"""The market's past and present on running venues, as the engine asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.forecast.funding import FundingPrints
from tidegate.live.market_streams import Input, MarketStreams, VenueStream
from tidegate.live.past import Past
from tidegate.live.tickers import Ticker
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.ports import PastBars


class LiveFeed:
    """A feed over venues' streams and public endpoints, without keys.

    A round is due early once a middle has moved by `wake_move`, a share, since the last one.
    """

    def __init__(
        self,
        contracts: Mapping[InstrumentId, Contract],
        streams: MarketStreams,
        past: Past,
        wake_move: float,
    ) -> None:
        self._contracts, self._streams, self._past = contracts, streams, past
        self._wake_move = wake_move
        self._seen: dict[InstrumentId, Ticker] = {}
        self.silent: dict[str, str] = {}

    def begin(self, wait_s: float) -> None:
        """Begin to read, and wait for first prices, at most for a while."""
        self._streams.begin(wait_s)

    def refresh(self, now_ms: int) -> None:
        """Take in the prices that have come, and ask for bars and funding that are due; venues
        that say nothing are named in `silent`, and their prices stay as old as they are."""
        self._past.refresh(now_ms)
        self._streams.check()
        self._streams.woken.clear()
        for venue, stream in self._streams.venues.items():
            self._seen |= stream.tickers()
            stream.recentre(self._wake_move)
            if (why := stream.silent) is None:
                self.silent.pop(venue, None)
            else:
                self.silent[venue] = why

    def wait(self, longest_s: float) -> None:
        """Wait until the next round is due."""
        self._streams.woken.wait(longest_s)

    def wake(self) -> None:
        """End the wait."""
        self._streams.woken.set()

    def close(self) -> None:
        """End the streams."""
        self._streams.close()

    @property
    def unknown(self) -> tuple[InstrumentId, ...]:
        """Contracts whose past was not told whole yet; nothing can be decided before it is."""
        return self._past.unknown

    def inputs(self) -> Iterator[Input]:
        """Every input and its age."""
        for stream in self._streams.venues.values():
            yield from stream.inputs()

    @property
    def streams(self) -> Mapping[str, VenueStream]:
        """Each venue's stream."""
        return self._streams.venues

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """The last prices told, each as old as it is; without a volatility there is no quote."""
        quotes = {}
        for name, ticker in self._seen.items():
            vol = self._past.vol_daily(name, ts_ms)
            if vol is not None:
                quotes[name] = self._quote(self._contracts[name], ticker, vol)
        return MarketSnapshot(ts_ms, quotes, frozen)

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Joint closed bars of each coin's first contract."""
        return self._past.bars(coins, ts_ms, days)

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """Funding prints settled at or before a time."""
        return self._past.prints(instrument, ts_ms)

    def _quote(self, contract: Contract, ticker: Ticker, vol: float) -> Quote:
        ticks = max(1, int((ticker.mark / contract.tick).to_integral_value()))
        return Quote(
            ticks, ticker.as_of_ms, False, ticker.volume_day_usd, vol, ticker.half_spread
        )  # fmt: skip
