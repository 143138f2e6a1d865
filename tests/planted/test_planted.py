# SPDX-License-Identifier: Apache-2.0
"""The planted bugs do not rot: each still has its place in the source, and can be put there."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.planted.__main__ import DEFAULT, detect
from tests.planted.bugs import HOME, PACKAGE, Bug, patched, read_bugs
from tests.soak import Budget

BUGS = read_bugs()
# What the tests that may find a bug take, where it is found late.
LATE_S = 300.0


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_patch_when_put_into_the_source_changes_a_program_into_a_program(bug: Bug) -> None:
    text = (HOME / PACKAGE / bug.file).read_text(encoding="utf-8")
    compile(patched(bug, text), bug.file, "exec")


def test_bugs_when_counted_are_at_least_25_with_ids_of_their_own_and_spread_over_files() -> None:
    files = Counter(bug.file for bug in BUGS)
    assert len(BUGS) == len({bug.id for bug in BUGS}) >= 25
    assert max(files.values()) <= len(BUGS) / 3


@pytest.mark.soak(promise="R22", weight=4)
def test_bug_that_is_planted_is_found_by_the_tests(budget: Budget) -> None:
    def judge(number: int) -> None:
        bug = BUGS[number]
        assert detect(DEFAULT, bug).found, f"{bug.id} was not found: {bug.what}"

    budget.each("bug", judge, len(BUGS), closed=True, needs_s=LATE_S)
