# SPDX-License-Identifier: Apache-2.0
"""The table of reliability promises says of each which tests try it, and how often they do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.promises import TEST

REPOSITORY = Path(__file__).resolve().parents[2]
PROMISED = [f"R{n}" for n in (*range(1, 12), 13, 14, 15, 17, 19, 20, 22, 23)]
CONSTANT = re.compile(r"`([A-Z_]+)` = ([\d,]+)")


def rows(text: str) -> list[list[str]]:
    """The cells of each row of the table."""
    table = text.split("## Reliability promises and their counts")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| R")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def constants(tree: ast.Module) -> dict[str, object]:
    """Names that a module gives plain values, also several at once."""
    found: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            (target,), value = node.targets, node.value
            pairs = (
                zip(target.elts, value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            for name, each in pairs:
                if isinstance(name, ast.Name) and isinstance(each, ast.Constant):
                    found[name.id] = each.value
    return found


def marked(tree: ast.Module, name: str) -> str | None:
    """The soak mark of a test as it is written; None where it has none or there is no such test."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            marks = [ast.unparse(decorator) for decorator in node.decorator_list]
            return next((mark for mark in marks if "soak" in mark), "")
    return None


def complaint(id_: str, test: str, counts: str, *, soak: bool) -> str:
    """What a row says of a test that is not so."""
    if not (match := TEST.fullmatch(test)):
        return f"{id_}: expected `tests/FILE.py::test_NAME`, got {test}"
    tree = ast.parse((REPOSITORY / match["path"]).read_text(encoding="utf-8"))
    mark, known = marked(tree, match["name"]), constants(tree)
    if mark is None:
        return f"{id_}: no test {match['name']}"
    if soak and id_ not in re.findall(r"R\d+", mark):
        return f"{id_}: {match['name']} is not marked as its soak"
    if not soak and mark:
        return f"{id_}: {match['name']} is not in `make test`"
    for name, said in CONSTANT.findall(counts):
        if known.get(name) != int(said.replace(",", "")):
            return f"{id_}: {name} is {known.get(name)}, not {said}"
    return ""


@pytest.fixture(scope="module")
def table() -> list[list[str]]:
    return rows((REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8"))


def test_table_of_reliability_names_every_promise_in_order(table: list[list[str]]) -> None:
    assert [row[0] for row in table] == PROMISED


def test_tests_and_counts_that_the_table_names_are_those_of_the_tests(
    table: list[list[str]],
) -> None:
    found = [complaint(id_, test, counts, soak=False) for id_, _, test, counts, _, _ in table]
    found += [complaint(id_, soak, whole, soak=True) for id_, *_, soak, whole in table]
    assert not any(found), "\n".join(["", *filter(None, found)])


HERE = "tests/house/test_reliability.py"
FUZZ = "tests/fuzz/test_parsers.py"
FED = f"`{FUZZ}::test_parser_fed_with_bad_input_ends_in_a_value_or_a_named_error`"
FRESH = f"`{FUZZ}::test_fresh_inputs_of_every_parser_end_in_a_value_or_a_named_error`"


@pytest.mark.parametrize(
    ("id_", "test", "counts", "soak", "words"),
    [
        ("R1", "by hand", "", False, "expected `tests/"),
        ("R1", f"`{HERE}::test_gone`", "", False, "no test"),
        ("R1", FRESH, "", True, "is not marked as its soak"),
        ("R2", FRESH, "", True, "is not marked as its soak"),
        ("R23", FED, "", True, "is not marked as its soak"),
        ("R23", FRESH, "", False, "is not in `make test`"),
        ("R23", FED, "`INPUTS` = 10,001", False, "INPUTS is 10000"),
        ("R23", FED, "`GONE` = 1", False, "GONE is None"),
    ],
)
def test_row_that_says_what_is_not_so_is_found(
    id_: str, test: str, counts: str, soak: bool, words: str
) -> None:
    assert words in complaint(id_, test, counts, soak=soak)
