# SPDX-License-Identifier: Apache-2.0
"""Counting a backtest's runs in the ledger of trials, and listing it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tidegate.backtest.compare import Request
from tidegate.backtest.daily import daily_excess
from tidegate.backtest.experiment import Experiment
from tidegate.backtest.narrow import console_of
from tidegate.backtest.run import Outcome
from tidegate.backtest.run_id import RunKey, Strain, code_digest
from tidegate.backtest.trials import (
    Seen,
    Trial,
    count_trials,
    ledger_path,
    read_trials,
    seen,
    trial_of,
)
from tidegate.history.window import Window
from tidegate.model.times import format_time

WIDTH = 120


def count_study(request: Request, experiment: Experiment, outcomes: Sequence[Outcome]) -> Seen:
    """Count a backtest's runs, say so on standard error, and return how many there were."""
    mandate = experiment.arrangement.mandate
    made = [
        trial_of(
            RunKey(
                mandate.version,
                experiment.market.digest,
                code_digest(),
                request.window,
                request.freezes,
                spec,
                request.seed,
                Strain(),
            ),
            mandate.mandate.name,
            daily_excess(outcome.series, mandate),
        )
        for spec, outcome in zip(request.specs, outcomes, strict=True)
    ]
    ledger = count_trials(ledger_path(), made)
    if ledger.trouble is not None:
        print(f"tidegate: {ledger.trouble}", file=sys.stderr)
    found = seen(ledger.trials, request.window)
    print(
        f"trials: {found.window} of this window, {found.overlapping} of windows that overlap it, "
        f"{found.total} in all ({ledger.path})",
        file=sys.stderr,
    )
    return found


def show_trials(*, as_json: bool) -> None:
    """Every trial that was counted, by window, with what its window has seen."""
    ledger = read_trials(ledger_path())
    windows = sorted({(t.start_ms, t.end_ms) for t in ledger.trials})
    if as_json:
        said = [_said(Window(*span), ledger.trials) for span in windows]
        document = {"file": str(ledger.path), "windows": said, "trials": ledger.trials}
        print(json.dumps(msgspec.to_builtins(document), sort_keys=True))
    else:
        console_of(WIDTH).print(_table(windows, ledger.trials))
        print(f"{len(ledger.trials)} trials in {ledger.path}")
    if ledger.trouble is not None:
        print(f"tidegate: {ledger.trouble}", file=sys.stderr)


def _said(window: Window, trials: Sequence[Trial]) -> dict[str, object]:
    span = {"from": format_time(window.start_ms), "to": format_time(window.end_ms)}
    return {**span, "seen": msgspec.structs.asdict(seen(trials, window))}


def _table(windows: Sequence[tuple[int, int]], trials: Sequence[Trial]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("window", no_wrap=True)
    for head in ("trials", "that overlap it", "best Sharpe a day", "their deviation"):
        table.add_column(head, justify="right", no_wrap=True)
    for span in windows:
        found = seen(trials, Window(*span))
        same = [t.sharpe_daily for t in trials if (t.start_ms, t.end_ms) == span]
        best = max((ratio for ratio in same if ratio is not None), default=None)
        table.add_row(
            " to ".join(format_time(at)[:16].replace("T", " ") for at in span),
            str(found.window),
            str(found.overlapping),
            "unknown" if best is None else f"{best:+.3f}",
            "unknown" if found.variance is None else f"{found.variance**0.5:.3f}",
        )
    return table
