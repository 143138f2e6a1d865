# SPDX-License-Identifier: Apache-2.0
"""What was fetched, from where, when and with which hash; it stands beside the table it made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tidegate.history.intake.layout import Table
from tidegate.history.window import Window
from tidegate.model.errors import InputError


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer: the series and the span it was asked for, the request, and its body's hash."""

    venue: str
    symbol: str
    from_ms: int
    to_ms: int
    url: str
    params: dict[str, object]
    fetched_ms: int
    sha256: str
    rows: int


def provenance_file(root: Path, table: Table) -> Path:
    """Where a table's pages are listed, a JSON document a line."""
    return (root / table.file).with_suffix(".provenance.jsonl")


def read_pages(root: Path, table: Table) -> tuple[Page, ...]:
    """The pages that a table was made of so far; a line that does not read raises `InputError`."""
    path = provenance_file(root, table)
    if not path.is_file():
        return ()
    pages = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            pages.append(msgspec.json.decode(line, type=Page))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            expected = f"expected the record of a page ({error})"
            raise InputError(path.name, f"line {number}", expected) from error
    return tuple(pages)


def add_pages(root: Path, table: Table, pages: Sequence[Page]) -> None:
    """Write a table's pages anew with more at their end, whole or not at all."""
    path = provenance_file(root, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.is_file() else b""
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        file.write(before + b"".join(msgspec.json.encode(page) + b"\n" for page in pages))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def uncovered(window: Window, pages: Iterable[Page]) -> tuple[Window, ...]:
    """The parts of a window that no page was asked for, in order."""
    parts, at = [], window.start_ms
    for page in sorted(pages, key=lambda page: page.from_ms):
        if page.to_ms <= at or page.from_ms >= window.end_ms:
            continue
        if page.from_ms > at:
            parts.append(Window(at, page.from_ms))
        at = page.to_ms
    if at < window.end_ms:
        parts.append(Window(at, window.end_ms))
    return tuple(parts)
