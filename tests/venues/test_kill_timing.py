# SPDX-License-Identifier: Apache-2.0
"""How long a kill takes between real processes, the engine hung and alive; docs/kill-switch.md."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak import Budget, quantile
from tests.venues.processes import Processes, wait_until
from tidegate.execution.latch import Confirmation

RUNS = int(os.environ.get("TIDEGATE_KILL_RUNS", "50"))
STOP_LIMIT_MS, ASK_LIMIT_MS = 100, 1_000


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.close()


def killed(drill: Processes, engine: subprocess.Popen[str], hung: bool) -> dict[str, float]:
    """One kill, timed in milliseconds; afterwards the latch is lifted and the engine goes on."""
    drill.await_orders(len(drill.orders()) + 5)
    if hung:
        engine.send_signal(signal.SIGSTOP)
    began_ms = time.time_ns() / 1e6
    status, _ = drill.kill("--wait", "30")
    kill, word = drill.latch.kill(), drill.latch.confirmation()
    assert status == 0
    assert kill is not None
    assert isinstance(word, Confirmation)
    beat = (drill.folder / "engine.beat").stat().st_mtime_ns
    engine.send_signal(signal.SIGCONT)
    wait_until(lambda: (drill.folder / "engine.beat").stat().st_mtime_ns > beat + 50_000_000)
    accepted = [row for row in drill.orders() if row[2] in ("working", "filled")]
    last_asked_ms, last_answered_ms = accepted[-1][0] / 1e3, accepted[-1][1] / 1e3
    late = sum(asked_us / 1e3 > kill.ts_ms for asked_us, _, _ in accepted)
    now_ms = time.time_ns() // 1_000_000
    for name, key in drill.keys.items():
        drill.latch.consent(name, key, now_ms)
    times = {
        "start to latch": kill.ts_ms - began_ms,
        "orders sent after the latch": float(late),
        "latch to last order sent": max(0.0, last_asked_ms - kill.ts_ms),
        # What was under way when its process was stopped is read when it wakes.
        "latch to last order accepted": 0.0 if hung else max(0.0, last_answered_ms - kill.ts_ms),
        "latch to cancels sent": word.asked_ms - kill.ts_ms,
        "latch to all quiet": max(v.ts_ms for v in word.venues.values()) - kill.ts_ms,
    }
    return times


@pytest.mark.soak(promise="R11", weight=2)
@pytest.mark.parametrize("hung", [True, False], ids=["hung", "alive"])
def test_kill_stops_orders_in_a_tenth_of_a_second_and_sends_cancels_within_one(
    drill: Processes, hung: bool, budget: Budget
) -> None:
    port = drill.open_venues(silence_s=600)
    drill.start_watchdog()
    engine = drill.start_engine(port)
    drill.await_watchdog()
    runs: list[dict[str, float]] = []

    def judge(_: int) -> None:
        runs.append(run := killed(drill, engine, hung))
        assert run["orders sent after the latch"] <= 1, run
        assert hung or run["latch to last order accepted"] <= STOP_LIMIT_MS, run
        assert run["latch to cancels sent"] <= ASK_LIMIT_MS, run

    try:
        budget.each("kill", judge, RUNS)
    finally:
        for name in runs[0] if runs else ():
            times_ms = [run[name] for run in runs]
            read = ", ".join(
                f"{word} {quantile(times_ms, share):.1f}"
                for word, share in (("median", 0.5), ("p99", 0.99), ("most", 1.0))
            )
            budget.figures.append(f"{name}, {'' if name.startswith('orders') else 'ms: '}{read}")
