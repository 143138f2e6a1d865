# SPDX-License-Identifier: Apache-2.0
"""The option market of a generated world: per coin an index, futures' basis and a surface in time,
and from these the marks and quotes of every option, on the world's own steps.

A market is made over finished paths and from random streams of its own: the paths stay as they
are, and any world that hands out `WorldPaths` can have one. Nothing at a step knows what comes
after it. The index is the median of the venues' marks, as venues take theirs from several sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS, HOUR_MS, YEAR_MS
from tidegate.pricing import black76
from tidegate.simulation.delivery import AVERAGED_MS
from tidegate.simulation.world.arrays import BoolArray, FloatArray, kept_share, stream
from tidegate.simulation.world.arrays import ornstein_uhlenbeck as reverting
from tidegate.simulation.world.option_parameters import OptionCoin, OptionParameters
from tidegate.simulation.world.option_surface import (
    IntArray,
    SurfacePath,
    averaging_years,
    draw_surface,
)
from tidegate.simulation.world.paths import WorldPaths

VOL_DAILY_MAX = 5.0
# A shorter time to expiry counts as this when a variance becomes a volatility: a microsecond.
LEAST_YEARS = 1e-3 / YEAR_MS


@dataclass(frozen=True, slots=True, eq=False)
class IndexPath:
    """An index per step: first, highest, lowest and last price in USD, each (steps)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CoinOptions:
    """What moves one coin's options, (steps) each but the terms: `carry_annual` is the log basis
    of its futures a year, `depth` a multiple of the calm one."""

    coin: OptionCoin
    index: IndexPath
    carry_annual: FloatArray
    stress: FloatArray
    depth: FloatArray
    surface: SurfacePath


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Options of one expiry at some steps, (steps, options) each; prices in USD per coin.

    `forward_usd` (steps, 1) is what the option is written on: the future, and within the last half
    hour the mean that is half fixed. `vega_usd` is per 1.0 of volatility, `deviations` is
    ln(K / F) over the deviation at the money.
    """

    forward_usd: FloatArray
    price_usd: FloatArray
    vol_annual: FloatArray
    delta: FloatArray
    vega_usd: FloatArray
    deviations: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class OptionQuotes:
    """Options of one expiry over a window, (steps, options) each: marks in USD per coin, half the
    spread in USD, and a day's volume (USD of premium) and daily relative volatility of the premium,
    the last three as they stand when each step begins."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    half_spread_usd: FloatArray
    volume_day_usd: FloatArray
    vol_daily: FloatArray
    forward_usd: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class OptionMarket:
    """The option market of a seed on the steps of its world."""

    parameters: OptionParameters
    seed: int
    start_ms: int
    step_ms: int
    coins: Mapping[str, CoinOptions]

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(next(iter(self.coins.values())).stress.size)

    def coin(self, name: str) -> CoinOptions:
        """A coin's market; `InputError` for a coin without options."""
        self.parameters.coin(name)
        return self.coins[name]

    def step_before(self, ts_ms: int) -> int:
        """The step that ends at or before a time; `InputError` for a time outside the market."""
        step = (ts_ms - self.start_ms) // self.step_ms - 1
        if not 0 <= step < self.steps:
            raise InputError("options", "time", "expected a time inside the generated market")
        return int(step)

    def end_ms(self, steps: IntArray) -> IntArray:
        """When steps end."""
        return np.asarray(self.start_ms + (steps + 1) * self.step_ms, dtype=np.int64)

    def values(self, name: str, options: Sequence[Option], steps: IntArray) -> Values:
        """Options of one coin and one expiry as they stand at the ends of steps."""
        return self.values_at(name, options, steps, self.coin(name).index.close[steps])

    def values_at(
        self, name: str, options: Sequence[Option], steps: IntArray, index: FloatArray
    ) -> Values:
        """The same under the surface at the ends of steps, with the index at other prices."""
        return _values(self, self.coin(name), options, steps, index)

    def quotes(self, name: str, options: Sequence[Option], first: int, count: int) -> OptionQuotes:
        """Options of one coin and one expiry over `count` steps from `first` (at least 1) on.

        The extremes of a step are the highest and lowest value at the index' extremes under the
        surface as the step begins and as it ends.
        """
        market, at = self.coin(name), np.arange(first - 1, first + count)
        known = self.values(name, options, at)
        seen = [known.price_usd[:-1], known.price_usd[1:]]
        for extreme in (market.index.high, market.index.low):
            for state in (at[:-1], at[1:]):
                priced = _values(self, market, options, state, extreme[at[1:]])
                seen.append(priced.price_usd)
        half, volume, vol = _liquidity(self, market, options, known, at)
        return OptionQuotes(
            seen[0],
            np.maximum.reduce(seen),
            np.minimum.reduce(seen),
            seen[1],
            half[:-1],
            volume[:-1],
            vol[:-1],
            known.forward_usd,
        )


def make_option_market(parameters: OptionParameters, paths: WorldPaths, seed: int) -> OptionMarket:
    """Make the option market over a world's paths: the same arguments give the same market.

    Raises `InputError` for a coin that the world does not have at the venue.
    """
    coins = {coin.name: _coin(parameters, coin, paths, seed) for coin in parameters.coins}
    return OptionMarket(parameters, seed, paths.start_ms, paths.step_ms, coins)


def half_spread_usd(
    market: CoinOptions,
    parameters: OptionParameters,
    known: Values,
    days: FloatArray,
    steps: IntArray,
) -> FloatArray:
    """Half-spread in USD per coin: (a + b / sqrt(days)) (1 + wing |z|^3) stress_spread^stress in
    volatility, times vega."""
    quoting, coin = parameters.quoting, market.coin
    calm = coin.spread_vol + coin.spread_vol_day / np.sqrt(np.maximum(days, 0.25))
    wings = 1.0 + quoting.wing * np.abs(known.deviations) ** 3
    stressed = quoting.stress_spread ** market.stress[steps]
    return np.asarray((calm * stressed)[:, None] * wings * known.vega_usd)


def _coin(
    parameters: OptionParameters, coin: OptionCoin, paths: WorldPaths, seed: int
) -> CoinOptions:
    name = f"{parameters.venue}:{coin.name}"
    if name not in paths.close:
        raise InputError("options", coin.name, f"expected a coin of the world at {name}")
    index = index_path(paths, coin.name)
    hours = paths.step_ms / HOUR_MS
    noise = parameters.noise
    kept = kept_share(hours, noise.carry_half_life_hours)
    basis = reverting(stream(seed, f"options carry {coin.name}"), (paths.steps,), kept)
    rng = stream(seed, f"options {coin.name}")
    return CoinOptions(
        coin,
        index,
        noise.carry + noise.carry_deviation * basis,
        paths.stress,
        paths.depth[name],
        draw_surface(rng, parameters, coin, hours, (index.close, paths.stress)),
    )


def index_path(paths: WorldPaths, coin: str) -> IndexPath:
    """A coin's index: the median of the venues' marks, its steps joined."""
    names = [f"{venue}:{base}" for venue, base in paths.instruments if base == coin]
    high, low, close = (
        np.median([column[name] for name in names], axis=0)
        for column in (paths.mark_high, paths.mark_low, paths.mark_close)
    )
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum.reduce([high, opened, close])
    return IndexPath(opened, high, np.minimum.reduce([low, opened, close]), close)


def _values(
    clock: OptionMarket,
    market: CoinOptions,
    options: Sequence[Option],
    steps: IntArray,
    index: FloatArray,
) -> Values:
    """Values at the surface of steps with the index at given prices."""
    expiry_ms = options[0].expiry_ms
    left_ms = np.maximum(expiry_ms - clock.end_ms(steps), 0)
    years = left_ms / YEAR_MS
    forward = _written_on(clock, market, expiry_ms, steps, index)
    strike = np.array([float(option.strike) for option in options])
    call: BoolArray = np.array([option.is_call for option in options])
    at = market.surface.parameters(steps, averaging_years(years))
    k = np.log(strike / forward[:, None])
    column = type(at)(at.theta[:, None], at.put_wing[:, None], at.call_wing[:, None])
    w = column.total_variance(k)
    vol = np.sqrt(w / np.maximum(years, LEAST_YEARS)[:, None])
    price = black76.price(forward[:, None], strike, years[:, None], vol, call)
    tiny = np.finfo(np.float64).tiny
    deviation = np.sqrt(np.maximum(w, tiny))
    d1 = np.clip(-k / deviation + deviation / 2.0, -40.0, 40.0)
    vega = forward[:, None] * np.exp(-0.5 * d1**2) / np.sqrt(2.0 * np.pi) * np.sqrt(years)[:, None]
    money = np.sqrt(np.maximum(at.theta, tiny))[:, None]
    z = np.clip(k / money, -40.0, 40.0)
    return Values(forward[:, None], price, vol, ndtr(d1) - ~call, vega, z)


def _written_on(
    clock: OptionMarket, market: CoinOptions, expiry_ms: int, steps: IntArray, index: FloatArray
) -> FloatArray:
    """Expected delivery price: the future, and within the averaging the part that is fixed with
    the part that is not."""
    left_ms = np.maximum(expiry_ms - clock.end_ms(steps), 0)
    future = index * np.exp(market.carry_annual[steps] * left_ms / YEAR_MS)
    live = np.minimum(left_ms, AVERAGED_MS) / AVERAGED_MS
    if live.min() == 1.0:
        return np.asarray(future)
    ends = clock.end_ms(np.arange(clock.steps))
    inside = (ends > expiry_ms - AVERAGED_MS) & (ends <= expiry_ms)
    count = np.maximum(np.cumsum(inside), 1)
    mean = np.cumsum(np.where(inside, market.index.close, 0.0)) / count
    return np.asarray((1.0 - live) * mean[steps] + live * future)


def _liquidity(
    clock: OptionMarket,
    market: CoinOptions,
    options: Sequence[Option],
    known: Values,
    steps: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Half-spread in USD, a day's premium in USD, daily volatility of the premium, at steps."""
    parameters = clock.parameters
    days = np.maximum(options[0].expiry_ms - clock.end_ms(steps), 0) / DAY_MS
    half = half_spread_usd(market, parameters, known, days, steps)
    least = float(options[0].tick) * (known.forward_usd if options[0].coin_settled else 1.0)
    premium = np.maximum(known.price_usd, least)
    coins = market.coin.coins_day * np.exp(-(known.deviations**2) / parameters.quoting.volume_wing)
    coins = np.maximum(coins, 1e-3 * market.coin.coins_day) * market.depth[steps][:, None]
    moved = np.abs(known.delta) * known.forward_usd * known.vol_annual + known.vega_usd * 0.5
    vol = np.minimum(moved / np.sqrt(365.0) / premium, VOL_DAILY_MAX)
    return np.maximum(half, least / 2.0), coins * premium, vol
