# SPDX-License-Identifier: Apache-2.0
"""A venue on loopback that tells one Hyperliquid account, in the venue's form and our numbers.

The cross account: 60,000 USDC of wallet; 5 BTC bought at 60,000.37 and marked at 61,000; -50 ETH
sold at 3,000 and marked at 2,990. Equity is 60,000 + 5 x 999.63 + 50 x 10 = 65,498.15, its raw
dollars 60,000 - 300,001.85 + 150,000 = -90,001.85. Maintenance is half of 1 / 40 of 305,000 and
half of 1 / 25 of 149,500: 3,812.50 + 2,990 = 6,802.50. Alone beside it 1,000 SOL at 100, against
raw dollars of -90,000.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

ADDRESS = "0x" + "ab" * 20
TIME_MS = 1_795_000_000_000
ALONE = {"type": "isolated", "value": 8, "rawUsd": "-90000.0"}
EQUITY, MAINTENANCE = 65_498.15, 6_802.50


def position(coin: str, szi: str, entry: str, leverage: dict[str, Any]) -> dict[str, Any]:
    """One holding, with fields that we do not read as well."""
    held = {"coin": coin, "szi": szi, "entryPx": entry, "leverage": leverage, "marginUsed": "1.0"}
    return {"type": "oneWay", "position": held}


def state() -> dict[str, Any]:
    """`clearinghouseState`."""
    return {
        "assetPositions": [
            position("BTC", "5.0", "60000.37", {"type": "cross", "value": 10}),
            position("ETH", "-50.0", "3000.0", {"type": "cross", "value": 5}),
            position(
                "SOL", "1000.0", "99.0", {"type": "isolated", "value": 8, "rawUsd": "-90000.0"}
            ),
        ],
        "crossMarginSummary": {
            "accountValue": str(EQUITY),
            "totalRawUsd": "-90001.85",
            "totalMarginUsed": "60400.0",
            "totalNtlPos": "454500.0",
        },
        "crossMaintenanceMarginUsed": str(MAINTENANCE),
        "withdrawable": "5098.15",
        "time": TIME_MS,
    }


META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25},
        {"name": "SOL", "szDecimals": 2, "maxLeverage": 20, "marginTableId": 20},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
}
CONTEXTS = [
    {"markPx": "61000.0", "oraclePx": "61010.0"},
    {"markPx": "2990.0", "oraclePx": "2991.0"},
    {"markPx": "100.0", "oraclePx": "100.0"},
]
ORDERS = [
    {"coin": "BTC", "side": "B", "limitPx": "59000.0", "sz": "1.0", "oid": 1, "reduceOnly": False}
]


@contextmanager
def served(answers: dict[str, Any] | None = None) -> Iterator[str]:
    """The venue's address; `answers` by type replace those above."""
    known = {
        "clearinghouseState": state(),
        "metaAndAssetCtxs": [META, CONTEXTS],
        "frontendOpenOrders": ORDERS,
        **(answers or {}),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(known[asked["type"]]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
