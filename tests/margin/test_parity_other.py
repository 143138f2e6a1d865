# SPDX-License-Identifier: Apache-2.0
"""Published examples of OKX, SPAN and Hyperliquid's funding, exactly; every case is read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.margin.parity import read
from tests.margin.statement_books import GIVEN
from tidegate.margin.coin_books import CoinBook, Exposure
from tidegate.margin.okx_scenarios import RiskUnit, announced, unit_maintenance
from tidegate.margin.span import COUNT, scan_loss
from tidegate.margin.tranches import Tranche, Tranches


def multipliers(rows: list[Any]) -> Tranches:
    return Tranches(tuple(Tranche(Fraction(end), Fraction(m)) for _, end, m in rows), "", "case")


def widths(rows: list[Any]) -> Tranches:
    """Tranches of (width, rate), each on top of the one before."""
    ends = [sum(Fraction(width) for width, _ in rows[: n + 1]) for n in range(len(rows))]
    parts = zip(ends, rows, strict=True)
    return Tranches(tuple(Tranche(end, Fraction(rate)) for end, (_, rate) in parts), "", "case")


def scaled(case: Any) -> None:
    """MR7 and its multipliers."""
    stresses, minimum = {"MR1": Fraction(case["mr"])}, Fraction(case["mr7_raw"])
    mmr, adjusted = unit_maintenance(stresses, minimum, multipliers(case["tiers"]))
    assert adjusted == case["expected_mr7_adj"]
    assert mmr == case["expected_mmr"]


def depegged(case: Any) -> None:
    """MR9 of dollars that are long in one currency and short in another, to the tiers' end."""
    hedged = float(sum(Fraction(width) for width, _ in case["tiers"]))
    legs = (Exposure(hedged, "USDT", 0.0), Exposure(-hedged, "USDC", 0.0))
    unit = RiskUnit(
        CoinBook("BTC", legs, None, np.zeros(0), ()),
        0.0,
        announced("BTC"),
        replace(GIVEN, depeg_tiers=widths(case["tiers"])),
    )
    assert Fraction(unit.stresses()["MR9"]) == Fraction(case["expected"])


def test_parity_okx_portfolio_margin_examples_are_exact(cases_root: Path) -> None:
    counts = {"MR7": 0, "MR9": 0}
    for case in read(cases_root, "other/okx-pm-examples", exact=True):
        stress = "MR7" if "mr7_raw" in case else "MR9"
        counts[stress] += 1
        (scaled if stress == "MR7" else depegged)(case)
    print(", ".join(f"{count} of {stress}" for stress, count in counts.items()))


def test_parity_span_scan_is_exact(cases_root: Path) -> None:
    for case in read(cases_root, "other/span-covered-write"):
        count = len(case["scenarios"])
        assert count == COUNT
        legs = [
            row
            for name, row in case.items()
            if isinstance(row, list) and name != "scenarios" and not name.startswith("expected")
        ]
        assert legs
        together = [sum(column) for column in zip(*legs, strict=True)]
        for name, row in case.items():
            if name.startswith("expected") and isinstance(row, list):
                assert together == row
        assert scan_loss(legs) == case["expected_scan_loss"]
        assert isinstance(scan_loss(legs), int)


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
