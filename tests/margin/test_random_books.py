# SPDX-License-Identifier: Apache-2.0
"""The random books of scenario margin meet every branch of the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.margin.oracle_branches import (
    DERIBIT_BRANCHES,
    PORTFOLIO_BRANCHES,
    STANDARD_BRANCHES,
    deribit_branches,
    portfolio_branches,
    standard_branches,
)
from tests.margin.random_books import deribit_book, derive_portfolio_book, derive_standard_book
from tests.margin.scenario_oracle import deribit_portfolio, derive_portfolio, derive_standard


def count(
    seeds: Iterable[int], book: Callable[[int], Any], labels: Callable[[Any], set[str]]
) -> Counter[str]:
    return Counter(label for seed in seeds for label in labels(book(seed)))


RULES = [
    (derive_portfolio_book, portfolio_branches, PORTFOLIO_BRANCHES),
    (derive_standard_book, standard_branches, STANDARD_BRANCHES),
    (deribit_book, deribit_branches, DERIBIT_BRANCHES),
]


@pytest.mark.parametrize(("book", "labels", "wanted"), RULES, ids=("pm2", "srm", "deribit"))
def test_random_books_meet_every_branch(book: Any, labels: Any, wanted: frozenset[str]) -> None:
    found = count(range(2_000), book, labels)
    assert {label for label in wanted if found[label] < 2} == set()
    assert set(found) == wanted


@pytest.mark.soak(promise="R16")
@pytest.mark.parametrize(("book", "labels", "wanted"), RULES, ids=("pm2", "srm", "deribit"))
def test_ten_thousand_random_books_meet_every_branch_many_times(
    book: Any, labels: Any, wanted: frozenset[str]
) -> None:
    found = count(range(10_000), book, labels)
    assert {label for label in wanted if found[label] < 10} == set()


@pytest.mark.parametrize("book", [derive_portfolio_book, derive_standard_book, deribit_book])
def test_random_book_is_the_same_for_the_same_seed(book: Any) -> None:
    assert [book(seed) for seed in range(50)] == [book(seed) for seed in range(50)]
    assert book(1) != book(2)


@pytest.mark.parametrize(
    ("book", "rule"),
    [
        (derive_portfolio_book, derive_portfolio),
        (derive_standard_book, derive_standard),
        (deribit_book, deribit_portfolio),
    ],
)
def test_requirements_of_random_books_are_not_negative_and_rise_initially(
    book: Any, rule: Any
) -> None:
    for seed in range(500):
        found = rule(*book(seed))
        assert 0.0 <= found.maintenance <= found.initial, seed
