# SPDX-License-Identifier: Apache-2.0
"""Reads the table of promises and says which of its rows no test holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.tidy import parsed

# Every test that this run has collected, soak tests too, without its parameters.
COLLECTED = pytest.StashKey[set[str]]()
ROW = re.compile(r"^\|(?P<id>[^|]*)\|(?P<text>[^|]*)\|(?P<test>[^|]*)\|\s*$")
ID = re.compile(r"P-\d{3}")
TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>test_\w+)`")
NEVER_RUN = frozenset({"skip", "xfail"})


@dataclass(frozen=True, slots=True)
class Promise:
    """A row: what is promised, and the test that holds it."""

    id: str
    text: str
    test: str


def read_promises(text: str) -> tuple[Promise, ...]:
    """The rows of every table in the text, without headings and rulers."""
    rows = [
        Promise(*(match[part].strip() for part in ("id", "text", "test")))
        for line in text.splitlines()
        if (match := ROW.match(line))
    ]
    return tuple(row for row in rows if row.id != "id" and set(row.id) - set("-: "))


def broken(promises: Iterable[Promise], root: Path) -> list[str]:
    """One line for each row whose id, text or test is missing, doubled, or never run."""
    found, seen = [], set()
    for promise in promises:
        complaint = _complaint(promise, root)
        if promise.id in seen:
            complaint = "the id is used twice"
        seen.add(promise.id)
        if complaint:
            found.append(f"{promise.id or promise.text!r}: {complaint}")
    return found


def uncollected(nodes: Iterable[str], collected: Set[str]) -> tuple[list[str], list[str]]:
    """Of these tests those whose file was collected without them, and those of other files."""
    files = {node.partition("::")[0] for node in collected}
    missing = sorted(set(nodes) - collected)
    lost = [node for node in missing if node.partition("::")[0] in files]
    return lost, [node for node in missing if node not in lost]


def _complaint(promise: Promise, root: Path) -> str:
    if not ID.fullmatch(promise.id):
        return "expected an id such as P-001"
    if not promise.text:
        return "expected a promise"
    if not (match := TEST.fullmatch(promise.test)):
        return f"expected `tests/FILE.py::test_NAME`, got {promise.test!r}"
    return _test_complaint(root / match["path"], match["name"])


def _test_complaint(path: Path, name: str) -> str:
    if not path.is_file():
        return f"{path.name} does not exist"
    for node in parsed(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            marks = {
                part.attr
                for decorator in node.decorator_list
                for part in ast.walk(decorator)
                if isinstance(part, ast.Attribute)
            }
            return "the test is marked never to count" if marks & NEVER_RUN else ""
    return f"{path.name} has no test {name}"
