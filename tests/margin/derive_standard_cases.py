# SPDX-License-Identifier: Apache-2.0
"""Derive's published standard margin cases as holdings, market and rule of this project."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tidegate.margin.derive_parameters import MAINNET_STANDARD_2026
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    fixed_of,
    fixed_share_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.model.instruments import Index, Option, Perpetual

NOW_MS = 1_672_736_400_000
QUANTA = 1e8
SCALE = 10**18
COINS = ("ETH", "BTC")
# The unit-test row of the venue's parameters.
UNIT_TESTS = replace(
    MAINNET_STANDARD_2026,
    least_of_spot=0.10,
    call_maintenance=0.075,
    put_maintenance=0.075,
    put_mark_maintenance=0.075,
    perpetual_initial=0.065,
    perpetual_maintenance=0.05,
    confidence_threshold=0.4,
    oracle_factor=0.4,
    peg_threshold=0.98,
    peg_factor=1.2,
)


def rule(factor: float) -> DeriveStandard:
    return DeriveStandard(dict.fromkeys(COINS, (factor, 1.0)), UNIT_TESTS)


def perpetual(coin: str) -> Perpetual:
    return Perpetual("derive", f"{coin}-PERP", coin, "USDC", Decimal("0.01"), Decimal("0.001"))


def option(number: int, coin: str, expiry_ms: int, terms: tuple[float, bool]) -> Option:
    strike, call = terms
    return Option(
        "derive",
        f"{coin}-{number}",
        coin,
        "USDC",
        Decimal("0.01"),
        Decimal("0.01"),
        strike=Decimal(repr(strike)),
        is_call=call,
        expiry_ms=expiry_ms,
        index=Index("derive", coin, Decimal("0.01")),
    )


def market(values: dict[Key, tuple[float, float]]) -> MarketValues:
    seen = {key: Seen(float(value), NOW_MS, sure) for key, (value, sure) in values.items()}
    return MarketValues(NOW_MS, seen, 0, least_confidence=0.0)


def portfolio(case: dict[str, Any]) -> tuple[Holdings, MarketValues]:
    """A case of portfolios.json."""
    raw = case["market"]
    sure = raw["confidence"]
    seconds = raw["seconds_to_expiry"]
    values: dict[Key, tuple[float, float]] = {dollar_of("USDC"): (raw["stable_price"], 1.0)}
    for coin in COINS:
        low = coin.lower()
        values[index_of(coin)] = (raw["spot"][low], sure["spot"][low])
        values[mark_of(perpetual(coin).id)] = (raw["perp"][low], sure["perp"][low])
        for date, forward in raw["forward"][low].items():
            expiry = NOW_MS + seconds[date] * 1000
            values[forward_of(coin, expiry)] = (forward, sure["forward"][low].get(date, 1.0))
    positions = []
    for number, each in enumerate(case["options"]):
        coin, expiry = each["underlying"].upper(), NOW_MS + seconds[each["expiry"]] * 1000
        one = option(number, coin, expiry, (float(each["strike"]), each["type"] == "call"))
        positions.append(Holding(one, each["amount"] / QUANTA, 0.0))
        certain = sure["vol"][each["underlying"]].get(each["expiry"], 1.0)
        values[vol_of(one.id)] = (raw["vol"], certain)
    for each in case["perps"]:
        one = perpetual(each["underlying"].upper())
        positions.append(Holding(one, each["amount"] / QUANTA, each["entryPrice"] / QUANTA))
    coins: dict[str, float] = {}
    for each in case["bases"]:
        coin = each["underlying"].upper()
        coins[coin] = coins.get(coin, 0.0) + each["amount"] / QUANTA
    return Holdings(tuple(positions), {"USDC": case["cash"] / QUANTA, **coins}), market(values)


def unit_case(case: dict[str, Any]) -> tuple[Holdings, MarketValues]:
    """The scenario of one of cases.json."""
    raw = case["Scenario"]
    values: dict[Key, tuple[float, float]] = {dollar_of("USDC"): (raw["USDCValue"] / SCALE, 1.0)}
    positions = []
    for place, coin in enumerate(COINS):
        spot, perp = (value / SCALE for value in raw["SpotPerpConfidences"][place])
        values[index_of(coin)] = (raw[f"{coin}SpotPrice"] / SCALE, spot)
        mark = raw["PerpPrice"][place] / SCALE
        values[mark_of(perpetual(coin).id)] = (mark, perp)
        size = raw[f"Perps_{coin}"] / SCALE
        if size:
            entry = raw[f"LastEntry{coin}"] / SCALE
            paid = raw[f"{coin}GlobalFundingIndex"] - (raw[f"Account{coin}FundingIndex"] or 0)
            funding = -paid / SCALE * size
            positions.append(Holding(perpetual(coin), size, entry, funding))
    for number, coin in enumerate(raw["OptionUnderlying"]):
        expiry = NOW_MS + raw["OptionExpiries"][number] * 1000
        terms = (raw["OptionStrikes"][number] / SCALE, raw["OptionIsCall"][number] == 1)
        one = option(number, coin, expiry, terms)
        positions.append(Holding(one, raw["OptionAmounts"][number] / SCALE, 0.0))
        certain = raw["OptionVolConfidences"][number] / SCALE
        values[vol_of(one.id)] = (raw["OptionVols"][number] / SCALE, certain)
        # Feeds are listed by option, not by expiry.
        certain = raw["ForwardConfidences"][number] / SCALE
        values[forward_of(coin, expiry)] = (raw["Forwards"][number] / SCALE, certain)
        share = raw[f"PercentFixed{coin}"] or 0.0
        average = (raw[f"TWAP_{coin}"] or 0) / SCALE
        values[fixed_of(coin, expiry)] = (share * average, 1.0)
        values[fixed_share_of(coin, expiry)] = (share, 1.0)
    coins = {coin: raw[f"w{coin}"] / SCALE for coin in COINS if raw[f"w{coin}"]}
    return Holdings(tuple(positions), {"USDC": raw["Cash"] / SCALE, **coins}), market(values)
