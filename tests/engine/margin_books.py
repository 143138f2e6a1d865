# SPDX-License-Identifier: Apache-2.0
"""The margin books of the examples as plain objects, to be changed, written and read."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tidegate.cli import main
from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.reading import read_account

Raw = dict[str, Any]

EXAMPLES = {path.stem: path for path in sorted((REPOSITORY / "examples" / "margin").glob("*.json"))}


def raw_book(name: str) -> Raw:
    """An example, free to be changed."""
    found: Raw = json.loads(EXAMPLES[name].read_text(encoding="utf-8"))
    return found


def changed(name: str, path: str, value: object) -> Raw:
    """An example with one place set, such as `positions.0.size`; `...` takes the place away."""
    raw = copy.deepcopy(raw_book(name))
    *before, last = path.split(".")
    part: Any = raw
    for step in before:
        part = part[int(step) if isinstance(part, list) else step]
    if value is ...:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return raw


def write(raw: object, folder: Path) -> Path:
    """The book in a folder."""
    path = folder / "book.json"
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw), encoding="utf-8")
    return path


def account_of(raw: object, folder: Path, rule: str | None = None) -> AccountBook:
    """The account as it is read."""
    return read_account(write(raw, folder), rule)


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


Run = Callable[..., Ended]


def runner(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tidegate margin` with words, as from a shell."""

    def margin(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tidegate", "margin", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        return Ended(int(ended.value.code or 0), seen.out, seen.err)

    return margin
