# SPDX-License-Identifier: Apache-2.0
"""Random accounts and markets for the rules that answer with a `Statement`, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from tidegate.margin.deribit_parameters import TERMS_2026
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_parameters import (
    MAINNET_2026,
    MAINNET_FACTORS_2026,
    CollateralTerms,
)
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    forward_of,
    funding_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.margin.paradex_portfolio import ParadexPortfolio
from tidegate.margin.statement import AccountRule
from tidegate.model.instruments import Future, Index, Instrument, Option, Perpetual
from tidegate.model.times import DAY_MS

NOW_MS = 1_750_000_000_000
SPOT = {"BTC": 100_000.0, "ETH": 4_000.0}
STEP, LOT, FACE = Decimal("0.01"), Decimal("0.01"), Decimal(1)
SURE = 1.0
CASH = "USDC"
TERMS = {"BTC": CollateralTerms(0.02, 0.01, True), "USDT": CollateralTerms(0.02, 0.03)}
CROSS_TERMS = replace(
    TERMS_2026,
    currencies={
        name: replace(one, haircut=0.0 if name == "usd" else 0.05)
        for name, one in TERMS_2026.currencies.items()
    },
)
RULES: dict[str, AccountRule] = {
    "derive-portfolio": DerivePortfolio("BTC", TERMS),
    "derive-standard": DeriveStandard(MAINNET_FACTORS_2026),
    "deribit-btc": DeribitPortfolio("BTC", TERMS_2026),
    "deribit-usdc": DeribitPortfolio("USDC", TERMS_2026),
    "deribit-cross": DeribitPortfolio("USD", CROSS_TERMS, cross=True),
    "paradex": ParadexPortfolio("BTC", 0.0003),
}
# Convex in the sizes: every factor of a long is below that of a short, and no smile is moved.
UNSKEWED = DerivePortfolio(
    "BTC",
    TERMS,
    replace(MAINNET_2026, scenarios=tuple(s for s in MAINNET_2026.scenarios if not s.skews)),
)


@dataclass(frozen=True)
class Book:
    """A rule, an account that it may hold, and a market that values it."""

    rule: AccountRule
    holdings: Holdings
    market: MarketValues

    @property
    def instruments(self) -> list[Instrument]:
        return [each.instrument for each in self.holdings.positions]


def perpetual(coin: str, settle: str) -> Perpetual:
    face = FACE if settle == coin else None
    return Perpetual("venue", f"{coin}_{settle}-PERP", coin, settle, STEP, LOT, face)


def future(coin: str, settle: str, days: int) -> Future:
    face = FACE if settle == coin else None
    name, index = f"{coin}_{settle}-{days}", Index("venue", coin, STEP)
    expiry_ms = NOW_MS + days * DAY_MS
    return Future("venue", name, coin, settle, STEP, LOT, face, expiry_ms=expiry_ms, index=index)


def option(coin: str, settle: str, days: int, strike: float, is_call: bool) -> Option:
    return Option(
        "venue",
        f"{coin}_{settle}-{days}-{strike:.0f}-{'C' if is_call else 'P'}",
        coin,
        settle,
        STEP,
        LOT,
        strike=Decimal(f"{strike:.0f}"),
        is_call=is_call,
        expiry_ms=NOW_MS + days * DAY_MS,
        index=Index("venue", coin, STEP),
    )


def at(values: dict[Key, float], confidence: float = SURE) -> MarketValues:
    seen = {key: Seen(value, NOW_MS, confidence) for key, value in values.items()}
    return MarketValues(NOW_MS, seen, 1_000)


def drawn_options(rng: np.random.Generator, coin: str, settle: str, count: int) -> list[Option]:
    found: dict[str, Option] = {}
    for _ in range(count):
        days = int(rng.choice([1, 7, 30, 31, 200]))
        strike = round(SPOT[coin] * float(np.exp(rng.normal() * 0.25)), -2)
        one = option(coin, settle, days, strike, bool(rng.integers(2)))
        found[one.id] = one
    return list(found.values())


def market_of(rng: np.random.Generator, instruments: list[Instrument]) -> dict[Key, float]:
    """Figures for these instruments, with forwards near spot and a smile of vols."""
    values: dict[Key, float] = {dollar_of(CASH): 1.0}
    for coin, spot in SPOT.items():
        values[index_of(coin)] = spot * float(np.exp(rng.normal() * 0.05))
    for asset in (CASH, "USDT"):
        values[index_of(asset)] = 1.0
    for each in instruments:
        spot = values[index_of(each.base)]
        if isinstance(each, Option):
            years = (each.expiry_ms - NOW_MS) / DAY_MS / 365.0
            key = forward_of(each.base, each.expiry_ms)
            forward = values.setdefault(key, spot * float(np.exp(0.08 * years)))
            values.setdefault(rate_of(each.base, each.expiry_ms), 0.05)
            values[vol_of(each.id)] = float(rng.uniform(0.3, 0.9))
            inside = max(forward - float(each.strike), 0.0) + 0.02 * forward
            values[mark_of(each.id)] = inside / forward if each.coin_settled else inside
        else:
            values[mark_of(each.id)] = spot * float(np.exp(rng.normal() * 0.002))
            values[funding_of(each.id)] = float(rng.normal() * 1e-4)
    return values


def drawn_instruments(rng: np.random.Generator, kind: str, count: int) -> list[Instrument]:
    pairs = {
        "deribit-btc": [("BTC", "BTC")],
        "deribit-usdc": [("BTC", CASH), ("ETH", CASH)],
        "deribit-cross": [("BTC", "BTC"), ("ETH", "ETH"), ("ETH", CASH)],
        "derive-standard": [("BTC", CASH), ("ETH", CASH)],
    }.get(kind, [("BTC", CASH)])
    found: list[Instrument] = []
    for coin, settle in pairs:
        found += drawn_options(rng, coin, settle, count)
        found.append(perpetual(coin, settle))
        if kind.startswith("deribit"):
            found.append(future(coin, settle, 30))
    return found


def drawn_size(rng: np.random.Generator, each: Instrument) -> float:
    coins = float(rng.normal() * (10.0 if each.base == "BTC" else 100.0))
    return coins * SPOT[each.base] if each.inverse else coins


def drawn_book(seed: int, kind: str, count: int = 8) -> Book:
    """An account of the rule named `kind` with about `count` options a coin and enough cash."""
    rng = np.random.default_rng(seed)
    instruments = drawn_instruments(rng, kind, int(rng.integers(1, count + 1)))
    values = market_of(rng, instruments)
    positions = tuple(
        Holding(
            each, drawn_size(rng, each), values[mark_of(each.id)] * float(rng.uniform(0.9, 1.1))
        )
        for each in instruments
    )
    unit = {"deribit-btc": "BTC"}.get(kind, CASH)
    collateral = {unit: float(rng.uniform(0.0, 50.0)) * (1.0 if unit == "BTC" else SPOT["BTC"])}
    if kind in {"derive-portfolio", "derive-standard", "deribit-cross"}:
        collateral["BTC"] = float(rng.uniform(0.0, 20.0))
    if kind == "derive-portfolio":
        collateral["USDT"] = float(rng.uniform(0.0, 1e5))
    return Book(RULES[kind], Holdings(positions, collateral), at(values))


def with_size(book: Book, place: int, size: float) -> Book:
    """The book with another size of its position at a place."""
    positions = list(book.holdings.positions)
    positions[place] = replace(positions[place], size=size)
    return replace(book, holdings=replace(book.holdings, positions=tuple(positions)))
