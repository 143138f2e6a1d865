# SPDX-License-Identifier: Apache-2.0
"""Illustrative venue tables of a generated folder: no venue's terms, made by arithmetic here."""

from __future__ import annotations

from decimal import Decimal

SOURCE = "generated"
_COLUMNS = ["notional_floor", "notional_cap", "maintenance_rate", "max_leverage", "cum"]
_LEVERAGES = (100, 50, 25, 10, 5, 2)
_WIDTH = 5
_FIRST_CAP_USD = {"BTC": 100_000, "ETH": 80_000, "SOL": 40_000}
_TICK_USD = {"BTC": "0.1", "ETH": "0.01", "SOL": "0.001"}
_LOT = {"BTC": "0.001", "ETH": "0.01", "SOL": "0.1"}
_MAX_LEVERAGE = {"BTC": 40, "ETH": 40, "SOL": 20}

Document = dict[str, object]


def ladder(first_cap_usd: int) -> list[list[object]]:
    """Tiers of rate 1/(2 * leverage) whose caps grow fivefold and whose deductions join them.

    deduction_n = deduction_(n-1) + floor_n * (rate_n - rate_(n-1)); the last tier has no cap.
    """
    rows: list[list[object]] = []
    floor, rate_below, deduction = Decimal(0), Decimal(0), Decimal(0)
    for number, leverage in enumerate(_LEVERAGES):
        rate = Decimal(1) / (2 * leverage)
        deduction += floor * (rate - rate_below)
        cap = Decimal(first_cap_usd) * _WIDTH**number
        last = number == len(_LEVERAGES) - 1
        rows.append([str(floor), None if last else str(cap), str(rate), leverage, str(deduction)])
        floor, rate_below = cap, rate
    return rows


def tables(first_date: str, change_date: str) -> dict[str, Document]:
    """The documents of `venues/` by file name, with one tier change on `change_date`."""
    return {
        "binance.json": _binance(first_date),
        "binance_usdm_tier_history.json": _history(first_date, change_date),
        "hyperliquid.json": _hyperliquid(first_date),
    }


def _dated(as_of: str, **fields: object) -> Document:
    return {**fields, "source": SOURCE, "as_of": as_of, "conf": "generated"}


def _document(venue: str, **parts: object) -> Document:
    note = "illustrative values made by arithmetic; they are no venue's terms"
    sources = {SOURCE: {"ref": note, "kind": "generated"}}
    return {"schema": "venue_tables/venue/1", "venue": venue, "sources": sources, **parts}


def _binance(as_of: str) -> Document:
    contracts = [
        _dated(
            as_of,
            market="USD-M",
            symbol=f"{coin}USDT",
            tick=tick,
            step=_LOT[coin],
            min_notional="10",
            liquidation_fee="0.01",
        )
        for coin, tick in _TICK_USD.items()
    ]
    fees = [_dated(as_of, product="USD-M", base_taker="0.0005", base_maker="0.0002")]
    return _document("binance", fees=fees, contracts=contracts)


def _history(first_date: str, change_date: str) -> Document:
    history = {
        f"{coin}/USDT:USDT": [
            {"first_seen": first_date, "source": SOURCE, "rows": ladder(cap)},
            {"first_seen": change_date, "source": SOURCE, "rows": ladder(cap // 2)},
        ]
        for coin, cap in _FIRST_CAP_USD.items()
    }
    schema = "venue_tables/binance_tier_history/1"
    return {"schema": schema, "venue": "binance", "columns": _COLUMNS, "history": history}


def _hyperliquid(as_of: str) -> Document:
    contracts = [
        _dated(as_of, symbol=coin, tick=tick, size_step=_LOT[coin])
        for coin, tick in _TICK_USD.items()
    ]
    fees = [_dated(as_of, product="base perps", taker="0.0004", maker="0.0001")]
    tiers = [_dated(as_of, max_leverage=_MAX_LEVERAGE)]
    return _document("hyperliquid", margin_tiers=tiers, fees=fees, contracts=contracts)
