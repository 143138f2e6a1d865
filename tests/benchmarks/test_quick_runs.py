# SPDX-License-Identifier: Apache-2.0
"""Each benchmark runs in its quick form, and its document says what it must."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import allocation, exchange_kernel, forecast, margin, year
from benchmarks.side_by_side import mean_variance
from benchmarks.side_by_side.joint_solves import AGREE, CONIC, RETURNS

REPOSITORY = Path(__file__).resolve().parents[2]
# Objectives of all agree to this share of equity; ours is proved to a third of it.
SAME, NEAR = 3e-6, 0.02
MEASURED = {"cvxportfolio", "skfolio"}


def exchange_says_what_each_engine_models_or_why_it_is_missing(found: Any) -> None:
    rows = {row["name"]: row for row in found["rows"]}
    ours = {exchange_kernel.OURS, exchange_kernel.DECIDED}
    assert ours | {exchange_kernel.LOOP, exchange_kernel.TWIN} <= set(rows)
    assert set(rows) | set(found["missing"]) == set(exchange_kernel.MODELS)
    assert all(name in exchange_kernel.PEERS for name in found["missing"])
    assert all(row["events_per_s"] > 0 and row["models"] for row in rows.values())
    assert [len(aim) for aim in found["aims"]] == [3, 3, 3]


def forecast_finds_one_optimum_and_names_who_is_absent(found: Any) -> None:
    assert found["absent"] == [n for n in forecast.PEERS if not forecast.importable(n)]
    rows = {row["name"]: row["found"] for row in found["topics"]["GJR-GARCH-t"]}
    ours = rows[forecast.OURS]
    gone = forecast.ARCH in found["absent"]
    there = set() if gone else {forecast.ARCH, forecast.ARCH_WARM}
    assert set(rows) - {forecast.OURS, forecast.SLSQP} == there
    for name, other in rows.items():
        assert ours["log-likelihood"] >= other["log-likelihood"] - 1e-3, name
        for parameter in forecast.PARAMETERS:
            error = ours[f"error of {parameter}"]
            assert ours[parameter] == pytest.approx(other[parameter], abs=0.05 * error), name
    apart = found["agreement"]
    assert (apart is None) == gone
    assert apart is None or (apart["parameters"] < 0.05 and apart["arch above ours"] < 1e-3)
    assert all(row["milliseconds"] > 0.0 for topic in found["topics"].values() for row in topic)


def margin_has_rows_with_errors_and_says_who_is_missing(found: Any) -> None:
    assert [topic["key"] for topic in found["topics"]] == list(margin.TOPICS)
    for topic in found["topics"]:
        ours = topic["rows"][0]
        assert ours["name"] == "Tidegate"
        assert ours["rounds"] >= 5
        errors = [value for name, value in ours["errors"].items() if "error" in name]
        assert max(errors) < 1e-9
    first = found["topics"][0]
    named = {row["name"] for row in first["rows"]} | set(first["left_out"])
    assert named == {"Tidegate", "numpy and scipy", "QuantLib blackFormula"}
    assert len(found["aims"]) == len(margin.TOPICS)
    assert {peer["name"] for peer in found["peers"]} == {"numpy", "scipy", "QuantLib"}


def allocation_solves_the_same_and_names_its_peers(found: Any) -> None:
    (measured,) = found["joint"]
    assert [kind["kind"] for kind in measured["kinds"]] == [*RETURNS, "book"]
    for kind in measured["kinds"]:
        assert set(kind["times"]) == {"Tidegate"} | {name for name, *_ in CONIC}
        assert all(times["times"] >= 3 for times in kind["times"].values())
        assert kind["furthest_apart"] <= AGREE
    assert len(found["aims"]) == len(measured["kinds"])
    assert {peer["name"] for peer in found["peers"]} >= MEASURED
    for peer in found["peers"]:
        assert peer["absent"] or peer["version"]
        assert peer["licence"]
    keys = (allocation.JOINT, *(topic["key"] for topic in found["topics"]))
    assert keys == allocation.TOPICS
    absent = {peer["name"] for peer in found["peers"] if peer["absent"]}
    for topic, listed in zip(found["topics"], mean_variance.TOPICS, strict=True):
        _judge_books(topic, listed, absent)


def _judge_books(topic: Any, listed: Any, absent: set[str]) -> None:
    """Of the same mean-variance question, or the reason why somebody has no book."""
    assert topic["rows"][0]["name"] == "Tidegate"
    measured = {row["name"] for row in topic["rows"]}
    assert measured | set(topic["left_out"]) == {entry.name for entry in listed.entries}
    assert {"Tidegate", "cvxpy DPP, Clarabel"} <= measured
    for row in topic["rows"]:
        assert row["errors"]["error of the objective"] <= SAME, row["name"]
        assert row["errors"]["furthest position"] <= NEAR, row["name"]
        assert row["errors"]["over leverage"] <= 1e-6, row["name"]
    for entry in listed.entries:
        if set(entry.peers) & absent:
            assert "Error" in topic["left_out"][entry.name]


def year_counts_what_was_run_and_says_that_it_extrapolates(found: Any) -> None:
    assert (found["venues"], found["contracts"], found["options"]) == (4, 48, 4)
    assert (found["days"], found["steps"]) == (2, 2 * 288)
    assert found["cycles"] == 48 + found["triggered"]
    assert found["solves"] > 0
    assert found["failures"] == 0
    assert found["extrapolated"] is True
    assert found["year_seconds"] == pytest.approx(found["seconds"] * 365 / 2)
    assert found["seconds"] >= found["engine_seconds"] + found["options_seconds"] - 1e-6


QUICK = ("--quick",)
RUNS = [
    pytest.param("allocation", QUICK, allocation_solves_the_same_and_names_its_peers),
    *(
        pytest.param(*run, marks=pytest.mark.soak)
        for run in (
            ("exchange_kernel", QUICK, exchange_says_what_each_engine_models_or_why_it_is_missing),
            ("forecast", QUICK, forecast_finds_one_optimum_and_names_who_is_absent),
            ("margin", QUICK, margin_has_rows_with_errors_and_says_who_is_missing),
            ("year", ("--days", "2"), year_counts_what_was_run_and_says_that_it_extrapolates),
        )
    ),
]


@pytest.mark.parametrize(("programme", "quick", "judge"), RUNS)
def test_quick_run_prints_a_document_that_says_what_it_must(
    programme: str, quick: tuple[str, ...], judge: Callable[[Any], None]
) -> None:
    printed = subprocess.run(
        [sys.executable, f"benchmarks/{programme}.py", *quick, "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    judge(json.loads(printed))


@pytest.mark.parametrize("arguments", [allocation.arguments, margin.arguments])
def test_too_few_rounds_are_one_line_and_exit_2(
    arguments: Callable[[list[str]], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(["--rounds", "4"])
    assert "expected at least 5 rounds, got 4" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "366"])
def test_days_outside_a_year_are_one_line_and_exit_2(
    days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        year.arguments(["--days", days])
    assert f"expected 1 to 365, got {days}" in capsys.readouterr().err


def test_years_book_has_twelve_contracts_at_each_of_four_venues_and_a_watch() -> None:
    mandate = year.year_mandate()
    assert [len(venue.instruments) for venue in mandate.venue.values()] == [12] * 4
    assert mandate.mandate.decision_interval_s == 3_600
    assert mandate.mandate.watch_interval_s == 300
    assert set(mandate.coins) == {*year.OWN, *year.MORE}


def test_words_of_a_year_say_whether_it_was_run_or_extrapolated_and_how_far_the_aim_is() -> None:
    short = year.Figures(
        **dict.fromkeys(("steps", "cycles", "triggered", "solves", "failures", "delivered"), 1),
        **dict.fromkeys(("market_seconds", "engine_seconds", "options_seconds"), 1.0),
        days=5,
        venues=4,
        contracts=48,
        options=4,
        journal_head="ab",
        seconds=5.0,
        cpu_seconds=4.0,
        year_seconds=365.0,
        year_cpu_seconds=292.0,
        extrapolated=True,
    )
    said = year.words(short)
    assert "a year, extrapolated from 5 days: 365 s of the wall" in said
    assert "the aim of 300 s is not reached" in said
    assert "not decided by it" in said
    whole = year.replace(short, days=365, extrapolated=False, year_seconds=299.0)
    assert "a year, run whole: 299 s of the wall" in year.words(whole)
    assert "the aim of 300 s is reached" in year.words(whole)
