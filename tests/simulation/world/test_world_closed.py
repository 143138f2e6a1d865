# SPDX-License-Identifier: Apache-2.0
"""The world is closed to what trades: by no import, at any remove, can a policy read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "tidegate"
WORLD = "tidegate.simulation.world"
TRADING = ("engine", "allocation", "risk", "forecast", "signals", "execution", "venues")
MAY_READ = ("simulation", "backtest")
POLICIES = "tidegate.backtest.policies"


def module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def mentioned(path: Path, name: str) -> Iterator[str]:
    """Dotted names that a module imports, relative ones resolved, or spells in a text."""
    here = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here.split(".")[: len(here.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("tidegate."):
            yield str(node.value)


def graph(package: Path) -> dict[str, set[str]]:
    """Which modules of the package each module brings in, with the packages around them."""
    paths = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        dotted = set(mentioned(path, name))
        parents = {".".join(d.split(".")[:k]) for d in dotted for k in range(1, d.count(".") + 2)}
        found[name] = parents & set(paths) - {name}
    return found


def readers(edges: Mapping[str, set[str]]) -> list[str]:
    """Modules outside of the rooms that may, which name the world directly."""
    rooms = {name: f"{name}.".split(".")[1] for name in edges}
    return [n for n in edges if rooms[n] not in MAY_READ and any(map(is_world, edges[n]))]


def is_world(name: str) -> bool:
    return name == WORLD or name.startswith(f"{WORLD}.")


def reaches(edges: Mapping[str, set[str]], start: str) -> list[str]:
    """Modules of the world that importing a module brings in, at any remove."""
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(edges.get(name, ()))
    return sorted(filter(is_world, seen))


def traders(edges: Mapping[str, set[str]]) -> list[str]:
    return [name for name in edges if f"{name}.".split(".")[1] in TRADING]


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return graph(PACKAGE)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A package whose world is closed; tests open it."""
    package = tmp_path / "tidegate"
    for folder in ("simulation/world", "engine", "backtest", "venues"):
        (package / folder).mkdir(parents=True)
    for file in ("", "simulation/", "simulation/world/", "engine/", "backtest/", "venues/"):
        (package / f"{file}__init__.py").touch()
    (package / "simulation/tape.py").write_text("import math\n")
    (package / "simulation/world/making.py").touch()
    (package / "venues/paper.py").write_text("from tidegate.simulation.tape import math\n")
    (package / "backtest/demo.py").write_text("from tidegate.simulation.world import making\n")
    return package


def test_no_room_but_simulation_and_backtest_imports_the_world(edges: dict[str, set[str]]) -> None:
    assert readers(edges) == []


def test_rooms_that_trade_cannot_reach_the_world_at_any_remove(edges: dict[str, set[str]]) -> None:
    names = traders(edges)
    assert {name.split(".")[1] for name in names} == set(TRADING)
    assert {name: found for name in names if (found := reaches(edges, name))} == {}


def test_policies_of_the_backtest_do_not_name_the_world(edges: dict[str, set[str]]) -> None:
    assert not any(map(is_world, edges[POLICIES]))


def test_world_that_is_closed_passes(planted: Path) -> None:
    edges = graph(planted)
    assert readers(edges) == []
    assert len(traders(edges)) == 3
    assert all(reaches(edges, name) == [] for name in traders(edges))


@pytest.mark.parametrize(
    "line",
    [
        "import tidegate.simulation.world.making",
        "from tidegate.simulation import world",
        "from tidegate.simulation.world.making import x",
        "from ..simulation import world",
        "import importlib; importlib.import_module('tidegate.simulation.world')",
        "def f():\n    from tidegate.simulation.world import making",
    ],
)
def test_import_of_the_world_by_a_room_that_trades_is_found(planted: Path, line: str) -> None:
    (planted / "engine/cycle.py").write_text(f"{line}\n")
    assert readers(graph(planted)) == ["tidegate.engine.cycle"]
    assert WORLD in reaches(graph(planted), "tidegate.engine.cycle")


def test_import_of_the_world_through_the_exchange_is_found(planted: Path) -> None:
    (planted / "simulation/tape.py").write_text("from .world import making\n")
    assert readers(graph(planted)) == []
    assert WORLD in reaches(graph(planted), "tidegate.venues.paper")
