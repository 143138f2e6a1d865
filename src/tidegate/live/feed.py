# SPDX-License-Identifier: Apache-2.0
"""The market's past and present on running venues, as the engine asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.forecast.funding import FundingPrints
from tidegate.live.past import Past
from tidegate.live.tickers import READERS, Ticker
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.replies import Unclear
from tidegate.ports import PastBars
from tidegate.venues.exchanges.client import Client


class LiveFeed:
    """A feed over venues' public endpoints; `clients` are without keys."""

    def __init__(
        self,
        contracts: Mapping[InstrumentId, Contract],
        clients: Mapping[str, Client],
        past: Past,
    ) -> None:
        self._contracts, self._clients, self._past = contracts, clients, past
        self._seen: dict[InstrumentId, Ticker] = {}
        self.silent: dict[str, str] = {}

    def refresh(self, now_ms: int) -> None:
        """Take in prices now, and bars and funding that are due; venues that do not answer are
        named in `silent`, and their prices stay as old as they are."""
        self._past.refresh(now_ms)
        for venue, client in self._clients.items():
            own = {c.symbol: c for c in self._contracts.values() if c.venue == venue}
            told = READERS[venue](client, own)
            if isinstance(told, Unclear):
                self.silent[venue] = told.reason
                continue
            self.silent.pop(venue, None)
            self._seen |= {own[symbol].id: ticker for symbol, ticker in told.items()}

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
