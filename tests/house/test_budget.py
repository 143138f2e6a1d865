# SPDX-License-Identifier: Apache-2.0
"""The table of what the tests cost names every folder of them and stays within the budget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Seconds of a processor: 480 s on each of two cores.
BUDGET_S = 960
ROW = re.compile(r"^\| `tests/(?P<folder>\w+)` \| (?P<tests>[\d,]+) \| (?P<seconds>\d+) \|", re.M)
OF_THEIR_OWN = {"browser"}


def seconds_of(text: str) -> dict[str, int]:
    """What each folder costs, by the table; raises `AssertionError` for one that stands twice."""
    table = text.split("## What the tests cost")[1].split("\n## ")[0]
    rows = [(match["folder"], int(match["seconds"])) for match in ROW.finditer(table)]
    assert len(dict(rows)) == len(rows), "a folder stands twice"
    return dict(rows)


def folders() -> set[str]:
    """Folders that hold tests which every run plays."""
    tests = REPOSITORY / "tests"
    return {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")} - OF_THEIR_OWN


def test_table_of_costs_names_each_folder_of_tests_and_stays_within_the_budget() -> None:
    seconds = seconds_of((REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8"))
    assert set(seconds) == folders()
    assert 0 < sum(seconds.values()) <= BUDGET_S


def test_folder_that_stands_twice_in_the_table_is_found() -> None:
    row = "| `tests/risk` | 473 | 24 | Certificates |\n"
    assert seconds_of(f"## What the tests cost\n\n{row}") == {"risk": 24}
    with pytest.raises(AssertionError, match="twice"):
        seconds_of(f"## What the tests cost\n\n{row}{row}")
