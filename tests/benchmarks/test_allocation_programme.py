# SPDX-License-Identifier: Apache-2.0
"""Everyone whom the benchmark of the allocation measures is asked, and judged by, the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.side_by_side import mean_variance
from benchmarks.side_by_side.entries import ALLOCATION_PEERS, OURS
from benchmarks.side_by_side.mean_variance_questions import LEVERAGE, SHRINKAGE, Case, case
from tests.benchmarks.test_entries import SAYS, names, project
from tests.benchmarks.test_quick_runs import MEASURED, NEAR, SAME


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
