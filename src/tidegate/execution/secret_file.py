# SPDX-License-Identifier: Apache-2.0
"""Secrets are named by the path of a file that its owner alone can read, and never said."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tidegate.model.errors import InputError

SECRET_BYTES = 32


def read_secret(path: Path) -> bytes:
    """The 32 bytes that a file holds as 64 hexadecimal digits.

    Raises `InputError`, which never quotes the file, unless it is a plain file of ours with mode
    0600 or less and holds just that.
    """
    text = read_private(path, 4 * SECRET_BYTES)
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise InputError(str(path), "secret", f"expected {2 * SECRET_BYTES} hexadecimal digits")
    return secret


def read_private(path: Path, most_bytes: int) -> bytes:
    """The first bytes of a plain file of ours with mode 0600 or less; another raises
    `InputError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(
            str(path), "secret", f"expected a readable file ({error.strerror})"
        ) from None
    try:
        _check_owner(path, os.fstat(descriptor))
        return os.read(descriptor, most_bytes)
    finally:
        os.close(descriptor)


def write_secret(path: Path, secret: bytes) -> None:
    """Make a file that `read_secret` reads; raises `InputError` where something stands
    already or it cannot be written, and then leaves nothing."""
    write_private(path, secret.hex().encode() + b"\n")


def write_private(path: Path, text: bytes) -> None:
    """Make a file that `read_private` reads; raises `InputError` as `write_secret`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(str(path), "secret", f"expected a new file ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        # Half a secret would stand in the way of the next attempt.
        path.unlink(missing_ok=True)
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "secret", expected) from None


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        raise InputError(str(path), "secret", "expected a plain file of the user who runs this")
    if found.st_mode & 0o077:
        expected = f"expected mode 0600, got {stat.S_IMODE(found.st_mode):04o}; chmod 600 it"
        raise InputError(str(path), "secret", expected)
