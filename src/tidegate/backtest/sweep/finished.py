# SPDX-License-Identifier: Apache-2.0
"""The runs that a sweep has finished, in a file that outlives any kill and can be taken up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from tidegate.backtest.checked_lines import append_line, locked_lines, read_lines
from tidegate.backtest.sweep.task import Result
from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON

FINISHED = "finished.jsonl"


@dataclass(frozen=True, slots=True)
class Finished:
    """An open file of results and those that it had when it was opened, by their ids."""

    file: BinaryIO | None
    had: dict[str, Result]

    def add(self, result: Result) -> None:
        """Keep a result, unless it was only the machine's doing."""
        if self.file is not None and result.final:
            append_line(self.file, msgspec.json.encode(result))


@contextmanager
def finished_in(folder: Path | None) -> Iterator[Finished]:
    """The finished runs of a folder, for this sweep alone; without a folder nothing is kept.

    Raises `InputError` for a folder that holds other things, that another sweep works in, or
    whose file has a line that nobody wrote.
    """
    if folder is None:
        yield Finished(None, {})
        return
    path = folder / FINISHED
    _require_ours(folder, path)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked_lines(path, wait_s=0.0)
        file = lock.__enter__()
    except BlockingIOError:
        expected = "expected a folder in which no other sweep is at work"
        raise InputError("--out", str(folder), expected) from None
    except OSError as error:
        raise InputError("--out", str(folder), f"cannot write: {error.strerror}") from None
    try:
        yield Finished(file, _results(path, file.read()))
    except BaseException:
        # What came to nothing leaves nothing.
        if not path.stat().st_size:
            path.unlink()
            if new:
                folder.rmdir()
        raise
    finally:
        lock.__exit__(None, None, None)


def _require_ours(folder: Path, path: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("--out", str(folder), "expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        expected = f"expected a folder that is new, empty or a sweep's, with {FINISHED}"
        raise InputError("--out", str(folder), expected)


def _results(path: Path, content: bytes) -> dict[str, Result]:
    payloads, spoilt = read_lines(content)
    if spoilt:
        expected = "expected a line as it was written; remove it, and its run is made again"
        raise InputError(str(path), f"line {spoilt[0]}", expected)
    try:
        results = [msgspec.json.decode(payload, type=Result) for payload in payloads]
    except UNREADABLE_JSON as error:
        raise InputError(str(path), "results", f"expected results: {error}") from None
    return {result.id: result for result in results}
