# SPDX-License-Identifier: Apache-2.0
"""What Deribit tells of one account, in the venue's form and our numbers.

Bitcoin: 6 BTC after a settlement at 60,000, 300,000 dollars long since before it, marked at 62,500:
floating 300,000 x (1 / 60,000 - 1 / 62,500) = 0.2 BTC. Realised in the session -0.05. Ten calls are
owed at 0.0112. Equity 6 - 0.05 + 0.2 - 0.112 = 6.038; margin balance 6.15. Maintenance of the
contract: 4.8 BTC x (0.01 + 0.00005 x 4.8) = 0.049152; initial 4.8 x (0.02 + 0.00024) = 0.097152.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIME_MS = 1_795_000_000_000
EXPIRY_MS = 1_798_185_600_000
PERPETUAL, CALL = "BTC-PERPETUAL", "BTC-25DEC26-70000-C"
CASH, REALISED, FLOATING = 6.0, -0.05, 0.2
CONTRACT_MAINTENANCE, CONTRACT_INITIAL = 0.049152, 0.097152


def reply(result: Any) -> dict[str, Any]:
    """The venue's envelope."""
    times = {"usIn": TIME_MS * 1000 - 90, "usOut": TIME_MS * 1000, "usDiff": 90}
    return {"jsonrpc": "2.0", "result": result, **times, "testnet": True}


def summary(currency: str = "BTC", **changed: Any) -> dict[str, Any]:
    """Of a currency; a contract's margin alone."""
    said = {
        "currency": currency,
        "balance": CASH,
        "equity": CASH + REALISED + FLOATING,
        "margin_balance": CASH + REALISED + FLOATING,
        "initial_margin": CONTRACT_INITIAL,
        "maintenance_margin": CONTRACT_MAINTENANCE,
        "margin_model": "segregated_sm",
        "session_rpl": REALISED,
        "futures_session_rpl": REALISED,
        "options_value": 0.0,
    }
    return said | changed


EMPTY = dict.fromkeys(("balance", "equity", "margin_balance", "initial_margin"), 0)
NOTHING = EMPTY | dict.fromkeys(("maintenance_margin", "session_rpl", "futures_session_rpl"), 0)


def position(name: str = PERPETUAL, **changed: Any) -> dict[str, Any]:
    """The perpetual's."""
    said = {
        "instrument_name": name,
        "kind": "future",
        "direction": "buy",
        "size": 300_000.0,
        "average_price": 50_000.0,
        "mark_price": 62_500.0,
        "floating_profit_loss": FLOATING,
    }
    return said | changed


def instrument(name: str) -> dict[str, Any]:
    """Either contract."""
    said = {
        "instrument_name": name,
        "kind": "future",
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "instrument_type": "reversed",
        "creation_timestamp": 1_534_167_754_000,
        "expiration_timestamp": 32_503_708_800_000,
        "is_active": True,
        "tick_size": 0.5,
        "contract_size": 10.0,
        "instrument_id": 1,
        "min_trade_amount": 10.0,
        "settlement_currency": "BTC",
        "settlement_period": "perpetual",
        "base_currency": "BTC",
        "counter_currency": "USD",
        "quote_currency": "USD",
        "tick_size_steps": [],
        "max_leverage": 50,
        "max_liquidation_commission": 0.0075,
    }
    if name == PERPETUAL:
        return said
    option = {"kind": "option", "strike": 70_000.0, "option_type": "call", "tick_size": 0.0001}
    steps = {"contract_size": 1.0, "min_trade_amount": 0.1, "settlement_period": "month"}
    return said | option | steps | {"expiration_timestamp": EXPIRY_MS}


def ticker(name: str) -> dict[str, Any]:
    """Prices of either contract."""
    if name == PERPETUAL:
        return {"timestamp": TIME_MS - 500, "index_price": 62_480.0, "mark_price": 62_500.0}
    said = {"timestamp": TIME_MS - 400, "index_price": 62_480.0, "mark_price": 0.0112}
    return said | {"mark_iv": 45.0, "underlying_price": 62_900.0}


def answers(
    positions: list[dict[str, Any]] | None = None,
    sums: list[dict[str, Any]] | None = None,
    orders: list[dict[str, Any]] | None = None,
    scope: str = "account:read trade:read wallet:read",
) -> Mapping[str, Any]:
    """By path, as the venue would answer."""
    of = {"instrument": instrument, "ticker": ticker}
    sums = sums if sums is not None else [summary(), summary("ETH", **NOTHING)]
    return {
        "public/auth": reply({"access_token": "t", "scope": scope, "token_type": "bearer"}),
        "private/get_account_summaries": reply({"id": 1, "summaries": sums}),
        "private/get_positions": reply([position()] if positions is None else positions),
        "private/get_open_orders": reply(orders or []),
        "public/get_instrument": lambda p: reply(of["instrument"](p["instrument_name"])),
        "public/ticker": lambda p: reply(of["ticker"](p["instrument_name"])),
    }
