# SPDX-License-Identifier: Apache-2.0
"""Writing a journal: a frame is in the file before its caller may act on it.

A durable journal forces every frame to disk (mode "fsync"); a backtest's is buffered and forced
once when it closes ("seal-at-close"), and the header says which. The file is called
`NAME.partial` until its seal is on disk, so that nothing half-written looks finished. Payloads
are encoded with sorted keys: the same content gives the same head, whatever built the mapping.
A float that is not a number encodes as null.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Literal, Protocol

import msgspec

from tidegate.journal.frames import (
    FORMAT,
    FSYNC,
    HEADER,
    ORIGIN,
    SEAL,
    SEAL_AT_CLOSE,
    Frame,
    FrameError,
    encode_frame,
    kind_tag,
)
from tidegate.journal.merkle import MerkleTree
from tidegate.journal.reader import read_content, read_frames, read_recovered
from tidegate.model.errors import InputError, InvariantError, ensure

_ENCODER = msgspec.json.Encoder(order="deterministic")
_BUFFER_BYTES = 1 << 20
# Of ten thousand runs at one venue two share these with a probability below one in a million.
RUN_DIGITS = 12
NONCE_BYTES = 8


class Sink(Protocol):
    """Where frames go. What was written and not forced may be lost, or torn, in a crash."""

    def write(self, frame: bytes, /) -> object:
        """Take the bytes of a frame; raises `OSError`."""

    def force(self) -> None:
        """Return once all that was written is on disk; raises `OSError`."""

    def close(self) -> None:
        """Take no more."""


class _File:
    """A sink on a real file."""

    __slots__ = ("file",)

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, frame: bytes, /) -> object:
        return self.file.write(frame)

    def force(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


class _Memory:
    """A sink that forgets nothing and lasts as long as the process."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = bytearray()

    def write(self, frame: bytes, /) -> object:
        self.bytes += frame
        return len(frame)

    def force(self) -> None:
        pass

    def close(self) -> None:
        pass


class Journal:
    """An append-only sequence of frames in a file, in memory or on a sink, ended by its seal.

    Make one with `create`, `resume`, `in_memory`, `over` or `onward`. `run` tells this journal from
    all others, by the beginning of its header's hash; what a run sends bears it. A failed write
    closes it for good: what reached the disk is then unknown, and only `recover` may say.
    """

    __slots__ = ("_durable", "_open", "_path", "_previous", "_sink", "_tags", "_tree", "run")

    def __init__(self, sink: Sink, path: Path | None, durable: bool) -> None:
        ensure(__debug__, "a journal is not written with checks switched off (-O)")
        self._sink, self._path, self._durable = sink, path, durable
        self._previous, self._tree = ORIGIN, MerkleTree()
        self._tags: dict[str, bytes] = {}
        self._open = True
        self.run = ""

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], header: Mapping[str, object], durable: bool
    ) -> Journal:
        """Start a journal that will stand at `path` once sealed, and write its header. That of a
        durable one has a nonce, so that no two runs bear one name whatever else they share.

        Raises `InputError` when `path` or its partial file already exists or cannot be made.
        """
        own = {"nonce": token_hex(NONCE_BYTES)} if durable else {}
        final, payload = Path(path), _header_payload({**own, **header}, durable)
        if final.exists():
            raise InputError(str(final), "journal", "expected a path where nothing stands yet")
        journal = cls(_File(_open_partial(partial_path(final), "xb")), final, durable)
        journal._write(kind_tag(HEADER), payload)
        if durable:
            _sync_directory(final.parent)
        return journal

    @classmethod
    def resume(cls, path: str | os.PathLike[str], *, cut: bool = False) -> Journal:
        """Go on with the unsealed journal of `path`, in the durability its header states.

        Reads all of it first. Raises `InputError` on any damage, on a torn tail (unless it may be
        `cut`, as `recover` does), when it is sealed already, and while another process writes it:
        nothing is cut off a journal that is being written.
        """
        journal, frames = cls.resume_reading(path, cut=cut)
        deque(frames, maxlen=0)
        return journal

    @classmethod
    def resume_reading(
        cls, path: str | os.PathLike[str], *, cut: bool = False
    ) -> tuple[Journal, Iterator[Frame]]:
        """As `resume`, for who needs the frames as well: the journal, and its frames as they are
        read. It takes none before the last of them was given out."""
        final, partial = Path(path), partial_path(Path(path))
        file = _open_partial(partial, "r+b")
        journal = cls(_File(file), final, durable=True)
        journal._open = False
        frames = read_recovered(partial) if cut else read_frames(partial, sealed=False)
        return journal, journal._read_through(frames, file, str(partial))

    @classmethod
    def in_memory(cls, header: Mapping[str, object]) -> Journal:
        """Start a journal in memory, for sweeps and tests; `content` gives its bytes."""
        payload = _header_payload(header, durable=False)
        journal = cls(_Memory(), None, durable=False)
        journal._write(kind_tag(HEADER), payload)
        return journal

    @classmethod
    def over(cls, sink: Sink, header: Mapping[str, object]) -> Journal:
        """Start a durable journal on a sink of the caller's."""
        journal = cls(sink, None, durable=True)
        journal._write(kind_tag(HEADER), _header_payload(header, durable=True))
        return journal

    @classmethod
    def onward(cls, sink: Sink, content: bytes) -> Journal:
        """Go on with an unsealed journal whose whole bytes, without a torn tail, stand before the
        sink's end. Raises `InputError` on any damage and when it is sealed already."""
        journal = cls(sink, None, durable=True)
        deque(journal._adopted(read_content(content), "content"), maxlen=0)
        return journal

    @property
    def head(self) -> str:
        """Return the hash of the last frame in hexadecimal."""
        return self._previous.hex()

    @property
    def root(self) -> bytes:
        """The Merkle root of the frames so far, as a checkpoint of them has it."""
        return self._tree.root()

    def append(self, kind: str, payload: object) -> int:
        """Write one frame and return its sequence; on disk on return when durable.

        `payload` must encode to a JSON object. Nothing is written when it does not, or when the
        kind is malformed or reserved (`FrameError`); after the seal it raises `InvariantError`.
        """
        tag = self._tags.get(kind) or self._new_tag(kind)
        return self._write(tag, encode_payload(payload))

    def append_many(self, entries: Iterable[tuple[str, object]]) -> range:
        """Write frames of (kind, payload) with one write and, when durable, one force to disk.

        Returns their sequences. All are on disk on return, and a crash before that may leave the
        first of them; so whoever waits for it may act on all, and nobody on some. If one cannot be
        written (see `append`), none is.
        """
        frames, digests, previous = list[bytes](), list[bytes](), self._previous
        first = sequence = self._tree.size
        tags, encode = self._tags, _ENCODER.encode
        for kind, payload in entries:
            tag = tags.get(kind) or self._new_tag(kind)
            frame, previous = encode_frame(sequence, previous, tag, encode(payload))
            sequence += 1
            frames.append(frame)
            digests.append(previous)
        self._put(b"".join(frames), digests)
        return range(first, sequence)

    def seal(self) -> str:
        """Write the seal, force all to disk, give the file its final name; return the head."""
        root = self._tree.root().hex()
        seal = {"frames": self._tree.size, "merkle_root": root}
        self._write(kind_tag(SEAL), _ENCODER.encode(seal))
        self._open = False
        if self._path is not None:
            self._sink.force()
            self._sink.close()
            _publish(self._path)
        return self.head

    def close(self) -> None:
        """Stop without a seal: what was appended stays in the partial file."""
        self._open = False
        if self._path is not None:
            self._sink.close()

    def content(self) -> bytes:
        """Return all bytes of a journal in memory."""
        if not isinstance(self._sink, _Memory):
            raise InvariantError("only a journal in memory holds its content")
        return bytes(self._sink.bytes)

    def _write(self, tag: bytes, payload: bytes) -> int:
        sequence = self._tree.size
        frame, digest = encode_frame(sequence, self._previous, tag, payload)
        self._put(frame, (digest,))
        return sequence

    def _put(self, frames: bytes, digests: Sequence[bytes]) -> None:
        if not self._open:
            raise InvariantError(
                "a journal takes no frame while it is read, nor after its seal, close or failure"
            )
        try:
            self._sink.write(frames)
            if self._durable:
                self._sink.force()
        except BaseException:
            self._abandon()
            raise
        for digest in digests:
            self._link(digest)

    def _link(self, digest: bytes) -> None:
        if self._tree.size == 0:
            self.run = digest.hex()[:RUN_DIGITS]
        self._previous = digest
        self._tree.append(digest)

    def _abandon(self) -> None:
        self._open = False
        # Closing flushes once more and may fail once more; the first failure is the one to tell.
        with suppress(OSError):
            self._sink.close()

    def _new_tag(self, kind: str) -> bytes:
        if kind in (HEADER, SEAL):
            raise FrameError(f"kind {kind!r} is written by the journal itself")
        return self._tags.setdefault(kind, kind_tag(kind))

    def _read_through(self, frames: Iterator[Frame], file: BinaryIO, where: str) -> Iterator[Frame]:
        try:
            yield from self._adopted(frames, where)
            file.seek(0, os.SEEK_END)
            self._open = True
        except BaseException:
            file.close()
            raise

    def _adopted(self, frames: Iterator[Frame], where: str) -> Iterator[Frame]:
        for frame in frames:
            if frame.kind == HEADER:
                self._durable = frame.value()["durability"] == FSYNC
            if frame.kind == SEAL:
                expected = (
                    f"expected an unsealed journal; this one only lacks its name {self._path}"
                )
                raise InputError(where, f"frame {frame.sequence}", expected)
            self._link(frame.digest)
            yield frame


def encode_payload(payload: object) -> bytes:
    """Return the bytes that a payload has in a journal."""
    return _ENCODER.encode(payload)


def partial_path(path: Path) -> Path:
    """Return the name that the journal of `path` bears until it is sealed."""
    return path.with_name(path.name + ".partial")


def _header_payload(header: Mapping[str, object], durable: bool) -> bytes:
    own = {"format": FORMAT, "durability": FSYNC if durable else SEAL_AT_CLOSE}
    ensure(not own.keys() & header.keys(), "a journal states its format and durability itself")
    payload = _ENCODER.encode({**header, **own})
    # A header that makes no frame is refused here, before there is a file.
    encode_frame(0, ORIGIN, kind_tag(HEADER), payload)
    return payload


def _open_partial(partial: Path, mode: Literal["xb", "r+b"]) -> BinaryIO:
    try:
        file: BinaryIO = partial.open(mode, buffering=_BUFFER_BYTES)
    except OSError as error:
        expected = f"expected a file that can be opened ({error.strerror})"
        raise InputError(str(partial), "journal", expected) from None
    _claim(file, partial)
    return file


def _claim(file: BinaryIO, partial: Path) -> None:
    # Two writers would fork the chain; the lock goes with the process, so a crash leaves none.
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(str(partial), "journal", "expected no other writer of it") from None


def _publish(final: Path) -> None:
    if final.exists():
        raise InputError(str(final), "journal", "expected nothing there; the sealed one is partial")
    partial_path(final).rename(final)
    _sync_directory(final.parent)


def _sync_directory(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
