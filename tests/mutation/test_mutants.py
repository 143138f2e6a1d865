# SPDX-License-Identifier: Apache-2.0
"""Mutants are valid, differ from their source in one place, and come from every kind of change."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.mutation.equivalents import Equivalent, Equivalents
from tests.mutation.mutants import mutants
from tests.mutation.reach import Reach

GATE = ("risk/limits.py", "risk/gate.py", "venues/paper.py")


def changes(source: str) -> set[str]:
    """Every mutated text of a short source, in the form of the interpreter."""
    return {ast.unparse(ast.parse(m.applied(source))) for m in mutants("x.py", source)}


def read(file: str) -> str:
    return (REPOSITORY / "src" / "tidegate" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", GATE)
def test_every_mutant_of_the_gate_is_valid_and_differs_from_the_source(file: str) -> None:
    source = read(file)
    found, before = mutants(file, source), ast.dump(ast.parse(source))
    texts = {m.applied(source) for m in found}
    assert len(texts) == len(found) > 10
    for text in texts:
        assert ast.dump(ast.parse(text)) != before


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        ("x = a in b", {"x = a not in b"}),
        ("x = a + b", {"x = a - b"}),
        ("x = a // b", {"x = -(-a // b)"}),
        ("x = ceil_div(a, b)", {"x = a // b"}),
        ("x = abs(a)", {"x = a"}),
        ("x = min(a)", {"x = max(a)"}),
        ("x = np.floor(a)", {"x = np.ceil(a)"}),
        ("x = a and b", {"x = a or b", "x = a", "x = b"}),
        ("x = not a", {"x = a"}),
        ("x = 7", {"x = 8"}),
        ("x = 0.0", {"x = 1.0"}),
        ("x = a if b else c", {"x = a", "x = c"}),
        ("x = [a for a in b if c]", {"x = [a for a in b]"}),
        ("x = (a, b, c)", {"x = (b, c)", "x = (a, c)", "x = (a, b)"}),
        ("x.append(a)", {"pass"}),
        ("x[a] = b", {"pass"}),
        ("x -= a", {"pass"}),
        ("if a:\n    raise b", {"if a:\n    pass", "if True:\n    raise b"}),
        ("if a:\n    x = b", {"if False:\n    x = b", "if True:\n    x = b"}),
        ("def f() -> int:\n    return a", {"def f() -> int:\n    return 0"}),
        ("def f() -> list[int]:\n    return a", {"def f() -> list[int]:\n    return []"}),
        ("@f(slots=True)\nclass A(B, kind=1):\n    'Word.'\n    x: L[1] = a", set()),
        ("x = f'{a + b}'", set()),
    ],
)  # fmt: skip
def test_source_of_one_kind_has_the_mutants_of_that_kind(source: str, expected: set[str]) -> None:
    assert changes(source) == expected


def test_lines_in_other_scripts_are_cut_at_the_right_place() -> None:
    assert changes("x = ('σ≤', a < b)") == {"x = ('σ≤', a <= b)", "x = ('σ≤', a >= b)"}


def test_every_equivalent_is_still_a_mutant_of_its_file_and_says_why() -> None:
    every: dict[str, set[tuple[str, str]]] = {}
    for known in Equivalents.read().equivalent:
        if known.file not in every:
            source = (REPOSITORY / known.file).read_text(encoding="utf-8")
            every[known.file] = {m.diff(source) for m in mutants(known.file, source)}
        assert (known.before, known.after) in every[known.file], known
        assert len(known.why.split()) > 4


def test_equivalent_holds_for_its_own_change_alone() -> None:
    source = "x = a < b"
    known = Equivalents((Equivalent("x.py", "x = a < b", "x = (a <= b)", "of the test"),))
    assert [known.holds(m, source) for m in mutants("x.py", source)] == [True, False]


def test_tests_of_a_mutant_are_those_that_run_its_line_cheapest_first() -> None:
    (first, *_, last) = mutants("x.py", "x = 1\ny = 2\n")
    found = Reach(
        {"x.py": {1: ["t::b", "t::a"], 2: ["", "t::c"]}}, {"t::a": 1, "t::b": 2, "t::c": 3}, []
    )
    assert found.of(first) == ["t::a", "t::b"]
    assert found.beside(first, ["t::a", "t::b"], 5) == ["t::c"]
    # A line that runs at import is any test's of the file.
    assert found.of(last) == ["t::a", "t::b", "t::c"]


TREE = {
    "pyproject.toml": """[tool.pytest.ini_options]
pythonpath = ["src", "."]
addopts = ["--import-mode=importlib"]
[[tool.importlinter.contracts]]
layers = ["(room)", "below"]
""",
    "src/tidegate/__init__.py": "",
    "src/tidegate/below.py": "LEAST = 1\n",
    "src/tidegate/room.py": "from tidegate.below import LEAST\n\n\ndef positive(x: int) -> bool:"
    "\n    return x >= LEAST\n\n\ndef never() -> int:\n    return 4\n",
    "tests/room/test_positive.py": "from tidegate.room import positive\n\n\n"
    "def test_two_is_positive() -> None:\n    assert positive(2)\n",
}


def test_program_over_a_small_tree_tells_found_from_missed_and_leaves_the_tree(
    tmp_path: Path,
) -> None:
    pytest.importorskip("coverage")
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    argv = ["--root", str(tmp_path), "--file", "src/tidegate/room.py", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", *argv],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    report = json.loads(done.stdout)
    missed = {(t["after"], t["outcome"]["verdict"]) for t in report["survivors"]}
    # Two does not tell `>=` from `>`, and nobody asks for what is never called.
    assert missed == {
        ("return (x > LEAST)", "survived"),
        ("return 0", "unreached"),
        ("return 5", "unreached"),
    }
    assert (report["killed"], report["mutants"]) == (2, 5)
    assert {name: (tmp_path / name).read_text() for name in TREE} == TREE
