# SPDX-License-Identifier: Apache-2.0
"""Random books and mandates to plan over: perpetuals on two venues, options on one or two more.

Everything is drawn from one seed. Some books break a limit, hold no hedge, lack a cost or an edge,
or stand near maintenance; most can be planned for.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.book_file import read_plan_book
from tidegate.model.mandate import read_plan_mandate
from tidegate.model.plan_terms import PlanTerms, plan_terms
from tidegate.pricing.black76 import price

AS_OF = "2026-11-20T08:00Z"
EXPIRIES = {"2026-11-27T08:00Z": 7.0, "2026-12-25T08:00Z": 35.0, "2027-03-26T08:00Z": 126.0}
SPOT = {"BTC": 60_000.0, "ETH": 3_000.0}
LOTS = {"binance": {"BTC": 0.001, "ETH": 0.001}, "hyperliquid": {"BTC": 0.00001, "ETH": 0.0001}}
STABLES = {"binance": "USDT", "hyperliquid": "USDC", "derive": "USDC"}
SPREADS = {"binance": 0.00005, "hyperliquid": 0.0001, "deribit": 0.0001, "derive": 0.0003}


class Drawn:
    """A random book, as the values of its file, and its mandate's text."""

    def __init__(self, seed: int, *, options: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.options = options
        # A quarter of all books are short of money, so that some hold no limit or no maintenance.
        self.strained = bool(self.rng.random() < 0.25)
        self.edges: dict[str, Any] = {}
        self.costs: dict[str, Any] = {}
        accounts = [self.linear("binance"), self.linear("hyperliquid")]
        if options:
            accounts.append(self.deribit() if self.rng.random() < 0.7 else self.derive())
        self.accounts = accounts

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def terms(self, venue: str, symbol: str, level: float) -> None:
        """Edge and costs of an instrument; now and then one is not known."""
        name, known = f"{venue}:{symbol}", self.rng.random()
        if known > 0.04:
            self.edges[name] = {
                "carry_annual": f"{-self.uniform(-0.05, level):.4f}",
                "error_annual": f"{self.uniform(0.01, 0.06):.4f}",
                "half_life_days": int(self.rng.integers(3, 40)),
            }
        if not 0.04 < known < 0.08:
            self.costs[name] = {
                "taker_fee": f"{self.uniform(0.0002, 0.0006):.5f}",
                "half_spread": f"{SPREADS[venue]:.5f}",
                "volume_day_usd": f"{10 ** self.uniform(8.0, 10.0):.0f}",
                "vol_daily": f"{self.uniform(0.02, 0.05):.4f}",
            }

    def linear(self, venue: str) -> dict[str, Any]:
        positions, asset = [], STABLES[venue]
        for coin, spot in SPOT.items():
            symbol = f"{coin}USDT" if venue == "binance" else coin
            lot = LOTS[venue][coin]
            lots = round(self.uniform(-300_000, 300_000) / spot / lot)
            held = lots * (self.rng.random() < 0.6)
            size = f"{held * lot:.6f}"
            row: dict[str, Any] = {"symbol": symbol, "kind": "perpetual", "base": coin}
            row |= {"settle": asset, "tick": "0.01", "lot": f"{lot:.6f}", "size": size}
            row |= {"mark": f"{spot * self.uniform(0.999, 1.001):.2f}", "funding": "0"}
            row |= {"tiers": [["0", "300000", "0.01", 50], ["300000", None, "0.02", 25]]}
            if held:
                row["entry"] = f"{spot * self.uniform(0.9, 1.1):.2f}"
            positions.append(row)
            self.terms(venue, symbol, 0.25)
        rule = "binance_usdm" if venue == "binance" else "hyperliquid_cross"
        poor = self.strained and self.rng.random() < 0.6
        wallet = f"{self.uniform(2_000, 30_000) if poor else self.uniform(40_000, 400_000):.2f}"
        account = {"venue": venue, "rule": rule, "collateral": asset, "leverage": 20}
        return account | {"balances": {asset: wallet}, "positions": positions}

    def option_rows(self, venue: str, settle: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for _ in range(int(self.rng.integers(2, 6))):
            expiry = str(self.rng.choice(list(EXPIRIES)))
            strike = 1_000 * int(self.rng.integers(45, 80))
            right = str(self.rng.choice(["call", "put"]))
            symbol = f"BTC-{expiry[:10]}-{strike}-{right[0].upper()}"
            if any(row["symbol"] == symbol for row in rows):
                continue
            vol, years = round(self.uniform(0.4, 0.8), 3), EXPIRIES[expiry] / 365.0
            worth = float(price(SPOT["BTC"], strike, years, vol, right == "call"))
            mark = max(1e-4, worth / SPOT["BTC"] if settle == "BTC" else worth)
            size = round(self.uniform(-4.0, 4.0), 1) * (self.rng.random() < 0.8)
            rows.append(
                {"symbol": symbol, "kind": "option", "base": "BTC", "settle": settle}
                | {"strike": str(strike), "right": right, "expiry": expiry, "size": f"{size:.1f}"}
                | {"lot": "0.1", "tick": "0.0001", "vol": f"{vol}"}
                | {"mark": f"{mark:.4f}" if settle == "BTC" else f"{mark:.2f}"}
            )
            self.terms(venue, symbol, 0.1)
        return rows

    def deribit(self) -> dict[str, Any]:
        rows = self.option_rows("deribit", "BTC")
        face = 10 * round(self.uniform(-40_000, 10_000))
        rows.append(
            {"symbol": "BTC-PERPETUAL", "kind": "perpetual", "base": "BTC", "settle": "BTC"}
            | {"inverse": True, "face_usd": "10", "lot": "1", "tick": "0.5", "size": str(face)}
            | {"mark": "60000", "entry": "60000", "funding": "0"}
        )
        self.terms("deribit", "BTC-PERPETUAL", 0.2)
        account = {"venue": "deribit", "rule": "deribit_portfolio", "collateral": "BTC"}
        return account | {
            "balances": {"BTC": f"{self.uniform(0.8 if self.strained else 3.0, 9.0):.3f}"},
            "realised": {"BTC": "0"},
            "positions": rows,
            "coins": {"BTC": _coin()},
        }

    def derive(self) -> dict[str, Any]:
        rows = self.option_rows("derive", "USDC")
        size = round(self.uniform(-4.0, 4.0), 2)
        rows.append(
            {"symbol": "BTC-PERP", "kind": "perpetual", "base": "BTC", "settle": "USDC"}
            | {"lot": "0.01", "tick": "0.1", "size": str(size), "mark": "60000"}
            | {"entry": "60000", "funding": "0"}
        )
        self.terms("derive", "BTC-PERP", 0.2)
        return {
            "venue": "derive",
            "rule": "derive_portfolio",
            "collateral": "USDC",
            "balances": {"USDC": f"{self.uniform(100_000, 500_000):.2f}"},
            "positions": rows,
            "coins": {"BTC": {**_coin(), "rates": dict.fromkeys(EXPIRIES, "0.02")}},
            "parameters": {"derive_portfolio": {"coin": "BTC"}},
        }

    def book(self) -> dict[str, Any]:
        """The values of BOOK.json."""
        routes = [
            {"source": a, "destination": b, "fee": "2", "minimum": "10"}
            | {"latency_median_s": 900, "latency_p95_s": 2400}
            | {"conversion_cost": "0.0002", "conversion_rate": "1"}
            for a, b in (("binance", "hyperliquid"), ("hyperliquid", "binance"))
        ]
        return {
            "as_of": AS_OF,
            "accounts": self.accounts,
            "routes": routes,
            "edges": self.edges,
            "costs": self.costs,
            "stable": {"USDT": "1", "USDC": "1"},
            "correlation": f"{self.uniform(0.0, 0.9):.2f}",
        }

    def mandate(self) -> str:
        """The mandate's text."""
        btc, naked = self.uniform(0.05, 0.2), 10 ** self.uniform(4.2, 5.0)
        target = self.uniform(-60_000, 60_000) * (self.rng.random() < 0.3)
        naked = 20.0 if self.rng.random() < 0.05 else naked
        caps = {a["venue"]: self.uniform(0.4, 1.0) for a in self.accounts}
        rules = {a["venue"]: (a["rule"], a["collateral"]) for a in self.accounts}
        venues = "".join(
            f'[venue.{name}]\nrule = "{rule}"\ncollateral = "{asset}"\n'
            f"claim_cap = {max(caps[name], 1.01 / len(rules)):.3f}\n"
            for name, (rule, asset) in rules.items()
        )
        options = (
            f'[option]\nvega_usd = {{ "30d" = 500, beyond = {self.uniform(500, 2000):.0f} }}\n'
            f"gamma_usd = {{ BTC = {self.uniform(10_000, 40_000):.0f} }}\n"
            f"short_wings_coins = {{ BTC = {self.uniform(2, 8):.1f} }}\n"
            '[sleeve.options]\nvenues = ["deribit", "derive"]\n'
            f"gross_leverage = {self.uniform(1, 3):.2f}\n"
        )
        return (
            MANDATE.format(
                target=f"{target:.0f}",
                gross=f"{self.uniform(1.5, 8):.2f}",
                naked=f"{naked:.0f}",
                least=f"{min(2_000.0, naked):.0f}",
                btc=f"{btc:.3f}",
                eth=f"{btc * 1.4:.3f}",
                inner=f"{btc / 2:.3f}",
                spread=f"{self.uniform(0.0, 0.01):.4f}",
            )
            + venues
            + (options if self.options and self.rng.random() < 0.8 else "")
        )

    def read(self, folder: Path) -> tuple[PlanBook, PlanTerms]:
        """Book and terms, by way of a file as a user has one."""
        path = folder / "book.json"
        path.write_text(json.dumps(self.book()))
        mandate = read_plan_mandate(self.mandate(), "mandate.toml")
        return read_plan_book(path), plan_terms(mandate)


def _coin() -> dict[str, Any]:
    forwards = {
        expiry: f"{SPOT['BTC'] * math.exp(0.05 * days / 365.0):.2f}"
        for expiry, days in EXPIRIES.items()
    }
    return {"index": "60000", "forwards": forwards}


MANDATE = """
[mandate]
name = "random"
capital_usd = "1000000"
hurdle_rate_annual = {{ value = "0.04", as_of = "2026-11-20", source = "assumed" }}
target_delta_usd = "{target}"
[limits]
gross_leverage = {gross}
naked_usd = {naked}
minimum_trade_usd = {least}
[stress]
outer = {{ BTC = {btc}, ETH = {eth} }}
inner = {{ BTC = {inner}, ETH = {inner} }}
venue_spread = {spread}
[stable.USDT]
price_usd = {{ value = "1", as_of = "2026-11-20", source = "assumed" }}
[stable.USDC]
price_usd = {{ value = "1", as_of = "2026-11-20", source = "assumed" }}
[edge]
minimum_t = 0.5
"""
