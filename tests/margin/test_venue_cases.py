# SPDX-License-Identifier: Apache-2.0
"""The venues' published tier cases, to the integer; every case that the folder holds is read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.margin.books import ladder
from tests.margin.parity import read
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.units import MICRO

AROUND = (-1_000_000, -1, 0, 1, 1_000_000)


def hyperliquid_tables(root: Path) -> dict[str, list[tuple[int, int]]]:
    return {
        coin: [(int(floor), int(leverage)) for floor, leverage in tiers]
        for case in read(root, "other/hyperliquid-tiers", exact=True)
        for coin, tiers in case["tiers"].items()
    }


def binance_table(case: Any) -> TierTable:
    rows, floor = [], Decimal(0)
    for number, tier in enumerate(case["tiers"]):
        cap = Decimal(tier["notional_cap"])
        rate, cum = Fraction(tier["mmr"]), Fraction(tier["cum"])
        rows.append((floor, cap, rate, cum, len(case["tiers"]) - number))
        floor = cap
    return tier_table(rows, "USDT", "2021-03-18", case["symbol"])


def test_parity_hyperliquid_bitcoin_of_200_million_needs_exactly_3125000(cases_root: Path) -> None:
    # Margin tiers page of Hyperliquid's documentation: 5.0M - 1.875M = 3.125M.
    table = ladder(hyperliquid_tables(cases_root)["BTC"])
    assert table.maintenance(200_000_000 * MICRO) == 3_125_000 * MICRO


def test_parity_every_hyperliquid_table_charges_half_the_initial_rate_on_each_slice(
    cases_root: Path,
) -> None:
    for tiers in hyperliquid_tables(cases_root).values():
        table = ladder(tiers)
        floors = [floor * MICRO for floor, _ in tiers]
        for notional in (f + d for f in [*floors, 2 * floors[-1]] for d in AROUND if f + d >= 0):
            sliced = Fraction(0)
            for (floor, leverage), end in zip(tiers, [*floors[1:], None], strict=True):
                top = notional if end is None else min(notional, end)
                sliced += Fraction(max(0, top - floor * MICRO), 2 * leverage)
            assert table.maintenance(notional) == -(-sliced.numerator // sliced.denominator)


def test_parity_every_binance_bracket_follows_the_recurrence_and_one_off_by_a_dollar_is_refused(
    cases_root: Path,
) -> None:
    for case in read(cases_root, "other/binance-usdm-brackets", exact=True):
        floor, rate, cum = Fraction(0), Fraction(0), Fraction(0)
        for index, tier in enumerate(case["tiers"]):
            cum += floor * (Fraction(tier["mmr"]) - rate) if index else 0
            assert cum == Fraction(tier["cum"])
            floor, rate = Fraction(tier["notional_cap"]), Fraction(tier["mmr"])
        binance_table(case)
        case["tiers"][-1]["cum"] += 1
        with pytest.raises(Exception, match="exact deduction recurrence"):
            binance_table(case)


def test_parity_binance_maintenance_at_and_around_every_boundary_is_exact(cases_root: Path) -> None:
    for case in read(cases_root, "other/binance-usdm-brackets", exact=True):
        table = binance_table(case)
        caps = [int(tier["notional_cap"]) * MICRO for tier in case["tiers"]]
        for cap in caps:
            for notional in (cap + delta for delta in AROUND):
                index = sum(notional > c for c in caps[:-1])
                tier = case["tiers"][index]
                exact = notional * Fraction(tier["mmr"]) - Fraction(tier["cum"]) * MICRO
                assert table.maintenance(notional) == -(-exact.numerator // exact.denominator)


def test_parity_hyperliquid_funding_example_pays_size_times_oracle_times_rate(
    cases_root: Path,
) -> None:
    # The rate is the venue's to compute: premium plus the clamped distance of interest from it.
    # The exchange's payment of such a rate is held in tests/simulation/test_exchange_funding.py.
    for case in read(cases_root, "other/hyperliquid-funding", exact=True):
        premium = (Decimal(case["impact_bid"]) - case["oracle"]) / case["oracle"]
        assert premium == case["expected_premium"]
        nearer = max(Decimal("-0.0005"), min(Decimal("0.0005"), case["interest_8h"] - premium))
        assert premium + nearer == case["expected_rate_8h"]
        hourly = min(case["expected_rate_8h"] / 8, case["cap_hourly"])
        assert hourly == case["expected_hourly"]
        assert case["payment"] == "size*oracle*rate"
