# SPDX-License-Identifier: Apache-2.0
"""Checks of one series of funding, and of a daily index: gaps, repeats, and units of the rate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tidegate.history.intake.bar_checks import (
    duplicate_findings,
    hole_findings,
    number_findings,
    stamp_findings,
)
from tidegate.history.intake.findings import Finding, found, when
from tidegate.history.intake.series import Series
from tidegate.history.intake.stamps import plausible, stamp_text
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.history.window import Window
from tidegate.model.times import HOUR_MS

# Where a perpetual stands at its index, most venues charge interest of 0.01 % per eight hours.
INTEREST_8H = 1e-4
# That print must be this frequent to be taken for the interest, among this many.
_INTEREST_SHARE, _INTEREST_ROWS = 0.05, 40
# DVOL in percentage points has never been below 10; a fraction of one has never been above 5.
_DVOL_FRACTION = 5.0
_UNIT_FACTORS = {
    8.0: "a rate of 8 hours, said to be of 1",
    0.125: "a rate of 1 hour, said to be of 8",
}
_PERCENT = {100.0: "a percentage, not a fraction", 1e4: "basis points, not a fraction"}


def funding_findings(series: Series, window: Window | None) -> Iterator[Finding]:
    """All of one series of funding; `window` is what it must cover, else first to last print."""
    yield from stamp_findings(series)
    flaws = list(number_findings(series, ("interval_h", "rate")))
    flaws += [] if flaws else list(_labels(series))
    yield from flaws
    if flaws or not plausible(series.ts_ms).all():
        return
    repeats = list(duplicate_findings(series, "print"))
    yield from repeats
    if not repeats:
        yield from _completeness(series, window)
    yield from _rate_unit(series)


def _labels(series: Series) -> Iterator[Finding]:
    hours, rate, ts_ms = series.numbers["interval_h"], series.numbers["rate"], series.ts_ms
    whole = np.isin(hours, np.arange(1, 25))
    grid = np.where(whole, ts_ms % (np.where(whole, hours, 1).astype(np.int64) * HOUR_MS), 0)
    rules = (
        ("interval_h", "expected whole hours from 1 to 24", ~whole),
        ("ts", "expected stamps on the grid of their own interval", grid != 0),
        ("rate", "expected a fraction of notional between -1 and 1", np.abs(rate) > 1.0),
    )
    for field, expected, offends in rules:
        bad = np.flatnonzero(offends)
        if bad.size:
            at = int(bad[0])
            words = f"{expected}, {bad.size} are not so, here at {when(series, at)}"
            yield found(series, field, "print", at, words)


def due_gaps(series: Series, window: Window | None) -> tuple[IntArray, IntArray]:
    """Per print: milliseconds between when it was due to begin and the print before, and how long
    its interval is. Positive: prints are missing; negative: intervals overlap."""
    ts_ms = series.ts_ms
    interval_ms = series.numbers["interval_h"].astype(np.int64) * HOUR_MS
    before = np.concatenate(([ts_ms[0] - interval_ms[0]], ts_ms[:-1]))
    if window is not None:
        step = int(interval_ms[0])
        before[0] = -(-window.start_ms // step) * step - step
    return ts_ms - interval_ms - before, interval_ms


def missing_prints(series: Series, window: Window | None) -> int:
    """How many prints are missing by the intervals that the rows name."""
    hours = series.numbers["interval_h"]
    if not series.ts_ms.size or not np.isin(hours, np.arange(1, 25)).all():
        return 0
    gaps, interval_ms = due_gaps(series, window)
    return int((np.maximum(gaps, 0) // interval_ms).sum()) + _late_end(series, window)


def _late_end(series: Series, window: Window | None) -> int:
    if window is None:
        return 0
    step_ms = int(series.numbers["interval_h"][-1]) * HOUR_MS
    return max(0, -(-(window.end_ms - int(series.ts_ms[-1])) // step_ms) - 1)


def _completeness(series: Series, window: Window | None) -> Iterator[Finding]:
    gaps, interval_ms = due_gaps(series, window)
    overlaps = np.flatnonzero(gaps < 0)
    if overlaps.size:
        at = int(overlaps[0])
        apart = (int(interval_ms[at]) + int(gaps[at])) / HOUR_MS
        words = (
            f"said to be of {interval_ms[at] // HOUR_MS} hours, {apart:g} after the print before,"
            f" at {when(series, at)}; {overlaps.size} are so"
        )
        yield found(series, "interval_h", "interval", at, words)
        return
    missing = missing_prints(series, window)
    if missing:
        late = np.flatnonzero(gaps > 0)
        at = int(late[0]) if late.size else gaps.size - 1
        first = (
            int(series.ts_ms[at] - gaps[at] - interval_ms[at])
            if late.size
            else int(series.ts_ms[at])
        )
        due = stamp_text((first // int(interval_ms[at]) + 1) * int(interval_ms[at]))
        words = (
            f"first missing print is due at {due}, {missing} missing in {max(1, late.size)} holes"
        )
        yield found(series, "ts", "hole", max(0, at - 1) if late.size else at, words)


def usual_rate_8h(series: Series) -> float | None:
    """The most frequent rate other than zero as a rate of eight hours by the rows' own interval;
    None where none is frequent enough to be the venue's interest."""
    rate, hours = series.numbers["rate"], series.numbers["interval_h"]
    rates = np.round(rate / hours * 8.0, 9)
    values, counts = np.unique(rates[rates != 0], return_counts=True)
    if rates.size < _INTEREST_ROWS or not values.size:
        return None
    top = int(np.argmax(counts))
    return float(values[top]) if counts[top] >= _INTEREST_SHARE * rates.size else None


def _rate_unit(series: Series) -> Iterator[Finding]:
    """The interest print tells the unit: it is 0.01 % per eight hours, or off by a known factor."""
    usual = usual_rate_8h(series)
    if usual is None:
        return
    for factor, words in (_UNIT_FACTORS | _PERCENT).items():
        if abs(usual / (factor * INTEREST_8H) - 1.0) < 1e-3:
            rates = np.round(series.numbers["rate"] / series.numbers["interval_h"] * 8.0, 9)
            at = int(np.flatnonzero(rates == usual)[0])
            detail = f"the usual print is {usual:g} per 8 hours, where interest is {INTEREST_8H:g}"
            yield found(series, "rate", "rate unit", at, f"{words}: {detail}")


def index_findings(series: Series, window: Window | None) -> Iterator[Finding]:
    """All of one daily index of volatility, in percentage points."""
    yield from stamp_findings(series)
    yield from duplicate_findings(series, "day")
    yield from hole_findings(series, window)
    flaws = list(number_findings(series, series.table.numbers))
    yield from flaws
    values: FloatArray = series.numbers[series.table.numbers[0]]
    if not flaws and values.size and float(np.median(values)) < _DVOL_FRACTION:
        words = f"expected percentage points, the median is {float(np.median(values)):g}"
        yield found(series, series.table.numbers[0], "unit", 0, words)
