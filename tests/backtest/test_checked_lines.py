# SPDX-License-Identifier: Apache-2.0
"""Append-only files of checked lines: cut anywhere they go on, and what was changed is found."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backtest.checked_lines import append_line, checked_line, locked_lines, read_lines

PAYLOADS = st.lists(st.binary(max_size=12).filter(lambda p: b"\n" not in p), max_size=5)


@given(payloads=PAYLOADS, data=st.data())
def test_file_cut_at_any_byte_keeps_every_whole_line_and_goes_on(
    payloads: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(map(checked_line, payloads))
    cut = data.draw(st.integers(0, len(content)))
    whole = content[:cut].count(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        path.write_bytes(content[:cut])
        with locked_lines(path) as file:
            assert read_lines(file.read()) == (payloads[:whole], [])
            append_line(file, b"next")
        assert read_lines(path.read_bytes()) == ([*payloads[:whole], b"next"], [])


@given(payloads=PAYLOADS.filter(bool), data=st.data())
def test_byte_changed_in_a_line_before_the_last_is_found_and_named(
    payloads: list[bytes], data: st.DataObject
) -> None:
    lines = [checked_line(payload) for payload in payloads]
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 2))
    changed = bytearray(lines[number])
    changed[at] = ord("~") if changed[at] != ord("~") else ord("!")
    before, after = lines[:number], [*lines[number + 1 :], checked_line(b"last")]
    left = [*payloads[:number], *payloads[number + 1 :], b"last"]
    assert read_lines(b"".join([*before, bytes(changed), *after])) == (left, [number + 1])


def test_end_that_a_power_cut_spoilt_is_cut_like_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(checked_line(b"kept") + b"\0\0\0\0\n\0\0\n\0")
    with locked_lines(path):
        pass
    assert path.read_bytes() == checked_line(b"kept")


def test_file_that_another_writer_holds_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with (
        locked_lines(tmp_path / "lines"),
        pytest.raises(BlockingIOError, match="temporarily unavailable"),
        locked_lines(tmp_path / "lines", wait_s=0.0),
    ):
        pass


@pytest.mark.parametrize("content", [b"a letter to anna\n", b"a letter", b"0" * 17, b"\n\n"])
def test_file_of_something_else_is_refused_and_left_as_it_is(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "letter"
    path.write_bytes(content)
    with pytest.raises(OSError, match="it holds something else"), locked_lines(path):
        pass
    assert path.read_bytes() == content
