# SPDX-License-Identifier: Apache-2.0
"""Planted bugs as data: each one patch to the engine, put into a copy of its source."""

from __future__ import annotations

from pathlib import Path

import msgspec

HOME = Path(__file__).resolve().parents[2]
PACKAGE = Path("src") / "tidegate"


class Bug(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One patch: `old` stands exactly once in `file`, and `new` takes its place; what is wrong
    then, and what a user would lose by it."""

    id: str
    file: str
    what: str
    harm: str
    old: str
    new: str


class _Bugs(msgspec.Struct, frozen=True):
    bug: tuple[Bug, ...]


def read_bugs() -> tuple[Bug, ...]:
    """All planted bugs in the order of the file."""
    return msgspec.toml.decode((HOME / "tests/planted/bugs.toml").read_bytes(), type=_Bugs).bug


def patched(bug: Bug, text: str) -> str:
    """The text with the bug in it; raises `ValueError` unless its place is found exactly once."""
    count = text.count(bug.old)
    if count != 1 or bug.new == bug.old:
        raise ValueError(f"{bug.id}: expected its place once in {bug.file}, found {count}")
    return text.replace(bug.old, bug.new)


def plant(bug: Bug, home: Path) -> None:
    """Put a bug into the tree at `home`."""
    path = home / PACKAGE / bug.file
    path.write_text(patched(bug, path.read_text(encoding="utf-8")), encoding="utf-8")
