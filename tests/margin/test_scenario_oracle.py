# SPDX-License-Identifier: Apache-2.0
"""The slow implementation of scenario margin against every case that the venues published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.margin.oracle_derive_portfolio import DerivePortfolioParts
from tests.margin.scenario_cases import (
    Case,
    deribit_cases,
    portfolio_cases,
    standard_cases,
)
from tests.margin.scenario_oracle import (
    deribit_parts,
    derive_portfolio,
    derive_portfolio_parts,
    derive_standard,
    derive_standard_parts,
)


def read(found: list[Case], kind: str) -> list[Case]:
    if not found:
        pytest.skip(f"the folder of cases holds none of {kind}")
    print(f"{len(found)} cases of {kind}")
    return found


def test_folder_of_cases_holds_some_case_that_the_oracle_reads(cases_root: Path) -> None:
    assert (
        portfolio_cases(cases_root)
        or list(deribit_cases(cases_root))
        or standard_cases(cases_root, "cases.json")
    )


def test_oracle_gives_every_published_portfolio_margin_of_derive(cases_root: Path) -> None:
    for case in read(portfolio_cases(cases_root), "derive-pm2"):
        found = derive_portfolio(case.holdings, case.market, case.parameters)
        pair = (found.net_maintenance, found.net_initial)
        expected = (case.expected["MM"], case.expected["IM"])
        assert pair == pytest.approx(expected, rel=1e-9, abs=0), case.name


def lines(parts: DerivePortfolioParts) -> dict[str, float]:
    return {
        "PortfolioMTM": parts.base,
        "ForwardContingency": dict(parts.losses)["basis"],
        "OracleCont": -sum(parts.oracle.values()),
    }


def test_oracle_gives_every_line_of_the_published_portfolio_margins(cases_root: Path) -> None:
    # Every scenario's profit, not only the worst; a scenario's rounding is of the book's size.
    for case in read(portfolio_cases(cases_root), "derive-pm2, by line"):
        parts = derive_portfolio_parts(case.holdings, case.market, case.parameters)
        tables = ("reg_losses", "tail_losses", "skew_losses")
        published = [float(row[-1]) for name in tables for row in case.expected[name]]
        profits = [profit for name, profit in parts.losses if name != "basis"]
        size = 1e-11 * max(1.0, *(abs(e.value) for e in parts.expiries), abs(parts.base))
        assert profits == pytest.approx(published, rel=1e-9, abs=size), case.name
        for name, usd in lines(parts).items():
            assert usd == pytest.approx(case.expected[name], rel=1e-9, abs=size), (case.name, name)


def test_oracle_gives_every_published_standard_margin_of_derive(cases_root: Path) -> None:
    for case in read(standard_cases(cases_root, "cases.json"), "derive-srm, units"):
        found = derive_standard(case.holdings, case.market, case.parameters)
        pair = (found.net_maintenance, found.net_initial)
        expected = (case.expected["realMM"] / 1e18, case.expected["realIM"] / 1e18)
        assert pair == pytest.approx(expected, rel=0, abs=1e-6), case.name


def test_oracle_gives_every_published_part_of_standard_margins(cases_root: Path) -> None:
    for case in read(standard_cases(cases_root, "cases.json"), "derive-srm, by part"):
        parts = derive_standard_parts(case.holdings, case.market, case.parameters)
        found = {
            "ETHOptionMM": sum(parts.options_maintenance.values()),
            "ETHOptionIM": sum(parts.options_initial.values()),
            "PerpMargin": -parts.perp_maintenance,
            "OracleConts": -sum(parts.oracle.values()),
            "DepegIMs": -parts.depeg,
        }
        for name, usd in found.items():
            expected = case.expected[name] / 1e18
            assert usd == pytest.approx(expected, rel=0, abs=1e-6), (case.name, name)


def test_oracle_gives_every_published_standard_portfolio_of_derive(cases_root: Path) -> None:
    # The expected numbers are truncated toward zero to whole dollars.
    for case in read(standard_cases(cases_root, "portfolios.json"), "derive-srm, portfolios"):
        found = derive_standard(case.holdings, case.market, case.parameters)
        assert abs(found.net_maintenance - case.expected["mm"]) < 1.0, case.name
        assert abs(found.net_initial - case.expected["im"]) < 1.0, case.name


def test_oracle_gives_the_published_portfolio_margin_of_deribit(cases_root: Path) -> None:
    # The venue rounds the worst case to 9 decimals before it adds.
    for case in read(list(deribit_cases(cases_root)), "deribit portfolio margin"):
        parts = deribit_parts(case.holdings, case.market, case.parameters)
        found = {
            "worst_case": parts.worst_case,
            "roll_shock": parts.roll_shock,
            "delta_shock": parts.delta_shock,
            "risk_matrix_margin": parts.risk_matrix,
            "maintenance_margin": parts.margins.maintenance,
            "initial_margin": parts.margins.initial,
        }
        for name, coins in found.items():
            assert coins == pytest.approx(case.expected[name], rel=1e-8, abs=0), name
