# SPDX-License-Identifier: Apache-2.0
"""The rules of style hold for every file, and each rule finds what is planted for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import tidy
from tests.house.tidy import SPDX, Source

REPOSITORY = Path(__file__).resolve().parents[2]

# Sizes that were over the limit when they were last looked at. They may only shrink; an entry
# that is no longer needed fails.
LONG_FUNCTIONS: dict[str, int] = {}
LONG_FILES: dict[str, int] = {}
# A command has a parameter for each of its options.
MANY_PARAMETERS: dict[str, int] = {
    "src/tidegate/backtest/arguments.py::command.backtest": 13,
    "src/tidegate/history/forecast_arguments.py::command.forecast": 9,
    "src/tidegate/history/intake/data_arguments.py::_import": 7,
    "src/tidegate/history/intake/data_arguments.py::_fetch": 8,
    "src/tidegate/venues/paper_arguments.py::paper": 10,
}


@pytest.fixture(scope="module")
def files() -> tuple[Source, ...]:
    return tidy.sources(REPOSITORY)


def report(found: list[str]) -> str:
    return "\n".join(["", *found])


def test_the_scan_of_the_repository_sees_code_tests_documents_and_settings(
    files: tuple[Source, ...],
) -> None:
    paths = {file.path for file in files}
    expected = {
        "src/tidegate/__init__.py",
        "tests/house/tidy.py",
        "README.md",
        "docs/terminology.md",
        "pyproject.toml",
        "requirements.lock",
        "Makefile",
        ".ci/run",
    }
    assert expected <= paths


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_repository_under_each_rule_has_no_findings(
    rule: tidy.Rule, files: tuple[Source, ...]
) -> None:
    found = rule(files)
    assert not found, report(found)


def test_functions_of_the_repository_are_short_or_known_exceptions(
    files: tuple[Source, ...],
) -> None:
    sizes = tidy.function_lines(files)
    assert sizes
    found = tidy.ratchet(sizes, tidy.FUNCTION_LINES_MAX, LONG_FUNCTIONS)
    assert not found, report(found)


def test_files_of_the_repository_are_short_or_known_exceptions(
    files: tuple[Source, ...],
) -> None:
    found = tidy.ratchet(tidy.file_lines(files), tidy.FILE_LINES_MAX, LONG_FILES)
    assert not found, report(found)


def test_functions_of_the_package_take_few_parameters_or_are_known_exceptions(
    files: tuple[Source, ...],
) -> None:
    counts = tidy.parameter_counts(files)
    assert counts
    found = tidy.ratchet(counts, tidy.PARAMETERS_MAX, MANY_PARAMETERS)
    assert not found, report(found)


# Each rule is tried on a planted violation and on its clean neighbour.

IMPURE = [
    "import time",
    "import os.path",
    "from pathlib import Path",
    "import datetime as dt",
    "from numpy import random",
    "from numpy.random import default_rng",
    "import numpy as np\nrng = np.random.default_rng(1)",
    "import numpy\nrows = numpy.loadtxt('x')",
    "def f(clock):\n    return clock.now()",
    "def f(moment):\n    return moment.date().today()",
    "def f(name):\n    return open(name)",
    "def f(law):\n    return law.rvs(size=3)",
    "def f(value):\n    return hash(value)",
    "import numpy as np\ndef f():\n    return np.array([np.random.normal()])",
]
PURE = [
    "import numpy as np\n\ndef f(rng: np.random.Generator):\n    return rng.normal()",
    "from numpy.random import Generator",
    "import math\nfrom tidegate.model.times import DAY_MS",
    "def f(random):\n    return random.draw(1)",
    "from .times import DAY_MS",
    "def f(book):\n    return book.open + book.id",
]


@pytest.mark.parametrize("text", IMPURE)
def test_pure_room_that_reaches_outside_is_found(text: str) -> None:
    found = tidy.impurities([Source("src/tidegate/risk/gate.py", text)])
    assert found
    assert found[0].startswith("src/tidegate/risk/gate.py:")


@pytest.mark.parametrize("text", PURE)
def test_pure_room_that_stays_inside_is_not_found(text: str) -> None:
    assert not tidy.impurities([Source("src/tidegate/risk/gate.py", text)])


@pytest.mark.parametrize("path", ["src/tidegate/history/bars.py", "src/tidegate/cli.py"])
def test_room_that_may_reach_outside_is_not_found(path: str) -> None:
    assert not tidy.impurities([Source(path, "import time\nopen('x')")])


def test_ports_module_that_reaches_outside_is_found() -> None:
    assert tidy.impurities([Source("src/tidegate/ports.py", "import socket")])


def test_datetime_in_model_is_allowed_and_its_clock_is_not() -> None:
    path = "src/tidegate/model/times.py"
    reading = "from datetime import UTC, datetime\nx = datetime.fromisoformat('2024-01-01')"
    assert not tidy.impurities([Source(path, reading)])
    assert tidy.impurities([Source(path, "from datetime import datetime\nx = datetime.now()")])


@pytest.mark.parametrize(
    ("rule", "planted", "clean"),
    [
        (
            tidy.network_imports,
            Source("src/tidegate/cli.py", "def f():\n    from urllib.request import urlopen"),
            Source("src/tidegate/cli.py", "import os\nfrom .http import x"),
        ),
        (
            tidy.network_imports,
            Source("src/tidegate/history/fetch.py", "import json, http.client"),
            Source("src/tidegate/venues/remote.py", "import http.client"),
        ),
        (
            tidy.vague_names,
            Source("src/tidegate/risk/_utils.py", SPDX),
            Source("src/tidegate/risk/limits.py", SPDX),
        ),
        (
            tidy.vague_names,
            Source("src/tidegate/common/limits.py", SPDX),
            Source("tests/risk/test_common_stress.py", SPDX),
        ),
        (
            tidy.missing_licence_lines,
            Source("src/tidegate/x.py", '"""Text."""\n' + SPDX),
            Source("src/tidegate/x.py", SPDX + '\n"""Text."""'),
        ),
        (
            tidy.missing_licence_lines,
            Source("examples/x.py", ""),
            Source("examples/x.py", "#!/usr/bin/env python3\n" + SPDX),
        ),
        (
            tidy.leftovers,
            Source("docs/x.md", "TO" + "DO: say more"),
            Source("docs/x.md", "Say more to do more."),
        ),
        (
            tidy.workplace_words,
            Source("docs/x.md", "look into /" + "work/main"),
            Source("docs/x.md", "look into ../shared/work/main"),
        ),
        (
            tidy.workplace_words,
            Source("requirements.lock", "--" + "index-url https://example.org/simple"),
            Source("Makefile", "pip-compile --no-emit-" + "index-url"),
        ),
        (
            tidy.workplace_words,
            Source("README.md", "made in this " + "session"),
            Source("README.md", "checked again when the venue's session opens, promptly"),
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_rule_finds_what_is_planted_and_passes_its_clean_neighbour(
    rule: tidy.Rule, planted: Source, clean: Source
) -> None:
    assert rule([clean, planted]) == rule([planted])
    assert len(rule([planted])) == 1
    assert not rule([clean])


def long_function(lines: int) -> str:
    return "class A:\n    def f(self):\n" + "        x = 1\n" * (lines - 1)


def test_function_length_counts_from_def_to_last_line() -> None:
    sizes = tidy.function_lines([Source("src/tidegate/x.py", long_function(61))])
    assert sizes == {"src/tidegate/x.py::A.f": 61}


def test_parameter_count_leaves_out_self_and_counts_stars_and_keywords() -> None:
    text = "class A:\n    def f(self, a, /, b, *c, d=1, **e): ...\n"
    assert tidy.parameter_counts([Source("src/tidegate/x.py", text)]) == {
        "src/tidegate/x.py::A.f": 5
    }
    assert not tidy.parameter_counts([Source("tests/x.py", text)])


@pytest.mark.parametrize(
    ("size", "known", "complaint"),
    [
        (61, {}, "over the limit"),
        (70, {"f": 65}, "grew"),
        (62, {"f": 65}, "note the new size"),
        (60, {"f": 65}, "remove it"),
    ],
)
def test_ratchet_on_a_size_that_is_not_as_known_complains(
    size: int, known: dict[str, int], complaint: str
) -> None:
    (found,) = tidy.ratchet({"f": size}, 60, known)
    assert complaint in found


@pytest.mark.parametrize(("size", "known"), [(60, {}), (65, {"f": 65})])
def test_ratchet_on_a_size_within_the_limit_or_as_known_is_silent(
    size: int, known: dict[str, int]
) -> None:
    assert not tidy.ratchet({"f": size}, 60, known)


def test_ratchet_entry_for_what_is_gone_complains() -> None:
    assert tidy.ratchet({}, 60, {"src/tidegate/gone.py::f": 80})


def test_violations_planted_in_a_tree_are_found_by_the_scan_and_caches_are_left_out(
    tmp_path: Path,
) -> None:
    room = tmp_path / "src" / "tidegate" / "risk"
    (room / "__pycache__").mkdir(parents=True)
    (room / "helpers.py").write_text("import random\n")
    (room / "__pycache__" / "old.py").write_text("import random\n")
    (tmp_path / "README.md").write_text("FIX" + "ME\n")
    files = tidy.sources(tmp_path)
    assert [file.path for file in files] == ["README.md", "src/tidegate/risk/helpers.py"]
    hits = [rule.__name__ for rule in tidy.RULES if rule(files)]
    assert hits == ["impurities", "vague_names", "missing_licence_lines", "leftovers"]
