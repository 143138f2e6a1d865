# SPDX-License-Identifier: Apache-2.0
"""`python -m tidegate.backtest.option_study --data DIR [--from DAY] [--to DAY] [--only NAME]
[--ablations] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tidegate.backtest.option_study.books import Look
from tidegate.backtest.option_study.market import read_market
from tidegate.backtest.option_study.study import (
    ABLATIONS,
    POLICIES,
    Result,
    document,
    prepare,
    run,
)
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

COLUMNS = "net %  deaths  worst day %  drawdown %  collateral %  carry %  invested %  refused"


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 2 for bad input, in one line."""
    said = _parser().parse_args(arguments)
    try:
        start, end = (
            parse_time_ms(f"{day}T00:00Z", "option study", name)
            for name, day in (("--from", said.start), ("--to", said.end))
        )
        study = prepare(said.data, read_market(said.data, Window(start, end)))
        policies = {**POLICIES, **ABLATIONS} if said.ablations else POLICIES
        chosen = {n: p for n, p in policies.items() if not said.only or n in said.only}
        if not chosen:
            raise InputError("option study", "--only", f"expected of {', '.join(policies)}")
        looks: dict[int, Look] = {}
        results = {}
        for name, policy in chosen.items():
            began = time.process_time()
            results[name] = run(study, policy, looks)
            _say(name, results[name], time.process_time() - began)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if said.json:
        print(json.dumps(document(study, results), sort_keys=True, allow_nan=False))
    return 0


def _say(name: str, found: Result, seconds: float) -> None:
    figures = (
        f"{100 * found.net_return:+7.2f} {len(found.liquidations):5d} "
        f"{100 * found.worst_day:8.2f} {100 * found.drawdown:8.2f} "
        f"{100 * found.collateral_used:8.1f} {100 * found.carry_kept:8.1f} "
        f"{100 * found.share_of_days_invested:6.0f} {found.refusals:5d}"
    )
    print(f"{name:32s} {figures}   {seconds:.0f} s", file=sys.stderr, flush=True)
    for each in found.liquidations:
        print(f"    liquidated: {each}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tidegate.backtest.option_study")
    parser.add_argument("--data", type=Path, required=True, help="folder of market data")
    parser.add_argument("--from", dest="start", default="2026-01-12", help="first day, UTC")
    parser.add_argument("--to", dest="end", default="2026-04-30", help="day after the last, UTC")
    parser.add_argument("--only", action="append", help="a policy by name; may be repeated")
    parser.add_argument("--ablations", action="store_true", help="with each part taken away")
    parser.add_argument("--json", action="store_true", help="one document on standard output")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
