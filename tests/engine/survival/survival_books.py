# SPDX-License-Identifier: Apache-2.0
"""Books of whole accounts in round numbers, and an account at a market written by hand."""

from __future__ import annotations

import copy
from math import erf, exp, log, sqrt
from typing import Any

from tests.engine.plan.plain_books import Change, book_values
from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.reading import account_of
from tidegate.engine.survival.document import Distance, Document, FailurePoint
from tidegate.engine.survival.reading import whole_accounts
from tidegate.engine.survival.survey import survey

YEARS = 35.0 / 365.0
FORWARD, VOL = 60_000.0, 0.5


def linear_values(*changes: Change) -> dict[str, Any]:
    """Short 8 BTC at Binance with 400,000 USDT, long 8 at Hyperliquid with 300,000 USDC."""
    return book_values(*changes, options=False)


def straddle_values(coins: str = "3") -> dict[str, Any]:
    """Ten at-the-money calls and puts sold at Deribit's standard margin, nothing else."""
    mark = f"{black(VOL, True) / FORWARD:.10f}"
    account = {
        "venue": "deribit",
        "rule": "deribit_standard",
        "collateral": "BTC",
        "balances": {"BTC": coins},
        "realised": {"BTC": "0"},
        "positions": [
            {
                "symbol": f"BTC-25DEC26-60000-{right[0].upper()}",
                "kind": "option",
                "base": "BTC",
                "settle": "BTC",
                "strike": "60000",
                "right": right,
                "expiry": "2026-12-25T08:00Z",
                "size": "-10",
                "mark": mark,
                "vol": str(VOL),
                "lot": "0.1",
            }
            for right in ("call", "put")
        ],
        "coins": {"BTC": {"index": "60000", "forwards": {"2026-12-25T08:00Z": "60000"}}},
        "parameters": {
            "deribit_standard": {
                "option_rates": {
                    "BTC": {"initial": "0.15", "initial_floor": "0.1", "maintenance": "0.075"}
                }
            }
        },
    }
    observe = {"betas": {"BTC": "1"}, "vol_annual": {"BTC": "0.5"}}
    return {"as_of": "2026-11-20T08:00Z", "accounts": [account], "observe": observe}


def black(vol: float, is_call: bool, strike: float = 60_000.0) -> float:
    """Black (1976), eq. 16, undiscounted, USD."""
    root = vol * sqrt(YEARS)
    upper = log(FORWARD / strike) / root + root / 2.0
    call = FORWARD * _normal(upper) - strike * _normal(upper - root)
    return call if is_call else call - FORWARD + strike


def _normal(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


def surveyed(values: dict[str, Any]) -> Document:
    """What is said of a book."""
    return survey(*whole_accounts(Reader("book.json"), values))


def distance_of(said: Document, venue: str, kind: str, side: str, of: str = "") -> Distance:
    """One distance."""
    (found,) = [
        each
        for each in said.distances
        if (each.venue, each.kind, each.side) == (venue, kind, side) and of in each.of
    ]
    return found


def point_of(said: Document, venue: str) -> FailurePoint:
    """One failure point."""
    (found,) = [each for each in said.failure_points if each.venue == venue]
    return found


def health_of(values: dict[str, Any], place: int, **marks: float) -> float:
    """Health of an account, in its unit, with its first marks written as given."""
    account = copy.deepcopy(values["accounts"][place])
    for row in account["positions"]:
        if row["symbol"] in marks:
            row["mark"] = f"{marks[row['symbol']]:.8f}"
    said = {"as_of": values["as_of"], "stable": values.get("stable", {}), **account}
    return account_of(Reader("account.json"), said).statement().health


def log_ratio(move: float) -> float:
    """A relative move in logs."""
    return log(max(1.0 + move, exp(-30.0)))
