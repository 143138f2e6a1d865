# SPDX-License-Identifier: Apache-2.0
"""Every page that a command writes, written by that command on small generated input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.backtest.generated import DAYS, FIRST_DAY, SEED, carry, day
from tests.backtest.played_demo import played_demo
from tests.conftest import REPOSITORY
from tests.history.test_forecast_command import _write_bars, _write_funding, _write_spot
from tests.history.written_chains import known_surface, quoted, rows_of, write_chain
from tidegate.history.generated import write_generated

EXAMPLES = REPOSITORY / "examples"


def _command(*words: str | Path, data: Path | None = None) -> None:
    """Run the command line; status 1 is an answer too, such as a book that is insolvent."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    if data is not None:
        environment["TIDEGATE_DATA"] = str(data)
    ended = subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stderr


def _demo(folder: Path) -> Path:
    return played_demo(folder / "demo").out / "report.html"


def _backtest(folder: Path) -> Path:
    data, out = folder / "market-data", folder / "backtest"
    write_generated(data, SEED, DAYS)
    freeze = f"binance:{day(FIRST_DAY + 2)}:{day(FIRST_DAY + 3)}"
    policies = [
        word for name in ("tidegate", "cash", "fixed", "threshold") for word in ("--policy", name)
    ]
    _command(*carry(*policies, "--freeze", freeze, "--out", out, last=FIRST_DAY + 20), data=data)
    return out / "report.html"


def _observe(folder: Path) -> Path:
    _command("observe", EXAMPLES / "plan" / "book.json", "--html", folder / "observe.html")
    return folder / "observe.html"


def _plan(folder: Path) -> Path:
    book = ("--book", EXAMPLES / "plan" / "book.json")
    _command("plan", EXAMPLES / "plan" / "mandate.toml", *book, "--out", folder / "plan")
    return folder / "plan" / "plan.html"


def _margin(folder: Path) -> Path:
    book = EXAMPLES / "margin" / "deribit_portfolio.json"
    _command("margin", book, "--html", folder / "margin.html")
    return folder / "margin.html"


def _surface(folder: Path) -> Path:
    chain = write_chain(folder / "chain.parquet", rows_of(quoted(known_surface())))
    _command("surface", chain, "--html", folder / "surface.html")
    return folder / "surface.html"


def _forecast(folder: Path) -> Path:
    for write in (_write_bars, _write_funding, _write_spot):
        write(folder)
    _command("forecast", "--data", folder, "--coins", "BTC", "--html", folder / "forecast.html")
    return folder / "forecast.html"


PAGES: dict[str, Callable[[Path], Path]] = {
    "demo": _demo,
    "backtest": _backtest,
    "observe": _observe,
    "plan": _plan,
    "margin": _margin,
    "surface": _surface,
    "forecast": _forecast,
}
