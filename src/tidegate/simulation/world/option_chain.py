# SPDX-License-Identifier: Apache-2.0
"""One coin's listed options at one time, as a venue shows them, and the Parquet file of chains.

The columns are those of a recorded chain of coin-settled options: prices in coin per coin, so that
what reads recorded chains reads generated ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np

from tidegate.history.parquet import connect
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS
from tidegate.simulation.world.arrays import FloatArray, stream
from tidegate.simulation.world.option_listing import (
    expiries,
    expiry_name,
    is_daily,
    option,
    strikes,
)
from tidegate.simulation.world.option_market import (
    OptionMarket,
    Values,
    half_spread_usd,
)
from tidegate.simulation.world.option_surface import IntArray

# A future exists for expiries that were listed weeks ahead; shorter ones stand on a synthetic one.
_SYNTHETIC = "SYN."
_TYPES = {
    "ts": "TIMESTAMPTZ",
    "expiry": "TIMESTAMPTZ",
    "mark_iv": "FLOAT",
    "delta": "FLOAT",
    "vega": "FLOAT",
}
_TEXTS = ("currency", "instrument", "option_type", "underlying_name")


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The chain of a coin at a time: a column of each name, one row an option."""

    ts_ms: int
    columns: dict[str, list[object]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of options."""
        return len(self.columns["instrument"])


def listed(market: OptionMarket, coin: str, ts_ms: int, *, coin_settled: bool) -> list[Option]:
    """Every option that the rules list at a time, by expiry, strike and kind.

    `InputError` for a coin without such options and a time outside the market.
    """
    rules, terms, venue = market.parameters.listing, market.coin(coin).coin, market.parameters.venue
    if coin_settled and float(terms.coin_tick) == 0.0:
        raise InputError("options", coin, "expected a coin whose options settle in it")
    index = float(market.coin(coin).index.close[market.step_before(ts_ms)])
    return [
        option(venue, terms, expiry_ms, strike, is_call, coin_settled)
        for expiry_ms in expiries(rules, ts_ms)
        for strike in strikes(rules, index, expiry_ms - ts_ms)
        for is_call in (True, False)
    ]


def chain(market: OptionMarket, coin: str, ts_ms: int) -> Chain:
    """The chain of a coin's coin-settled options as it stands at a time.

    Marks are Black-76 at the surface, in coin. Bid and ask stand half a spread below and above the
    market's middle, which is off the mark by a part of it, and are rounded outward to the tick; a
    bid below a tick is none. Volume and open interest are log-normal about a level that falls
    toward the wings, and inform nothing. Raises `InputError` as `listed`.
    """
    at = market.step_before(ts_ms)
    on_step = market.start_ms + (at + 1) * market.step_ms
    options = listed(market, coin, on_step, coin_settled=True)
    rng = stream(market.seed, f"options chain {coin} {on_step}")
    found = Chain(on_step)
    for _, group in groupby(options, key=lambda one: one.expiry_ms):
        for name, column in _rows(market, coin, list(group), at, rng).items():
            found.columns.setdefault(name, []).extend(column)
    return found


def write_chains(path: Path, chains: Sequence[Chain]) -> None:
    """Write chains into one Parquet file, whole or not at all; raises `InputError` where the file
    cannot be written, and for no rows."""
    if not any(one.rows for one in chains):
        raise InputError(str(path), "chain", "expected at least one option")
    names = list(chains[0].columns)
    columns = {name: [value for one in chains for value in one.columns[name]] for name in names}
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".chain.", dir=path.parent) as scratch,
            connect() as db,
        ):
            _copy(db, Path(scratch) / "chain.parquet", columns)
            (Path(scratch) / "chain.parquet").replace(path)
    except (OSError, duckdb.Error) as error:
        expected = f"expected a file that can be written ({type(error).__name__})"
        raise InputError("--out", str(path), expected) from error


def _rows(
    market: OptionMarket, coin: str, options: list[Option], at: int, rng: np.random.Generator
) -> dict[str, list[object]]:
    """The columns of one expiry's options."""
    steps, count = np.array([at]), len(options)
    known = market.values(coin, options, steps)
    expiry_ms, ts_ms = options[0].expiry_ms, int(market.end_ms(steps)[0])
    bid, ask = _quotes(market, coin, options, known, steps, rng)
    forward, mark = float(known.forward_usd[0, 0]), known.price_usd[0] / known.forward_usd[0]
    interest, volume = _activity(market, coin, known, rng)
    future = f"{coin}-{expiry_name(expiry_ms)}"
    far = not is_daily(expiry_ms) and expiry_ms - ts_ms > DAY_MS
    return {
        "ts": [ts_ms] * count,
        "currency": [coin] * count,
        "instrument": [one.symbol for one in options],
        "expiry": [expiry_ms] * count,
        "strike": [float(one.strike) for one in options],
        "option_type": ["call" if one.is_call else "put" for one in options],
        "bid": [float(b) if b > 0.0 else None for b in bid],
        "ask": ask.tolist(),
        "mark": np.round(mark, 8).tolist(),
        "mark_iv": known.vol_annual[0].tolist(),
        "delta": known.delta[0].tolist(),
        "vega": (known.vega_usd[0] / 100.0).tolist(),
        "open_interest": interest.tolist(),
        "volume_24h": volume.tolist(),
        "volume_usd_24h": np.round(volume * mark * forward, 2).tolist(),
        "underlying_name": [future if far else _SYNTHETIC + future] * count,
        "underlying_price": [forward] * count,
        "index_price": [float(market.coin(coin).index.close[at])] * count,
    }


def _quotes(
    market: OptionMarket,
    coin: str,
    options: list[Option],
    known: Values,
    steps: IntArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Bid and ask in coin, on the tick; a bid of nothing is 0."""
    tick = float(options[0].tick)
    days = (options[0].expiry_ms - market.end_ms(steps)) / DAY_MS
    half = half_spread_usd(market.coin(coin), market.parameters, known, days, steps)[0]
    off = np.clip(market.parameters.quoting.off_mark * rng.standard_normal(half.size), -0.9, 0.9)
    forward = known.forward_usd[0]
    half = np.maximum(half / forward, tick / 2.0)
    middle = known.price_usd[0] / forward + off * half
    bid = np.floor((middle - half) / tick) * tick
    ask = np.maximum(np.ceil((middle + half) / tick), 1.0) * tick
    return np.round(np.maximum(bid, 0.0), 8), np.round(ask, 8)


def _activity(
    market: OptionMarket, coin: str, known: Values, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Open interest and a day's volume in coins, to a tenth."""
    terms, wing = market.coin(coin).coin, market.parameters.quoting.volume_wing
    draws = rng.standard_normal((2, known.deviations.shape[1]))
    thin = np.exp(-(known.deviations[0] ** 2) / wing)
    interest = terms.interest_coins * np.sqrt(thin) * np.exp(draws[0] - 0.5)
    volume = terms.coins_day * thin * np.exp(1.5 * draws[1] - 1.125)
    return np.round(interest, 1), np.round(volume, 1)


def _copy(
    database: duckdb.DuckDBPyConnection, path: Path, columns: dict[str, list[object]]
) -> None:
    arrays = {
        name: np.array(column, dtype=str if name in _TEXTS else np.float64)
        for name, column in columns.items()
    }
    database.register("chains", arrays)
    chosen = ", ".join(_expression(name) for name in arrays)
    target = str(path).replace("'", "''")
    # One order of the rows, so that the bytes depend on the chains alone.
    database.execute("SET threads = 1")
    query = f"COPY (SELECT {chosen} FROM chains) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    database.execute(query)


def _expression(name: str) -> str:
    kind = _TYPES.get(name)
    if kind == "TIMESTAMPTZ":
        return f'to_timestamp("{name}" / 1000.0) AS "{name}"'
    if kind is not None:
        return f'CAST("{name}" AS {kind}) AS "{name}"'
    if name == "bid":
        return 'CASE WHEN isnan("bid") THEN NULL ELSE "bid" END AS "bid"'
    return f'"{name}"'
