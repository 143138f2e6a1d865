# SPDX-License-Identifier: Apache-2.0
"""A demo on a short contest, played once for a file of tests."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.backtest.trial.contests import CALM_DAYS, WARMUP_DAYS
from tidegate.backtest.demo import Words, run_demo
from tidegate.backtest.trial import contest as contests
from tidegate.backtest.trial.demo import Demo

CRISIS, SEED = "freeze", "6"
POLICIES = "tidegate,desk,threshold=4,fixed=5"
LABELS = ["tidegate 4", "desk", "threshold 4", "fixed 5"]


@contextlib.contextmanager
def short() -> Iterator[None]:
    """Contests of one calm day after a shorter past."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contests, "WARMUP_DAYS", WARMUP_DAYS)
        patch.setattr(contests, "CALM_DAYS", CALM_DAYS)
        yield


@dataclass(frozen=True, slots=True)
class Played:
    """A demo, its folder, and what was printed."""

    demo: Demo
    out: Path
    printed: str


def played_demo(out: Path) -> Played:
    printed = io.StringIO()
    with short(), contextlib.redirect_stdout(printed):
        demo = run_demo(Words(CRISIS, SEED, POLICIES), out, 1, as_json=True)
    return Played(demo, out, printed.getvalue())
