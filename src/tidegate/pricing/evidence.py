# SPDX-License-Identifier: Apache-2.0
"""Measures the surface on a folder of option chains: `python -m tidegate.pricing.evidence`.

For every chain it fits a surface to 70 % of the strikes of each expiry and judges it on the other
30 %, fits one to all quotes, and looks for static arbitrage in both, at and between expiries. A
strike is held out if the first 8 bytes of SHA-256 of "ts_ms,expiry_ms,strike" (strike with six
decimals), as a fraction of 2**64, are below 0.3: call and put of a strike go together, and no
seed can be chosen. Held-out quotes of an expiry that got no slice count as well; the surface
prices them by interpolation.

This is a programme, not a part of the room: it alone here reads files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress

from tidegate.model.errors import InputError
from tidegate.model.times import format_time
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.calibration import Settings, calibrate, fit_of
from tidegate.pricing.option_chain import BoolArray, OptionChain, quotes
from tidegate.pricing.parity import parity
from tidegate.pricing.static_arbitrage import ArbitrageReport, check, expiries_between
from tidegate.pricing.surface import Surface

HELD_OUT_SHARE = 0.3
COINS = ("BTC", "ETH")
# At least this share of held-out quotes must lie inside bid and ask.
GATES = {"BTC": 0.65, "ETH": 0.63}
FILES = "options/deribit_{coin}_chain_*.parquet"
COLUMNS = {
    "ts": "epoch_ms(ts)",
    "expiry": "epoch_ms(expiry)",
    "strike": "cast(strike as double)",
    "is_call": "option_type = 'call'",
    "bid": "cast(bid as double)",
    "ask": "cast(ask as double)",
    "forward": "cast(underlying_price as double)",
    "mark_iv": "cast(mark_iv as double)",
}


@dataclass(slots=True)
class Tally:
    """What was found in some chains; tallies of disjoint chains are added."""

    counts: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    errors: list[FloatArray] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    least_g: float = np.inf
    least_rise: float = np.inf

    def add(self, other: Tally) -> None:
        """Takes in the findings of other chains."""
        self.counts.update(other.counts)
        self.excluded.update(other.excluded)
        self.failures += other.failures
        self.errors += other.errors
        self.milliseconds += other.milliseconds
        self.least_g = min(self.least_g, other.least_g)
        self.least_rise = min(self.least_rise, other.least_rise)


def held_out(chain: OptionChain) -> BoolArray:
    """Which rows are held out, by the hash of time, expiry and strike."""
    return np.array(
        [
            _hash_share(f"{chain.ts_ms},{expiry},{strike:.6f}") < HELD_OUT_SHARE
            for expiry, strike in zip(chain.expiry_ms, chain.strike_usd, strict=True)
        ]
    )


def _hash_share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2.0**64


def chains(file: Path, coin: str) -> Iterator[OptionChain]:
    """The chains of one file, in order of time; `InputError` if it cannot be read as such."""
    terms = ", ".join(f"{term} as {name}" for name, term in COLUMNS.items())
    query = f"select {terms} from read_parquet(?) order by ts, expiry, strike, option_type"
    try:
        table = duckdb.connect().execute(query, [str(file)]).fetchnumpy()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(str(file), "columns", f"expected an option chain; {reason}") from None
    if not all(table["ts"].shape == column.shape for column in table.values()):
        raise InputError(str(file), "columns", "expected columns of one length")
    _require_complete(table, file)
    cuts = np.flatnonzero(np.diff(table["ts"])) + 1
    for rows in np.split(np.arange(table["ts"].size), cuts):
        if rows.size:
            yield _chain(table, rows, coin)


def _require_complete(table: dict[str, Any], file: Path) -> None:
    for name in ("ts", "expiry", "strike", "is_call"):
        if np.ma.getmaskarray(table[name]).any():
            raise InputError(str(file), name, "expected a value in every row")


def _chain(table: dict[str, Any], rows: npt.NDArray[np.int64], coin: str) -> OptionChain:
    def numbers(name: str) -> FloatArray:
        return np.asarray(np.ma.filled(table[name][rows].astype(np.float64), np.nan))

    return OptionChain(
        int(table["ts"][rows[0]]),
        coin,
        np.asarray(table["expiry"][rows], dtype=np.int64),
        numbers("strike"),
        np.asarray(table["is_call"][rows], dtype=np.bool_),
        numbers("bid"),
        numbers("ask"),
        numbers("forward"),
        numbers("mark_iv"),
    )


def measure(chain: OptionChain) -> Tally:
    """One chain: the fit without the held-out strikes, its judgement on them, and the whole fit."""
    tally = Tally(Counter(chains=1, rows=chain.bid.size))
    out, every = held_out(chain), quotes(chain)
    try:
        part = calibrate(chain, held_out=out)
        begun = time.process_time()
        whole = calibrate(chain)
        tally.milliseconds.append(1e3 * (time.process_time() - begun))
        single = calibrate(chain, Settings(regimes=1), out)
    except InputError as error:
        tally.failures.append(str(error))
        return tally
    rows = np.flatnonzero(every.used & out)
    inside, errors = fit_of(part, every, rows)
    single_inside, _ = fit_of(single, every, rows)
    tally.errors.append(errors)
    tally.counts.update(
        held_out=rows.size,
        inside=int(inside.sum()),
        inside_single=int(single_inside.sum()),
        slices=part.expiry_years.size,
    )
    _count_fit(tally, part)
    for surface in (part, whole):
        _count_arbitrage(tally, check(surface, expiries_between(surface.expiry_years)))
        tally.counts["unproved"] += not surface.arbitrage_free
    _count_parity(tally, chain)
    return tally


def _count_fit(tally: Tally, surface: Surface) -> None:
    quality = surface.quality
    if quality is not None:
        tally.excluded.update(quality.excluded)
        tally.counts.update(
            fitted=quality.quotes,
            dropped_expiries=len(quality.dropped_expiries),
            unconverged=int(not quality.converged),
        )


def _count_arbitrage(tally: Tally, report: ArbitrageReport) -> None:
    tally.counts.update(
        points=report.points, butterflies=report.butterflies, calendars=report.calendars
    )
    tally.least_g = min(tally.least_g, report.least_g)
    tally.least_rise = min(tally.least_rise, report.least_rise)


def _count_parity(tally: Tally, chain: OptionChain) -> None:
    for row in parity(chain):
        tally.counts.update(
            parity_strikes=row.strikes,
            parity_violations=row.parity_violations,
            boxes=row.boxes,
            box_violations=row.box_violations,
        )


def measure_file(file: Path, coin: str) -> dict[str, Tally]:
    """The tallies of a file by the month of each chain."""
    months: dict[str, Tally] = {}
    for chain in chains(file, coin):
        months.setdefault(format_time(chain.ts_ms)[:7], Tally()).add(measure(chain))
    return months


def summary(tally: Tally) -> dict[str, Any]:
    """The figures of a tally; a share of nothing is null."""
    counts = tally.counts
    held = counts["held_out"]
    errors = np.concatenate(tally.errors) if tally.errors else np.empty(0)
    return {
        "chains": counts["chains"],
        "chains_without_surface": len(tally.failures),
        "slices": counts["slices"],
        "dropped_expiries": counts["dropped_expiries"],
        "rows": counts["rows"],
        "fitted_quotes": counts["fitted"],
        "excluded": dict(sorted(tally.excluded.items())),
        "held_out_quotes": held,
        "held_out_inside_share": counts["inside"] / held if held else None,
        "held_out_inside_share_one_regime": counts["inside_single"] / held if held else None,
        "held_out_median_error_vol_points": float(np.median(errors)) if errors.size else None,
        "grid_points": counts["points"],
        "butterfly_violations": counts["butterflies"],
        "calendar_violations": counts["calendars"],
        "surfaces_without_proof": counts["unproved"],
        "fits_not_converged": counts["unconverged"],
        "least_g": tally.least_g if np.isfinite(tally.least_g) else None,
        "least_rise": tally.least_rise if np.isfinite(tally.least_rise) else None,
        "parity_strikes": counts["parity_strikes"],
        "parity_violations": counts["parity_violations"],
        "boxes": counts["boxes"],
        "box_violations": counts["box_violations"],
        "cpu_milliseconds_per_surface": (
            float(np.median(tally.milliseconds)) if tally.milliseconds else None
        ),
    }


def gates(coin: str, figures: dict[str, Any]) -> dict[str, bool]:
    """Whether a coin's figures hold what is promised of them."""
    return {
        "every chain has a surface": figures["chains_without_surface"] == 0,
        "no butterfly": figures["butterfly_violations"] == 0 and figures["grid_points"] > 0,
        "no calendar": figures["calendar_violations"] == 0 and figures["grid_points"] > 0,
        f"inside bid and ask >= {GATES[coin]:.0%}": (
            (figures["held_out_inside_share"] or 0.0) >= GATES[coin]
        ),
    }


def evidence(data: Path, jobs: int, progress: Progress | None = None) -> dict[str, Any]:
    """All figures of a folder, by coin, with the months beside; `InputError` without chains."""
    files = [(file, coin) for coin in COINS for file in sorted(data.glob(FILES.format(coin=coin)))]
    if not files:
        raise InputError(str(data), "options", "expected files deribit_*_chain_*.parquet")
    months: dict[str, dict[str, Tally]] = {coin: {} for _, coin in files}
    bar = progress.add_task("chains", total=len(files)) if progress else None
    for coin, found in _measured(files, jobs):
        for month, tally in found.items():
            months[coin].setdefault(month, Tally()).add(tally)
        if progress and bar is not None:
            progress.advance(bar)
    return {"held_out_share": HELD_OUT_SHARE, "coins": {c: _coin(c, m) for c, m in months.items()}}


def _measured(files: list[tuple[Path, str]], jobs: int) -> Iterator[tuple[str, dict[str, Tally]]]:
    if jobs == 1:
        for file, coin in files:
            yield coin, measure_file(file, coin)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(measure_file, file, coin): coin for file, coin in files}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _coin(coin: str, months: dict[str, Tally]) -> dict[str, Any]:
    total = Tally()
    for _, tally in sorted(months.items()):
        total.add(tally)
    figures = summary(total)
    return {
        **figures,
        "failures": total.failures[:10],
        "gates": gates(coin, figures),
        "months": {month: summary(tally) for month, tally in sorted(months.items())},
    }


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures for a reader."""
    for coin, found in figures["coins"].items():
        yield f"{coin}: {found['chains']} chains, {found['slices']} slices, {found['rows']} rows"
        yield f"  fitted {found['fitted_quotes']}, left out:"
        for reason, count in found["excluded"].items():
            yield f"    {count:>8}  {reason}"
        for name, part in (("all", found), *found["months"].items()):
            share, error = part["held_out_inside_share"], part["held_out_median_error_vol_points"]
            if share is not None:
                yield (
                    f"  {name:<8} held out {part['held_out_quotes']:>6}: {share:.1%} inside bid and"
                    f" ask, median error {error:.3f} vol points"
                )
        yield (
            f"  {found['butterfly_violations']} butterflies, {found['calendar_violations']}"
            f" calendars on {found['grid_points']} points; one regime alone:"
            f" {found['held_out_inside_share_one_regime'] or 0.0:.1%} inside"
        )
        yield (
            f"  parity violated at {found['parity_violations']} of {found['parity_strikes']}"
            f" strikes, {found['box_violations']} of {found['boxes']} boxes;"
            f" {found['cpu_milliseconds_per_surface'] or 0.0:.2f} ms of CPU a surface"
        )
        for gate, holds in found["gates"].items():
            yield f"  {'holds' if holds else 'FAILS'}: {gate}"


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 if every gate holds, 1 if one fails, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.pricing.evidence",
        description="Measures the volatility surface on all option chains of a folder.",
        epilog="example: python -m tidegate.pricing.evidence --data ../shared/market-data --jobs 2",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds options/")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    options = parser.parse_args(arguments)
    try:
        if options.jobs < 1:
            raise InputError("evidence", "--jobs", "expected at least 1")
        with Progress(console=Console(stderr=True), transient=True) as progress:
            figures = evidence(options.data, options.jobs, progress)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(figures, indent=1) if options.json else "\n".join(lines(figures)))
    held = all(all(coin["gates"].values()) for coin in figures["coins"].values())
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
