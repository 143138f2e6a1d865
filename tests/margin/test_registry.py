# SPDX-License-Identifier: Apache-2.0
"""The registry of margin rules: every rule says where it comes from and what it does not know."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tidegate.margin
from tidegate.margin.registry import CARDS, card
from tidegate.margin.rule_card import RuleCard
from tidegate.model.errors import InputError

CLASSES = re.compile(r"(\w+)\.(\w+)")
NUMBERS = re.compile(r" (floats|integers)  +\w+$")


def test_names_are_unique_and_found() -> None:
    names = [each.name for each in CARDS]
    assert len(names) == len(set(names))
    assert all(card(name).name == name for name in names)


def test_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"deribit_standard.*span_16"):
        card("deribit")


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.name)
def test_card_names_a_class_that_answers_and_a_dated_source(each: RuleCard) -> None:
    classes = CLASSES.findall(each.answers)
    assert classes
    for module, name in classes:
        rule = getattr(importlib.import_module(f"tidegate.margin.{module}"), name)
        assert hasattr(rule, "state" if each.of_integers else "statement")
    assert each.source
    assert each.closes_first
    assert each.convex_form
    if each.name not in ("spot", "span_16"):
        assert any(re.search(r"20\d\d", text) for text in each.source), "a source has no year"


def test_rooms_page_names_the_file_of_every_rule_and_no_file_that_is_gone() -> None:
    page = tidegate.margin.__doc__ or ""
    said = {line.split()[-1] for line in page.splitlines() if NUMBERS.search(line)}
    named = {module for each in CARDS for module, _ in CLASSES.findall(each.answers)}
    assert said == named
    shared = page.split("What rules share:")[1].strip().splitlines()
    root = Path(tidegate.margin.__file__).parent
    for name in (name for line in shared for name in line.strip().split("  ")[0].split(", ")):
        assert (root / name).is_dir() or (root / f"{name}.py").is_file(), name


def test_every_card_beside_a_rule_is_in_the_registry() -> None:
    found = set()
    for module in pkgutil.iter_modules(tidegate.margin.__path__):
        values = vars(importlib.import_module(f"tidegate.margin.{module.name}")).values()
        found |= {value.name for value in values if isinstance(value, RuleCard)}
    assert found == {each.name for each in CARDS}
