# SPDX-License-Identifier: Apache-2.0
"""Journals in files: written, read, damaged, torn, recovered and resumed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.journal import Journal, MerkleTree, partial_path, read_frames, recover
from tidegate.journal.frames import FrameError, encode_frame, kind_tag
from tidegate.journal.reader import read_live
from tidegate.model.errors import InputError, InvariantError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
KINDS = st.sampled_from(["fill", "approved", "market", "a.b-c_9"])


def small(frames: int = 5) -> Journal:
    journal = Journal.in_memory({"seed": 7})
    for number in range(frames):
        journal.append("fill", {"ts_ms": 1000 + number, "lots": number})
    return journal


def ends(content: bytes) -> list[int]:
    """Where every frame ends, from the length fields alone."""
    found, offset = [], 0
    while offset < len(content):
        offset += 4 + int.from_bytes(content[offset : offset + 4], "little")
        found.append(offset)
    return found


def frame_at(content: bytes, position: int) -> int:
    return sum(end <= position for end in ends(content))


def refusal(path: Path, content: bytes, sealed: bool = True) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_frames(path, sealed))
    return str(caught.value)


@given(st.lists(st.tuples(KINDS, st.dictionaries(st.text(max_size=5), JSON, max_size=4))))
def test_journal_written_and_read_gives_back_every_frame(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, dict[str, object]]]
) -> None:
    path = tmp_path_factory.mktemp("round") / "j"
    journal = Journal.create(path, {"seed": 1}, durable=False)
    assert [journal.append(kind, value) for kind, value in entries] == [
        n + 1 for n in range(len(entries))
    ]
    head = journal.seal()
    frames = list(read_frames(path))
    assert [(f.kind, f.value()) for f in frames[1:-1]] == entries
    assert frames[-1].digest.hex() == head == journal.head
    assert (frames[0].kind, frames[-1].kind) == ("header", "seal")


def test_two_writers_of_the_same_content_in_any_key_order_give_the_same_head(
    tmp_path: Path,
) -> None:
    file = Journal.create(tmp_path / "j", {"a": 1, "b": 2}, durable=False)
    memory = Journal.in_memory({"b": 2, "a": 1})
    file.append("fill", {"x": 1, "y": 2.5})
    memory.append("fill", {"y": 2.5, "x": 1})
    assert file.seal() == memory.seal()
    assert (tmp_path / "j").read_bytes() == memory.content()


@pytest.mark.parametrize("change", ["header", "payload", "kind", "order"])
def test_journals_of_different_content_have_different_heads(change: str) -> None:
    heads = []
    for changed in (False, True):
        one, two = (2, 1) if changed and change == "order" else (1, 2)
        journal = Journal.in_memory({"seed": int(changed and change == "header")})
        journal.append("kind" if changed and change == "kind" else "fill", {"a": one})
        journal.append("fill", {"a": 3 if changed and change == "payload" else two})
        heads.append(journal.seal())
    assert heads[0] != heads[1]


def test_header_states_format_and_durability(tmp_path: Path) -> None:
    for durable, mode in ((True, "fsync"), (False, "seal-at-close")):
        Journal.create(tmp_path / mode, {"book": "b"}, durable).seal()
        header = next(read_frames(tmp_path / mode)).value()
        assert ("nonce" in header) == durable
        header.pop("nonce", None)
        assert header == {"book": "b", "durability": mode, "format": "tidegate-journal/2"}


def test_header_that_states_its_own_format_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match="itself"):
        Journal.create(tmp_path / "j", {"format": "other"}, durable=False)
    assert list(tmp_path.iterdir()) == []


def test_header_too_long_for_a_frame_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="at most"):
        Journal.create(tmp_path / "j", {"book": "x" * (1 << 24)}, durable=False)
    assert list(tmp_path.iterdir()) == []


def test_durable_append_forces_each_frame_to_disk_before_returning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    real = os.fsync

    def recording(descriptor: int) -> None:
        forced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    journal = Journal.create(tmp_path / "j", {}, durable=True)
    for number in range(3):
        journal.append("fill", {"n": number})
        assert forced[-1] == ends(partial_path(tmp_path / "j").read_bytes())[-1]
        assert [f.sequence for f in read_frames(partial_path(tmp_path / "j"), sealed=False)][
            -1
        ] == number + 1
    journal.close()


BATCH = [("fill", {"n": n}) for n in range(50)]


def test_batch_is_the_same_bytes_as_one_by_one_and_is_forced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Journal.in_memory({})
    assert [alone.append(kind, payload) for kind, payload in BATCH] == list(range(1, 51))
    together, forced = Journal.in_memory({}), list[int]()
    assert together.append_many(iter(BATCH)) == range(1, 51)
    assert together.append_many([]) == range(51, 51)
    assert together.seal() == alone.seal()
    assert together.content() == alone.content()
    durable = Journal.create(tmp_path / "j", {}, durable=True)
    monkeypatch.setattr(os, "fsync", lambda fd: forced.append(os.fstat(fd).st_size))
    durable.append_many(BATCH)
    assert forced == [partial_path(tmp_path / "j").stat().st_size]
    durable.close()


@pytest.mark.parametrize(
    "bad", [("seal", {}), ("fill", []), ("Fill", {}), ("fill", {"a": object()})]
)
def test_batch_of_which_one_cannot_be_written_writes_none(bad: tuple[str, object]) -> None:
    journal = small()
    before = journal.content()
    with pytest.raises((FrameError, TypeError)):
        journal.append_many([("fill", {}), bad, ("fill", {})])
    assert journal.content() == before
    assert journal.append("fill", {}) == 6


def test_live_journal_is_read_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    content = small(3).content()
    for size in range(ends(content)[0], len(content) + 1):
        (tmp_path / "j").write_bytes(content[:size])
        frames = list(read_live(tmp_path / "j"))
        assert len(frames) == sum(end <= size for end in ends(content))
    (tmp_path / "j").write_bytes(content[:20])
    with pytest.raises(InputError, match="whole header"):
        list(read_live(tmp_path / "j"))


def test_unsealed_journal_bears_the_partial_name_and_the_seal_renames_it(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=False)
    assert [p.name for p in tmp_path.iterdir()] == ["j.partial"]
    journal.seal()
    assert [p.name for p in tmp_path.iterdir()] == ["j"]


@pytest.mark.parametrize("standing", ["j", "j.partial"])
def test_create_over_an_existing_journal_is_refused_and_it_is_kept(
    tmp_path: Path, standing: str
) -> None:
    (tmp_path / standing).write_bytes(b"precious")
    with pytest.raises(InputError, match="expected"):
        Journal.create(tmp_path / "j", {}, durable=False)
    assert (tmp_path / standing).read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_create_in_a_missing_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="opened") as caught:
        Journal.create(tmp_path / "none" / "j", {}, durable=False)
    assert "\n" not in str(caught.value)


def test_append_and_seal_after_the_seal_are_refused_and_change_nothing() -> None:
    journal = small()
    head, content = journal.seal(), journal.content()
    with pytest.raises(InvariantError, match="after its seal"):
        journal.append("fill", {})
    with pytest.raises(InvariantError, match="after its seal"):
        journal.seal()
    assert (journal.head, journal.content()) == (head, content)


def test_journal_under_switched_off_checks_refuses_to_be_written() -> None:
    code = "from tidegate.journal import Journal; Journal.in_memory({}).append('fill', {})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for flags, status in ((["-O"], 1), ([], 0)):
        run = subprocess.run(
            [sys.executable, *flags, "-c", code], env=environment, capture_output=True, text=True
        )
        assert run.returncode == status
        assert ("InvariantError" in run.stderr) == bool(status)


@pytest.mark.parametrize("kind", ["header", "seal"])
def test_reserved_kind_is_refused_and_nothing_written(kind: str) -> None:
    journal = small()
    before = journal.content()
    with pytest.raises(FrameError, match="itself"):
        journal.append(kind, {})
    assert journal.content() == before


@pytest.mark.parametrize("payload", [[], 1, None, {"a": object()}, {"a": "\ud800"}])
def test_payload_that_cannot_be_written_leaves_the_journal_usable(payload: object) -> None:
    journal = small()
    before = journal.content()
    with pytest.raises((FrameError, TypeError, UnicodeEncodeError)):
        journal.append("fill", payload)
    assert journal.content() == before
    assert journal.append("fill", {}) == 6


def test_failed_write_closes_the_journal_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=True)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append("fill", {})
    with pytest.raises(InvariantError, match="failure"):
        journal.append("fill", {})
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_journal_with_a_flipped_byte_is_refused_and_the_frame_named(
    tmp_path: Path, mask: int
) -> None:
    journal = small()
    journal.seal()
    content = journal.content()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= mask
        frame = frame_at(content, position)
        message = refusal(tmp_path / "j", bytes(damaged))
        # A changed kind still reads as a frame; the hash in the next one shows it.
        assert f"frame {frame} at" in message or f"frame {frame + 1} at" in message, position


def test_journal_with_a_byte_removed_or_added_is_refused_and_the_frame_named(
    tmp_path: Path,
) -> None:
    journal = small()
    journal.seal()
    content = journal.content()
    for position in range(len(content)):
        # Equal neighbours make the same file, so the damage may show up one frame later.
        frames = [f"frame {frame_at(content, position) + step} at" for step in (0, 1)]
        shorter = content[:position] + content[position + 1 :]
        longer = content[:position] + b"\x00" + content[position:]
        for damaged in (shorter, longer):
            message = refusal(tmp_path / "j", damaged)
            assert any(frame in message for frame in frames), position


def test_unsealed_journal_reads_only_when_that_is_asked_for(tmp_path: Path) -> None:
    content = small().content()
    assert "a seal" in refusal(tmp_path / "j", content)
    assert len(list(read_frames(tmp_path / "j", sealed=False))) == 6


@pytest.mark.parametrize("content", [b"", b"hi\n", bytes(4096)])
def test_file_that_is_no_journal_is_refused_and_never_cut(tmp_path: Path, content: bytes) -> None:
    assert "frame 0 at byte 0" in refusal(tmp_path / "j", content)
    with pytest.raises(InputError, match="frame 0 at byte 0"):
        recover(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_missing_journal_is_refused_in_one_line(tmp_path: Path) -> None:
    for attempt in (lambda: list(read_frames(tmp_path / "j")), lambda: recover(tmp_path / "j")):
        with pytest.raises(InputError, match="No such file") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_recover_cuts_a_torn_tail_at_every_length_and_says_how_much(tmp_path: Path) -> None:
    content = small(3).content()
    whole = ends(content)
    path = tmp_path / "j"
    for size in range(whole[0], len(content) + 1):
        path.write_bytes(content[:size])
        keep = max(end for end in whole if end <= size)
        assert recover(path) == size - keep
        assert path.read_bytes() == content[:keep]
        assert recover(path) == 0


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_recover_refuses_damage_before_the_tail_and_cuts_nothing(tmp_path: Path, mask: int) -> None:
    content, path = small(3).content(), tmp_path / "j"
    for position in range(ends(content)[-2]):
        damaged = bytearray(content)
        damaged[position] ^= mask
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"frame \d at byte \d+: expected"):
            recover(path)
        assert path.read_bytes() == damaged


def test_recover_refuses_a_whole_last_frame_whose_length_is_wrong(tmp_path: Path) -> None:
    content = bytearray(small(3).content())
    content[ends(bytes(content))[-2]] += 1
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(InputError, match="no torn frame"):
        recover(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_recover_cuts_nothing_off_behind_a_seal(tmp_path: Path) -> None:
    journal, path = small(), tmp_path / "j"
    journal.seal()
    for extra in (b"\x00", b"\x40\x00\x00\x00", journal.content()):
        path.write_bytes(journal.content() + extra)
        with pytest.raises(InputError, match="nothing after the seal"):
            recover(path)
        assert path.read_bytes() == journal.content() + extra


@pytest.mark.parametrize("durable", [True, False])
def test_journal_resumed_after_a_torn_write_ends_as_if_never_interrupted(
    tmp_path: Path, durable: bool
) -> None:
    path, unbroken = tmp_path / "j", tmp_path / "unbroken"
    for target in (path, unbroken):
        journal = Journal.create(target, {"seed": 1, "nonce": "1"}, durable)
        journal.append("fill", {"n": 1})
        if target == path:
            journal.close()
            with partial_path(path).open("ab") as file:
                file.write(b"\x60\x00\x00\x00\x02")
            with pytest.raises(InputError, match="ends inside"):
                Journal.resume(path)
            assert recover(partial_path(path)) == 5
            journal = Journal.resume(path)
        assert journal.append("fill", {"n": 2}) == 2
        journal.seal()
    assert path.read_bytes() == unbroken.read_bytes()


def test_resume_of_a_sealed_journal_that_kept_its_partial_name_is_refused(tmp_path: Path) -> None:
    journal = small()
    journal.seal()
    partial_path(tmp_path / "j").write_bytes(journal.content())
    with pytest.raises(InputError, match="only lacks its name"):
        Journal.resume(tmp_path / "j")


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is a POSIX one")
def test_second_writer_of_one_journal_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=True)
    with pytest.raises(InputError, match="no other writer"):
        Journal.resume(tmp_path / "j")
    journal.close()
    Journal.resume(tmp_path / "j").close()


@pytest.mark.parametrize(
    ("frames", "root", "sound"),
    [(2, None, True), (3, None, False), (2, "00" * 32, False), (2, "", False)],
)
def test_seal_that_misstates_count_or_root_is_refused(
    tmp_path: Path, frames: int, root: str | None, sound: bool
) -> None:
    journal, tree = small(1), MerkleTree()
    (tmp_path / "j").write_bytes(journal.content())
    digests = [frame.digest for frame in read_frames(tmp_path / "j", sealed=False)]
    for digest in digests:
        tree.append(digest)
    stated = tree.root().hex() if root is None else root
    seal = f'{{"frames":{frames},"merkle_root":"{stated}"}}'.encode()
    forged = journal.content() + encode_frame(2, digests[-1], kind_tag("seal"), seal)[0]
    if sound:
        (tmp_path / "j").write_bytes(forged)
        assert len(list(read_frames(tmp_path / "j"))) == 3
    else:
        assert "expected a seal that holds" in refusal(tmp_path / "j", forged)


def test_torn_tail_of_a_journal_that_is_being_written_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    living = Journal.create(path, {"book": "a"}, durable=True)
    living.append("note", {"n": 1})
    partial = partial_path(path)
    with partial.open("ab") as file:
        file.write(partial.read_bytes()[:30])
    before = partial.read_bytes()
    with pytest.raises(InputError, match="no other writer"):
        Journal.resume(path, cut=True)
    assert partial.read_bytes() == before
    living.close()


def test_two_durable_journals_of_one_header_name_two_runs(tmp_path: Path) -> None:
    journals = [Journal.create(tmp_path / name, {"book": "a"}, durable=True) for name in "ab"]
    assert journals[0].run != journals[1].run
    for journal in journals:
        journal.close()
