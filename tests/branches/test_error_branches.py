# SPDX-License-Identifier: Apache-2.0
"""Every error branch of the adapters and of the files at the edge is taken by a fault.

The branches are read from the source: a new one without a fault fails, and so does one that is
registered and no longer there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.branches import feed_faults, file_faults, journal_faults, venue_faults
from tests.branches.branches import branches, watched
from tests.branches.faults import FAULTS, Place

BRANCHES = branches()
ROOMS = (feed_faults, file_faults, journal_faults, venue_faults)


def test_every_error_branch_has_a_fault_and_every_fault_a_branch() -> None:
    provoked = [branch for _, taken in FAULTS.values() for branch in taken]
    assert sorted(BRANCHES.keys() - set(provoked)) == [], "no fault provokes these"
    assert sorted(set(provoked) - BRANCHES.keys()) == [], "these are not in the source"
    assert len(provoked) == len(set(provoked)) > 100
    assert {fault.__module__ for fault, _ in FAULTS.values()} == {r.__name__ for r in ROOMS}


@pytest.mark.parametrize("name", FAULTS)
def test_error_branches_are_taken_under_their_fault(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, named = FAULTS[name]
    with watched() as seen:
        fault(Place(tmp_path, monkeypatch))
    missed = [branch for branch in named if not seen.took(BRANCHES[branch])]
    assert named
    assert not missed
