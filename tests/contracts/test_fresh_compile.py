# SPDX-License-Identifier: Apache-2.0
"""The shipped artifacts are what the pinned compiler makes of the sources, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.contracts.evm import REPOSITORY

pytestmark = pytest.mark.contracts


def test_shipped_artifacts_equal_a_fresh_compile_in_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidegate_contracts import ARTIFACTS
    from tidegate_contracts import compile as compiling

    here = REPOSITORY / "contracts" / "src" / "tidegate_contracts"
    monkeypatch.setattr(compiling, "SOURCES", shutil.copytree(here, tmp_path / "elsewhere"))
    fresh = {p.stem: compiling.text(compiling.compile_file(p)) for p in compiling.contract_files()}
    shipped = {path.stem: path.read_text(encoding="utf-8") for path in ARTIFACTS.glob("*.json")}
    assert fresh == shipped
