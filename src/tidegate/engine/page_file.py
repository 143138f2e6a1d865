# SPDX-License-Identifier: Apache-2.0
"""Writing a page where the user asked for it, whole or not at all, and saying that work goes on."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tidegate.model.errors import InputError

PATIENCE_S = 2.0


def ensure_writable(path: Path) -> None:
    """Before anything is computed: raises `InputError` unless a file can be written there."""
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
        fits = not path.is_dir()
    except OSError:
        fits = False
    if not fits:
        raise InputError(str(path), "--html", "expected a file in a folder that can be written")


def write_page(path: Path, text: str) -> None:
    """Whole or not at all; raises `InputError` where the file cannot be written."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or "unwritable"
        raise InputError(str(path), "--html", f"expected a writable file ({reason})") from None


@contextmanager
def patience(doing: str) -> Iterator[None]:
    """Says that the work goes on, once it has taken longer than a reader waits."""
    console = Console(stderr=True)
    status = console.status(f"{doing}; the first run on a machine compiles for a while")
    timer = threading.Timer(PATIENCE_S, status.start if console.is_terminal else lambda: None)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
