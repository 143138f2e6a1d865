# SPDX-License-Identifier: Apache-2.0
"""Published examples of margin under `other`, exactly; every case of a kind is read.

A kind that the folder does not hold is skipped by its name; the count of each is printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tidegate.margin.okx_scenarios import unit_maintenance
from tidegate.margin.position_tiers import PositionTier, PositionTiers, leverage_tiers
from tidegate.margin.span import COUNT, scan_loss
from tidegate.margin.tranches import Tranche, Tranches


def cases(root: Path, kind: str) -> list[Any]:
    """Decoded cases of a kind, whether a file holds one or a list of them."""
    found = sorted((root / "other").glob(f"{kind}*.json"))
    read = [json.loads(path.read_text(), parse_float=Decimal) for path in found]
    listed = [one for case in read for one in (case if isinstance(case, list) else [case])]
    if not listed:
        pytest.skip(f"no {kind} under {root / 'other'}")
    print(f"{kind}: {len(listed)} cases")
    return listed


def okx_cases(root: Path) -> Iterator[tuple[Any, bool]]:
    for case in cases(root, "okx-pm-examples"):
        yield case, "mr7_raw" in case


def multipliers(rows: list[Any]) -> Tranches:
    return Tranches(tuple(Tranche(Fraction(end), Fraction(m)) for _, end, m in rows), "", "case")


def widths(rows: list[Any]) -> Tranches:
    """Tranches of (width, rate), each on top of the one before."""
    ends = [sum(Fraction(width) for width, _ in rows[: n + 1]) for n in range(len(rows))]
    parts = zip(ends, rows, strict=True)
    return Tranches(tuple(Tranche(end, Fraction(rate)) for end, (_, rate) in parts), "", "case")


def test_parity_okx_portfolio_margin_examples_are_exact(cases_root: Path) -> None:
    for case, scales in okx_cases(cases_root):
        if scales:
            stresses = {"MR1": Fraction(case["mr"])}
            minimum = Fraction(case["mr7_raw"])
            mmr, adjusted = unit_maintenance(stresses, minimum, multipliers(case["tiers"]))
            assert adjusted == case["expected_mr7_adj"]
            assert mmr == case["expected_mmr"]
        else:
            tiers = widths(case["tiers"])
            hedged = sum(Fraction(width) for width, _ in case["tiers"])
            assert tiers.charge(hedged) == case["expected"]


def test_parity_span_scan_is_exact(cases_root: Path) -> None:
    for case in cases(cases_root, "span-"):
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


def test_parity_hyperliquid_tiers_charge_half_the_initial_rate_on_each_slice(
    cases_root: Path,
) -> None:
    for case in cases(cases_root, "hyperliquid-tiers"):
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


def test_parity_binance_brackets_have_the_cumulative_amounts_published(cases_root: Path) -> None:
    for case in cases(cases_root, "binance-usdm-brackets"):
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


def test_kind_that_is_absent_is_skipped_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(pytest.skip.Exception, match="okx-pm-examples"):
        list(okx_cases(tmp_path))
