# SPDX-License-Identifier: Apache-2.0
"""The worlds are closed to what trades: by no import, at any remove, can a policy read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.house.tidy import parsed

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "tidegate"
WORLD = "tidegate.simulation.world"
WORLDS = (WORLD, "tidegate.simulation.second_world")
TRADING = ("engine", "allocation", "risk", "forecast", "signals", "execution", "venues", "live")
MAY_READ = ("simulation", "backtest")
# Paper venues make the market that they serve, in a process of their own; what trades meets them
# over a wire, and must not reach these modules either.
PAPER = tuple(
    f"tidegate.venues.{name}."
    for name in (
        "street",
        "deribit_server",
        "hyperliquid_server",
        "both_command",
        "paper_arguments",
    )
)
POLICIES = "tidegate.backtest.policies"
# Ways to import by a text that is put together, which `mentioned` could not read.
BY_TEXT = {"importlib", "__import__", "eval", "exec", "runpy", "pkgutil"}
BY_TEXT |= {"loader", "exec_module", "load_module"}


def module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def mentioned(path: Path, name: str) -> Iterator[str]:
    """Dotted names that a module imports, relative ones resolved, or spells in a text."""
    here = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
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
    """Modules outside of the rooms that may, which name a world directly."""
    rooms = {name: f"{name}.".split(".")[1] for name in edges}
    closed = [n for n in edges if rooms[n] not in MAY_READ and not f"{n}.".startswith(PAPER)]
    return [name for name in closed if any(map(is_world, edges[name]))]


def is_world(name: str) -> bool:
    return any(f"{name}.".startswith(f"{world}.") for world in WORLDS)


def reaches(edges: Mapping[str, set[str]], start: str) -> list[str]:
    """Modules of the worlds that importing a module brings in, at any remove."""
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(edges.get(name, ()))
    return sorted(filter(is_world, seen))


def traders(edges: Mapping[str, set[str]]) -> list[str]:
    """Every module of the rooms that trade, and every policy of the backtest."""
    rooms = (*(f"tidegate.{room}." for room in TRADING), f"{POLICIES}.")
    trading = [name for name in edges if f"{name}.".startswith(rooms)]
    return [name for name in trading if not f"{name}.".startswith(PAPER)]


def importers_by_text(package: Path) -> list[str]:
    """Modules that trade and name some means to import what stands in a text."""
    paths = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return [name for name in traders(graph(package)) if BY_TEXT & set(names_in(paths[name]))]


def names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not finds_alone(node):
            yield f"{node.module}".partition(".")[0]


def finds_alone(node: ast.ImportFrom) -> bool:
    """`find_spec` says where a package lies and runs nothing of it."""
    return node.module == "importlib.util" and [a.name for a in node.names] == ["find_spec"]


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return graph(PACKAGE)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A package whose worlds are closed; tests open them."""
    package = tmp_path / "tidegate"
    worlds = ("simulation/world", "simulation/second_world")
    for folder in ("", "simulation", *worlds, "engine", "venues", "backtest", "backtest/policies"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
    (package / "simulation/tape.py").write_text("import math\n")
    for world in worlds:
        (package / world / "making.py").touch()
    (package / "venues/paper.py").write_text("from tidegate.simulation.tape import math\n")
    (package / "backtest/demo.py").write_text("from tidegate.simulation.world import making\n")
    (package / "backtest/policies/plain.py").write_text("from tidegate.venues import paper\n")
    return package


def test_no_room_but_simulation_and_backtest_imports_the_world(edges: dict[str, set[str]]) -> None:
    assert readers(edges) == []


def test_rooms_that_trade_cannot_reach_the_world_at_any_remove(edges: dict[str, set[str]]) -> None:
    names = traders(edges)
    assert {name.split(".")[1] for name in names} == {*TRADING, "backtest"}
    assert {name: found for name in names if (found := reaches(edges, name))} == {}


def test_every_policy_and_both_worlds_are_looked_at(edges: dict[str, set[str]]) -> None:
    files = {path.stem for path in (PACKAGE / "backtest/policies").rglob("*.py")} - {"__init__"}
    found = [name for name in traders(edges) if f"{name}.".startswith(f"{POLICIES}.")]
    assert {name.rpartition(".")[2] for name in found} == {"policies", *files}
    assert all(f"{world}.parameters" in edges for world in WORLDS)


def test_what_trades_has_no_means_to_import_by_text() -> None:
    assert importers_by_text(PACKAGE) == []


def test_worlds_that_are_closed_pass(planted: Path) -> None:
    edges = graph(planted)
    assert readers(edges) == importers_by_text(planted) == []
    assert len(traders(edges)) == 5
    assert all(reaches(edges, name) == [] for name in traders(edges))


@pytest.mark.parametrize("world", ["world", "second_world"])
@pytest.mark.parametrize(
    "line",
    [
        "import tidegate.simulation.{}.making",
        "from tidegate.simulation import {}",
        "from tidegate.simulation.{}.making import x",
        "from ..simulation import {}",
        "import importlib; importlib.import_module('tidegate.simulation.{}')",
        "def f():\n    from tidegate.simulation.{} import making",
    ],
)
def test_import_of_a_world_by_a_room_that_trades_is_found(
    planted: Path, line: str, world: str
) -> None:
    (planted / "engine/cycle.py").write_text(f"{line.format(world)}\n")
    assert readers(graph(planted)) == ["tidegate.engine.cycle"]
    assert f"tidegate.simulation.{world}" in reaches(graph(planted), "tidegate.engine.cycle")


@pytest.mark.parametrize("world", ["world", "second_world"])
def test_import_of_a_world_by_one_policy_is_found(planted: Path, world: str) -> None:
    (planted / "backtest/policies/desk.py").write_text(
        f"def f():\n    from ...simulation.{world}.making import x\n"
    )
    edges = graph(planted)
    found = [name for name in traders(edges) if reaches(edges, name)]
    assert found == [f"{POLICIES}.desk"]


def test_import_of_a_world_by_a_policy_through_the_trial_is_found(planted: Path) -> None:
    (planted / "backtest/policies/plain.py").write_text("from tidegate.backtest import demo\n")
    assert WORLD in reaches(graph(planted), f"{POLICIES}.plain")


def test_import_of_the_world_through_the_exchange_is_found(planted: Path) -> None:
    (planted / "simulation/tape.py").write_text("from .world import making\n")
    assert readers(graph(planted)) == []
    assert WORLD in reaches(graph(planted), "tidegate.venues.paper")
    assert WORLD in reaches(graph(planted), f"{POLICIES}.plain")


@pytest.mark.parametrize(
    "line",
    [
        "import importlib; importlib.import_module('.wor' + 'ld', 'tidegate.simulation')",
        "from importlib import import_module",
        "x = __import__('tidegate.' + 'simulation')",
        "exec('import tide' + 'gate')",
        "from importlib.util import find_spec, module_from_spec",
        "from importlib.util import find_spec\nx = find_spec('tide' + 'gate').loader",
    ],
)
def test_means_to_import_by_text_are_found_in_a_policy(planted: Path, line: str) -> None:
    (planted / "backtest/policies/plain.py").write_text(f"{line}\n")
    assert importers_by_text(planted) == [f"{POLICIES}.plain"]
