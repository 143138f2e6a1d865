# SPDX-License-Identifier: Apache-2.0
"""One step of the market, tick by tick: prices, trades, depth and Greeks, made when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.model.instruments import Index, InstrumentId, Option, Perpetual
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.model.units import MICRO, nearest_ticks, unit_quanta
from tidegate.simulation.world.arrays import FloatArray, stream
from tidegate.simulation.world.option_market import LEAST_YEARS, Values
from tidegate.venues.street.listings import Listed
from tidegate.venues.street.market import Market
from tidegate.venues.street.values import Greeks
from tidegate.venues.street.within import trades, way

OPTION_TICKS = 10
DAYS_A_YEAR = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class OptionRow:
    """One option within a step, every so many ticks: where its values stand."""

    values: Values
    place: int
    half_spread_usd: float
    years: float

    def greeks(self, row: int) -> Greeks:
        """Greeks of one coin at a row of the step; formulas of Black (1976), undiscounted."""
        at = (row, self.place)
        forward = float(self.values.forward_usd[row, 0])
        vol, vega = float(self.values.vol_annual[at]), float(self.values.vega_usd[at])
        delta, price = float(self.values.delta[at]), float(self.values.price_usd[at])
        years = max(self.years, LEAST_YEARS)
        off = self.half_spread_usd / vega if vega > 0.0 else 0.0
        return Greeks(
            mark_vol=vol,
            bid_vol=max(0.0, vol - off),
            ask_vol=vol + off,
            underlying_usd=forward,
            delta=delta,
            gamma=vega / (forward**2 * vol * years) if vol > 0.0 else 0.0,
            vega=vega / 100.0,
            theta=-vega * vol / (2.0 * years) / DAYS_A_YEAR,
            rho=years * (forward * delta - price) / 100.0,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Marks and middles in ticks per tick of time (options: every `OPTION_TICKS`), lots traded per
    tick, and per instrument (volume, volatility of a day, half the relative spread)."""

    start_ms: int
    ticks: int
    marks: Mapping[InstrumentId, list[int]]
    mids: Mapping[InstrumentId, list[int]]
    traded: Mapping[InstrumentId, list[int]]
    option_traded: Mapping[InstrumentId, list[int]]
    liquidity: Mapping[InstrumentId, tuple[float, float, float]]
    options: Mapping[InstrumentId, OptionRow]
    option_marks: Mapping[InstrumentId, list[int]]
    interest: Mapping[InstrumentId, int]


@dataclass(slots=True, eq=False)
class _Drawing:
    market: Market
    step: int
    ticks: int
    marks: dict[InstrumentId, list[int]] = field(default_factory=dict)
    mids: dict[InstrumentId, list[int]] = field(default_factory=dict)
    traded: dict[InstrumentId, list[int]] = field(default_factory=dict)
    option_traded: dict[InstrumentId, list[int]] = field(default_factory=dict)
    liquidity: dict[InstrumentId, tuple[float, float, float]] = field(default_factory=dict)
    options: dict[InstrumentId, OptionRow] = field(default_factory=dict)
    option_marks: dict[InstrumentId, list[int]] = field(default_factory=dict)
    interest: dict[InstrumentId, int] = field(default_factory=dict)
    noises: dict[str, FloatArray] = field(default_factory=dict)
    indices: dict[str, FloatArray] = field(default_factory=dict)


def draw_chunk(market: Market, step: int) -> Chunk:
    """The ticks of a step of the world."""
    ticks = market.paths.step_ms // market.terms.tick_ms
    drawing = _Drawing(market, step, ticks)
    for coin, path in market.index_paths.items():
        drawing.noises[coin] = noise(market, coin, step)
        bar = (path.open[step], path.high[step], path.low[step], path.close[step])
        drawing.indices[coin] = way(drawing.noises[coin], *map(float, bar))
    for name, (index, coin) in market.indices.items():
        drawing.marks[name] = _ticks(drawing.indices[coin], index)
    for one in market.terms.listings:
        _draw_perpetual(drawing, one.instrument, one.world)
    start_ms = market.paths.start_ms + step * market.paths.step_ms
    for coin, coin_settled, group in market.expiries:
        live = [o for o in group if o.listed_ms <= start_ms or o.listed_ms <= market.begin_ms]
        if live and start_ms < live[0].option.expiry_ms:
            _draw_options(drawing, coin, live, coin_settled)
    return Chunk(
        *(start_ms, ticks, drawing.marks, drawing.mids, drawing.traded, drawing.option_traded),
        *(drawing.liquidity, drawing.options, drawing.option_marks, drawing.interest),
    )


def _ticks(prices: FloatArray, priced: Index | Perpetual | Option) -> list[int]:
    return list(np.maximum(nearest_ticks(prices, priced.tick), 1).tolist())


def noise(market: Market, coin: str, step: int) -> FloatArray:
    """What shakes all prices of a coin within a step, (ticks)."""
    rng = stream(market.terms.seed, f"street {coin} {step}")
    return rng.standard_normal(market.paths.step_ms // market.terms.tick_ms)


def middles(market: Market, perpetual: Perpetual, world: str, step: int) -> list[int]:
    """A perpetual's middle at the ends of a step's ticks."""
    paths = market.paths
    bar = (column[world][step] for column in (paths.open, paths.high, paths.low, paths.close))
    return _ticks(way(noise(market, perpetual.base, step), *map(float, bar)), perpetual)


def market_trades(market: Market, perpetual: Perpetual, world: str, step: int) -> NDArray[np.int64]:
    """Signed lots of a perpetual that the market trades in each tick of a step."""
    paths = market.paths
    price = float(paths.close[world][max(step - 1, 0)])
    rng = stream(market.terms.seed, f"street trades {perpetual.id} {step}")
    lots = float(paths.volume_usd[world][step]) / usd_per_lot(perpetual, price)
    return trades(rng, paths.step_ms // market.terms.tick_ms, lots)


def _draw_perpetual(drawing: _Drawing, perpetual: Perpetual, world: str) -> None:
    market, step, name = drawing.market, drawing.step, perpetual.id
    paths, own = market.paths, drawing.noises[perpetual.base]
    before = paths.mark_close[world][max(step - 1, 0)]
    mark = (before, paths.mark_high[world][step], paths.mark_low[world][step])
    high, low = max(mark[0], mark[1]), min(mark[0], mark[2])
    marks = way(own, float(before), float(high), float(low), float(paths.mark_close[world][step]))
    drawing.marks[name] = _ticks(marks, perpetual)
    drawing.mids[name] = middles(market, perpetual, world, step)
    price = float(paths.close[world][max(step - 1, 0)])
    usd = market.interest_usd[world]
    drawing.interest[name] = int(usd / usd_per_lot(perpetual, price))
    drawing.traded[name] = market_trades(market, perpetual, world, step).tolist()
    volume, vol = market.liquidity[world]
    spread = float(paths.half_spread[world][max(step - 1, 0)])
    amount = float(volume[step]) * amount_per_usd(perpetual, price)
    drawing.liquidity[name] = (amount, float(vol[step]), spread)


def usd_per_lot(perpetual: Perpetual, price_usd: float) -> float:
    """Dollars in a lot of a perpetual, dollar coins at par."""
    if perpetual.inverse_face_usd is not None:
        return float(perpetual.lot * perpetual.inverse_face_usd)
    return float(perpetual.lot) * price_usd


def amount_per_usd(perpetual: Perpetual, price_usd: float) -> float:
    """Millions of settlement quanta in a dollar: the unit in which the exchange counts a volume."""
    return unit_quanta(perpetual.settle) / MICRO / price_usd if perpetual.inverse else 1.0


def _draw_options(drawing: _Drawing, coin: str, live: list[Listed], coin_settled: bool) -> None:
    """Marks every few ticks under the surface as the step begins, the index where it is."""
    market, step = drawing.market, drawing.step
    options = [one.option for one in live]
    index = drawing.indices[coin][OPTION_TICKS - 1 :: OPTION_TICKS]
    state: NDArray[np.int64] = np.full(index.size, step - 1, dtype=np.int64)
    values = market.options.values_at(coin, options, state, index)
    quotes = market.options.quotes(coin, options, step, 1)
    unit = values.forward_usd if coin_settled else np.ones_like(values.forward_usd)
    years = max(0, options[0].expiry_ms - int(market.options.end_ms(state[:1])[0])) / YEAR_MS
    rng = stream(market.terms.seed, f"street trades {live[0].offer.venue} {coin} {step} {years}")
    wing = market.options.parameters.quoting.volume_wing
    per_tick = market.options.coin(coin).coin.coins_day * OPTION_TICKS * market.terms.tick_ms
    for place, option in enumerate(options):
        marks = nearest_ticks(values.price_usd[:, place] / unit[:, 0], option.tick)
        half = float(quotes.half_spread_usd[0, place])
        ticks_usd = float(max(marks[0], 1)) * float(option.tick) * float(unit[0, 0])
        drawing.option_marks[option.id] = marks.tolist()
        drawing.options[option.id] = OptionRow(values, place, half, years)
        liquidity = float(quotes.volume_day_usd[0, place]), float(quotes.vol_daily[0, place])
        drawing.liquidity[option.id] = (*liquidity, half / ticks_usd)
        thin = float(np.exp(-(values.deviations[0, place] ** 2) / wing))
        lots = rng.poisson(per_tick * thin / DAY_MS / float(option.lot), index.size)
        sides = rng.integers(0, 2, index.size) * 2 - 1
        held = market.options.coin(coin).coin.interest_coins * thin**0.5
        drawing.interest[option.id] = int(held / float(option.lot))
        drawing.option_traded[option.id] = (lots * sides).tolist()
