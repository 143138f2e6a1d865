# SPDX-License-Identifier: Apache-2.0
"""The demo: the carry book through a week in which one venue's money is frozen.

Where market data is there it is the week of 3 February 2025 with Hyperliquid frozen; elsewhere a
generated history with a crash. Same mandate, same costs, same exchange for all.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tidegate.backtest.claims import RESULTS
from tidegate.backtest.commands import run_study
from tidegate.backtest.compare import Request, read_specs
from tidegate.history.generated import START_MS, write_generated
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, format_date, parse_time_ms
from tidegate.simulation.tape import Freeze

POLICIES = ("tidegate", "cash", "fixed=3", "threshold=3", "threshold=4", "threshold=5")
GENERATED_DAYS = 60
GENERATED_WARMUP_DAYS = 25
GENERATED_FREEZE_DAY = 41
GENERATED_SEED = 7


def run_demo(data: Path, mandate: Path, place: tuple[Path, int], *, as_json: bool) -> None:
    """Run the demo's study into `place` = (folder, jobs) and say what to look at."""
    out, jobs = place
    if not mandate.is_file():
        raise InputError(str(mandate), "mandate", "expected the repository's examples/carry.toml")
    _clear_earlier(out)
    if data.is_dir():
        _tell(
            "Real history: a hedged carry book, 20 January to 8 February 2025; Hyperliquid lets "
            "no money out or in from 2 to 4 February, while ether falls by a quarter."
        )
        run_study(_real(data, mandate, jobs), out, as_json=as_json)
    else:
        _tell(
            "No market data here: a generated history of Binance-like and Hyperliquid-like "
            "perpetuals (seed 7), with a crash while one venue is frozen."
        )
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "generated"
            write_generated(root, GENERATED_SEED, GENERATED_DAYS)
            run_study(_generated(root, mandate, jobs), out, as_json=as_json)
    heads = json.loads((out / RESULTS).read_text(encoding="utf-8"))["policies"]
    _tell(f"journal head of tidegate: {heads['tidegate']['journal_head']}")


def _tell(text: str) -> None:
    Console(stderr=True).print(text, highlight=False)


def _clear_earlier(out: Path) -> None:
    """Remove an earlier demo, and nothing else."""
    if (out / RESULTS).is_file() and (out / "report.html").is_file():
        shutil.rmtree(out)
    elif out.exists() and any(out.iterdir()):
        raise InputError("--out", str(out), "expected a new folder or an earlier demo's")


def _real(data: Path, mandate: Path, jobs: int) -> Request:
    def at(day: str, *, last: bool = False) -> int:
        return parse_time_ms(day, "demo", "day", end_of_day=last)

    window = Window(at("2025-01-20"), at("2025-02-08", last=True))
    freeze = Freeze("hyperliquid", at("2025-02-02"), at("2025-02-04", last=True))
    return Request(mandate, data, window, (freeze,), 1, read_specs(POLICIES), jobs)


def _generated(root: Path, mandate: Path, jobs: int) -> Request:
    start = START_MS + GENERATED_WARMUP_DAYS * DAY_MS
    window = Window(start, START_MS + GENERATED_DAYS * DAY_MS)
    frozen_from = START_MS + GENERATED_FREEZE_DAY * DAY_MS
    freeze = Freeze("hyperliquid", frozen_from, frozen_from + 4 * DAY_MS)
    print(f"{format_date(window.start_ms)} to {format_date(window.end_ms)}", file=sys.stderr)
    return Request(mandate, root, window, (freeze,), 1, read_specs(POLICIES), jobs)
