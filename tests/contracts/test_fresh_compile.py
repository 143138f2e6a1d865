# SPDX-License-Identifier: Apache-2.0
"""The shipped artifacts are what the pinned compiler makes of the sources, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.contracts.evm import REPOSITORY

pytestmark = pytest.mark.contracts


def test_shipped_artifacts_equal_a_fresh_compile() -> None:
    from tidegate_contracts import ARTIFACTS
    from tidegate_contracts.compile import compile_file, contract_files, text

    fresh = {path.stem: text(compile_file(path)) for path in contract_files()}
    shipped = {path.stem: path.read_text(encoding="utf-8") for path in ARTIFACTS.glob("*.json")}
    assert fresh == shipped


def test_compiling_elsewhere_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tidegate_contracts
    from tidegate_contracts import compile as compiling

    here = REPOSITORY / "contracts" / "src" / "tidegate_contracts"
    there = shutil.copytree(here, tmp_path / "elsewhere")
    monkeypatch.setattr(compiling, "SOURCES", there)
    artifact = compiling.compile_file(there / "CapitalVault.vy")
    assert artifact["bytecode"] == tidegate_contracts.load("CapitalVault").bytecode.hex()
