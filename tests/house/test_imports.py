# SPDX-License-Identifier: Apache-2.0
"""Rooms import only rooms before them, and importing Tidegate stays light."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import tidy

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = (
    "model ledger journal pricing margin costs forecast signals risk allocation ports "
    "execution engine history simulation venues audit backtest live cli"
).split()
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
HEAVY = ("numba", "cvxpy", "plotly", "duckdb", "scipy", "pandas")


def run(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(LINT, folder, "--no-cache", "--no-logo")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package with the project's contract and one empty module for each room."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "tidegate"
    package.mkdir(parents=True)
    for name in ("__init__", *ROOMS):
        (package / f"{name}.py").touch()
    return tmp_path


def test_rooms_of_the_package_import_only_rooms_before_them() -> None:
    result = lint(REPOSITORY)
    assert result.returncode == 0, result.stdout + result.stderr


def test_contract_lists_every_room_in_the_order_of_the_house() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    assert [layer.strip("()") for layer in reversed(contract["layers"])] == ROOMS
    assert "ignore_imports" not in contract


def test_pure_rooms_stand_before_every_room_that_reads_or_makes_markets() -> None:
    reaching = {"history", "simulation", "venues", "backtest", "cli"}
    assert max(map(ROOMS.index, tidy.PURE_ROOMS)) < min(map(ROOMS.index, reaching))


def test_contract_on_imports_in_order_passes(toy: Path) -> None:
    (toy / "src/tidegate/risk.py").write_text("import tidegate.margin\n")
    result = lint(toy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("room", "imported"),
    [("risk", "history"), ("allocation", "simulation"), ("model", "cli"), ("margin", "venues")],
)
def test_contract_on_an_import_against_the_order_fails_and_names_it(
    toy: Path, room: str, imported: str
) -> None:
    text = f"def f():\n    import tidegate.{imported}\n"
    (toy / f"src/tidegate/{room}.py").write_text(text)
    result = lint(toy)
    assert result.returncode == 1
    assert f"tidegate.{room} -> tidegate.{imported}" in result.stdout


def test_contract_on_a_room_that_it_does_not_list_fails(toy: Path) -> None:
    (toy / "src/tidegate/kitchen.py").touch()
    result = lint(toy)
    assert result.returncode == 1
    assert "kitchen" in result.stdout


def test_import_of_tidegate_brings_in_no_heavy_library() -> None:
    program = "import sys, tidegate; print(*sys.modules, sep='\\n')"
    result = run(program, REPOSITORY)
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.split())
    assert "tidegate" in loaded
    assert not loaded.intersection(HEAVY)
