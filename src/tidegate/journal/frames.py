# SPDX-License-Identifier: Apache-2.0
"""The frame: how one journal entry lies in bytes.

    length u32 | sequence u64 | crc32 u32 | previous hash 32 | kind length u8 | kind | payload

Numbers are little-endian; `length` counts the bytes after itself; the checksum is over all from the
kind's length on. In format 1 it was over the payload alone, so a bit that rotted in the kind of a
last frame went unseen; such journals are still read, by either checksum, since a frame of format 2
passes by the older one with a chance of one in four billion. The length lets a reader skip and find
a torn tail, the checksum tells rot from tampering cheaply, the sequence shows a lost frame, and the
previous hash chains them. The frame hash is sha256(sequence | previous hash | kind length | kind |
payload): the kind's length is hashed, so that no two splits of the same bytes into kind and payload
share a hash. A payload is a JSON object, since no beginning of an object is itself an object: a cut
one cannot pass.
"""

from __future__ import annotations

import re
import struct
from hashlib import sha256
from zlib import crc32

import msgspec

from tidegate.model.parsing import UNREADABLE_JSON

FORMAT = "tidegate-journal/2"
READABLE = ("tidegate-journal/1", FORMAT)
HEADER = "header"
SEAL = "seal"
FSYNC = "fsync"
SEAL_AT_CLOSE = "seal-at-close"
ORIGIN = bytes(32)

LENGTH_BYTES = 4
FRAME_BYTES_MAX = 1 << 24
FIXED_BYTES = 8 + 4 + 32 + 1
LENGTH_MIN = FIXED_BYTES + len("k") + len("{}")
LENGTH_MAX = FRAME_BYTES_MAX - LENGTH_BYTES

_HEAD = struct.Struct("<IQI")
_HEAD_BODY = struct.Struct("<QI32sB")
_SEQUENCE = struct.Struct("<Q")
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_KIND_BEGINNING = re.compile(rb"([a-z][a-z0-9_.-]*)?")


class FrameError(ValueError):
    """The bytes are no frame; the text says what was expected instead."""


class Frame(msgspec.Struct, frozen=True):
    """One checked frame: its place, its links and its payload as JSON bytes."""

    offset_bytes: int
    sequence: int
    previous: bytes
    kind: str
    payload: bytes
    digest: bytes

    def value(self) -> dict[str, object]:
        """Return the payload decoded into plain Python values.

        Raises `FrameError` for one that a checked frame may still hold: a number out of range,
        or nesting beyond the stack.
        """
        try:
            return msgspec.json.decode(self.payload, type=dict[str, object])
        except UNREADABLE_JSON as error:
            raise FrameError(f"a payload of values that can be read: {error}") from None

    @property
    def end_bytes(self) -> int:
        """Return the byte offset just behind this frame."""
        size_bytes = LENGTH_BYTES + FIXED_BYTES + len(self.kind) + len(self.payload)
        return self.offset_bytes + size_bytes


def kind_tag(kind: str) -> bytes:
    """Return the kind as it lies in the frame, its length byte first.

    Raises `FrameError` unless the kind is 1 to 64 of `a-z 0-9 _ . -` and begins with a letter.
    """
    if not _KIND.fullmatch(kind):
        raise FrameError(f"kind {kind!r}: 1 to 64 of a-z 0-9 _ . - beginning with a letter")
    return bytes((len(kind),)) + kind.encode("ascii")


def encode_frame(sequence: int, previous: bytes, tag: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """Return the bytes of a frame and its hash.

    `previous` is the hash before (32 bytes), `tag` comes from `kind_tag`, `payload` is a JSON
    object. Raises `FrameError` when the payload is no object or the frame would be too long.
    """
    if payload[:1] != b"{":
        raise FrameError("a payload that encodes to a JSON object")
    linked = previous + tag + payload
    length = len(linked) + 12
    if length > LENGTH_MAX:
        raise FrameError(f"a frame of at most {FRAME_BYTES_MAX} bytes, not {length}")
    digest = sha256(_SEQUENCE.pack(sequence) + linked).digest()
    return _HEAD.pack(length, sequence, crc32(tag + payload)) + linked, digest


def decode_frame(body: bytes, offset_bytes: int) -> Frame:
    """Return the frame whose bytes after the length field are `body`.

    Checks what the frame alone can show: kind, checksum, and that the payload is a JSON object.
    Raises `FrameError`.
    """
    if len(body) < LENGTH_MIN:
        raise FrameError(f"a length of at least {LENGTH_MIN}, not {len(body)}")
    sequence, crc, previous, kind_bytes = _HEAD_BODY.unpack_from(body)
    kind = body[FIXED_BYTES : FIXED_BYTES + kind_bytes].decode("latin-1")
    payload = body[FIXED_BYTES + kind_bytes :]
    if crc not in (crc32(body[FIXED_BYTES - 1 :]), crc32(payload)):
        raise FrameError("a kind and payload that match their checksum")
    if len(kind) != kind_bytes or not _KIND.fullmatch(kind):
        raise FrameError("a kind of lower-case ascii")
    _ensure_object(payload)
    digest = sha256(body[:8] + body[12:]).digest()
    return Frame(offset_bytes, sequence, previous, kind, payload, digest)


def is_torn(body: bytes, sequence: int, previous: bytes) -> bool:
    """Tell whether a too short `body` can be the beginning of the frame that was due.

    A damaged length field before the tail also makes the rest look too short. The fields that
    are there must therefore be the ones expected, and no shorter payload may already match the
    checksum: then the frame was whole and its length is what is wrong.
    """
    link = body[12:44]
    if body[:8] != _SEQUENCE.pack(sequence)[: len(body)] or link != previous[: len(link)]:
        return False
    if len(body) < FIXED_BYTES:
        return True
    start = FIXED_BYTES + body[FIXED_BYTES - 1]
    if not _KIND_BEGINNING.fullmatch(body[FIXED_BYTES:start]):
        return False
    crc, tag = int.from_bytes(body[8:12], "little"), body[FIXED_BYTES - 1 : start]
    return not any(_holds_whole_payload(body[start:], crc, begun) for begun in (0, crc32(tag)))


def _holds_whole_payload(rest: bytes, crc: int, running: int) -> bool:
    for piece in rest.split(b"}")[:-1]:
        running = crc32(piece + b"}", running)
        if running == crc:
            return True
    return False


def _ensure_object(payload: bytes) -> None:
    try:
        # Texts that are kept raw are not looked into, so the payload is as a whole.
        payload.decode()
        msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except UNREADABLE_JSON:
        raise FrameError("a payload that is a JSON object") from None
