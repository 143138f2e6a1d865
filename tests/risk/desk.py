# SPDX-License-Identifier: Apache-2.0
"""A small book for tests: two margined venues, one wallet of coins, exact rules, a live gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import msgspec

from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.account import Account, Portfolio, Position, Shipment
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual, Spot
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import ALWAYS, DayWindow
from tidegate.model.units import MICRO
from tidegate.risk.plan import Plan, Situation, Step, Terms

NOW_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC = (
    "alpha:BTCUSDT",
    "alpha:ETHUSDT",
    "beta:BTC",
    "beta:ETH",
    "vault:BTC",
)
CONTRACTS: tuple[Instrument, ...] = (
    Perpetual("alpha", "BTCUSDT", "BTC", "USDT", Decimal("0.1"), Decimal("0.001")),
    Perpetual("alpha", "ETHUSDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.01")),
    Perpetual("beta", "BTC", "BTC", "USDC", Decimal("1"), Decimal("0.00001")),
    Perpetual("beta", "ETH", "ETH", "USDC", Decimal("0.1"), Decimal("0.0001")),
    Spot("vault", "BTC", "BTC", "USDT", Decimal("0.1"), Decimal("0.00001")),
)
INSTRUMENTS: dict[InstrumentId, Instrument] = {i.id: i for i in CONTRACTS}
PRICE = {"BTC": 60_000, "ETH": 3_000}
MARKS = {i.id: int(PRICE[i.base] / i.tick) for i in CONTRACTS}
OUTER = {"BTC": 0.11, "ETH": 0.20}
INNER = {"BTC": 0.08, "ETH": 0.13}

_SAID = 'value = "{}", as_of = "2024-01-01", source = "assumed: of the test"'
_TERMS = f"""kind = "{{kind}}"
base = "{{base}}"
bars = "1h"
mark = {{{{ {_SAID.format("last")} }}}}
"""
_MANDATE = f"""
[mandate]
name = "desk"
capital_usd = "1000000"
hurdle_rate_annual = {{ {_SAID.format("0")} }}
[authority]
level = "act"
[limits]
gross_leverage = 2
naked_usd = 25_000
minimum_trade_usd = 1_000
minimum_transfer_usd = 1_000
[stress]
outer = {{ BTC = 0.11, ETH = 0.20 }}
inner = {{ BTC = 0.08, ETH = 0.13 }}
[edge]
payback_days = 60
[stable.USDT]
price_usd = {{ {_SAID.format("1")} }}
[stable.USDC]
price_usd = {{ {_SAID.format("1")} }}
"""


def _mandate() -> Mandate:
    text = _MANDATE
    for name, rule, collateral in (
        ("alpha", "binance_usdm", "USDT"),
        ("beta", "hyperliquid_cross", "USDC"),
        ("vault", "spot", "USDT"),
    ):
        text += f'[venue.{name}]\nrule = "{rule}"\ncollateral = "{collateral}"\n'
        text += "leverage = 20\nclaim_cap = 0.9\n"
        for i in CONTRACTS:
            if i.venue == name:
                kind = "spot" if isinstance(i, Spot) else "perpetual"
                text += f"[venue.{name}.instruments.{i.symbol}]\n"
                text += _TERMS.format(kind=kind, base=i.base)
    for source, destination in (("alpha", "beta"), ("beta", "alpha"), ("alpha", "vault")):
        text += f"""[[transfer]]
source = "{source}"
destination = "{destination}"
fee = "1"
minimum = "10"
latency_median_s = 600
latency_p95_s = 1800
conversion_cost = "{"0" if destination == "vault" else "0.0001"}"
conversion_rate = "1"
as_of = "2024-01-01"
provenance = "assumed: of the test"
"""
    return read_mandate(text, "desk.toml")


MANDATE = _mandate()


def tiers(low: str = "0.01", high: str = "0.025") -> TierTable:
    """Two tiers that change rate at a million."""
    rates = Fraction(low), Fraction(high)
    rows = [
        (Decimal(0), Decimal(1_000_000), rates[0], Fraction(0), 50),
        (Decimal(1_000_000), None, rates[1], 1_000_000 * (rates[1] - rates[0]), 20),
    ]
    return tier_table(rows, "USDT", "2024-01-01", "of the test")


def rules(low: str = "0.01", high: str = "0.025") -> dict[str, MarginRule]:
    """The exact rule of each venue."""
    table = tiers(low, high)
    alpha = {i.id: i for i in CONTRACTS if i.venue == "alpha"}
    beta = {i.id: i for i in CONTRACTS if i.venue == "beta"}
    return {
        "alpha": BinanceUsdm(
            "USDT", alpha, dict.fromkeys(alpha, table), 20, dict.fromkeys(alpha, 10_000)
        ),
        "beta": HyperliquidCross("USDC", beta, dict.fromkeys(beta, table), 20),
        "vault": SpotWallet("USDT", {"BTC": INSTRUMENTS[VAULT_BTC]}),
    }


RULES = rules()
COLLATERAL = {venue: rule.collateral for venue, rule in RULES.items()}
COSTS = dict.fromkeys(INSTRUMENTS, TradingCosts(500, 0.0001, 1.0))
PASSAGES: dict[tuple[str, str], Passage] = {
    (r.source, r.destination): passage(r, COLLATERAL[r.source], COLLATERAL[r.destination])
    for r in MANDATE.transfer
}


def terms(mandate: Mandate = MANDATE, with_rules: Mapping[str, MarginRule] = RULES) -> Terms:
    """What holds within a decision."""
    return Terms(mandate, INSTRUMENTS, with_rules, COSTS, PASSAGES)


def routed(cap_usd_day: float | None = None, window: DayWindow = ALWAYS) -> Terms:
    """The same with a daily cap on every route, or with hours."""
    limited = {
        ends: replace(way, cap_usd_day=cap_usd_day, window=window) for ends, way in PASSAGES.items()
    }
    return msgspec.structs.replace(terms(), passages=limited)


def with_limits(**changes: float) -> Mandate:
    """The mandate with other limits."""
    limits = msgspec.structs.replace(MANDATE.limits, **changes)
    return msgspec.structs.replace(MANDATE, limits=limits)


def with_stress(**changes: float) -> Mandate:
    """The mandate with another stress."""
    stress = msgspec.structs.replace(MANDATE.stress, **changes)
    return msgspec.structs.replace(MANDATE, stress=stress)


def held(name: InstrumentId, lots: int, entry: float = 1.0) -> Position:
    """Lots that were entered at a multiple of the present price."""
    return Position(lots, INSTRUMENTS[name].entry_cost(lots, round(MARKS[name] * entry)))


def base_lots(name: InstrumentId, usd: float) -> int:
    """Lots worth about a number of dollars."""
    one = INSTRUMENTS[name].notional(1, MARKS[name]) / MICRO
    return int(usd / one)


def portfolio(
    wallets_usd: Mapping[str, float],
    positions: Mapping[InstrumentId, Position] | None = None,
    shipments: tuple[Shipment, ...] = (),
    coins: Mapping[str, int] | None = None,
) -> Portfolio:
    """Accounts with dollars at every venue, coins in the vault, positions, money under way."""
    accounts = {}
    for venue, asset in COLLATERAL.items():
        own = {n: p for n, p in (positions or {}).items() if INSTRUMENTS[n].venue == venue}
        balances = {asset: int(wallets_usd.get(venue, 0.0) * MICRO)}
        if venue == "vault":
            balances |= coins or {}
        accounts[venue] = Account(venue, balances, own)
    return Portfolio(NOW_MS, accounts, shipments)


def quote(name: InstrumentId, ticks: int | None = None) -> Quote:
    """A fresh quote of a deep market."""
    return Quote(ticks or MARKS[name], NOW_MS, False, 1e9, 0.03)


def situation(
    book: Portfolio,
    with_rules: Mapping[str, MarginRule] = RULES,
    frozen: tuple[str, ...] = (),
    quotes: Mapping[InstrumentId, Quote] | None = None,
) -> Situation:
    """The book in the market of the test, with equity as the rules see it."""
    known = {name: quote(name) for name in INSTRUMENTS} | dict(quotes or {})
    snapshot = MarketSnapshot(NOW_MS, known, frozen)
    marks = snapshot.ticks()
    equity = sum(with_rules[v].health_at(a, marks)[0] for v, a in book.accounts.items())
    equity += sum(s.quanta for s in book.shipments)
    return Situation(book, snapshot, OUTER, INNER, equity / MICRO, equity / MICRO)


def order(name: InstrumentId, lots: int, reduce_only: bool = False, key: str = "o") -> Order:
    """A market order."""
    return Order(f"{key}.{name}.{lots}", name, lots, reduce_only, "test")


def send(source: str, destination: str, usd: float) -> Transfer:
    """A transfer in the source's collateral."""
    name = f"t.{source}.{destination}"
    return Transfer(name, source, destination, COLLATERAL[source], int(usd * MICRO), "test")


def plan(*steps: tuple[Action, ...], raises: bool) -> Plan:
    """A plan of steps."""
    return Plan(tuple(Step(step) for step in steps), raises)
