# SPDX-License-Identifier: Apache-2.0
"""Runs by themselves: the same as a backtest's, wherever they are made, and none lost."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from tests.backtest.sweep.grids import FIRST_DAY, write_grid, write_world
from tidegate.backtest.daily import daily_excess
from tidegate.backtest.experiment import prepare, run
from tidegate.backtest.run import Series
from tidegate.backtest.run_id import Strain
from tidegate.backtest.sweep import cluster, command
from tidegate.backtest.sweep.cells import Cell, cells_of
from tidegate.backtest.sweep.command import SweepRequest, run_sweep
from tidegate.backtest.sweep.executors import on_processes, on_this_process
from tidegate.backtest.sweep.finished import FINISHED, finished_in
from tidegate.backtest.sweep.grid import read_grid
from tidegate.backtest.sweep.strain import strained
from tidegate.backtest.sweep.table import table_bytes
from tidegate.backtest.sweep.task import OTHER_CODE, OTHER_DATA, Played, Result, Task, play_task
from tidegate.cli import main
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS

GRID = 'policies = ["tidegate", "fixed=2"]\nseeds = [1, 2]\ncosts = [1, 3]\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("runs") / "data")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grid(tmp_path_factory.mktemp("grid"), GRID, last=FIRST_DAY + 2)


@pytest.fixture(scope="module")
def cells(world: Path, grid: Path) -> tuple[Cell, ...]:
    return cells_of(read_grid(grid), world)


@pytest.fixture(scope="module")
def played(cells: tuple[Cell, ...]) -> dict[str, Result]:
    """Every run, made here, first to last."""
    return {one.result.id: one.result for one in on_this_process(tasks_of(cells))}


def tasks_of(cells: tuple[Cell, ...]) -> list[Task]:
    return [cell.task for cell in cells if cell.task is not None]


def test_table_is_the_same_to_the_byte_in_another_order_on_processes_and_read_back(
    cells: tuple[Cell, ...], played: dict[str, Result]
) -> None:
    shuffled = tasks_of(cells)
    random.Random(3).shuffle(shuffled)
    others = {one.result.id: one.result for one in on_processes(shuffled, 2)}
    kept = {
        id_: msgspec.json.decode(msgspec.json.encode(result), type=Result)
        for id_, result in others.items()
    }
    expected = table_bytes([(cell, played[cell.key.id]) for cell in cells])
    assert all(result.failure is None for result in played.values())
    assert table_bytes([(cell, others[cell.key.id]) for cell in cells]) == expected
    assert table_bytes([(cell, kept[cell.key.id]) for cell in cells]) == expected


def test_run_at_plain_costs_has_the_journal_of_the_same_backtest(
    cells: tuple[Cell, ...], played: dict[str, Result], grid: Path, world: Path
) -> None:
    plain = [cell for cell in cells if cell.key.strain == Strain() and cell.key.seed == 1]
    (policies,) = {tuple(cell.key.spec.label for cell in plain)}
    assert policies == ("tidegate", "fixed 2")
    mandate = grid.parent / "small.toml"
    experiment = prepare(mandate, world, plain[0].key.window, (), 1)
    for cell in plain:
        outcome = run(experiment, cell.key.spec, None)
        measures = played[cell.key.id].measures
        assert measures is not None
        assert measures.journal_head == outcome.journal_head


def test_dearer_trading_costs_a_fixed_book_its_multiple_of_the_fees(
    cells: tuple[Cell, ...], played: dict[str, Result]
) -> None:
    fees = {}
    for cell in cells:
        measures = played[cell.key.id].measures
        if cell.key.spec.policy == "fixed" and measures is not None:
            fees[cell.key.seed, cell.key.strain.costs] = measures.fees_usd
    assert fees[1, 1.0] > 0
    assert fees[1, 3.0] == pytest.approx(3 * fees[1, 1.0], rel=1e-3)


def test_strain_multiplies_every_cost_and_wait_and_notes_itself(grid: Path, world: Path) -> None:
    mandate = grid.parent / "small.toml"
    plain = prepare(mandate, world, read_grid(grid).windows[0], (), 1).arrangement
    ends = next(iter(plain.terms.passages))
    lossy = replace(plain.terms.passages[ends], received_share=Fraction(99, 100))
    passages = {**plain.terms.passages, ends: lossy}
    plain = replace(plain, terms=replace(plain.terms, passages=passages))
    hard = strained(plain, Strain(3.0, 2.0))
    for name, costs in plain.terms.costs.items():
        dear = hard.terms.costs[name]
        assert dear.taker_ppm == 3 * costs.taker_ppm
        assert dear.half_spread == 3 * costs.half_spread
        assert dear.impact_coefficient == 3 * costs.impact_coefficient
    for name, passage in plain.terms.passages.items():
        slow = hard.terms.passages[name]
        assert slow.fee_quanta == 3 * passage.fee_quanta
        assert slow.latency_median_s == 2 * passage.latency_median_s
        assert slow.latency_p95_s == 2 * passage.latency_p95_s
        assert slow.latency_sigma_log == pytest.approx(passage.latency_sigma_log)
    assert hard.terms.passages[ends].received_share == Fraction(97, 100)
    assert [p.field for p in hard.provenance if p not in plain.provenance] == ["strain"]
    assert strained(plain, Strain()) is plain


def test_worker_with_other_code_or_other_data_makes_no_run(
    cells: tuple[Cell, ...], world: Path
) -> None:
    task = tasks_of(cells)[-1]
    code = replace(task, key=replace(task.key, code_sha256="other"))
    data = replace(task, key=replace(task.key, data_sha256="other"))
    assert play_task(code) == Played(Result(code.key.id), OTHER_CODE)
    assert play_task(data) == Played(Result(data.key.id), OTHER_DATA)


def test_run_that_fails_is_a_row_with_one_line_and_the_others_are_made(
    cells: tuple[Cell, ...], played: dict[str, Result]
) -> None:
    good = tasks_of(cells)[-1]
    bad = replace(good, key=replace(good.key, spec=replace(good.key.spec, policy="none\nsuch")))
    answers = {one.result.id: one.result for one in on_this_process([bad, good])}
    failure = answers[bad.key.id].failure
    assert failure is not None
    assert failure.startswith("KeyError: ")
    assert "\n" not in failure
    assert answers[good.key.id] == played[good.key.id]


class DeadlyTask(Task):
    """A run of which its process dies: it ends as soon as it is read there."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (9,)


def test_run_that_kills_its_process_is_told_is_not_final_and_takes_no_other_with_it(
    cells: tuple[Cell, ...], played: dict[str, Result]
) -> None:
    first, second, *_ = reversed(tasks_of(cells))
    key = replace(first.key, seed=99)
    deadly = DeadlyTask(key, first.mandate, first.where, first.data)
    answers = {one.result.id: one.result for one in on_processes([first, deadly, second], 1)}
    failure = answers.pop(key.id)
    assert failure.failure is not None
    assert "its process ended before it did" in failure.failure
    assert not failure.final
    assert answers == {task.key.id: played[task.key.id] for task in (first, second)}


def test_result_that_is_not_final_is_not_kept(tmp_path: Path) -> None:
    with finished_in(tmp_path / "out") as kept:
        kept.add(Result("a", failure="bad"))
        kept.add(Result("b", failure="died", final=False))
    with finished_in(tmp_path / "out") as kept:
        assert kept.had == {"a": Result("a", failure="bad")}


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Places that are no place for a sweep."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear anna")
    (tmp_path / "spoilt").mkdir()
    with finished_in(tmp_path / "spoilt") as kept:
        for name in "abc":
            kept.add(Result(name, failure="bad"))
    path = tmp_path / "spoilt" / FINISHED
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"x"'))
    with finished_in(tmp_path / "busy"):
        yield {name: tmp_path / name for name in ("file", "mine", "spoilt", "busy")}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("file", "expected a folder"),
        ("mine", "expected a folder that is new, empty or a sweep's"),
        ("spoilt", "line 2: expected a line as it was written"),
        ("busy", "expected a folder in which no other sweep is at work"),
    ],
)
def test_folder_that_is_no_place_for_a_sweep_is_refused_and_left_alone(
    folders: dict[str, Path], name: str, complaint: str
) -> None:
    before = {p: p.read_bytes() for p in folders[name].parent.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=complaint), finished_in(folders[name]):
        pass
    assert {p: p.read_bytes() for p in folders[name].parent.rglob("*") if p.is_file()} == before


def test_sweep_that_is_run_again_makes_no_run_again_and_writes_the_same(
    world: Path,
    grid: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEGATE_TRIALS", str(tmp_path / "trials"))
    request = SweepRequest(grid, world, tmp_path / "out", 1)
    assert run_sweep(request, as_json=False)
    files = {p: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    table = capsys.readouterr().out
    monkeypatch.setattr(command, "on_this_process", None)
    assert run_sweep(request, as_json=False)
    assert {p: p.read_bytes() for p in (tmp_path / "out").iterdir()} == files
    assert capsys.readouterr().out == table
    assert "trials: 8 of this window, 8 of windows that overlap it, 8 in all" in table


def test_daily_returns_are_whole_days_above_the_hurdle_and_ruin_earns_nothing(grid: Path) -> None:
    mandate = read_grid(grid).mandate_at({})
    free = 1.045 ** (1 / 365) - 1
    start = 3 * HOUR_MS
    hours = range(4 * 24 + 5)
    equity = [100_000 + 1_000 * (hour // 24) for hour in hours]
    equity[72:] = [-5] * (len(equity) - 72)
    series = Series(ts_ms=[start + hour * HOUR_MS for hour in hours], equity=equity)
    expected = [0.01 - free, 1_000 / 101_000 - free, -1 - free, -free]
    assert daily_excess(series, mandate) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["m.toml", "--sweep", "g.toml"], "--sweep: expected mandate, window, policies"),
        (["--sweep", "g.toml", "--seed", "1"], "--sweep: expected mandate, window, policies"),
        (["--sweep", "none.toml"], "--sweep: none.toml: expected a readable TOML file"),
        ([], "arguments: expected MANDATE, --from and --to, or --sweep"),
        (
            ["m.toml", "--from", "2024-01-10", "--to", "2024-01-10", "--cluster", "local"],
            "--cluster: expected it with --sweep",
        ),
    ],
)
def test_words_that_do_not_go_together_are_one_line_and_exit_2(
    words: list[str],
    complaint: str,
    world: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", str(world))
    monkeypatch.setattr(sys, "argv", ["tidegate", "backtest", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nonsense", "this is no address of one"),
        ("tcp://127.0.0.1:1", "nothing can be reached there|nobody answered there within 10 s"),
        ("strange://127.0.0.1", "this is no address of one"),
    ],
)
def test_cluster_that_is_none_is_refused_and_leaves_nothing(
    address: str, why: str, grid: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    request = SweepRequest(grid, world, tmp_path / "out", 1, address)
    expected = f"--cluster: {address}: expected a Dask scheduler .*; ({why})"
    with pytest.raises(InputError, match=expected.replace("10 s", "1 s")):
        run_sweep(request, as_json=False)
    assert not (tmp_path / "out").exists()


def test_one_run_is_told_as_one(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_TRIALS", str(tmp_path / "trials"))
    one = write_grid(tmp_path, 'policies = ["cash"]')
    assert run_sweep(SweepRequest(one, world, None, 1, None), as_json=False)
    told = capsys.readouterr()
    assert "1 run, 0 of them taken up, 0 failed" in told.err
    assert ": 1 run, 0 failed" in told.out
