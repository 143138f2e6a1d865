# SPDX-License-Identifier: Apache-2.0
"""Faults that golden runs found, each as small as it can be told."""

from __future__ import annotations

from pathlib import Path

from tests.audit.replayable import BOLD, finished, forged, frames_of, places, replayed
from tests.engine.room import room
from tests.regressions.golden_runs import read
from tests.regressions.golden_stage import Setup, Stage
from tests.risk.desk import COLLATERAL
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer, Question
from tidegate.engine.cycle import Tools
from tidegate.model.units import MICRO
from tidegate.simulation.faults.kill import Killed


def test_capital_that_came_between_two_decisions_is_replayed_equal(tmp_path: Path) -> None:
    """The engine looked every minute, so the peak that it states has the deposit in it; a replay
    that adds it once more calls an honest journal different."""
    built = room(mandate=BOLD)
    built.play(3)
    built.record.take(built.exchange.deposit("alpha", COLLATERAL["alpha"], 90_000 * MICRO))
    built.play(5)
    content = finished(built)
    frames = frames_of(tmp_path, content)
    peaks = [frames[place].value()["peak_micro"] for place in places(frames, "observed")]
    assert peaks[-1] - peaks[1] == 90_000 * MICRO
    assert replayed(tmp_path, content, resolves=False).difference is None


def test_run_that_dies_while_it_solves_is_replayed_equal(tmp_path: Path) -> None:
    """What was seen is on disk, and no answer yet: the decision is passed over."""
    left = [True]

    def dying(question: Question) -> Answer:
        if left and left.pop():
            raise Killed("while solving")
        return allocate(question)

    stage = Stage(Setup("dying", seconds=400, tools=Tools(allocate=dying)), None)
    stage.play()
    content = bytes(stage.disk.durable)
    kinds = [frame.kind for frame in frames_of(tmp_path, content)]
    assert kinds[kinds.index("observed") + 1] == "restarted"
    assert kinds.count("decision") == 1
    assert replayed(tmp_path, content, resolves=False).difference is None


def test_plan_that_takes_the_place_of_a_slow_cut_is_replayed_equal(tmp_path: Path) -> None:
    """That the slow one stopped is written once the new one has begun, whose orders may go."""
    played = read("halted")
    frames = frames_of(tmp_path, played.journal)
    instead = [
        place
        for place in places(frames, "stopped")
        if "another plan" in str(frames[place].value()["why"])
    ]
    assert frames[instead[0] + 2].kind == "submitted"
    assert replayed(tmp_path, played.journal, resolves=False).difference is None
    kept = [frame for frame in frames if frame.sequence != instead[0]]
    found = replayed(tmp_path, forged(kept, -1, lambda _: None), resolves=False).difference
    assert found is not None
    assert (found.kind, found.derived) == ("submitted", "stopped")
