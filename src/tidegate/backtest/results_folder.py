# SPDX-License-Identifier: Apache-2.0
"""A folder of results that appears whole or not at all, and what an earlier one is replaced by."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.model.errors import InputError


class ResultsFolder:
    """A folder that appears whole or not at all: `with ResultsFolder(out) as folder`.

    It is made under a name of its own beside the final place, so nothing else is ever touched.
    """

    def __init__(self, out: Path) -> None:
        self._out = out.resolve()
        if not self._out.name:
            raise InputError("--out", str(out), "expected the name of a folder")
        self._made: list[Path] = []
        self._partial: Path | None = None

    def __enter__(self) -> Path:
        if self._out.exists() and (not self._out.is_dir() or any(self._out.iterdir())):
            raise InputError("--out", str(self._out), "expected a folder that is new or empty")
        try:
            self._make_parents()
            made = tempfile.mkdtemp(prefix=f".{self._out.name}.", dir=self._out.parent)
        except OSError as error:
            self._remove_parents()
            raise InputError("--out", str(self._out), f"cannot write: {error.strerror}") from None
        self._partial = Path(made)
        return self._partial

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        assert self._partial is not None
        if error is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._remove_parents()
            return
        self._partial.chmod(0o755)
        if self._out.exists():
            self._out.rmdir()
        self._partial.rename(self._out)

    def _make_parents(self) -> None:
        missing = [p for p in self._out.parents if not p.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            self._made.append(folder)

    def _remove_parents(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextmanager
def replacing(out: Path, is_earlier: bool) -> Iterator[Path]:
    """A folder that takes its place once it is whole: a new one, or that of an earlier demo."""
    out = out.resolve()
    if not is_earlier:
        with ResultsFolder(out) as folder:
            yield folder
        return
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError("--out", str(out), f"cannot write: {error.strerror}") from None
    try:
        with ResultsFolder(beside / out.name) as folder:
            yield folder
        shutil.rmtree(out)
        (beside / out.name).rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
