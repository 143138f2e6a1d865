# SPDX-License-Identifier: Apache-2.0
"""A small hedged book as the plain objects of BOOK.json, to be changed and written."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tidegate.engine.book_file import read_book
from tidegate.engine.observed_book import SeenBook

Raw = dict[str, Any]

# 1 BTC short at north, 1 BTC long at south, both at 60,000 with 2 % of maintenance.
_BOOK: Raw = {
    "as_of": "2026-11-20T08:00Z",
    "accounts": [
        {
            "venue": venue,
            "rule": "hyperliquid_cross",
            "as_of": "2026-11-20T08:00Z",
            "collateral": asset,
            "leverage": 10,
            "balances": {asset: wallet},
            "positions": [
                {
                    "symbol": "BTC",
                    "base": "BTC",
                    "quote": asset,
                    "tick": "0.1",
                    "lot": "0.001",
                    "size": size,
                    "entry": "60000",
                    "mark": "60000",
                    "tiers": [["0", None, "0.02", 25]],
                    "taker_fee": "0.0005",
                    "half_spread": "0.0001",
                    "adl_rank": 3,
                }
            ],
        }
        for venue, asset, wallet, size in (
            ("north", "USDT", "6000", "-1"),
            ("south", "USDC", "30000", "1"),
        )
    ],
    "routes": [
        {
            "source": "south",
            "destination": "north",
            "fee": "1",
            "minimum": "10",
            "latency_median_s": 600,
            "latency_p95_s": 1800,
            "conversion_cost": "0.0001",
            "conversion_rate": "1",
        }
    ],
    "stable": {"USDT": "1", "USDC": "1"},
    "betas": {"BTC": 1.0},
    "vol_annual": {"BTC": 0.6},
}


def raw_book() -> Raw:
    """The book, free to be changed."""
    return copy.deepcopy(_BOOK)


def changed(path: str, value: object) -> Raw:
    """The book with one place set, such as `accounts.0.leverage`; `...` takes the place away."""
    raw = raw_book()
    *before, last = path.split(".")
    part: Any = raw
    for step in before:
        part = part[int(step) if isinstance(part, list) else step]
    if value is ...:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return raw


def write(raw: object, folder: Path) -> Path:
    """BOOK.json in a folder."""
    path = folder / "book.json"
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw), encoding="utf-8")
    return path


def seen(raw: object, folder: Path) -> SeenBook:
    """The book as it is read."""
    return read_book(write(raw, folder))
