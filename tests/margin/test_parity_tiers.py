# SPDX-License-Identifier: Apache-2.0
"""The venues' published tiers, exactly: by the integer tables of the exchange's rules, and by the
position tiers of the rules of floats; every case that the folder holds is read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.margin.books import ladder
from tests.margin.parity import read
from tidegate.margin.position_tiers import PositionTier, PositionTiers, leverage_tiers
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.units import MICRO

AROUND = (-1_000_000, -1, 0, 1, 1_000_000)


def hyperliquid_tables(cases_root: Path) -> dict[str, list[tuple[int, int]]]:
    return {
        coin: [(int(floor), int(leverage)) for floor, leverage in tiers]
        for case in read(cases_root, "other/hyperliquid-tiers", exact=True)
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


def test_parity_hyperliquid_position_tiers_charge_half_the_initial_rate_on_each_slice(
    cases_root: Path,
) -> None:
    for case in read(cases_root, "other/hyperliquid-tiers", exact=True):
        for coin, rows in case["tiers"].items():
            table = leverage_tiers([(str(floor), int(most)) for floor, most in rows], "2026-11")
            floors = [Fraction(floor) for floor, _ in rows]
            for amount in [*floors, *(2 * floor + 1 for floor in floors), Fraction(200_000_000)]:
                sliced = sum(
                    max(Fraction(0), min(amount, end) - floor) / (2 * int(most))
                    for (_, most), floor, end in zip(
                        rows, floors, [*floors[1:], amount], strict=True
                    )
                )
                assert table.maintenance(amount, amount) == sliced, coin
        if "BTC" in case["tiers"]:
            # The venue's documentation: 200 million need 5,000,000 - 1,875,000.
            btc = leverage_tiers([(str(f), int(m)) for f, m in case["tiers"]["BTC"]], "2026-11")
            assert btc.maintenance(Fraction(200_000_000), Fraction(0)) == 3_125_000


def test_parity_binance_position_tiers_have_the_cumulative_amounts_published(
    cases_root: Path,
) -> None:
    for case in read(cases_root, "other/binance-usdm-brackets", exact=True):
        rows = tuple(
            PositionTier(Fraction(t["notional_cap"]), Fraction(t["mmr"]), Fraction(1))
            for t in case["tiers"]
        )
        table = PositionTiers(rows, True, "worth", "2021-03-18", case["symbol"])
        assert [cum for _, cum in table.lines()] == [Fraction(t["cum"]) for t in case["tiers"]]
        for tier in case["tiers"]:
            cap = Fraction(tier["notional_cap"])
            exact = cap * Fraction(tier["mmr"]) - Fraction(tier["cum"])
            assert table.maintenance(cap, Fraction(0)) == exact
