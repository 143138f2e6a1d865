# SPDX-License-Identifier: Apache-2.0
"""What a soak test tries: a whole, or as much as time allows; each failure bears its number."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import soak
from tests.soak import Budget, quantile


@given(st.integers(0, 10**15), st.integers(1, 50), st.booleans())
def test_whole_is_tried_once_each_from_the_first_number(
    first: int, whole: int, closed: bool
) -> None:
    budget, seen = Budget("name", first, None), list[int]()
    budget.each("number", seen.append, whole, closed=closed)
    assert seen[0] == (first % whole if closed else first)
    assert len(set(seen)) == len(seen) == budget.tried == whole
    assert set(seen) == set(range(whole) if closed else range(first, first + whole))


def test_one_number_is_tried_where_no_time_is_left_and_what_was_covered_is_told() -> None:
    budget = Budget("name", 7, 0.0)
    budget.each("bit", lambda _: None, 100, closed=True)
    assert budget.said == "1 bits of all 100 from 7"


@pytest.mark.parametrize(("seconds", "tries"), [(9.0, False), (None, True), (60.0, True)])
def test_test_whose_one_number_takes_longer_than_there_is_time_is_skipped(
    seconds: float | None, tries: bool
) -> None:
    budget = Budget("name", 0, seconds)
    with nullcontext() if tries else pytest.raises(pytest.skip.Exception):
        budget.each("bug", lambda _: None, 1, closed=True, needs_s=10.0)
    assert budget.tried == int(tries)


def test_open_numbers_go_on_beyond_the_whole_for_as_long_as_there_is_time() -> None:
    budget = Budget("name", 0, 0.05)
    budget.each("seed", lambda _: None, 1)
    assert budget.tried > 1


def test_every_failure_bears_its_number_and_the_others_are_tried() -> None:
    budget = Budget("name", 0, None)

    def judge(number: int) -> None:
        assert number not in (3, 5), "bad"

    with pytest.raises(AssertionError, match=r"^seed 3: AssertionError: bad\n.*\nseed 5: "):
        budget.each("seed", judge, 10)
    assert budget.tried == 10


class Item:
    """An item of a test with a soak mark of that weight; of another test where it is None."""

    def __init__(self, weight: int | None) -> None:
        self._weight, self.stash, self.skipped = weight, dict[object, float](), list[object]()

    def get_closest_marker(self, _: str) -> SimpleNamespace | None:
        if self._weight is None:
            return None
        return SimpleNamespace(kwargs={"weight": self._weight} if self._weight else {})

    def add_marker(self, mark: object) -> None:
        self.skipped.append(mark)


def items(*weights: int | None) -> list[Any]:
    return [Item(weight) for weight in weights]


def test_minutes_are_shared_by_weight_and_what_has_none_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(soak.MINUTES, "10")
    monkeypatch.setenv(soak.ENDS, "0")
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    monkeypatch.setattr(soak.time, "time", lambda: 1_000.0)
    found = items(1, 0, 3, None)
    soak.share_out(found)
    assert [part.stash.get(soak.ENDS_S) for part in found] == [900.0, 300.0, None, None]
    assert [bool(part.skipped) for part in found] == [False, False, True, False]
    assert soak.os.environ[soak.ENDS] == "1600.0"


def test_without_minutes_nothing_is_shared_nor_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(soak.MINUTES, raising=False)
    found = items(1, 0)
    soak.share_out(found)
    assert [part.stash for part in found] == [{}, {}]
    assert not found[1].skipped


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (soak.MINUTES, "abc"),
        (soak.MINUTES, "0"),
        (soak.MINUTES, "-3"),
        (soak.MINUTES, "nan"),
        (soak.SEED, "x"),
        (soak.SEED, "-1"),
    ],
)
def test_minutes_and_seeds_that_are_none_are_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(soak.SEED, "1")
    monkeypatch.setenv(name, value)
    with pytest.raises(pytest.UsageError, match=f"expected a .*, got '{value}'"):
        soak.configure()


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)])
def test_quantile_is_the_smallest_that_its_share_did_not_exceed(share: float, value: float) -> None:
    assert quantile([float(n) for n in range(100, 0, -1)], share) == value
