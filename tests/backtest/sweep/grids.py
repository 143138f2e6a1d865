# SPDX-License-Identifier: Apache-2.0
"""A small mandate, grids over a generated history of days, and the command line over them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.backtest.generated import CARRY, SEED, day
from tests.conftest import REPOSITORY
from tidegate.history.generated import write_generated

FIRST_DAY, DAYS = 9, 14
COINS = ("ETH", "SOL")


def write_world(root: Path) -> Path:
    """A generated data folder that is just long enough for a window of a few days."""
    write_generated(root, SEED, DAYS)
    return root


def write_mandate(path: Path) -> Path:
    """The carry mandate on one coin, so that a run takes milliseconds."""
    first, *sections = CARRY.read_text(encoding="utf-8").split("\n[")
    kept = [s for s in sections if not any(f".{coin}" in s.partition("]")[0] for coin in COINS)]
    path.write_text("\n[".join([first, *kept]), encoding="utf-8")
    return path


def write_grid(folder: Path, rest: str, last: int = FIRST_DAY) -> Path:
    """A grid over the small mandate; `rest` is what it says besides."""
    folder.mkdir(parents=True, exist_ok=True)
    write_mandate(folder / "small.toml")
    window = f'windows = [{{ from = "{day(FIRST_DAY)}", to = "{day(last)}" }}]'
    path = folder / "grid.toml"
    path.write_text(f'mandate = "small.toml"\n{window}\n{rest}\n', encoding="utf-8")
    return path


def heard() -> None:
    """A shell's background jobs do not hear Ctrl-C, and neither would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(grid: Path, out: Path, data: Path, *words: str) -> subprocess.Popen[str]:
    """Start a sweep in a process group of its own."""
    environment = {
        **os.environ,
        "TIDEGATE_DATA": str(data),
        "TIDEGATE_TRIALS": str(out.parent / f"{out.name}.trials"),
        "PYTHONPATH": str(REPOSITORY / "src"),
    }
    command = [sys.executable, "-m", "tidegate.cli", "backtest", "--sweep", str(grid)]
    return subprocess.Popen(
        [*command, "--out", str(out), *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heard,
    )


def finished(out: Path) -> list[bytes]:
    """The whole lines of a sweep's finished runs."""
    path = out / "finished.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []
