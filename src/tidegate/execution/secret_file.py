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
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(
            str(path), "secret", f"expected a readable file ({error.strerror})"
        ) from None
    try:
        check_owner(path, os.fstat(descriptor))
        text = os.read(descriptor, 4 * SECRET_BYTES)
    finally:
        os.close(descriptor)
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise InputError(str(path), "secret", f"expected {2 * SECRET_BYTES} hexadecimal digits")
    return secret


def write_secret(path: Path, secret: bytes) -> None:
    """Make a file that `read_secret` reads; raises `InputError` where something stands
    already or it cannot be written, and then leaves nothing."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(str(path), "secret", f"expected a new file ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        # Half a secret would stand in the way of the next attempt.
        path.unlink(missing_ok=True)
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "secret", expected) from None


def check_owner(path: Path, found: os.stat_result) -> None:
    """Raise `InputError` unless an open file is a plain one of ours with mode 0600 or less."""
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        raise InputError(str(path), "secret", "expected a plain file of the user who runs this")
    if found.st_mode & 0o077:
        expected = f"expected mode 0600, got {stat.S_IMODE(found.st_mode):04o}; chmod 600 it"
        raise InputError(str(path), "secret", expected)
