# SPDX-License-Identifier: Apache-2.0
"""One digest that pins the data files a run has read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tidegate.model.errors import InputError


def digest_files(root: Path, names: Iterable[str]) -> str:
    """Digest files by their names inside `root` and their bytes, in order of name.

    digest = SHA-256 of the lines `sha256(bytes) two spaces name`, sorted by name, so that neither
    the order given nor where the folder stands matters. Returns 64 hexadecimal digits; a name
    that leaves the folder or is no file raises `InputError`.
    """
    lines = hashlib.sha256()
    for name in sorted(set(names)):
        lines.update(f"{_digest_file(root, name)}  {name}\n".encode())
    return lines.hexdigest()


def _digest_file(root: Path, name: str) -> str:
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\n" in name:
        raise InputError(name, "file", "expected a name inside the data folder")
    try:
        with (root / relative).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        expected = f"expected a readable file under {root} ({error.strerror})"
        raise InputError(name, "file", expected) from error
