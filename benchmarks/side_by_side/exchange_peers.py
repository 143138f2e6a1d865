# SPDX-License-Identifier: Apache-2.0
"""hftbacktest and nautilus_trader, each fed as it is meant to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

EVERY, TICK, PRICE = 1000, 0.1, 60_000.0


def depth_rows(quotes: int, event_dtype: Any, flags: Any) -> Any:
    """A best bid and ask that walk by a tick: at each move the old level of one side is taken away
    and both sides get a new one, three rows a quote."""
    rng = np.random.default_rng(7)
    moves = rng.choice(np.array([-1, 1]), quotes)
    mids = int(PRICE / TICK) + np.cumsum(moves)
    rows = np.zeros(3 * quotes, dtype=event_dtype)
    buy, sell, depth = flags
    up = moves > 0
    rows["ev"][0::3] = np.where(up, sell, buy) | depth
    rows["px"][0::3] = np.where(up, mids, mids) * TICK
    rows["ev"][1::3], rows["px"][1::3], rows["qty"][1::3] = buy | depth, (mids - 1) * TICK, 5.0
    rows["ev"][2::3], rows["px"][2::3], rows["qty"][2::3] = sell | depth, (mids + 1) * TICK, 5.0
    times = np.repeat(np.arange(1, quotes + 1) * 1_000_000, 3)
    rows["exch_ts"], rows["local_ts"] = times, times + 1_000
    return rows


def hftbacktest(quotes: int, roi: bool) -> tuple[int, Callable[[], Callable[[], object]]]:
    """Rows of its feed, and a maker of the run: exchange's book and local book, constant latency,
    queue model by rank of trades; a limit order at the touch every 1,000 quotes."""
    import hftbacktest as hft
    from numba import njit

    both = hft.EXCH_EVENT | hft.LOCAL_EVENT
    flags = hft.BUY_EVENT | both, hft.SELL_EVENT | both, hft.DEPTH_EVENT
    rows = depth_rows(quotes, hft.event_dtype, flags)
    build = hft.ROIVectorMarketDepthBacktest if roi else hft.HashMapMarketDepthBacktest

    @njit
    def play(backtest: Any) -> int:
        number = 0
        while backtest.elapse(1_000_000 * 1000) == 0:
            depth = backtest.depth(0)
            number += 1
            if number % 2:
                price = depth.best_bid
                backtest.submit_buy_order(0, number, price, 1.0, hft.GTC, hft.LIMIT, False)
            else:
                price = depth.best_ask
                backtest.submit_sell_order(0, number, price, 1.0, hft.GTC, hft.LIMIT, False)
            backtest.clear_inactive_orders(0)
        return number

    def make() -> Callable[[], object]:
        asset = (
            hft.BacktestAsset()
            .data([rows])
            .linear_asset(1.0)
            .constant_order_latency(1_000_000, 1_000_000)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0002, 0.0007)
            .tick_size(TICK)
            .lot_size(1.0)
        )
        if roi:
            asset = asset.roi_lb(PRICE * 0.9).roi_ub(PRICE * 1.1)
        backtest = build([asset])

        def call() -> None:
            assert play(backtest) > 0
            backtest.close()

        return call

    return len(rows), make


def nautilus_trader(quotes: int) -> tuple[int, Callable[[], Callable[[], object]]]:
    """Quotes of one perpetual, and a maker of the run: matching engine, margin account, cache and
    message bus; logging and risk checks bypassed; a market order every 1,000 quotes."""
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, RiskEngineConfig
    from nautilus_trader.model.currencies import USDT
    from nautilus_trader.model.data import QuoteTick
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    instrument = TestInstrumentProvider.btcusdt_perp_binance()

    class EveryThousand(Strategy):  # type: ignore[misc]
        seen = 0

        def on_start(self) -> None:
            self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: Any) -> None:
            self.seen += 1
            if self.seen % EVERY == 0:
                side = OrderSide.BUY if self.seen % (2 * EVERY) else OrderSide.SELL
                size = instrument.make_qty(0.01)
                self.submit_order(self.order_factory.market(instrument.id, side, size))

    rng = np.random.default_rng(7)
    mids = (PRICE + np.cumsum(rng.choice(np.array([-TICK, TICK]), quotes))).tolist()
    size = instrument.make_qty(5.0)
    price = instrument.make_price
    ticks = [
        QuoteTick(instrument.id, price(mid - TICK), price(mid + TICK), size, size, n, n)
        for n, mid in enumerate(mids, 1)
    ]

    def make() -> Callable[[], object]:
        quiet = LoggingConfig(bypass_logging=True)
        risk = RiskEngineConfig(bypass=True)
        engine = BacktestEngine(
            BacktestEngineConfig(logging=quiet, risk_engine=risk, run_analysis=False)
        )
        balance = [Money(1_000_000, USDT)]
        engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.MARGIN, balance)
        engine.add_instrument(instrument)
        engine.add_data(ticks)
        strategy = EveryThousand()
        engine.add_strategy(strategy)

        def call() -> None:
            engine.run()
            assert strategy.seen == quotes
            engine.dispose()

        return call

    return quotes, make
