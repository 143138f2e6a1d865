# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the allocation runs from the command line, and everyone solves the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.allocation import JOINT, TOPICS, arguments
from benchmarks.side_by_side import mean_variance
from benchmarks.side_by_side.entries import ALLOCATION_PEERS, OURS
from benchmarks.side_by_side.joint_solves import AGREE, CONIC, RETURNS
from benchmarks.side_by_side.mean_variance_questions import LEVERAGE, SHRINKAGE, Case, case
from tests.benchmarks.test_entries import SAYS, names, project

REPOSITORY = Path(__file__).resolve().parents[2]
# Objectives of all agree to this share of equity; ours is proved to a third of it.
SAME, NEAR = 3e-6, 0.02
MEASURED = {"cvxportfolio", "skfolio"}


@pytest.fixture(scope="module")
def found() -> Any:
    """What the quick mode prints."""
    printed = subprocess.run(
        [sys.executable, "benchmarks/allocation.py", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    return json.loads(printed)


def test_quick_run_solves_the_joint_programme_to_the_same_objective(found: Any) -> None:
    (measured,) = found["joint"]
    assert [kind["kind"] for kind in measured["kinds"]] == [*RETURNS, "book"]
    for kind in measured["kinds"]:
        assert set(kind["times"]) == {"Tidegate"} | {name for name, *_ in CONIC}
        assert all(times["times"] >= 3 for times in kind["times"].values())
        assert kind["furthest_apart"] <= AGREE
    assert len(found["aims"]) == len(measured["kinds"])


def test_quick_run_finds_the_same_mean_variance_books_and_names_who_is_missing(found: Any) -> None:
    assert (JOINT, *(topic["key"] for topic in found["topics"])) == TOPICS
    for topic, listed in zip(found["topics"], mean_variance.TOPICS, strict=True):
        assert topic["rows"][0]["name"] == "Tidegate"
        measured = {row["name"] for row in topic["rows"]}
        assert measured | set(topic["left_out"]) == {entry.name for entry in listed.entries}
        assert {"Tidegate", "cvxpy DPP, Clarabel"} <= measured
        for row in topic["rows"]:
            assert row["errors"]["error of the objective"] <= SAME, row["name"]
            assert row["errors"]["furthest position"] <= NEAR, row["name"]
            assert row["errors"]["over leverage"] <= 1e-6, row["name"]


def test_quick_run_names_version_or_reason_of_each_peer(found: Any) -> None:
    assert {peer["name"] for peer in found["peers"]} >= MEASURED
    for peer in found["peers"]:
        assert peer["absent"] or peer["version"]
        assert peer["licence"]
    absent = {peer["name"] for peer in found["peers"] if peer["absent"]}
    for topic in found["topics"]:
        entries = next(t for t in mean_variance.TOPICS if t.key == topic["key"]).entries
        for entry in entries:
            if set(entry.peers) & absent:
                assert "Error" in topic["left_out"][entry.name]


def test_too_few_rounds_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(["--rounds", "4"])
    assert "expected at least 5 rounds, got 4" in capsys.readouterr().err


@pytest.mark.parametrize("topic", mean_variance.TOPICS, ids=lambda topic: str(topic.key))
def test_rows_begin_with_ours_say_what_they_do_and_meet_the_peers(topic: Any) -> None:
    assert topic.entries[0].ours
    listed = {peer.distribution for peer in ALLOCATION_PEERS}
    for entry in topic.entries:
        assert entry.ours or set(entry.peers) <= listed
        assert SAYS.match(entry.differs), entry.name
        assert entry.differs.endswith(".")
    assert {peer for entry in topic.entries for peer in entry.peers} >= MEASURED | {OURS}


def test_measured_peers_are_in_the_bench_extra_alone() -> None:
    given = project()
    assert names(given["bench"]) >= MEASURED
    assert not MEASURED & (names(given["run"]) | names(given["dev"]))


@pytest.fixture(scope="module")
def small() -> Case:
    return case(12, quick=True)


def test_book_under_the_norm_meets_the_conditions_of_the_best_mean_variance_book(
    small: Case,
) -> None:
    """Clarabel's book of gamma = z / ||L'x|| is as risky as ours was: z = gamma ||L'x*||."""
    risk = np.linalg.norm(small.books @ small.factor, axis=1)
    assert small.gamma * risk == pytest.approx(np.full(risk.size, SHRINKAGE), rel=0.01)
    assert np.abs(small.books).sum(axis=1) == pytest.approx(np.full(risk.size, LEVERAGE), abs=1e-6)


def test_no_book_within_leverage_is_better_than_the_best(small: Case) -> None:
    random, best = np.random.default_rng(3), small.value(small.books)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(50):
            books = small.books + size * random.standard_normal(small.books.shape)
            gross = np.abs(books).sum(axis=1, keepdims=True)
            books *= np.minimum(1.0, LEVERAGE / gross)
            assert (small.value(books) <= best + 1e-9).all()


def test_programme_that_seeks_z_from_gamma_finds_the_best_book(small: Case) -> None:
    entry = next(e for e in mean_variance.ENTRIES if e.name == "Tidegate, given gamma")
    errors = mean_variance.judge(small, entry)
    assert errors["error of the objective"] <= SAME
    assert errors["furthest position"] <= NEAR


def test_judge_sees_a_book_that_is_not_the_best(small: Case) -> None:
    entry = mean_variance.ENTRIES[0]
    worse = Case(
        small.returns, small.held, small.factor, small.covariance, small.gamma, 0.5 * small.books
    )
    assert mean_variance.judge(worse, entry)["error of the objective"] > 100 * SAME
