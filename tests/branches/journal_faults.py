# SPDX-License-Identifier: Apache-2.0
"""Faults of journals: torn and damaged files, full disks, other writers."""

from __future__ import annotations

import pytest

from tests.branches.faults import Place, provokes
from tidegate.journal import Journal, partial_path
from tidegate.journal.frames import (
    FORMAT,
    LENGTH_MAX,
    ORIGIN,
    FrameError,
    decode_frame,
    encode_frame,
    kind_tag,
)
from tidegate.journal.reader import read_content, read_frames, read_live, recover, whole
from tidegate.model.errors import InputError, InvariantError

READER, WRITER, FRAMES = "journal/reader.py", "journal/writer.py", "journal/frames.py"
HEADER = b'{"durability":"fsync","format":"%s"}' % FORMAT.encode()


def chained(*given: tuple[str, bytes]) -> bytes:
    """Frames whose links and checksums are right, whatever they hold."""
    previous, found = ORIGIN, b""
    for sequence, (kind, payload) in enumerate(given):
        frame, previous = encode_frame(sequence, previous, kind_tag(kind), payload)
        found += frame
    return found


GOOD = chained(("header", HEADER), ("note", b"{}"))


def reads(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(read_content(content))


@provokes(
    FRAMES,
    "kind_tag: raise FrameError",
    *(f"encode_frame: raise FrameError{n}" for n in ("", " 2")),
)
def entry_makes_no_frame(place: Place) -> None:
    for kind, payload in (("Fill", b"{}"), ("k", b"[]"), ("k", b"{" + b" " * LENGTH_MAX)):
        with pytest.raises(FrameError):
            encode_frame(0, ORIGIN, kind_tag(kind), payload)


@provokes(FRAMES, *(f"decode_frame: raise FrameError{n}" for n in ("", " 2", " 3")))
def body_is_short_rotten_or_of_no_kind(place: Place) -> None:
    body = chained(("note", b"{}"))[4:]
    odd, _ = encode_frame(0, ORIGIN, b"\x04NOTE", b"{}")
    for given in (body[:9], body[:-1] + b"]", odd[4:]):
        with pytest.raises(FrameError):
            decode_frame(given, 0)


@provokes(FRAMES, "_ensure_object: except UNREADABLE_JSON", "value: except UNREADABLE_JSON")
def payload_holds_what_no_value_is(place: Place) -> None:
    reads(chained(("header", b"{]")), "a JSON object")
    reads(chained(("header", b'{"a":' * 200_000)), "a JSON object")
    reads(chained(("header", b'{"format":1e999}')), "values that can be read")
    reads(chained(("header", b'{"format":"\xff"}')), "a JSON object")


@provokes(
    READER,
    *(f"accept: raise FrameError{n}" for n in ("", " 2", " 3")),
    "_walk_bytes: except FrameError",
    "_check_header: raise FrameError",
    "_check_header: raise FrameError 2",
    "_check_seal: raise FrameError",
)
def frames_do_not_fit_together(place: Place) -> None:
    first = chained(("header", HEADER))
    jumped, _ = encode_frame(2, ORIGIN, kind_tag("note"), b"{}")
    foreign, _ = encode_frame(1, ORIGIN, kind_tag("note"), b"{}")
    reads(first + jumped, "sequence 1, not 2")
    reads(first + foreign, "its previous hash")
    reads(chained(("note", b"{}")), "in frame 0 and nowhere else")
    reads(chained(("header", b"{}")), "expected format")
    reads(chained(("header", b'{"format":"%s"}' % FORMAT.encode())), "expected durability")
    reads(chained(("header", HEADER), ("seal", b"{}")), "a seal that holds")


@provokes(
    READER,
    "_walk_bytes: raise _refused",
    "_next_frame: raise FrameError",
    "_next_frame: raise _TornTail",
    "_next_frame: raise FrameError 2",
    "_next_frame: raise _TornTail 2",
    "_next_frame: raise FrameError 3",
    "read_content: except _TornTail",
)
def file_is_empty_torn_or_of_wrong_lengths(place: Place) -> None:
    sealed = Journal.in_memory({})
    sealed.seal()
    reads(b"", "the file is empty")
    reads(sealed.content() + b"x", "nothing after the seal")
    reads(GOOD + b"\x01\x00", "the content ends inside it")
    reads(GOOD + b"\x01\x00\x00\x00", "a length of")
    reads(GOOD[:-1], "the content ends inside it")
    reads(GOOD + b"\xff\xff\x00\x00garbage", "no torn frame")


@provokes(
    READER,
    "read_frames: except _TornTail",
    "read_frames: raise _refused",
    "read_live: except _TornTail",
    "read_live: raise _refused",
    "read_recovered: except _TornTail",
    "read_recovered: raise _refused",
    "recover: except StopIteration",
    "whole: except _TornTail",
    "whole: raise _refused",
    "_walk: except OSError",
)
def file_is_torn_unsealed_or_gone(place: Place) -> None:
    path = place.folder / "journal"
    path.write_bytes(GOOD)
    with pytest.raises(InputError, match="never closed"):
        list(read_frames(path))
    path.write_bytes(GOOD[:-1])
    with pytest.raises(InputError, match="ends inside it"):
        list(read_frames(path))
    assert len(list(read_live(path))) == 1
    assert whole(GOOD[:-1]) == GOOD[: -len(GOOD) + len(chained(("header", HEADER)))]
    assert recover(path) > 0
    for read in (recover, lambda p: list(read_live(p)), lambda _: whole(GOOD[:9])):
        path.write_bytes(GOOD[:9])
        with pytest.raises(InputError, match="a whole header frame"):
            read(path)
    with pytest.raises(InputError, match="No such file"):
        recover(place.folder / "none")


@provokes(
    WRITER,
    "create: raise InputError",
    "content: raise InvariantError",
    "_new_tag: raise FrameError",
    "_put: raise InvariantError",
    "_publish: raise InputError",
    "_open_partial: except OSError",
    "_claim: except OSError",
)
def journal_is_misused_or_its_name_taken(place: Place) -> None:
    path = place.folder / "journal"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="nothing stands yet"):
        Journal.create(path, {}, durable=True)
    path.unlink()
    journal = Journal.create(path, {}, durable=True)
    with pytest.raises(InvariantError, match="only a journal in memory"):
        journal.content()
    with pytest.raises(FrameError, match="written by the journal itself"):
        journal.append("seal", {})
    with pytest.raises(InputError, match="no other writer"):
        Journal.resume(path)
    with pytest.raises(InputError, match="can be opened"):
        Journal.create(path, {}, durable=True)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="the sealed one is partial"):
        journal.seal()
    with pytest.raises(InvariantError, match="nor after its seal"):
        journal.append("note", {})


@provokes(WRITER, "_read_through: except BaseException", "_adopted: raise InputError")
def journal_to_resume_is_sealed(place: Place) -> None:
    path = place.folder / "journal"
    journal = Journal.create(path, {}, durable=True)
    journal.seal()
    path.rename(partial_path(path))
    with pytest.raises(InputError, match="only lacks its name"):
        Journal.resume(path)


class FullDisk:
    """A disk that takes the header, and then neither bytes nor the closing of the file."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, frame: bytes, /) -> object:
        if self.written:
            raise OSError(28, "No space left on device")
        self.written += frame
        return len(frame)

    def force(self) -> None:
        return None

    def close(self) -> None:
        raise OSError(28, "No space left on device")


@provokes(WRITER, "_put: except BaseException", "_abandon: suppress(OSError)")
def disk_is_full(place: Place) -> None:
    disk = FullDisk()
    journal = Journal.over(disk, {})
    with pytest.raises(OSError, match="No space left"):
        journal.append("note", {})
    with pytest.raises(InvariantError, match="close or failure"):
        journal.append("note", {})
    assert len(list(read_content(disk.written))) == 1
