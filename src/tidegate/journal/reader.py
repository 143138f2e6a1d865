# SPDX-License-Identifier: Apache-2.0
"""Reading a journal with every check, and cutting a torn tail.

A crash while writing leaves one incomplete last frame. That alone may be cut, and is reported.
Anything else that does not fit is damage to what was once written and perhaps acted on: it is
refused with the frame's number and byte offset, for a person to judge.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tidegate.journal.frames import (
    FORMAT,
    FSYNC,
    HEADER,
    LENGTH_BYTES,
    LENGTH_MAX,
    LENGTH_MIN,
    ORIGIN,
    READABLE,
    SEAL,
    SEAL_AT_CLOSE,
    Frame,
    FrameError,
    decode_frame,
    is_torn,
)
from tidegate.journal.merkle import MerkleTree
from tidegate.model.errors import InputError

_CONTENT = "content"


class _TornTail(Exception):
    """The file ends inside the frame that was due at this offset."""


class _Chain:
    """What the next frame must fit: sequence, hash before, and the tree of those before."""

    def __init__(self) -> None:
        self.previous = ORIGIN
        self.tree = MerkleTree()
        self.sealed = False

    @property
    def sequence(self) -> int:
        return self.tree.size

    def accept(self, frame: Frame) -> None:
        if frame.sequence != self.sequence:
            raise FrameError(f"sequence {self.sequence}, not {frame.sequence}")
        if frame.previous != self.previous:
            raise FrameError(f"the hash of frame {self.sequence - 1} as its previous hash")
        if (frame.kind == HEADER) != (frame.sequence == 0):
            raise FrameError(f"kind {HEADER!r} in frame 0 and nowhere else, not {frame.kind!r}")
        if frame.kind == HEADER:
            _check_header(frame)
        if frame.kind == SEAL:
            self._check_seal(frame)
        self.previous = frame.digest
        self.tree.append(frame.digest)

    def _check_seal(self, frame: Frame) -> None:
        expected = {"frames": self.tree.size, "merkle_root": self.tree.root().hex()}
        if frame.value() != expected:
            raise FrameError(f"a seal that holds {expected}")
        self.sealed = True


def read_frames(path: str | os.PathLike[str], sealed: bool = True) -> Iterator[Frame]:
    """Yield the frames of a journal in order, each checked before it is given out.

    `sealed=False` also reads one that is still being written. Raises `InputError` naming the
    frame and its byte offset at the first one that does not fit, at a torn tail, and at the
    end when the seal is missing though asked for.
    """
    chain, end_bytes = _Chain(), 0
    try:
        for frame in _walk(Path(path), chain):
            end_bytes = frame.end_bytes
            yield frame
    except _TornTail:
        raise _refused(path, chain, end_bytes, "a whole frame; the file ends inside it") from None
    if sealed and not chain.sealed:
        raise _refused(path, chain, end_bytes, "a seal; the journal was never closed")


def read_live(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """Yield the frames of a journal that may be written meanwhile, each checked.

    Ends before a last frame that is not whole yet. Raises `InputError` as `read_frames` does, and
    where there is no whole header.
    """
    chain = _Chain()
    try:
        yield from _walk(Path(path), chain)
    except _TornTail:
        if chain.sequence == 0:
            raise _refused(path, chain, 0, "a whole header frame") from None


def recover(path: str | os.PathLike[str]) -> int:
    """Cut an incomplete last frame off the file at `path` and return the bytes cut, 0 for none.

    Nothing else is ever cut: any other damage, and a file without a whole header frame, raise
    `InputError` and leave the file as it was.
    """
    frames = read_recovered(path)
    while True:
        try:
            next(frames)
        except StopIteration as ended:
            return int(ended.value)


def read_recovered(path: str | os.PathLike[str]) -> Generator[Frame, None, int]:
    """Yield the frames of a journal that is not sealed, each checked, and then do as `recover`."""
    chain, end_bytes = _Chain(), 0
    try:
        for frame in _walk(Path(path), chain):
            end_bytes = frame.end_bytes
            yield frame
    except _TornTail:
        if chain.sequence == 0:
            raise _refused(path, chain, 0, "a whole header frame") from None
        return _cut(Path(path), end_bytes)
    return 0


def read_content(content: bytes) -> Iterator[Frame]:
    """Yield the frames of a journal's bytes, sealed or not, as `read_frames` does of a file's."""
    chain, end_bytes = _Chain(), 0
    try:
        for frame in _walk_bytes(BytesIO(content), len(content), _CONTENT, chain):
            end_bytes = frame.end_bytes
            yield frame
    except _TornTail:
        expected = "a whole frame; the content ends inside it"
        raise _refused(_CONTENT, chain, end_bytes, expected) from None


def whole(content: bytes) -> bytes:
    """A journal's bytes without an incomplete last frame; anything else raises as `recover`."""
    chain, end_bytes = _Chain(), 0
    try:
        for frame in _walk_bytes(BytesIO(content), len(content), _CONTENT, chain):
            end_bytes = frame.end_bytes
    except _TornTail:
        if chain.sequence == 0:
            raise _refused(_CONTENT, chain, 0, "a whole header frame") from None
    return content[:end_bytes]


def _walk(path: Path, chain: _Chain) -> Iterator[Frame]:
    try:
        file = path.open("rb")
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise InputError(str(path), "journal", f"a readable file ({reason})") from None
    with file:
        yield from _walk_bytes(file, os.fstat(file.fileno()).st_size, path, chain)


def _walk_bytes(
    file: BinaryIO, size_bytes: int, path: str | os.PathLike[str], chain: _Chain
) -> Iterator[Frame]:
    offset_bytes = 0
    if size_bytes == 0:
        raise _refused(path, chain, 0, "a header frame; the file is empty")
    while offset_bytes < size_bytes:
        try:
            frame = _next_frame(file, offset_bytes, size_bytes, chain)
            chain.accept(frame)
        except FrameError as error:
            raise _refused(path, chain, offset_bytes, str(error)) from None
        offset_bytes = frame.end_bytes
        yield frame


def _next_frame(file: BinaryIO, offset_bytes: int, size_bytes: int, chain: _Chain) -> Frame:
    if chain.sealed:
        raise FrameError("nothing after the seal")
    left_bytes = size_bytes - offset_bytes - LENGTH_BYTES
    field = file.read(LENGTH_BYTES)
    if left_bytes < 0:
        raise _TornTail
    length = int.from_bytes(field, "little")
    if not LENGTH_MIN <= length <= LENGTH_MAX:
        raise FrameError(f"a length of {LENGTH_MIN} to {LENGTH_MAX}, not {length}")
    # The length is bounded before it is believed: no damaged field can exhaust memory.
    body = file.read(min(length, left_bytes))
    if len(body) == length:
        return decode_frame(body, offset_bytes)
    if is_torn(body, chain.sequence, chain.previous):
        raise _TornTail
    raise FrameError(f"{length} more bytes; {len(body)} are left, and they are no torn frame")


def _check_header(frame: Frame) -> None:
    header = frame.value()
    if header.get("format") not in READABLE:
        raise FrameError(f"format {FORMAT!r}")
    if header.get("durability") not in (FSYNC, SEAL_AT_CLOSE):
        raise FrameError(f"durability {FSYNC!r} or {SEAL_AT_CLOSE!r}")


def _cut(path: Path, end_bytes: int) -> int:
    with path.open("r+b") as file:
        cut_bytes = os.fstat(file.fileno()).st_size - end_bytes
        file.truncate(end_bytes)
        os.fsync(file.fileno())
    return cut_bytes


def _refused(
    path: str | os.PathLike[str], chain: _Chain, offset_bytes: int, expected: str
) -> InputError:
    place = f"frame {chain.sequence} at byte {offset_bytes}"
    return InputError(os.fspath(path), place, f"expected {expected}")
