# SPDX-License-Identifier: Apache-2.0
"""What can be held about the shipped contracts without compiler and EVM; runs in `make test`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.contracts.evm import REPOSITORY
from tests.contracts.roles import MATRIX

SIZE_MAX = 24_576  # EIP-170
SOURCES = REPOSITORY / "contracts" / "src" / "tidegate_contracts"
CHANGING = {"nonpayable", "payable"}


def _load(name: str) -> object:
    import tidegate_contracts

    return tidegate_contracts.load(name)


def _names() -> list[str]:
    return sorted(path.stem for path in (SOURCES / "artifacts").glob("*.json"))


def test_every_contract_that_stands_in_the_sources_is_shipped() -> None:
    modules = {"book", "checks", "orders", "pricing", "ranges", "timelock"}
    assert set(_names()) == {path.stem for path in SOURCES.rglob("*.vy")} - modules


@pytest.mark.parametrize("name", _names())
def test_shipped_contract_was_compiled_from_the_sources_as_they_stand(name: str) -> None:
    contract = _load(name)
    assert contract.bytecode  # type: ignore[attr-defined]
    for path, digest in contract.sources.items():  # type: ignore[attr-defined]
        assert hashlib.sha256((SOURCES / path).read_bytes()).hexdigest() == digest, path


@pytest.mark.parametrize("name", _names())
def test_shipped_contract_with_its_immutables_is_within_the_size_limit(name: str) -> None:
    assert 0 < _load(name).runtime_bytes < SIZE_MAX  # type: ignore[attr-defined]


def test_unknown_contract_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(KeyError, match=r"no contract 'Vault'; there are .*CapitalVault"):
        _load("Vault")


@pytest.mark.parametrize("name", [name for name in _names() if not name.startswith("Test")])
def test_every_function_that_changes_something_has_a_row_in_the_table_of_roles(name: str) -> None:
    abi = _load(name).abi  # type: ignore[attr-defined]
    functions = [part for part in abi if part["type"] == "function"]
    changing = {part["name"] for part in functions if part["stateMutability"] in CHANGING}
    assert changing == set(MATRIX[name])


def test_no_function_takes_ether_or_is_a_fallback() -> None:
    for name in _names():
        for part in _load(name).abi:  # type: ignore[attr-defined]
            assert part.get("stateMutability") != "payable", (name, part)
            assert part["type"] not in {"fallback", "receive"}, name


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.vy")), ids=lambda path: path.stem)
def test_every_check_of_a_contract_names_its_reason_and_its_contract(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    checks = re.findall(r"^ *(?:assert|raise|checks\._require\()", text, re.MULTILINE)
    reasons = re.findall(r'"([a-z]+: [^"]+)"', text)
    assert len(checks) == len(reasons) + (path.stem == "checks")


def test_contracts_are_a_distribution_of_their_own_under_their_own_licence() -> None:
    project = tomllib.loads((REPOSITORY / "contracts" / "pyproject.toml").read_text())["project"]
    ours = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["dependencies"]) == ("AGPL-3.0-only", [])
    assert ours["license"] == "Apache-2.0"
    assert not [part for part in ours["dependencies"] if "contracts" in part]
    licence = (REPOSITORY / "contracts" / "LICENSE").read_text()
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in licence
    for path in SOURCES.rglob("*.vy*"):
        assert path.read_text().startswith("# SPDX-License-Identifier: AGPL-3.0-only\n"), path
