# SPDX-License-Identifier: Apache-2.0
"""A journal that is read while it is taken up takes nothing before it was read through."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal, partial_path
from tidegate.model.errors import InputError, InvariantError


def begun(path: Path, notes: int = 3) -> None:
    journal = Journal.create(path, {"run": "r"}, durable=False)
    for number in range(notes):
        journal.append("note", {"number": number})
    journal.close()


def test_frames_are_those_of_the_file_and_the_journal_goes_on_behind_them(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    journal, frames = Journal.resume_reading(tmp_path / "j")
    assert [frame.kind for frame in frames] == ["header", "note", "note", "note"]
    assert journal.append("note", {"number": 3}) == 4
    journal.seal()
    assert len(list(read_frames(tmp_path / "j"))) == 6


def test_frame_before_the_last_was_read_is_refused_and_the_file_is_as_it_was(
    tmp_path: Path,
) -> None:
    begun(tmp_path / "j")
    before = partial_path(tmp_path / "j").read_bytes()
    journal, frames = Journal.resume_reading(tmp_path / "j")
    for _ in range(4):
        next(frames)
        with pytest.raises(InvariantError, match="while it is read"):
            journal.append("note", {})
    assert partial_path(tmp_path / "j").read_bytes() == before


def test_torn_tail_is_cut_once_all_before_it_was_read_and_no_sooner(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    partial = partial_path(tmp_path / "j")
    whole = partial.read_bytes()
    partial.write_bytes(whole[:-5])
    journal, frames = Journal.resume_reading(tmp_path / "j", cut=True)
    assert [next(frames).sequence for _ in range(3)] == [0, 1, 2]
    assert partial.read_bytes() == whole[:-5]
    assert list(frames) == []
    assert journal.append("note", {"number": 2}) == 3
    journal.close()
    assert [frame.sequence for frame in read_frames(partial, sealed=False)] == [0, 1, 2, 3]


def test_damage_before_the_tail_is_met_while_reading_and_nothing_is_cut(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    partial = partial_path(tmp_path / "j")
    spoilt = bytearray(partial.read_bytes())
    spoilt[-60] ^= 1
    partial.write_bytes(spoilt)
    journal, frames = Journal.resume_reading(tmp_path / "j", cut=True)
    with pytest.raises(InputError):
        list(frames)
    with pytest.raises(InvariantError):
        journal.append("note", {})
    assert partial.read_bytes() == spoilt


def test_journal_whose_reading_is_given_up_may_be_taken_up_again(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    journal, frames = Journal.resume_reading(tmp_path / "j")
    next(frames)
    journal.close()
    del frames
    Journal.resume(tmp_path / "j").close()
