# SPDX-License-Identifier: Apache-2.0
"""The doubts about the volatility gate for a reader, or as one document.

`python -m tidegate.history.volatility_gate_table --data DIR` prints them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegate.forecast.comparison_power import Described, Power
from tidegate.forecast.scoring import Comparison
from tidegate.history.volatility_gate import Doubt, Fresh, GateStudy, study_gate
from tidegate.model.errors import InputError


def lines(found: GateStudy) -> Iterator[str]:
    """What each test of the last third could show, then the fresh samples."""
    yield f"One day ahead; last third from {found.split}; differences of QLIKE, below zero better"
    for doubt in found.doubts:
        yield from _doubt_lines(doubt)
    yield f"\nCoins that had no part in any choice; {found.tests} tests, nothing tuned"
    for row in found.fresh:
        yield from _fresh_lines(row)
    yield from (f"not made: {reason}" for reason in found.refused)


def _doubt_lines(doubt: Doubt) -> Iterator[str]:
    yield f"\n{doubt.model} (chosen by {doubt.rule})"
    yield f"  first two thirds: {_test(doubt.before)}"
    yield f"  last third:       {_test(doubt.test)}"
    yield f"  {_described(doubt.seen)}"
    yield f"  power, as in the first two thirds:       {_powers(doubt.powers)}"
    yield f"  power, with the last third's own noise:  {_powers(doubt.noisy_powers)}"
    needed = "more than were tried" if doubt.days_needed is None else f"{doubt.days_needed}"
    yield f"  days for a power of 0.8, improvement as in the last third: {needed}"
    for day in doubt.heavy:
        coins = ", ".join(f"{coin} {value:+.2f}" for coin, value in day.coins.items())
        yield f"  {day.date}: {day.difference:+.3f} ({coins}), {day.share:.0%} of the variance"


def _fresh_lines(row: Fresh) -> Iterator[str]:
    yield f"\n{row.sample}, {row.model}"
    if not row.coins:
        yield "  no forecast"
        return
    first, last = row.window
    yield (
        f"  {first} to {last}, {row.coins} coins, better on {row.better_on}; QLIKE"
        f" {row.gain:+.1%} better"
    )
    yield f"  {'too few days for a test' if row.test is None else _test(row.test)}"
    if row.seen is not None:
        yield f"  {_described(row.seen)}"


def _test(test: Comparison) -> str:
    return (
        f"mean {test.mean_difference:+.4f}, {test.n_scored} days, t {test.t_statistic:.2f},"
        f" p {test.p_value:.1e}"
    )


def _described(seen: Described) -> str:
    return (
        f"for description: Giacomini-White p {seen.conditional_p:.2g}; better on"
        f" {seen.days_better:.0%} of days (sign p {seen.sign_p:.2g}); t {seen.without_heaviest:.2f}"
        f" without the {seen.left_out} heaviest days"
    )


def _powers(powers: tuple[Power, ...]) -> str:
    return "; ".join(f"{p.significant:.2f} (blocks of {p.block_days})" for p in powers)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.history.volatility_gate_table",
        description="What the volatility gate's test could show, and the models on fresh coins.",
        epilog="example: python -m tidegate.history.volatility_gate_table --data DIR",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ohlcv/")
    parser.add_argument("--coins", default="BTC,ETH", help="coins that were used (BTC,ETH)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    options = parser.parse_args(arguments)
    coins = [coin for coin in options.coins.split(",") if coin]
    try:
        found = study_gate(options.data, coins)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    # The encoder writes what is not a number as null.
    text = msgspec.json.encode(found).decode() if options.json else "\n".join(lines(found))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
