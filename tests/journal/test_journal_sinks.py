# SPDX-License-Identifier: Apache-2.0
"""Journals over a sink of the caller: what is forced when, what a failure leaves, who reads on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tidegate.journal import Journal, MerkleTree, read_content, read_frames, whole
from tidegate.journal.frames import LENGTH_BYTES, encode_frame, is_torn, kind_tag
from tidegate.journal.reader import read_live, recover
from tidegate.model.errors import InputError, InvariantError


@dataclass
class Disk:
    """A sink that remembers, in order, and fails where it is told to."""

    done: list[str] = field(default_factory=list)
    bytes: bytearray = field(default_factory=bytearray)
    fails: dict[str, BaseException] = field(default_factory=dict)

    def write(self, frame: bytes, /) -> None:
        self._do("write")
        self.bytes += frame

    def force(self) -> None:
        self._do("force")

    def close(self) -> None:
        self._do("close")

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails[what]


def onward(disk: Disk) -> Journal:
    """Go on with a journal of a header and one frame, begun elsewhere."""
    before = Journal.over(Disk(), {"book": "test"})
    before.append("fill", {"n": 0})
    content = bytes(before._sink.bytes)  # type: ignore[attr-defined]
    disk.bytes += content
    return Journal.onward(disk, content)


def over(disk: Disk) -> Journal:
    journal = Journal.over(disk, {"book": "test"})
    journal.append("fill", {"n": 0})
    disk.done.clear()
    return journal


MADE: list[Callable[[Disk], Journal]] = [over, onward]


@pytest.mark.parametrize("made", MADE)
def test_each_frame_and_each_batch_is_written_once_and_forced_before_it_is_told(
    made: Callable[[Disk], Journal],
) -> None:
    disk = Disk()
    journal = made(disk)
    assert journal.append("fill", {"n": 1}) == 2
    assert list(journal.append_many([("fill", {"n": n}) for n in (2, 3, 4)])) == [3, 4, 5]
    assert disk.done == ["write", "force"] * 2
    journal.seal()
    frames = list(read_content(bytes(disk.bytes)))
    assert [f.sequence for f in frames] == list(range(7))
    assert frames[-1].kind == "seal"
    assert journal.head == frames[-1].digest.hex()


@pytest.mark.parametrize("made", MADE)
def test_run_is_told_by_the_header_and_is_kept_by_whoever_goes_on(
    made: Callable[[Disk], Journal],
) -> None:
    disk = Disk()
    journal = made(disk)
    run = journal.run
    journal.append("fill", {"n": 1})
    first = next(iter(read_content(bytes(disk.bytes))))
    assert journal.run == run == first.digest.hex()[:12]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("where", ["write", "force"])
@pytest.mark.parametrize("why", [OSError(28, "full"), KeyboardInterrupt()])
def test_journal_takes_nothing_after_a_write_that_was_cut_short_for_any_reason(
    made: Callable[[Disk], Journal], where: str, why: BaseException
) -> None:
    disk = Disk()
    journal = made(disk)
    head, disk.fails = journal.head, {where: why}
    with pytest.raises(type(why)):
        journal.append_many([("fill", {"n": 1}), ("fill", {"n": 2})])
    disk.fails = {}
    before = bytes(disk.bytes)
    for append in (lambda: journal.append("fill", {}), journal.seal):
        with pytest.raises(InvariantError, match="failure"):
            append()
    assert bytes(disk.bytes) == before
    assert journal.head == head
    assert disk.done[-1] == "close"


def test_first_failure_is_told_though_closing_fails_as_well() -> None:
    disk = Disk()
    journal = over(disk)
    disk.fails = {"write": OSError(28, "full"), "close": OSError(5, "gone")}
    with pytest.raises(OSError, match="full"):
        journal.append("fill", {})


@pytest.mark.parametrize("kind", ["header", "seal"])
def test_kinds_of_the_journals_own_are_taken_from_nobody(kind: str) -> None:
    disk = Disk()
    journal = over(disk)
    for append in (journal.append, lambda k, p: journal.append_many([("fill", {}), (k, p)])):
        with pytest.raises(ValueError, match="written by the journal itself"):
            append(kind, {})
    assert disk.done == []


def test_payload_that_is_encoded_once_is_the_same_from_any_order_of_its_keys() -> None:
    heads = []
    for keys in ("ab", "ba"):
        journal = Journal.over(Disk(), {})
        journal.append_many([("fill", {key: dict.fromkeys(keys, 1) for key in keys})])
        heads.append(journal.head)
    assert heads[0] == heads[1]


def made_content(count: int) -> bytes:
    journal = Journal.in_memory({"book": "test"})
    for n in range(count):
        journal.append("fill", {"n": n})
    return journal.content()


READERS: list[Callable[[Path], object]] = [
    lambda path: list(read_frames(path, sealed=False)),
    lambda path: list(read_live(path)),
    recover,
    lambda path: list(read_content(path.read_bytes())),
    lambda path: whole(path.read_bytes()),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_damage_is_no_end_for_any_reader_and_nothing_is_cut_for_it(
    tmp_path: Path, read: Callable[[Path], object], place: float
) -> None:
    content = bytearray(made_content(4))
    content[int(place * len(content))] ^= 1
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(InputError, match="frame"):
        read(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("read", READERS)
def test_frame_that_stands_behind_a_seal_is_damage_for_any_reader(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    journal = Journal.in_memory({})
    journal.seal()
    path = tmp_path / "j"
    path.write_bytes(journal.content() + made_content(1)[-80:])
    with pytest.raises(InputError, match="nothing after the seal"):
        read(path)


def test_torn_tail_is_left_out_and_what_stands_before_it_is_all_kept() -> None:
    content = made_content(2)
    frames = list(read_content(content))
    for cut in (1, 20, 60):
        assert whole(content[:-cut]) == content[: frames[-1].offset_bytes]
    assert whole(content) == content
    with pytest.raises(InputError, match="whole header"):
        whole(content[:30])


def test_seal_holds_the_root_of_all_frames_before_it() -> None:
    journal = Journal.in_memory({})
    journal.append_many([("fill", {"n": n}) for n in range(5)])
    journal.seal()
    *before, seal = read_content(journal.content())
    tree = MerkleTree()
    for taken in before:
        tree.append(taken.digest)
    assert seal.value() == {"frames": 6, "merkle_root": tree.root().hex()}


@pytest.mark.parametrize(
    ("kind", "torn"), [(b"fi", True), (b"", True), (b"Fi", False), (b"9", False), (b"f\xff", False)]
)
def test_tail_is_torn_only_where_what_is_there_of_its_kind_could_be_one(
    kind: bytes, torn: bool
) -> None:
    frame, _ = encode_frame(3, bytes(32), kind_tag("fill"), b"{}")
    whole_body = frame[LENGTH_BYTES:]
    place = whole_body.index(b"fill")
    assert is_torn(whole_body[:place] + kind, 3, bytes(32)) == torn
    assert not is_torn(whole_body[:place] + kind, 4, bytes(32))
    assert not is_torn(whole_body[:place] + kind, 3, bytes([1]) * 32)
