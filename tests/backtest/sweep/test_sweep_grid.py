# SPDX-License-Identifier: Apache-2.0
"""Grids: what they say, what is refused in one line, and ids over all that runs depend on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backtest.sweep.grids import FIRST_DAY, write_grid, write_world
from tests.conftest import REPOSITORY
from tidegate.backtest.experiment import Spec
from tidegate.backtest.run_id import RunKey, Strain
from tidegate.backtest.sweep.cells import Cell, cells_of
from tidegate.backtest.sweep.grid import labels, read_grid
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.simulation.tape import Freeze

POLICIES = 'policies = ["cash"]\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("grid") / "data")


def cells(tmp_path: Path, world: Path, rest: str) -> tuple[Cell, ...]:
    return cells_of(read_grid(write_grid(tmp_path, rest)), world)


def test_runs_are_every_combination_in_the_grids_order(tmp_path: Path, world: Path) -> None:
    found = cells(
        tmp_path,
        world,
        'policies = ["cash", "fixed=2"]\nseeds = [3, 1]\ncosts = [1, 2, 3]\nlatencies = [1, 2]\n'
        '[fields]\n"limits.gross_leverage" = [4, 6]\n"stress.transfer_trigger" = [0.8]\n',
    )
    assert len(found) == 2 * 2 * 2 * 3 * 2
    assert [c.key.seed for c in found[:7]] == [3] * 6 + [1]
    assert [c.key.strain for c in found[:3]] == [Strain(1, 1), Strain(1, 2), Strain(2, 1)]
    assert found[0].task is not None
    assert found[0].task.mandate.stress.transfer_trigger == 0.8
    assert [found[0].label, found[-1].label] == ["gross_leverage 4", "gross_leverage 6"]


def test_points_that_are_written_out_follow_the_combinations(tmp_path: Path, world: Path) -> None:
    rest = '[fields]\n"limits.gross_leverage" = [4]\n[[points]]\n"transfer.0.fee" = "2"\n'
    found = cells(tmp_path, world, POLICIES + rest)
    assert [dict(c.point) for c in found] == [
        {"limits.gross_leverage": 4},
        {"transfer.0.fee": "2"},
    ]
    assert found[1].task is not None
    assert found[1].task.mandate.transfer[0].fee == "2"


def test_run_that_a_grid_names_twice_is_made_once(tmp_path: Path, world: Path) -> None:
    rest = '[fields]\n"limits.gross_leverage" = [4, 4.0]\n'
    assert len(cells(tmp_path, world, POLICIES + rest)) == 1


def test_point_that_no_mandate_allows_is_a_row_with_its_reason(tmp_path: Path, world: Path) -> None:
    rest = '[fields]\n"mandate.capital_usd" = ["1", "-5", "no"]\n'
    good, *bad = cells(tmp_path, world, POLICIES + rest)
    assert good.refused is None
    assert [c.refused and c.refused.failure for c in bad] == [
        "small.toml: mandate.capital_usd: expected more than 0, got -5",
        "small.toml: mandate.capital_usd: expected a decimal number, got 'no'",
    ]
    assert len({c.key.id for c in (good, *bad)}) == 3


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ('policies = ["fixd"]', r"--policy: fixd: expected one of"),
        ("", r"grid.toml: grid: object missing required field `policies`"),
        (POLICIES + "sedes = [1]", r"grid.toml: grid: object contains unknown field `sedes`"),
        (POLICIES + "seeds = []", r"grid.toml: seeds: expected `array` of length >= 1"),
        (POLICIES + "costs = [0]", r"grid.toml: costs\[0\]: expected `float` > 0.0"),
        (
            POLICIES + '[fields]\n"limits.gross_leverage" = [1]\n"limits.naked_usd" = []',
            r"grid.toml: fields.limits.naked_usd: expected `array` of length >= 1",
        ),
        (
            POLICIES + '[fields]\n"limits.gross_levrage" = [1]',
            r"grid.toml: fields.limits.gross_levrage: expected a field of the mandate",
        ),
        (
            POLICIES + '[fields]\n"transfer.99.fee" = ["1"]',
            r"grid.toml: fields.transfer.99.fee: expected a field of the mandate",
        ),
        (
            POLICIES + '[fields]\n"limits.gross_leverage.x" = ["1"]',
            r"grid.toml: fields.limits.gross_leverage.x: expected a field of the mandate",
        ),
        (
            POLICIES + '[fields]\n"limits.gross_leverage" = [nan]',
            r"grid.toml: limits.gross_leverage: expected a finite number, got nan",
        ),
        (
            POLICIES + f"seeds = {list(range(400))}\ncosts = {list(range(1, 100))}\n"
            "latencies = [1, 2, 3]",
            r"grid.toml: grid: expected at most 100000 runs, got 118800",
        ),
    ],
)
def test_grid_that_says_something_wrong_is_refused_in_one_line(
    tmp_path: Path, rest: str, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        read_grid(write_grid(tmp_path, rest))
    assert "\n" not in str(refused.value)


def test_window_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    path = write_grid(tmp_path, POLICIES, last=FIRST_DAY - 2)
    with pytest.raises(InputError, match=r"windows\[0\]: expected it to end after its start"):
        read_grid(path)


def test_id_of_a_run_changes_with_everything_that_its_result_depends_on() -> None:
    key = RunKey("m", "d", "c", Window(0, 10), (), Spec("fixed", 1.0), 1, Strain())
    others = [
        replace(key, mandate="n"),
        replace(key, data_sha256="e"),
        replace(key, code_sha256="x"),
        replace(key, window=Window(0, 11)),
        replace(key, freezes=(Freeze("binance", 1, 2),)),
        replace(key, spec=Spec("fixed", 2.0)),
        replace(key, spec=Spec("fixed", 1.0, ("buffers",))),
        replace(key, seed=2),
        replace(key, strain=Strain(2.0)),
        replace(key, strain=Strain(1.0, 2.0)),
    ]
    assert len({one.id for one in (key, *others)}) == 1 + len(others)
    assert key.id == replace(key, seed=1).id


def test_id_of_a_run_changes_with_a_byte_of_the_data_that_it_reads(
    tmp_path: Path, world: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world, copy)
    grid = read_grid(write_grid(tmp_path, POLICIES))
    (before,), (same,) = cells_of(grid, world), cells_of(grid, copy)
    assert before.key.id == same.key.id
    file = next(path for path in copy.rglob("*") if "binance" in str(path) and path.is_file())
    file.write_bytes(file.read_bytes() + b"\n")
    (after,) = cells_of(grid, copy)
    assert after.key.id != before.key.id


def test_labels_name_only_the_fields_in_which_points_differ() -> None:
    points = ({"a.b": 1, "c": 2}, {"a.b": 3, "c": 2}, {"c": 2})
    assert labels(points) == ("b 1", "b 3", "")
    assert labels(({},)) == ("",)


def test_example_grid_is_read_and_every_point_of_it_is_a_mandate() -> None:
    grid = read_grid(REPOSITORY / "examples" / "sweep.toml")
    assert grid.strains[0] == Strain()
    assert len({grid.mandate_at(point).version for point in grid.points}) == 5
