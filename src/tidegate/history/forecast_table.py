# SPDX-License-Identifier: Apache-2.0
"""The scores of a volatility study for a reader, and as one document for a machine.

`python -m tidegate.history.forecast_table --data DIR` prints them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tidegate.forecast.scoring import Comparison
from tidegate.history.forecast_study import (
    LOOKS,
    ForecastStudy,
    ModelScore,
    horizon_text,
    study_volatility,
)
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, format_time

PARTS = {"whole": "whole walk-forward", "tuning": "first two thirds", "held_out": "last third"}
BAND = (0.1, 0.5, 0.9)


def lines(study: ForecastStudy) -> Iterator[str]:
    """The tables, the choice and its tests, the pool's regret, and today's forecasts."""
    days = {coin: first or "never" for coin, first in study.cold.items()}
    yield (
        f"Variance over {horizon_text(study.horizon, study.period_ms)}; baseline HAR, whose first"
        f" forecast was on {', '.join(f'{day} ({coin})' for coin, day in days.items())};"
        f" last third from {format_time(study.split_ms)[:10]}"
    )
    for part, title in PARTS.items():
        yield f"\n{title:<44} {'n':>6} {'QLIKE':>7} {'gain':>7} {'DM t':>6} {'p':>8} {'in 80 %':>8}"
        yield from (_row(row) for row in getattr(study, part))
    yield f"\nchosen on the first two thirds: {study.chosen}"
    yield f"  coins together, whole: {_test(study.pooled_whole)}"
    yield f"  coins together, last third: {_test(study.pooled)}; times {LOOKS} looks"
    for walked in study.coins:
        yield f"{walked.coin} pool: regret {walked.regret:.2f}, bound {walked.bound:.2f}"
    for card in study.cards:
        yield f"{card.status:<9} {card.model}"
    for walked in study.coins:
        yield _latest(study, walked.coin)


def document(study: ForecastStudy) -> dict[str, Any]:
    """Everything that the tables say, in plain types; what is not known is null."""
    found = {
        "horizon": study.horizon,
        "period_ms": study.period_ms,
        "split_ms": study.split_ms,
        "first_baseline_forecast": dict(study.cold),
        "chosen": study.chosen,
        "looks": LOOKS,
        "pooled_whole": study.pooled_whole,
        "pooled_held_out": study.pooled,
        "scores": {part: [_plain(row) for row in getattr(study, part)] for part in PARTS},
        "pool": [
            {"coin": walked.coin, "regret": walked.regret, "bound": walked.bound}
            for walked in study.coins
        ],
        "cards": [{**msgspec.to_builtins(c), "status": c.status} for c in study.cards],
        "forecasts": [_forecast(study, walked.coin) for walked in study.coins],
    }
    plain: dict[str, Any] = json.loads(msgspec.json.encode(found))
    return plain


def _row(row: ModelScore) -> str:
    t, p = (f"{row.test.t_statistic:.2f}", f"{row.test.p_value:.1e}") if row.test else ("", "")
    return (
        f"{row.coin:<5}{row.model:<39} {row.n_scored:>6} {row.qlike:>7.4f} {row.gain:>7.1%}"
        f" {t:>6} {p:>8} {row.coverage:>8.1%}"
    )


def _test(test: Comparison | None) -> str:
    if test is None:
        return "too few rows for a test"
    return f"{test.n_scored} rows, t {test.t_statistic:.2f}, p {test.p_value:.1e}"


def _latest(study: ForecastStudy, coin: str) -> str:
    found = _forecast(study, coin)
    if found["vol_annual"] is None:
        return f"{coin}: no forecast by {study.chosen} after {found['as_of']}"
    low, middle, high = found["band_vol_annual"]
    return (
        f"{coin}: from {found['as_of']} {found['vol_annual']:.1%} a year; 10, 50 and 90 %:"
        f" {low:.1%}, {middle:.1%}, {high:.1%}"
    )


def _forecast(study: ForecastStudy, coin: str) -> dict[str, Any]:
    """The chosen model's forecast from the last row, as annual volatilities."""
    (walked,) = (found for found in study.coins if found.coin == coin)
    as_of_ms = int(walked.history.measures.start_ms[-1]) + study.period_ms
    found: dict[str, Any] = {"coin": coin, "model": study.chosen, "as_of": format_time(as_of_ms)}
    latest = walked.latest(study.chosen)
    if latest is None:
        return found | {"vol_annual": None, "band_vol_annual": None}
    scale = 365.0 * DAY_MS / study.period_ms
    band = [math.sqrt(latest.quantile(p) * scale) for p in BAND]
    return found | {"vol_annual": latest.vol_annual(study.period_ms), "band_vol_annual": band}


def _plain(row: ModelScore) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(row)
    return found | {"gain": row.gain}


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 if the pool's regret is within its bound, 1 if not, 2 for bad
    input."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.history.forecast_table",
        description="Scores every volatility model on the bars of a folder.",
        epilog="example: python -m tidegate.history.forecast_table --data ../shared/market-data",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ohlcv/")
    parser.add_argument("--coins", default="BTC,ETH", help="comma between coins (BTC,ETH)")
    parser.add_argument("--horizon", type=int, default=1, help="in days, or in hours (1)")
    parser.add_argument("--hours", action="store_true", help="horizons in hours")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    options = parser.parse_args(arguments)
    coins = [coin for coin in options.coins.split(",") if coin]
    period_ms = HOUR_MS if options.hours else DAY_MS
    try:
        study = study_volatility(options.data, coins, options.horizon, period_ms)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(document(study), indent=1) if options.json else "\n".join(lines(study)))
    held = all((w.pool.regret <= w.pool.bound + 1e-9).all() for w in study.coins)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
