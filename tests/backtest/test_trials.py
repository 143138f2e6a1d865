# SPDX-License-Identifier: Apache-2.0
"""The ledger of trials: each run once, whoever writes it, and never in the way of a run."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.backtest.generated import CARRY, day
from tests.backtest.sweep.grids import FIRST_DAY, write_world
from tidegate.backtest.checked_lines import read_lines
from tidegate.backtest.commands import parse_request, run_study
from tidegate.backtest.run_id import Strain
from tidegate.backtest.trials import Trial, count_trials, ledger_path, read_trials, seen
from tidegate.backtest.trials_command import show_trials
from tidegate.history.window import Window


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("trials") / "data")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEGATE_TRIALS", str(tmp_path / "state" / "trials.jsonl"))
    return ledger_path()


def trial(id_: str, span: tuple[int, int] = (0, 10), sharpe: float | None = None) -> Trial:
    return Trial(id_, "m", "fixed 2", *span, 1, Strain(), "d", sharpe, 3)


def study(world: Path, policies: Sequence[str]) -> None:
    words = (CARRY, world, day(FIRST_DAY), day(FIRST_DAY))
    with contextlib.redirect_stdout(io.StringIO()):
        run_study(parse_request(words, policies, [], (1, 1)), None, as_json=True)


def test_run_of_a_backtest_is_counted_by_itself_and_once_however_often_it_is_run(
    world: Path, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study(world, ["cash", "fixed=1"])
    study(world, ["fixed=1", "fixed=2"])
    assert [t.policy for t in read_trials(ledger).trials] == ["cash", "fixed 1", "fixed 2"]
    assert "trials: 3 of this window, 3 of windows that overlap it, 3 in all" in (
        capsys.readouterr().err
    )
    show_trials(as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert len(document["trials"]) == 3
    assert document["windows"][0]["seen"]["window"] == 3


def test_ledger_that_cannot_be_written_stops_no_run_and_is_told(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TIDEGATE_TRIALS", str(tmp_path / "file" / "trials.jsonl"))
    study(world, ["cash"])
    told = capsys.readouterr().err
    assert "trials: not counted: 1 (" in told
    assert "trials: 1 of this window" in told


def test_trial_is_counted_once_whoever_counts_it_again(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    count_trials(path, [trial("a"), trial("b")])
    found = count_trials(path, [trial("b"), trial("c"), trial("c")])
    assert [t.id for t in found.trials] == ["a", "b", "c"]
    assert read_trials(path) == found
    assert len(read_lines(path.read_bytes())[0]) == 3


def test_line_that_was_changed_is_told_and_the_others_still_count(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    count_trials(path, [trial("a"), trial("b"), trial("c")])
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"x"'))
    found = read_trials(path)
    assert [t.id for t in found.trials] == ["a", "c"]
    assert found.trouble is not None
    assert "1 lines cannot be read" in found.trouble


def test_trials_of_a_window_are_those_that_share_time_with_it() -> None:
    ratios = [0.1, 0.3, -0.2]
    spans = [(0, 10), (5, 15), (9, 11)]
    trials = [trial(str(i), span, r) for i, (span, r) in enumerate(zip(spans, ratios, strict=True))]
    trials += [trial("beside", (10, 20), 9.0), trial("unknown", (0, 10), None)]
    found = seen(trials, Window(0, 10))
    assert (found.window, found.overlapping, found.total, found.known) == (2, 4, 5, 3)
    assert found.variance == pytest.approx(np.var(ratios, ddof=1))
    assert seen(trials[:1], Window(0, 10)).variance is None


def test_bills_count_as_a_trial_and_their_ratio_is_no_part_of_the_variance() -> None:
    """They hardly vary: a ratio of 9 a day was seen, beside which every other record is luck."""
    trials = [trial("a", sharpe=0.1), trial("b", sharpe=0.3)]
    bills = msgspec.structs.replace(trial("c", sharpe=9.0), policy="cash")
    found = seen([*trials, bills], Window(0, 10))
    assert (found.overlapping, found.known) == (3, 2)
    assert found.variance == seen(trials, Window(0, 10)).variance


def test_ledger_stands_where_the_variable_says_else_in_the_users_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEGATE_TRIALS", "here/trials")
    assert ledger_path() == Path("here/trials")
    monkeypatch.setenv("TIDEGATE_TRIALS", "")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert ledger_path() == Path("/state/tidegate/trials.jsonl")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/users/anna")
    assert ledger_path() == Path("/users/anna/.local/state/tidegate/trials.jsonl")


def test_trial_is_read_as_it_was_written() -> None:
    one = trial("a", (1, 2), 0.25)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Trial) == one
