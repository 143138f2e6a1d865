# SPDX-License-Identifier: Apache-2.0
"""Checks of one series of bars: what its reader refuses, wrong units, a feed that stood still."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import numpy as np

from tidegate.history.intake.findings import Finding, found, warning, when
from tidegate.history.intake.layout import PRICES
from tidegate.history.intake.series import Series
from tidegate.history.intake.stamps import fitting_unit, plausible, stamp_text
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.history.window import Window
from tidegate.model.times import DAY_MS

STUCK_BARS = 12
SIGMAS = 100.0
# A power of ten is one when the logarithm of a ratio is this near to a whole number other than 0.
_NEAR_POWER = 0.12
# Volume moves by itself: only a lasting change of its daily median by about 100 or more counts.
_VOLUME_POWER = 1.8
_SIGMA_PER_MAD = 1.4826
_SIGMA_ROWS = 100


def stamp_findings(series: Series) -> Iterator[Finding]:
    """Stamps in the wrong unit, finer than a millisecond, or out of order in the file."""
    ts_ms = series.ts_ms
    bad = np.flatnonzero(~plausible(ts_ms))
    if bad.size:
        at = int(bad[0])
        unit = fitting_unit(int(ts_ms[at]))
        fits = f"; as {unit} since 1970 it would fit" if unit and unit != "ms" else ""
        here = stamp_text(int(ts_ms[at]))
        words = f"expected a time of 2009 to 2099, {bad.size} are not, here {here}"
        yield found(series, "ts", "time unit", at, words + fits)
    uneven = np.flatnonzero(series.ts_us % 1_000)
    if uneven.size:
        words = f"expected whole milliseconds, {uneven.size} are not, here at"
        at = int(uneven[0])
        yield found(series, "ts", "time unit", at, f"{words} {when(series, at)}")
    if series.late:
        at = int(np.flatnonzero(series.row == series.late)[0]) if series.late in series.row else 0
        words = f"stands behind a row of a later time ({when(series, at)}); readers sort it"
        yield warning(series, "ts", "unordered", at, words)


def bar_findings(series: Series, window: Window | None) -> Iterator[Finding]:
    """All of one series of bars; `window` is what it must cover, else first to last row."""
    yield from stamp_findings(series)
    yield from _grid(series)
    yield from hole_findings(series, window)
    whole = yield from _numbers(series)
    if whole and series.ts_ms.size > 1:
        yield from _powers_of_ten(series)
        yield from _volume_powers(series)
        yield from _stuck(series)
        yield from _far_prints(series)


def _grid(series: Series) -> Iterator[Finding]:
    ts_ms, interval_ms = series.ts_ms, series.table.interval_ms
    off = np.flatnonzero(ts_ms % interval_ms)
    if off.size:
        at = int(off[0])
        words = f"expected opens on a grid of {interval_ms} ms, {off.size} are not, here"
        yield found(series, "ts", "grid", at, f"{words} {when(series, at)}")
    yield from duplicate_findings(series, "bar")


def duplicate_findings(series: Series, what: str) -> Iterator[Finding]:
    """Stamps that come twice, told apart by whether the rows agree."""
    again = np.flatnonzero(np.diff(series.ts_ms) == 0) + 1
    if again.size:
        at = int(again[0])
        same = all(
            np.array_equal(v[again], v[again - 1], equal_nan=True) for v in series.numbers.values()
        )
        likeness = "alike" if same else "with other numbers"
        words = f"a second {what} at {when(series, at)}, {likeness}; {again.size} are repeated"
        yield found(series, "ts", "duplicate", at, words)


def missing_bars(series: Series, window: Window | None) -> IntArray:
    """Opens that the grid has and the series lacks, over the window or from its first to last."""
    ts_ms, interval_ms = series.ts_ms, series.table.interval_ms
    if not ts_ms.size or not plausible(ts_ms).all():
        return np.zeros(0, dtype=np.int64)
    first_ms, end_ms = int(ts_ms[0]), int(ts_ms[-1]) + 1
    if window is not None:
        first_ms, end_ms = window.start_ms, window.end_ms
    first_ms = -(-first_ms // interval_ms) * interval_ms
    return np.setdiff1d(np.arange(first_ms, end_ms, interval_ms, dtype=np.int64), ts_ms)


def hole_findings(series: Series, window: Window | None) -> Iterator[Finding]:
    """One finding for all holes of a series: the first missing bar, and how many there are."""
    missing = missing_bars(series, window)
    if missing.size:
        holes = 1 + int((np.diff(missing) > series.table.interval_ms).sum())
        at = max(0, int(np.searchsorted(series.ts_ms, missing[0])) - 1)
        first = stamp_text(int(missing[0]))
        words = f"first missing bar opens at {first}, {missing.size} missing in {holes} holes"
        yield found(series, "ts", "hole", at, words)


def number_findings(series: Series, names: tuple[str, ...]) -> Iterator[Finding]:
    """Numbers that are missing or not finite."""
    for name in names:
        bad = np.flatnonzero(~np.isfinite(series.numbers[name]))
        if bad.size:
            at = int(bad[0])
            words = f"expected finite numbers, {bad.size} are not, here at {when(series, at)}"
            yield found(series, name, "missing number", at, words)


_BarCheck = tuple[str, str, Callable[[dict[str, FloatArray]], np.ndarray]]
_CHECKS: tuple[_BarCheck, ...] = (
    ("low", "expected prices above zero", lambda v: np.min([v[n] for n in PRICES], axis=0) <= 0),
    (
        "high",
        "expected no high below its open, close or low",
        lambda v: v["high"] < np.max([v[n] for n in PRICES], axis=0),
    ),
    (
        "low",
        "expected no low above its open or close",
        lambda v: v["low"] > np.minimum(v["open"], v["close"]),
    ),
    ("volume", "expected no volume below zero", lambda v: v.get("volume", v["low"]) < 0),
)


def _numbers(series: Series) -> Generator[Finding, None, bool]:
    """Yields what is wrong with the numbers; returns whether prices may be reckoned with."""
    flaws = list(number_findings(series, tuple(series.numbers)))
    for field, expected, offends in _CHECKS if not flaws else ():
        bad = np.flatnonzero(offends(series.numbers))
        if bad.size:
            at = int(bad[0])
            words = f"{expected}, {bad.size} are so, here at {when(series, at)}"
            flaws.append(found(series, field, "bar", at, words))
    yield from flaws
    return not flaws


def power_of_ten(log_ratio: FloatArray) -> IntArray:
    """The whole number that a logarithm to ten is near to; 0 where it is near to none."""
    whole = np.rint(log_ratio)
    near = (np.abs(log_ratio - whole) <= _NEAR_POWER) & (whole != 0)
    return np.where(near, whole, 0.0).astype(np.int64)


def _follows(series: Series) -> np.ndarray:
    """Which bars but the first follow the one before; across a hole a price may go anywhere."""
    return np.asarray(np.diff(series.ts_ms) == series.table.interval_ms)


def _powers_of_ten(series: Series) -> Iterator[Finding]:
    """Prices that leave their neighbours by a power of ten, for a bar, a stretch or for good.

    Each bar's open is held against the close before, so that a fall within a bar is none; and its
    four prices against one another, so that one price in another unit is one.
    """
    v = series.numbers
    steps = power_of_ten(np.log10(v["open"][1:] / v["close"][:-1]))
    steps[~_follows(series)] = 0
    inside = power_of_ten(np.log10(v["high"] / v["low"]))
    jumps = np.flatnonzero(steps)
    wide = np.flatnonzero(inside)
    if jumps.size:
        at = int(jumps[0]) + 1
        words = f"10^{steps[jumps[0]]:+d} times the bar before at {when(series, at)}"
        yield found(series, "open", "price unit", at, f"{words}; {jumps.size} such steps")
    elif wide.size:
        at = int(wide[0])
        words = f"10^{inside[at]:+d} times its low at {when(series, at)}; {wide.size} such bars"
        yield found(series, "high", "price unit", at, words)


def _volume_powers(series: Series) -> Iterator[Finding]:
    """A day's median volume that differs by a power of ten of 100 or more from both sides' days."""
    volume = series.numbers.get("volume")
    if volume is None or series.table.interval_ms >= DAY_MS // 2:
        return
    day = series.ts_ms // DAY_MS
    starts = np.flatnonzero(np.concatenate(([True], np.diff(day) > 0)))
    medians = np.array([np.median(part) for part in np.split(volume, starts[1:])])
    if medians.size < 6 or (medians <= 0).any():
        return
    logs = np.log10(medians)
    for at in range(3, logs.size - 2):
        before, after = np.median(logs[at - 3 : at]), np.median(logs[at : at + 3])
        power = int(np.rint(after - before))
        if abs(logs[at] - logs[at - 1]) >= _VOLUME_POWER and abs(after - before) >= _VOLUME_POWER:
            row = int(starts[at])
            words = f"10^{power:+d} times the days before, from {when(series, row)}"
            yield warning(series, "volume", "volume unit", row, words)
            return


def _stuck(series: Series) -> Iterator[Finding]:
    v = series.numbers
    still = np.concatenate(
        ([False], (v["close"][1:] == v["close"][:-1]) & (v["high"][1:] == v["low"][1:]))
    )
    edges = np.flatnonzero(np.diff(np.concatenate(([False], still, [False])).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - begins >= STUCK_BARS)
    if long.size:
        at = int(begins[long[0]])
        words = f"no price moved in {ends[long[0]] - begins[long[0]]} bars from {when(series, at)}"
        yield warning(series, "close", "stuck feed", at, f"{words}; {long.size} such stretches")


def _far_prints(series: Series) -> Iterator[Finding]:
    """Returns and wicks beyond 100 robust deviations (1.4826 times the median from the median)."""
    v = series.numbers
    moves = np.where(_follows(series), np.diff(np.log(v["close"])), 0.0)
    if moves.size < _SIGMA_ROWS:
        return
    sigma = _SIGMA_PER_MAD * float(np.median(np.abs(moves - np.median(moves))))
    wicks = np.maximum(
        np.log(v["high"] / np.maximum(v["open"], v["close"])),
        np.log(np.minimum(v["open"], v["close"]) / v["low"]),
    )
    far = np.flatnonzero(np.maximum(np.abs(np.append(0.0, moves)), wicks) > SIGMAS * sigma)
    if sigma > 0 and far.size:
        at = int(far[0])
        words = (
            f"a move of more than {SIGMAS:.0f} deviations at {when(series, at)}; {far.size} such"
        )
        yield warning(series, "close", "far print", at, words)
