# SPDX-License-Identifier: Apache-2.0
"""Every promise that the project makes is held by a test that exists and is collected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.promises import COLLECTED, Promise, broken, read_promises, uncollected

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = "tests/house/test_promises.py"
THIS_TEST = "test_promise_without_a_test_that_runs_is_found"


@pytest.fixture(scope="module")
def promises() -> tuple[Promise, ...]:
    return read_promises((REPOSITORY / "docs" / "promises.md").read_text(encoding="utf-8"))


def test_promises_of_the_project_are_each_held_by_a_test(promises: tuple[Promise, ...]) -> None:
    assert promises
    found = broken(promises, REPOSITORY)
    assert not found, "\n".join(["", *found])


def test_tests_that_hold_promises_are_collected(
    promises: tuple[Promise, ...], request: pytest.FixtureRequest
) -> None:
    """By this run, where it has collected their files, and else by another process."""
    nodes = {promise.test.strip("`") for promise in promises}
    lost, elsewhere = uncollected(nodes, request.config.stash[COLLECTED])
    assert not lost, "\n".join(["", *lost])
    if elsewhere:
        result = collected_apart(elsewhere)
        assert result.returncode == 0, result.stdout + result.stderr


def collected_apart(nodes: list[str]) -> subprocess.CompletedProcess[str]:
    """pytest's own word on whether there are such tests."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:xdist", *nodes],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_promised_test_that_its_file_does_not_bring_is_lost_and_of_another_file_is_asked_for() -> (
    None
):
    asked = ["tests/a.py::test_x", "tests/a.py::test_gone", "tests/b.py::test_y"]
    lost, elsewhere = uncollected(asked, {"tests/a.py::test_x", "tests/c.py::test_z"})
    assert (lost, elsewhere) == (["tests/a.py::test_gone"], ["tests/b.py::test_y"])


def test_table_of_promises_is_read_without_its_heading_and_ruler() -> None:
    text = "Words.\n\n| id | promise | test |\n|---|:---|---|\n| P-001 | Holds. | `t` |\n"
    assert read_promises(text) == (Promise("P-001", "Holds.", "`t`"),)


def test_promise_with_a_test_is_not_found() -> None:
    assert not broken([Promise("P-001", "Holds.", f"`{HERE}::{THIS_TEST}`")], REPOSITORY)


@pytest.mark.parametrize(
    ("id_", "text", "test", "complaint"),
    [
        ("", "Holds.", f"`{HERE}::{THIS_TEST}`", "expected an id"),
        ("P-001", "", f"`{HERE}::{THIS_TEST}`", "expected a promise"),
        ("P-001", "Holds.", "", "expected `tests/"),
        ("P-001", "Holds.", "by hand", "expected `tests/"),
        ("P-001", "Holds.", "`tests/house/test_gone.py::test_gone`", "does not exist"),
        ("P-001", "Holds.", f"`{HERE}::test_gone`", "has no test"),
        ("P-001", "Holds.", "`tests/house/promises.py::test_gone`", "has no test"),
    ],
)
def test_promise_without_a_test_that_runs_is_found(
    id_: str, text: str, test: str, complaint: str
) -> None:
    (found,) = broken([Promise(id_, text, test)], REPOSITORY)
    assert complaint in found


def test_promise_whose_test_is_always_skipped_is_found(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    text = "import pytest\n@pytest.mark.skip(reason='later')\ndef test_x() -> None: ...\n"
    (tmp_path / "tests" / "test_x.py").write_text(text)
    (found,) = broken([Promise("P-001", "Holds.", "`tests/test_x.py::test_x`")], tmp_path)
    assert "never to count" in found


def test_promise_with_the_id_of_another_is_found() -> None:
    promise = Promise("P-001", "Holds.", f"`{HERE}::{THIS_TEST}`")
    (found,) = broken([promise, promise], REPOSITORY)
    assert "twice" in found
