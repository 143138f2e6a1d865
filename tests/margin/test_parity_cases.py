# SPDX-License-Identifier: Apache-2.0
"""Parity with venues' own numbers for whole accounts: every case that the folder holds is read.

All kinds are in `parity`. Tiers are in test_parity_tiers, examples of OKX and SPAN in
test_parity_other, single contracts beside their rules: test_dydx, test_deribit and
test_deribit_options.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.margin import deribit_cases, derive_cases, derive_standard_cases
from tests.margin.parity import KINDS, counted, read, told
from tidegate.margin.registry import card


def test_parity_reads_at_least_one_case_and_says_how_many_of_each_kind(
    cases_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = counted(cases_root)
    with capsys.disabled():
        for kind, count in counts.items():
            print(f"\n  parity {told(kind, count)}", end="")
        print()


def test_parity_of_a_folder_without_cases_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no case of any kind"):
        counted(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_parity_of_a_kind_that_the_folder_lacks_is_skipped_by_name(
    tmp_path: Path, kind: str
) -> None:
    with pytest.raises(pytest.skip.Exception, match=kind):
        read(tmp_path, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_parity_of_each_kind_is_of_rules_in_the_registry_and_some_test_reads_it(kind: str) -> None:
    assert all(card(name) for name in KINDS[kind].rules)
    tests = Path(__file__).parent.glob("test_*.py")
    assert any(f'read(cases_root, "{kind}"' in path.read_text(encoding="utf-8") for path in tests)


def test_parity_derive_portfolio_margin_to_1e_9(cases_root: Path) -> None:
    for case in read(cases_root, "derive-pm2"):
        raw, said = case["Scenario"], case["Result"]
        rule = derive_cases.pm2_rule(case)
        stated = rule.statement(derive_cases.pm2_holdings(raw), derive_cases.pm2_market(raw))
        for ours, theirs in (
            (stated.health, said["MM"]),
            (stated.equity - stated.initial, said["IM"]),
        ):
            assert math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9), (raw, ours, theirs)


def test_parity_derive_portfolio_worst_scenario_is_the_venues(cases_root: Path) -> None:
    for case in read(cases_root, "derive-pm2"):
        raw, said = case["Scenario"], case["Result"]
        rule = derive_cases.pm2_rule(case)
        stated = rule.statement(derive_cases.pm2_holdings(raw), derive_cases.pm2_market(raw))
        losses = (said[f"worst_{kind}_loss"] for kind in ("reg", "tail", "skew"))
        worst = -min(*losses, said["ForwardContingency"], 0.0)
        factor = rule.parameters.maintenance_factor
        ours = stated.parts["maintenance: worst loss"] / factor
        assert math.isclose(ours, worst, rel_tol=1e-9, abs_tol=1e-9)


def test_parity_derive_standard_margin_to_1e_6_usd(cases_root: Path) -> None:
    for case in read(cases_root, "derive-srm/cases"):
        holdings, market = derive_standard_cases.unit_case(case)
        stated = derive_standard_cases.rule(0.1).statement(holdings, market)
        said = {name: value / 1e18 for name, value in case["Result"].items()}
        asked = dict.fromkeys(("initial", "maintenance"), 0.0)
        for name, amount in stated.parts.items():
            kind, what = name.split(": ")
            asked[kind] += amount if what.startswith("options") else 0.0
        pairs = (
            (stated.health, said["realMM"]),
            (stated.equity - stated.initial, said["realIM"]),
            (-asked["maintenance"], said["ETHOptionMM"] + said["BTCOptionMM"]),
            (-asked["initial"], said["ETHOptionIM"] + said["BTCOptionIM"]),
        )
        for ours, theirs in pairs:
            assert abs(ours - theirs) <= 1e-6, (case["name"], ours, theirs)


def test_parity_derive_standard_portfolios_within_a_dollar(cases_root: Path) -> None:
    for case in read(cases_root, "derive-srm/portfolios"):
        holdings, market = derive_standard_cases.portfolio(case)
        stated = derive_standard_cases.rule(0.8).statement(holdings, market)
        # The venue's numbers are truncated toward zero.
        assert int(stated.health) == pytest.approx(case["results"]["mm"], abs=1), case["name"]
        initial = stated.equity - stated.initial
        assert int(initial) == pytest.approx(case["results"]["im"], abs=1), case["name"]


def test_parity_deribit_portfolio_margin_to_1e_8(cases_root: Path) -> None:
    for case in read(cases_root, "deribit/portfolio-margin"):
        rule, holdings, market = deribit_cases.portfolio(case)
        stated, said = rule.statement(holdings, market), case["expected"]
        parts = stated.parts
        worst, roll = parts["initial: worst loss"], parts["initial: roll shock"]
        shock = parts["initial: delta shock"]
        pairs = (
            (worst, said["worst_case"]),
            (roll, said["roll_shock"]),
            (shock, said["delta_shock"]),
            (worst + roll + shock, said["risk_matrix_margin"]),
            (stated.maintenance, said["maintenance_margin"]),
            (stated.initial + said["open_orders_margin"], said["initial_margin"]),
        )
        for ours, theirs in pairs:
            assert math.isclose(ours, theirs, rel_tol=1e-8, abs_tol=1e-15), (ours, theirs)
