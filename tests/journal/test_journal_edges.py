# SPDX-License-Identifier: Apache-2.0
"""Frames and journals at their edges: foreign headers, short lengths, what is forced to disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tidegate.journal import Journal, partial_path, read_frames, recover
from tidegate.journal.frames import (
    LENGTH_BYTES,
    LENGTH_MAX,
    LENGTH_MIN,
    ORIGIN,
    FrameError,
    decode_frame,
    encode_frame,
    kind_tag,
)
from tidegate.model.errors import InputError, InvariantError


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_frames(path, sealed=False))
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ('{"format":"other/1","durability":"fsync"}', "format 'tidegate-journal/2'"),
        ('{"durability":"fsync"}', "format 'tidegate-journal/2'"),
        ('{"format":"tidegate-journal/2","durability":"never"}', "durability 'fsync' or"),
        ('{"format":"tidegate-journal/2"}', "durability 'fsync' or"),
    ],
)
def test_header_of_another_format_or_durability_is_refused(
    tmp_path: Path, header: str, words: str
) -> None:
    frame, _ = encode_frame(0, ORIGIN, kind_tag("header"), header.encode())
    assert words in refusal(tmp_path / "j", frame)


def test_shortest_frame_is_read_and_a_shorter_body_is_none() -> None:
    written, _ = encode_frame(0, ORIGIN, kind_tag("k"), b"{}")
    body = written[LENGTH_BYTES:]
    assert len(body) == LENGTH_MIN
    assert decode_frame(body, 0).payload == b"{}"
    with pytest.raises(FrameError, match=f"at least {LENGTH_MIN}, not {LENGTH_MIN - 1}"):
        decode_frame(body[:-1], 0)


@pytest.mark.parametrize("kind", [b"Fill", b"9", b"a b"])
def test_kind_outside_the_alphabet_is_refused_by_the_reader(kind: bytes) -> None:
    written, _ = encode_frame(0, ORIGIN, bytes((len(kind),)) + kind, b"{}")
    with pytest.raises(FrameError, match="kind of lower-case ascii"):
        decode_frame(written[LENGTH_BYTES:], 0)


@pytest.mark.parametrize("length", [0, LENGTH_MIN - 1, LENGTH_MAX + 1, 2**32 - 1])
def test_length_beyond_its_bounds_is_damage_and_no_torn_frame(tmp_path: Path, length: int) -> None:
    content = Journal.in_memory({}).content() + length.to_bytes(LENGTH_BYTES, "little")
    expected = f"expected a length of {LENGTH_MIN} to {LENGTH_MAX}, not {length}"
    assert expected in refusal(tmp_path / "j", content)
    with pytest.raises(InputError, match="expected a length"):
        recover(tmp_path / "j")


@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_frame_torn_within_its_length_is_cut_whatever_bytes_of_it_are_there(
    tmp_path: Path, left: int
) -> None:
    """Of a frame of 256 bytes and some the first byte alone would be a length that is none."""
    journal, path = Journal.in_memory({}), tmp_path / "j"
    whole = len(journal.content())
    journal.append("k", {"a": "x" * 220})
    content = journal.content()
    assert 256 <= int.from_bytes(content[whole : whole + 4], "little") < 256 + LENGTH_MIN
    path.write_bytes(content[: whole + left])
    assert recover(path) == left
    assert path.stat().st_size == whole


def test_tear_in_the_first_frame_is_named_at_the_beginning_of_the_file(tmp_path: Path) -> None:
    content = Journal.in_memory({}).content()
    assert "frame 0 at byte 0: expected a whole frame" in refusal(tmp_path / "j", content[:-1])


def test_closed_journal_takes_no_frame(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=False)
    journal.close()
    with pytest.raises(InvariantError, match="seal, close or failure"):
        journal.append("k", {})


def test_seal_onto_what_came_to_stand_there_is_refused_and_it_is_kept(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=False)
    (tmp_path / "j").write_text("another's")
    with pytest.raises(InputError, match="expected nothing there"):
        journal.seal()
    assert (tmp_path / "j").read_text() == "another's"
    assert partial_path(tmp_path / "j").exists()


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is forced to disk, in order: `file` or `folder`."""
    found: list[str] = []
    real = os.fsync

    def recording(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        found.append("folder" if stat.S_ISDIR(mode) else "file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    return found


@pytest.mark.parametrize("durable", [True, False])
def test_name_of_a_journal_is_forced_to_disk_at_its_making_and_at_its_seal(
    tmp_path: Path, forced: list[str], durable: bool
) -> None:
    descriptors = len(os.listdir("/dev/fd"))
    journal = Journal.create(tmp_path / "j", {}, durable)
    assert forced == ["file", "folder"] * durable
    forced.clear()
    journal.append("k", {})
    assert forced == ["file"] * durable
    forced.clear()
    journal.seal()
    assert forced[-2:] == ["file", "folder"]
    assert len(os.listdir("/dev/fd")) == descriptors


@pytest.mark.parametrize("durable", [True, False])
def test_resumed_journal_is_as_durable_as_it_was_begun(
    tmp_path: Path, forced: list[str], durable: bool
) -> None:
    Journal.create(tmp_path / "j", {}, durable).close()
    journal = Journal.resume(tmp_path / "j")
    forced.clear()
    journal.append("k", {})
    assert forced == ["file"] * durable
    journal.close()


def test_cut_of_a_torn_tail_is_forced_to_disk(tmp_path: Path, forced: list[str]) -> None:
    (tmp_path / "j").write_bytes(Journal.in_memory({}).content() + b"\x60")
    assert recover(tmp_path / "j") == 1
    assert forced == ["file"]
