# SPDX-License-Identifier: Apache-2.0
"""What a demo shows of itself: its seed among many, narrow terminals, and how it stops."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backtest.played_demo import LABELS, SEED, Played, played_demo
from tests.backtest.sweep.grids import heard
from tests.conftest import REPOSITORY
from tidegate import cli
from tidegate.backtest.demo import _answer, _end, _state
from tidegate.backtest.report_summary import share
from tidegate.backtest.trial.demo import POLICIES as DEFAULT
from tidegate.backtest.trial.demo import (
    read_policies,
)
from tidegate.backtest.trial.demo_report import render_demo
from tidegate.backtest.trial.demo_words import insured_against
from tidegate.backtest.trial.fresh_seeds import fresh_seeds, fresh_seeds_of
from tidegate.backtest.trial.nearest_death import marks_at
from tidegate.model.events import Filled


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(tmp_path_factory.mktemp("demo") / "out")


@pytest.mark.parametrize("width", [34, 40, 60, 80, 120])
def test_table_on_a_narrow_terminal_leaves_columns_out_and_cuts_nothing(
    played: Played,
    width: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    _answer(played.demo)
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    rows = [line for line in text.splitlines() if line.strip().startswith(tuple(LABELS))]
    assert len(rows) == len(LABELS)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for result, row in zip(played.demo.results, rows, strict=True):
        assert row.rstrip().endswith(_end(result))
        assert (f" {result.score.loss:.2%} " in row) == (width >= 40)
        assert (f"{result.score.calm_carry:+.2%}" in row) == (width >= 60)
    assert ("too narrow for" in " ".join(text.split())) == (width < 100)


@pytest.mark.parametrize("room", range(5, 60, 9))
def test_state_of_an_ended_run_fits_its_room_and_is_cut_at_no_figure(
    played: Played, room: int
) -> None:
    whole = _state(played.demo.results[0].outcome, 200)
    state = _state(played.demo.results[0].outcome, room)
    plain = re.sub(r"\[/?\w*\]", "", state)
    assert len(plain) <= room
    assert re.sub(r"\[/?\w*\]", "", whole).startswith(plain)


def started(run: subprocess.Popen[str], out: Path) -> bool:
    """Whether the processes that play are there, beside the one that tracks resources."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return len(children) >= 3


def playing(run: subprocess.Popen[str], out: Path) -> bool:
    """Whether a journal is being written."""
    return any(out.parent.glob(".out.*/journals/*.partial"))


@pytest.mark.parametrize("moment", [started, playing])
def test_ctrl_c_is_one_line_and_leaves_nothing(
    tmp_path: Path, moment: Callable[[subprocess.Popen[str], Path], bool]
) -> None:
    out = tmp_path / "out"
    run = subprocess.Popen(
        [sys.executable, "-m", "tidegate.cli", "demo", "--jobs", "2", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heard,
    )
    while run.poll() is None and not moment(run, out):
        time.sleep(0.01)
    # The whole group hears of it, as from a terminal.
    os.killpg(run.pid, signal.SIGINT)
    told, error = run.communicate(timeout=60)
    opening, *rest = error.splitlines()
    assert opening.startswith("A generated market")
    assert (run.returncode, told, rest) == (130, "", ["tidegate: stopped"])
    assert list(tmp_path.iterdir()) == []


def test_seed_shown_by_default_is_the_one_of_the_fresh_seeds() -> None:
    fresh = fresh_seeds()
    assert inspect.signature(cli.demo).parameters["seed"].default == str(fresh.shown)
    assert fresh.first_seed <= fresh.shown < fresh.first_seed + fresh.seeds
    assert [line.label for line in fresh.lines] == [s.label for s in read_policies(DEFAULT)]
    assert all(0 < fresh.struck <= line.struck <= fresh.seeds for line in fresh.lines)


def test_figures_of_the_fresh_seeds_are_of_the_world_as_it_is(played: Played) -> None:
    assert fresh_seeds_of(played.demo.contest) == fresh_seeds()
    other = dataclasses.replace(played.demo.contest, crisis="gap")
    assert fresh_seeds_of(other) is None


def test_report_says_that_one_seed_is_not_all(played: Played) -> None:
    text, fresh = render_demo(played.demo, None), fresh_seeds()
    assert f"{fresh.struck} struck every policy" in text
    for line in (*fresh.lines, *fresh.equal):
        assert f"{line.liquidated} of {fresh.seeds}" in text
    assert f"This is seed {SEED}." in text


def test_struck_legs_are_those_at_the_struck_venue_when_the_crisis_began(played: Played) -> None:
    contest = played.demo.contest
    venue, start = contest.crisis_venue, contest.crisis_start_ms
    assert venue is not None
    assert start is not None
    instruments = contest.experiment.arrangement.terms.instruments
    marks = marks_at(contest, start)
    for result in played.demo.results:
        lots = Counter[str]()
        for event in result.outcome.events:
            if isinstance(event, Filled) and event.ts_ms < start:
                lots[event.instrument] += event.lots
        worth = {n: instruments[n].notional(held, marks[n]) / 1e6 for n, held in lots.items()}
        there = sum(usd for name, usd in worth.items() if name.startswith(f"{venue}:"))
        assert result.struck_usd == pytest.approx(there)
        assert result.largest is not None
        coin, part = result.largest
        own = sum(usd for name, usd in worth.items() if instruments[name].base == coin)
        assert part == pytest.approx(own / sum(worth.values()))


def test_carry_given_up_below_zero_is_shown_as_no_price(played: Played) -> None:
    body = render_demo(played.demo, None)
    table = body[body.index('id="insurance"') : body.index('id="deaths"')]
    subject = played.demo.subject
    assert subject is not None
    given = insured_against(played.demo, subject.score)
    assert given is not None
    assert (f"{share(given)}" in table) == (round(given, 6) >= 0)
    assert ("<td" in table and ">not seen<" in table) == any(
        round(insured_against(played.demo, r.score) or 0.0, 6) < 0 for r in played.demo.results
    )
    assert "choice of coin" in table
