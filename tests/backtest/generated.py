# SPDX-License-Identifier: Apache-2.0
"""A generated history on disk, the carry mandate over it, and the command line in a subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY
from tidegate.history.generated import START_MS
from tidegate.model.times import DAY_MS, format_date

CARRY = REPOSITORY / "examples" / "carry.toml"
SEED, DAYS = 7, 60
FIRST_DAY = 25


def day(index: int) -> str:
    """Date of a day of the generated history."""
    return format_date(START_MS + index * DAY_MS)


def tidegate(
    *words: str, data: Path, hash_seed: str = "0", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line on a data folder."""
    environment = {
        **os.environ,
        "TIDEGATE_DATA": str(data),
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": str(REPOSITORY / "src"),
    }
    return subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *words],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def carry(*words: str, mandate: Path = CARRY, last: int = FIRST_DAY + 1) -> list[str]:
    """Words of a short backtest of the carry mandate."""
    window = ["--from", day(FIRST_DAY), "--to", day(last)]
    return ["backtest", str(mandate), *window, "--jobs", "1", *words]
