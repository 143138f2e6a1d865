# SPDX-License-Identifier: Apache-2.0
"""What the study trades at and is judged at: chains, quarter-hour bars, funding, and what lies
between two snapshots.

Between snapshots i and i + 1, at a share w of the time, a forward is F = F_i r c^w, with r the
perpetual's price over what it was at i, and c what makes it F_i+1 at w = 1. A vol is sticky to
moneyness and goes from one smile to the next: (1 - w) smile_i(ln K/F) + w smile_i+1(ln K/F), each
linear between listed strikes and flat beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegate.history.bars import Bars, read_bars
from tidegate.history.chain_window import ChainSnapshot, read_chains
from tidegate.history.funding import FundingPrints, read_known_funding
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, MINUTE_MS, YEAR_MS

FloatArray = NDArray[np.float64]
COINS = ("BTC", "ETH")
BAR_MS = 15 * MINUTE_MS
PAIRED_MS = 20 * MINUTE_MS


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """One option."""

    coin: str
    expiry_ms: int
    strike_usd: float
    is_call: bool

    @property
    def symbol(self) -> str:
        """Coin, day of expiry counted from 1970, strike, C or P."""
        side = "C" if self.is_call else "P"
        return f"{self.coin}-{self.expiry_ms // DAY_MS}-{self.strike_usd:g}-{side}"


@dataclass(frozen=True, eq=False)
class Chain:
    """A snapshot, with options found by contract."""

    of: ChainSnapshot

    @cached_property
    def place(self) -> Mapping[tuple[int, float, bool], int]:
        """Row by expiry, strike and type."""
        of = self.of
        rows = zip(of.expiry_ms.tolist(), of.strike_usd.tolist(), of.is_call.tolist(), strict=True)
        return {key: row for row, key in enumerate(rows)}

    def row(self, each: Contract) -> int | None:
        """Row of a contract; None where it is not listed in this snapshot."""
        return self.place.get((each.expiry_ms, each.strike_usd, each.is_call))

    @cached_property
    def forwards(self) -> Mapping[int, float]:
        """Forward by expiry, USD."""
        of = self.of
        return {
            int(expiry): float(np.median(of.forward_usd[of.expiry_ms == expiry]))
            for expiry in np.unique(of.expiry_ms)
        }

    @cached_property
    def smiles(self) -> Mapping[int, tuple[FloatArray, FloatArray]]:
        """By expiry: ln K/F, ascending, and mark vol."""
        found = {}
        for expiry, forward in self.forwards.items():
            rows = self.of.expiry_ms == expiry
            strikes, first = np.unique(self.of.strike_usd[rows], return_index=True)
            found[expiry] = (np.log(strikes / forward), self.of.vol_annual[rows][first])
        return found

    def vol(self, expiry_ms: int, moneyness: FloatArray | float) -> FloatArray:
        """Mark vol at ln K/F; raises `KeyError` for an expiry that is not listed."""
        logs, vols = self.smiles[expiry_ms]
        return np.asarray(np.interp(moneyness, logs, vols))


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """All that happened: paired chains by step and coin, bars by coin, funding by coin."""

    ts_ms: tuple[int, ...]
    chains: tuple[Mapping[str, Chain], ...]
    bars: Mapping[str, Bars]
    funding: Mapping[str, FundingPrints]

    def price(self, coin: str, step: int) -> float:
        """The perpetual's close of the last bar that was over, USD."""
        return float(self.bars[coin].close[self.last_bar(coin, step)])

    def last_bar(self, coin: str, step: int) -> int:
        """Index of the last bar that was over at a step."""
        bars = self.bars[coin]
        return int(np.searchsorted(bars.open_ms + bars.interval_ms, self.ts_ms[step], "right")) - 1


def read_market(root: Path, window: Window) -> Market:
    """The market of a window; raises `InputError` naming what is missing."""
    chains = {coin: read_chains(root, coin, window) for coin in COINS}
    pairs = _paired(chains)
    if len(pairs) < 2:
        raise InputError(
            str(root / "options"), "ts", "expected at least two snapshots of all coins"
        )
    times = tuple(int(pair[COINS[0]].of.ts_ms) for pair in pairs)
    start = (times[0] // DAY_MS - 40) * DAY_MS
    bars, funding = {}, {}
    for coin in COINS:
        symbol = f"{coin}USDT"
        bars[coin] = _bars_until(root, symbol, start, times[-1])
        funding[coin] = read_known_funding(root, "binance", symbol, Window(start, times[-1] + 1))
    return Market(times, tuple(pairs), bars, funding)


def _bars_until(root: Path, symbol: str, start_ms: int, end_ms: int) -> Bars:
    """Bars up to a time, from a start or from the first whole day after the last hole."""
    first = start_ms
    for _ in range(60):
        try:
            window = Window(first, end_ms // BAR_MS * BAR_MS)
            return read_bars(root, "binance", symbol, "last", window, BAR_MS)
        except InputError:
            first += DAY_MS
            if first >= end_ms - DAY_MS:
                raise
    raise InputError("option study", symbol, "expected whole bars before the first snapshot")


def _paired(chains: Mapping[str, tuple[ChainSnapshot, ...]]) -> list[dict[str, Chain]]:
    """Snapshots of all coins within a few minutes of each other."""
    first, others = COINS[0], COINS[1:]
    found = []
    for each in chains[first]:
        pair = {first: Chain(each)}
        for coin in others:
            near = min(chains[coin], key=lambda one: abs(one.ts_ms - each.ts_ms))
            if abs(near.ts_ms - each.ts_ms) <= PAIRED_MS:
                pair[coin] = Chain(near)
        if len(pair) == len(COINS):
            found.append(pair)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """Extremes of the bars between two steps, (m): low, high and close of each bar in turn.

    `share` is the share of the time that has gone; `prices` are the perpetual's, by coin, all
    coins at their lows or highs together."""

    share: FloatArray
    ts_ms: NDArray[np.int64]
    prices: Mapping[str, FloatArray]
    now: Mapping[str, Chain]
    then: Mapping[str, Chain]
    started: Mapping[str, float]

    def index(self, coin: str) -> FloatArray:
        """Spot index (m)."""
        ratio = self.prices[coin] / self.started[coin]
        now, then = self.now[coin].of.index_usd, self.then[coin].of.index_usd
        return np.asarray(now * ratio * (then / now / ratio[-1]) ** self.share)

    def forward(self, coin: str, expiry_ms: int) -> FloatArray:
        """Forward at an expiry (m)."""
        now = self.now[coin].forwards[expiry_ms]
        then = self.then[coin].forwards.get(expiry_ms)
        ratio = self.prices[coin] / self.started[coin]
        if then is None:
            return np.asarray(now * ratio)
        return np.asarray(now * ratio * (then / now / ratio[-1]) ** self.share)

    def vol(self, each: Contract) -> FloatArray:
        """Vol of an option (m)."""
        money = np.log(each.strike_usd / self.forward(each.coin, each.expiry_ms))
        now = self.now[each.coin].vol(each.expiry_ms, money)
        if each.expiry_ms not in self.then[each.coin].smiles:
            return now
        then = self.then[each.coin].vol(each.expiry_ms, money)
        return np.asarray((1.0 - self.share) * now + self.share * then)


def between(market: Market, step: int) -> Between:
    """What happened after a step, until the next."""
    start, end = market.ts_ms[step], market.ts_ms[step + 1]
    rows = {coin: (market.last_bar(coin, step), market.last_bar(coin, step + 1)) for coin in COINS}
    prices = {}
    for coin, (first, last) in rows.items():
        bars = market.bars[coin]
        one = slice(first + 1, last + 1)
        stacked = np.stack([bars.low[one], bars.high[one], bars.close[one]], axis=1)
        prices[coin] = stacked.ravel()
    first, last = rows[COINS[0]]
    closes = market.bars[COINS[0]].open_ms[first + 1 : last + 1] + BAR_MS
    ts = np.repeat(closes, 3)
    share = np.clip((ts - start) / (end - start), 0.0, 1.0)
    share[-1:] = 1.0
    started = {coin: market.price(coin, step) for coin in COINS}
    chains = market.chains
    return Between(share, ts, prices, chains[step], chains[step + 1], started)


def years_to(expiry_ms: int, ts_ms: int) -> float:
    """Years to an expiry."""
    return (expiry_ms - ts_ms) / YEAR_MS
