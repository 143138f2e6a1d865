# SPDX-License-Identifier: Apache-2.0
"""What five venues tell of one account, by path, in their forms and our numbers.

Each holds bitcoin bought at 60,000 and marked at 61,000.

Binance: 50,000 USDT, 8 BTC. Equity 58,000; of 488,000 the second bracket takes 0.5 % less 300:
2,140; at twenty times 24,400. An isolated position beside it has 50 and 500 of the asset's sums.
OKX: 20,000 USDT, 500 contracts of 0.01 BTC and 60 ordered. Equity 25,000; 0.4 % and 0.05 % to close
of 5.6 x 61,000: 1,537.20. Isolated, 10 ETH sold at 3,000, marked at 2,990, with 3,000 of margin:
equity 3,100; 1 % with 0.05 % of 29,900: 313.95.
Bybit: 20,000 USDT and 10 ETH of which 95 % of 3,000 counts, 3 BTC. Margin balance 20,000 + 3,000 +
28,500 = 51,500; 0.5 % and 0.06 % of 183,000: 1,024.80.
Derive: 150,000 USDC, 2 BTC: 152,000; the standard manager takes 6.5 % and 10 % of 122,000: 7,930
and 12,200, so that 144,070 and 139,800 are left.
dYdX: 30,000 USDC, 5 BTC: -270,000 of cash. Equity 35,000; 2 % of 305,000: 6,100.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MS = 1_795_000_000_000
ISO = "2026-11-18T10:26:40.000Z"
ADDRESS = "dydx1ours"

_FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
]


def _binance_listing(symbol: str, base: str) -> dict[str, Any]:
    said = {"symbol": symbol, "contractType": "PERPETUAL", "baseAsset": base, "marginAsset": "USDT"}
    return said | {"filters": _FILTERS, "liquidationFee": "0.0125", "deliveryDate": 4133404800000}


def _binance_margin(symbol: str, maintenance: str, initial: str, *, alone: bool) -> dict[str, Any]:
    said = {"symbol": symbol, "positionSide": "BOTH", "isolated": alone}
    return said | {"maintMargin": maintenance, "initialMargin": initial}


def _binance_position(symbol: str, size: str, entry: str, kind: str) -> dict[str, Any]:
    said = {"symbol": symbol, "positionSide": "BOTH", "positionAmt": size, "entryPrice": entry}
    return said | {"leverage": "20", "marginType": kind}


BINANCE: Mapping[str, Any] = {
    "fapi/v2/account": {
        "multiAssetsMargin": False,
        "assets": [
            {
                "asset": "USDT", "crossWalletBalance": "50000", "crossUnPnl": "8000",
                "initialMargin": "24900", "maintMargin": "2190",
            },
            {
                "asset": "USDC", "crossWalletBalance": "0", "crossUnPnl": "0",
                "initialMargin": "0", "maintMargin": "0",
            },
        ],
        "positions": [
            _binance_margin("BTCUSDT", "2140", "24400", alone=False),
            _binance_margin("ETHUSDT", "50", "500", alone=True),
        ],
    },
    "fapi/v2/positionRisk": [
        _binance_position("BTCUSDT", "8", "60000", "cross"),
        _binance_position("ETHUSDT", "1", "3000", "isolated"),
        _binance_position("OLDUSDT", "0", "0", "cross"),
    ],
    "fapi/v1/openOrders": [
        {
            "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "price": "70000",
            "origQty": "2", "executedQty": "0.5", "reduceOnly": True,
        }
    ],
    "fapi/v1/leverageBracket": [
        {
            "symbol": symbol,
            "brackets": [
                {
                    "initialLeverage": 125, "notionalFloor": 0, "notionalCap": 300000,
                    "maintMarginRatio": 0.004, "cum": 0.0,
                },
                {
                    "initialLeverage": 100, "notionalFloor": 300000, "notionalCap": 3000000,
                    "maintMarginRatio": 0.005, "cum": 300.0,
                },
            ],
        }
        for symbol in ("BTCUSDT", "ETHUSDT")
    ],
    "fapi/v1/exchangeInfo": {
        "symbols": [_binance_listing("BTCUSDT", "BTC"), _binance_listing("ETHUSDT", "ETH")]
    },
    "fapi/v1/premiumIndex": [
        {"symbol": "BTCUSDT", "markPrice": "61000", "indexPrice": "61010", "time": MS},
        {"symbol": "ETHUSDT", "markPrice": "3000", "indexPrice": "3001", "time": MS - 900},
    ],
    "account/apiRestrictions": {"enableReading": True, "enableWithdrawals": False},
}  # fmt: skip


def _okx(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def _okx_listing(params: Mapping[str, str]) -> dict[str, Any]:
    bitcoin = params["instId"].startswith("BTC")
    said = {
        "instId": params["instId"], "instType": "SWAP", "settleCcy": "USDT", "ctType": "linear",
        "instFamily": params["instId"].removesuffix("-SWAP"), "ctVal": "0.01" if bitcoin else "0.1",
        "ctMult": "1", "lotSz": "0.01", "tickSz": "0.1", "expTime": "",
    }  # fmt: skip
    return _okx(said)


def _okx_tiers(params: Mapping[str, str]) -> dict[str, Any]:
    first = "0.004" if params["instFamily"].startswith("BTC") else "0.01"
    return _okx(
        {"tier": "1", "minSz": "0", "maxSz": "2000", "mmr": first, "maxLever": "100"},
        {"tier": "2", "minSz": "2000.01", "maxSz": "10000", "mmr": "0.02", "maxLever": "50"},
    )


def _okx_index(params: Mapping[str, str]) -> dict[str, Any]:
    said = [("BTC-USD", "61010"), ("ETH-USD", "2991")]
    rows = [{"instId": n, "idxPx": p, "ts": str(MS)} for n, p in said]
    return _okx(*(row for row in rows if params.get("instId") in (None, row["instId"])))


def _okx_mark(params: Mapping[str, str]) -> dict[str, Any]:
    price = "61000" if params["instId"].startswith("BTC") else "2990"
    return _okx({"instId": params["instId"], "markPx": price, "ts": str(MS)})


def _okx_orders(params: Mapping[str, str]) -> dict[str, Any]:
    said = {
        "ordId": "1", "instId": "BTC-USDT-SWAP", "side": "buy", "posSide": "net",
        "tdMode": "cross", "px": "50000", "sz": "100", "accFillSz": "40", "reduceOnly": "false",
    }  # fmt: skip
    return _okx(said) if params["instType"] == "SWAP" else _okx()


_OKX_POSITION = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP",
    "mgnMode": "cross", "posSide": "net", "pos": "500", "ccy": "USDT",
    "avgPx": "60000", "lever": "10", "margin": "", "upl": "5000", "mgnRatio": "",
}  # fmt: skip
_OKX_ISOLATED = {
    "instType": "SWAP", "instId": "ETH-USDT-SWAP",
    "mgnMode": "isolated", "posSide": "short", "pos": "100",
    "ccy": "USDT", "avgPx": "3000", "lever": "10", "margin": "3000", "upl": "100",
    "mgnRatio": str(Decimal("3100") / Decimal("313.95")),
}  # fmt: skip
OKX: Mapping[str, Any] = {
    "account/config": _okx({"acctLv": "2", "perm": "read_only", "posMode": "net_mode"}),
    "account/balance": _okx(
        {
            "adjEq": "", "imr": "", "mgnRatio": "",
            "details": [
                {
                    "ccy": "USDT", "cashBal": "20000", "eqUsd": "25000", "imr": "30500",
                    "mgnRatio": str(Decimal("25000") / Decimal("1537.2")),
                }
            ],
        }
    ),
    "account/positions": _okx(_OKX_POSITION, _OKX_ISOLATED),
    "trade/orders-pending": _okx_orders,
    "public/instruments": _okx_listing,
    "public/mark-price": _okx_mark,
    "market/index-tickers": _okx_index,
    "public/position-tiers": _okx_tiers,
    "account/trade-fee": _okx({"taker": "-0.0006", "takerU": "-0.0005"}),
    "public/discount-rate-interest-free-quota": _okx(),
    "public/time": _okx({"ts": str(MS)}),
}  # fmt: skip


def _bybit(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": MS}


def _bybit_rows(row: Mapping[str, Any], settle: str = "USDT") -> Any:
    def rows(params: Mapping[str, str]) -> dict[str, Any]:
        asked = params.get("settleCoin") in (None, settle) and params["category"] == "linear"
        return _bybit({"category": params["category"], "list": [row] if asked else []})

    return rows


BYBIT: Mapping[str, Any] = {
    "user/query-api": _bybit({"readOnly": 1, "permissions": {"Wallet": []}}),
    "account/info": _bybit({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 4}),
    "account/wallet-balance": _bybit(
        {
            "list": [
                {
                    "totalMarginBalance": "51500", "totalInitialMargin": "18409.8",
                    "totalMaintenanceMargin": "1024.8",
                    "coin": [
                        {"coin": "USDT", "walletBalance": "20000", "equity": "23000",
                         "usdValue": "23000", "spotBorrow": "0"},
                        {"coin": "ETH", "walletBalance": "10", "equity": "10",
                         "usdValue": "30000", "spotBorrow": ""},
                        {"coin": "SOL", "walletBalance": "0", "equity": "0", "usdValue": "0"},
                    ],
                }
            ]
        }
    ),
    "position/list": _bybit_rows(
        {
            "symbol": "BTCUSDT", "side": "Buy", "size": "3", "positionIdx": 0, "leverage": "10",
            "avgPrice": "60000",
        }
    ),
    "order/realtime": _bybit_rows(
        {
            "symbol": "BTCUSDT", "side": "Sell", "price": "70000", "leavesQty": "1.5",
            "orderStatus": "New", "positionIdx": 0, "reduceOnly": True,
        }
    ),
    "market/instruments-info": _bybit_rows(
        {
            "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "baseCoin": "BTC",
            "settleCoin": "USDT", "priceFilter": {"tickSize": "0.10"},
            "lotSizeFilter": {"qtyStep": "0.001"}, "deliveryTime": "0",
        }
    ),
    "market/tickers": _bybit_rows(
        {"symbol": "BTCUSDT", "markPrice": "61000", "indexPrice": "61010"}
    ),
    "market/risk-limit": _bybit(
        {
            "category": "linear",
            "list": [
                {"symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": "0.5",
                 "initialMargin": "1", "maxLeverage": "100.00"},
                {"symbol": "BTCUSDT", "riskLimitValue": "10000000", "maintenanceMargin": "1",
                 "initialMargin": "1.5", "maxLeverage": "66.67"},
            ],
        }
    ),
    "account/fee-rate": _bybit_rows(
        {"symbol": "BTCUSDT", "takerFeeRate": "0.0006", "makerFeeRate": "0.0001"}
    ),
    "spot-margin-trade/collateral": _bybit(
        {
            "list": [
                {"currency": "USDT", "collateralRatioList": [
                    {"minQty": "0", "maxQty": "", "collateralRatio": "1"}]},
                {"currency": "ETH", "collateralRatioList": [
                    {"minQty": "0", "maxQty": "100", "collateralRatio": "0.95"},
                    {"minQty": "100", "maxQty": "", "collateralRatio": "0.9"}]},
            ]
        }
    ),
}  # fmt: skip

DERIVE: Mapping[str, Any] = {
    "private/get_subaccounts": {"result": {"subaccount_ids": [7], "wallet": "0x"}},
    "private/get_subaccount": {
        "result": {
            "subaccount_id": 7, "margin_type": "SM", "subaccount_value": "152000",
            "initial_margin": "139800", "maintenance_margin": "144070",
            "collaterals": [{"asset_name": "USDC", "amount": "150000"}],
            "positions": [
                {"instrument_name": "BTC-PERP", "amount": "2", "average_price": "60000",
                 "net_settlements": "0", "pending_funding": "0"}
            ],
            "open_orders": [],
        }
    },
    "public/get_ticker": {
        "result": {
            "instrument_name": "BTC-PERP", "instrument_type": "perp", "base_currency": "BTC",
            "tick_size": "0.1", "amount_step": "0.001", "index_price": "61000",
            "mark_price": "61000", "timestamp": MS - 300, "option_details": None,
            "option_pricing": None,
        }
    },
    "public/get_time": {"result": MS},
}  # fmt: skip

DYDX: Mapping[str, Any] = {
    f"addresses/{ADDRESS}": {
        "subaccounts": [
            {
                "subaccountNumber": 0, "equity": "35000", "freeCollateral": "28900",
                "openPerpetualPositions": {
                    "BTC-USD": {"market": "BTC-USD", "size": "5", "entryPrice": "60000"}
                },
                "assetPositions": {"USDC": {"symbol": "USDC", "side": "SHORT", "size": "270000"}},
            },
            {
                "subaccountNumber": 1, "equity": "0", "freeCollateral": "0",
                "openPerpetualPositions": {}, "assetPositions": {},
            },
        ]
    },
    "perpetualMarkets": {
        "markets": {
            "BTC-USD": {
                "ticker": "BTC-USD", "oraclePrice": "61000", "initialMarginFraction": "0.02",
                "maintenanceMarginFraction": "0.012", "openInterest": "381.7348", "tickSize": "1",
                "stepSize": "0.0001", "openInterestLowerCap": "0", "openInterestUpperCap": "0",
            }
        }
    },
    "time": {"iso": ISO, "epoch": 1_795_000_000.0},
}  # fmt: skip
