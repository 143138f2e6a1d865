# SPDX-License-Identifier: Apache-2.0
"""Absent data skips a test with its reason, and fails it where the data must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, shared_folder


def test_folder_named_by_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", str(tmp_path))
    assert shared_folder("TIDEGATE_DATA", "absent") == tmp_path.resolve()


def test_folder_not_named_is_looked_for_from_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TIDEGATE_DATA", raising=False)
    assert shared_folder("TIDEGATE_DATA", "tests") == REPOSITORY / "tests"


def test_absent_folder_skips_and_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_CASES", str(tmp_path / "absent"))
    monkeypatch.delenv("TIDEGATE_REQUIRE_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="absent; TIDEGATE_CASES"):
        shared_folder("TIDEGATE_CASES", "tests")


def test_absent_folder_that_must_be_there_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_CASES", str(tmp_path / "absent"))
    monkeypatch.setenv("TIDEGATE_REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="must be there"):
        shared_folder("TIDEGATE_CASES", "tests")
