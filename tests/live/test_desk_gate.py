# SPDX-License-Identifier: Apache-2.0
"""The desk's day: `tidegate run` in act over two paper venues for 24 simulated hours, through a
crisis, killed in the middle of it, with nobody at the controls."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.live.desk import Desk, agrees, desk
from tests.soak import Budget
from tidegate.audit.replay import replay
from tidegate.backtest.claims import folder_checks
from tidegate.journal.reader import read_frames
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

# The crisis begins six to seven hours after the market does.
KILLED_MS = 7 * HOUR_MS
STARTS = 3


@pytest.mark.soak
def test_act_runs_a_mandate_for_a_day_through_a_crash_without_a_human(
    tmp_path: Path, budget: Budget
) -> None:
    with desk(tmp_path, "crash", days=2) as found, found.session():
        # More than the example's leverage, so that the crash is felt.
        found.change("mandate.toml", "gross_leverage = 4", "gross_leverage = 9")
        found.change("mandate.toml", "BTC = 0.13, ETH = 0.20", "BTC = 0.08, ETH = 0.12")
        found.change("mandate.toml", "BTC = 0.08, ETH = 0.13", "BTC = 0.05, ETH = 0.08")
        _day(found)
        running = found.engine()
        found.tick(running)
        agrees(running, found)
        running[0].seal()
    journal = tmp_path / "desk.journal"
    assert [check for _, check in folder_checks(journal) if not check.passed] == []
    again = replay(journal)
    assert again.difference is None, again.difference
    assert again.decisions >= 24
    kinds = [frame.kind for frame in read_frames(journal)]
    ids = [json.loads(f.payload)["approval"] for f in read_frames(journal) if f.kind == "submitted"]
    assert len(set(ids)) == len(ids)
    # Each start but the first goes on with the journal of the one before.
    assert kinds.count("restarted") == STARTS - 1
    budget.figures.append(
        f"{again.decisions} decisions, {len(ids)} orders, {kinds.count('refused')} plans refused, "
        f"{kinds.count('stopped')} stopped, {kinds.count('break')} breaks, "
        f"longest without a decision {again.gap_ms_max // SECOND_MS} s"
    )


def _day(found: Desk) -> None:
    """Live through 24 hours in steps of a minute, and of a second while things happen; the engine
    is killed once, at the first thing that it does in the crisis."""
    process, start_ms = found.run(), found.clock.time_ms
    found.beats(process, 3)
    kill_ms: int | None = start_ms + KILLED_MS
    size, step_ms = _size(found), SECOND_MS
    while found.clock.time_ms < start_ms + DAY_MS:
        found.clock.pass_ms(step_ms)
        found.beats(process)
        before, size = size, _size(found)
        step_ms = SECOND_MS if size != before else MINUTE_MS
        if kill_ms is not None and found.clock.time_ms >= kill_ms and size != before:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process, kill_ms = found.run(), None
            found.beats(process, 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert kill_ms is None


def _size(found: Desk) -> int:
    return (found.folder / "desk.journal.partial").stat().st_size
