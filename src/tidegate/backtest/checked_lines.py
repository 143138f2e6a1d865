# SPDX-License-Identifier: Apache-2.0
"""Append-only files of lines, each behind its own checksum, which may be cut short at any byte.

A line is 16 hexadecimal digits of the SHA-256 of its payload, a space, the payload and a line feed.
What a writer left unfinished at the end is cut before the next line is written, so that it takes
no other line with it. Nothing is forced to disk: a power cut may lose the last lines.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from tidegate.model.errors import ensure

DIGITS = 16
WAIT_S, POLL_S = 2.0, 0.02
# What a first line looks like that was cut short.
_TORN = re.compile(rb"[0-9a-f]{0,15}|[0-9a-f]{16}(?: [^\n]*)?")


def checked_line(payload: bytes) -> bytes:
    """The line of a payload, which has no line feed of its own."""
    ensure(b"\n" not in payload, "a payload of more than one line")
    return sha256(payload).hexdigest()[:DIGITS].encode() + b" " + payload + b"\n"


def read_lines(content: bytes) -> tuple[list[bytes], list[int]]:
    """The payloads of a file's whole lines, and the numbers of lines that are not what was
    written; a torn or spoilt end is no line and is left out of both."""
    whole = content[: _sound_length(content)].split(b"\n")[:-1]
    payloads = [_payload(line) for line in whole]
    spoilt = [number for number, payload in enumerate(payloads, 1) if payload is None]
    return [payload for payload in payloads if payload is not None], spoilt


@contextmanager
def locked_lines(path: Path, wait_s: float = WAIT_S) -> Iterator[BinaryIO]:
    """The file, made where it is absent, with its torn end cut, for this writer alone; raises
    `BlockingIOError` where another holds it for longer, and `OSError`, also for a file of
    something else, which is left as it is."""
    with path.open("a+b", buffering=0) as file:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(POLL_S)
        file.seek(0)
        content = file.read()
        if (sound := _sound_length(content)) < len(content):
            if not sound and not _TORN.fullmatch(content):
                raise OSError(errno.EINVAL, "it holds something else")
            file.truncate(sound)
        file.seek(0)
        yield file


def append_line(file: BinaryIO, payload: bytes) -> None:
    """Write one line at the end of a locked file, in one go where the system lets it."""
    left = memoryview(checked_line(payload))
    while left:
        left = left[os.write(file.fileno(), left) :]


def _sound_length(content: bytes) -> int:
    """Bytes up to the end of the last line that is what was written."""
    end = content.rfind(b"\n") + 1
    while end and _payload(content[content.rfind(b"\n", 0, end - 1) + 1 : end - 1]) is None:
        end = content.rfind(b"\n", 0, end - 1) + 1
    return end


def _payload(line: bytes) -> bytes | None:
    checksum, space, payload = line.partition(b" ")
    sound = space and sha256(payload).hexdigest()[:DIGITS].encode() == checksum
    return payload if sound else None
