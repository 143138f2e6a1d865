# SPDX-License-Identifier: Apache-2.0
"""A small book of round numbers and its mandate, changed part by part by the tests; it names no
history, which lies beside the example."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.book_file import read_plan_book
from tidegate.engine.plan.deciding import Decision, decide
from tidegate.model.mandate import read_plan_mandate
from tidegate.model.plan_terms import PlanTerms, plan_terms

EXAMPLES = Path(__file__).parents[3] / "examples/plan"
MANDATE = (EXAMPLES / "mandate.toml").read_text()
BOOK: dict[str, Any] = json.loads((EXAMPLES / "book.json").read_text())
del BOOK["history"]
Change = Callable[[dict[str, Any]], object]


def book_values(*changes: Change, options: bool = True) -> dict[str, Any]:
    """The example's book, or its two venues of perpetuals alone, with changes made."""
    values = copy.deepcopy(BOOK)
    if not options:
        values["accounts"] = values["accounts"][:2]
        for table in ("edges", "costs"):
            kept = {n: v for n, v in values[table].items() if not n.startswith("deribit:")}
            values[table] = kept
    for change in changes:
        change(values)
    return values


def mandate_text(*swaps: tuple[str, str], options: bool = True) -> str:
    """The example's mandate with texts swapped, each of which stands in it."""
    text = MANDATE
    if not options:
        start, end = text.index("[venue.deribit]"), text.index("[option]")
        text = text[:start] + text[end : text.index("[sleeve.options]")]
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    return text


def read(folder: Path, values: dict[str, Any], text: str) -> tuple[PlanBook, PlanTerms]:
    """Book and terms by way of a file."""
    path = folder / "book.json"
    path.write_text(json.dumps(values))
    return read_plan_book(path), plan_terms(read_plan_mandate(text, "mandate.toml"))


def decided(folder: Path, values: dict[str, Any], text: str) -> Decision:
    """What is decided of a book under a mandate."""
    return decide(*read(folder, values, text))


def set_balance(venue: int, asset: str, amount: str) -> Change:
    """Another balance in an account."""
    return lambda book: book["accounts"][venue]["balances"].update({asset: amount})


def set_field(venue: int, place: int, **fields: object) -> Change:
    """Other fields of a position."""
    return lambda book: book["accounts"][venue]["positions"][place].update(fields)


def set_carry(name: str, carry: str) -> Change:
    """Another carry of an instrument."""
    return lambda book: book["edges"][name].update({"carry_annual": carry})


def liquid(book: dict[str, Any]) -> None:
    """So much volume that impact is nothing, and all is traded in the first step."""
    for costs in book["costs"].values():
        costs["volume_day_usd"] = "1000000000000000"
