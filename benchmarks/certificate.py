# SPDX-License-Identifier: Apache-2.0
"""How long a certificate of solvency takes, and how many cells of the box it looks at.

`python benchmarks/certificate.py` certifies accounts of 30 options and a perpetual over prices of
+/- 20 % by vols of 0.8 to 1.5 by a venue spread of +/- 1 %: once for the verdict alone, once until
the least health is known within 0.2 % of the collateral. There is no peer; the aim is 0.3 s.
Times are of the processor, the best of some rounds, once compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.risk.certificate_books import option_book, subject, with_cash
from tidegate.risk.certificate import Box, Certificate, Effort, Subject, certify
from tidegate.risk.certificate_box import CoinBox

OPTIONS = 30
BOX = Box({"BTC": CoinBox((0.8, 1.2), (0.99, 1.01), (0.8, 1.5))})
KINDS = ("deribit-btc", "deribit-usdc", "derive-portfolio", "derive-standard")
AIM_S = 0.3
GAP = 0.002
SPARE = 1.05
LEAST_USD = 1e6


def timed(asked: Subject, effort: Effort, rounds: int) -> tuple[float, Certificate]:
    """The best processor time of some rounds, and the certificate."""
    best, found = float("inf"), certify(asked, BOX, effort)
    for _ in range(rounds):
        started = time.process_time()
        found = certify(asked, BOX, effort)
        best = min(best, time.process_time() - started)
    return best, found


def measure(kind: str, seed: int, rounds: int) -> dict[str, Any]:
    """One account with a twentieth more than the box asks of it, and at least a million."""
    bare = option_book(seed, kind, OPTIONS)
    need = -certify(subject(bare), BOX, Effort(gap_usd=1e3)).upper_usd
    collateral = SPARE * max(need, LEAST_USD)
    # Coins held as collateral lose with the price, so that a coin account needs more of them.
    asked = subject(with_cash(bare, collateral / (0.8 if kind == "deribit-btc" else 1.0)))
    verdict_s, verdict = timed(asked, Effort(), rounds)
    gap_s, closed = timed(asked, Effort(gap_usd=GAP * collateral), rounds)
    return {
        "account": kind,
        "seed": seed,
        "verdict": str(verdict.verdict),
        "verdict_cells": verdict.cells,
        "verdict_s": verdict_s,
        "gap_cells": closed.cells,
        "gap_s": gap_s,
        "gap_of_collateral": (closed.upper_usd - closed.lower_usd) / collateral,
    }


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="one account of each rule")
    options = parser.parse_args(given)
    seeds = range(1) if options.quick else range(5)
    rows = [measure(kind, seed, 3) for kind in KINDS for seed in seeds]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if options.json:
        print(json.dumps({"machine": machine, "aim_s": AIM_S, "rows": rows}))
        return
    print(machine)
    print(f"{OPTIONS} options and a perpetual; verdict alone, and until within {GAP:.1%}")
    for row in rows:
        print(
            f"{row['account']:18s} {row['seed']} {row['verdict']:16s}"
            f" {row['verdict_cells']:5d} cells {row['verdict_s']:.3f} s"
            f" {row['gap_cells']:5d} cells {row['gap_s']:.3f} s"
            f" gap {row['gap_of_collateral']:.2%}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
