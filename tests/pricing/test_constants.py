# SPDX-License-Identifier: Apache-2.0
"""A constant stands in one place: written twice, one of the two is not what is used."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate import pricing

MODULES = sorted(Path(pricing.__path__[0]).glob("*.py"))


def assigned(text: str) -> Iterator[str]:
    """Each name that a module gives a value at its top level, as often as it does."""
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_module_gives_each_name_one_value(module: Path) -> None:
    counts = Counter(assigned(module.read_text(encoding="utf-8")))
    assert [name for name, count in counts.items() if count > 1] == []


def test_name_that_is_given_two_values_is_found() -> None:
    assert Counter(assigned("A, B = 1, 2\nA: int = 1\n"))["A"] == 2
