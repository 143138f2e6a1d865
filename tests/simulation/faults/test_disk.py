# SPDX-License-Identifier: Apache-2.0
"""The disk keeps what it was made to keep, and a journal on it survives any crash."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.journal import Journal, read_content, whole
from tidegate.model.errors import InputError, InvariantError
from tidegate.simulation.faults.disk import Disk
from tidegate.simulation.faults.kill import Boundaries, Killed

WRITES = st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.booleans()), max_size=12)


def journal_on(disk: Disk, frames: int) -> Journal:
    journal = Journal.over(disk, {"seed": 1})
    for number in range(frames):
        journal.append("fill", {"number": number})
    return journal


@given(WRITES, st.booleans(), st.integers(0, 99))
def test_disk_after_a_crash_has_all_that_was_forced_and_a_first_part_of_the_rest(
    writes: list[tuple[bytes, bool]], torn: bool, seed: int
) -> None:
    disk = Disk(seed, Boundaries())
    forced = written = b""
    for data, forces in writes:
        disk.write(data)
        written += data
        if forces:
            disk.force()
            forced = written
    left = disk.crash(torn=torn)
    assert left.startswith(forced)
    assert written.startswith(left)


@given(st.integers(1, 20), st.integers(0, 99))
def test_journal_killed_at_any_boundary_goes_on_where_its_disk_ends(at: int, seed: int) -> None:
    disk = Disk(seed, Boundaries(at=frozenset({at})))
    with pytest.raises(Killed):
        journal_on(disk, 20)
    forced = disk.forces
    content = whole(disk.crash(torn=True)) if at > 2 else b""
    if not content:
        return
    disk.cut(len(content))
    numbers = [f.value()["number"] for f in read_content(content) if f.kind == "fill"]
    assert numbers == list(range(len(numbers)))
    assert forced <= len(numbers) + 1 <= forced + 1
    onward = Journal.onward(disk, content)
    assert onward.append("fill", {"number": len(numbers)}) == len(numbers) + 1
    assert len(list(read_content(bytes(disk.durable)))) == len(numbers) + 2


@pytest.mark.parametrize("failure", ["full", "fails_next"])
def test_journal_on_a_disk_that_fails_takes_nothing_more_and_keeps_what_it_forced(
    failure: str,
) -> None:
    disk = Disk(1, Boundaries())
    journal = journal_on(disk, 3)
    setattr(disk, failure, True)
    with pytest.raises(OSError, match=r"error|space"):
        journal.append("fill", {"number": 3})
    disk.full = False
    with pytest.raises(InvariantError, match="takes no frame"):
        journal.append("fill", {"number": 4})
    kept = [f for f in read_content(whole(disk.crash(torn=True))) if f.kind == "fill"]
    assert len(kept) in (3, 4)


@example(30416)  # In the kind of the last frame, which nothing follows.
@given(st.integers(0, 2**16))
def test_bit_that_rots_anywhere_is_refused(seed: int) -> None:
    disk = Disk(seed, Boundaries())
    journal_on(disk, 6)
    disk.rot()
    with pytest.raises(InputError, match="content: frame"):
        whole(disk.crash(torn=False))
