# SPDX-License-Identifier: Apache-2.0
"""Small files that are whole or not there: written aside, forced to disk, then named."""

from __future__ import annotations

import os
from errno import EFBIG
from pathlib import Path
from threading import get_ident

LARGEST_BYTES = 65_536


def put(path: Path, content: bytes) -> None:
    """Let a file hold this and nothing else, on disk on return; what stood there is replaced."""
    aside = _written_aside(path, content)
    os.replace(aside, path)
    sync_folder(path.parent)


def put_new(path: Path, content: bytes) -> bool:
    """As `put`, but False, and nothing changed, where the name is taken."""
    aside = _written_aside(path, content)
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    sync_folder(path.parent)
    return True


def content(path: Path) -> bytes:
    """What a small file holds; raises `OSError` where it cannot be read or is too large."""
    with path.open("rb") as file:
        found = file.read(LARGEST_BYTES + 1)
    if len(found) > LARGEST_BYTES:
        raise OSError(EFBIG, f"larger than {LARGEST_BYTES} bytes", str(path))
    return found


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written_aside(path: Path, content: bytes) -> Path:
    aside = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # On a full disk the half that was written would take what room is left.
        aside.unlink(missing_ok=True)
        raise
    return aside
