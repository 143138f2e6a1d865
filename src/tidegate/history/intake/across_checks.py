# SPDX-License-Identifier: Apache-2.0
"""Checks of series against one another: spot sold as perpetual, copies, and venues far apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from tidegate.history.intake.bar_checks import power_of_ten
from tidegate.history.intake.findings import Finding, found, warning, when
from tidegate.history.intake.series import Series
from tidegate.history.parquet import FloatArray, IntArray

COMMON_ROWS = 30
# Two feeds of one coin agree to the last digit now and then, never nearly always.
SAME_SHARE = 0.95


def across_findings(bars: Sequence[Series], funding: Sequence[Series]) -> Iterator[Finding]:
    """All that shows only where two series of a folder are held side by side."""
    sound = [series for series in bars if _comparable(series)]
    coins = sorted({series.coin for series in sound})
    for coin in coins:
        for one, other in combinations([s for s in sound if s.coin == coin], 2):
            yield from _pair(one, other)
    for series in bars:
        if series.is_read and series.market == "perp":
            yield from _without_funding(series, funding)


def _comparable(series: Series) -> bool:
    opens = series.numbers["open"]
    return series.market != "" and bool(np.isfinite(opens).all() and (opens > 0).all())


def common_opens(one: Series, other: Series) -> tuple[IntArray, IntArray]:
    """Indices of the stamps that both have. An open is the price at its stamp whatever the bar's
    length, so bars of unlike lengths can be held side by side."""
    _, here, there = np.intersect1d(one.ts_ms, other.ts_ms, return_indices=True)
    return here, there


def _pair(one: Series, other: Series) -> Iterator[Finding]:
    here, there = common_opens(one, other)
    if here.size < COMMON_ROWS:
        return
    opens, others = one.numbers["open"][here], other.numbers["open"][there]
    power = int(power_of_ten(np.array([np.median(np.log10(opens / others))]))[0])
    if power:
        yield from _far_apart(one, other, int(here[0]), power)
    elif _same(opens, others) >= SAME_SHARE:
        yield from _alike(one, other, (int(here[0]), int(there[0])))


def _same(opens: FloatArray, others: FloatArray) -> float:
    """Share of equal opens among those where a price moved, so that a still market is no copy."""
    moved = np.concatenate(([True], np.diff(opens) != 0))
    return float((opens == others)[moved].mean())


def _name(series: Series) -> str:
    return f"{series.table.file} {series.name}"


def _far_apart(one: Series, other: Series, at: int, power: int) -> Iterator[Finding]:
    words = f"10^{power:+d} times {_name(other)} at {when(one, at)} and in the median"
    yield found(one, "open", "price unit", at, words)


def _alike(one: Series, other: Series, at: tuple[int, int]) -> Iterator[Finding]:
    """Equal prices: a perpetual that is spot, a mark that is no mark, or one venue copied."""
    markets = {one.market, other.market}
    if markets == {"perp", "spot"}:
        perp, spot, row = (one, other, at[0]) if one.market == "perp" else (other, one, at[1])
        words = f"basis always zero: its opens are those of spot, {_name(spot)}"
        yield found(perp, "open", "spot as perpetual", row, words)
    elif "mark" in markets:
        mark, last, row = (one, other, at[0]) if one.market == "mark" else (other, one, at[1])
        yield warning(mark, "open", "copy", row, f"marks are last prices of {_name(last)}")
    elif one.venue != other.venue and one.market == other.market:
        words = f"its opens are those of another venue, {_name(other)}"
        yield found(one, "open", "copy", at[0], words)


def _without_funding(series: Series, funding: Sequence[Series]) -> Iterator[Finding]:
    known = [f for f in funding if f.venue == series.venue and f.is_read and f.ts_ms.size]
    mine = [f for f in known if f.coin == series.coin]
    first, last = int(series.ts_ms[0]), int(series.ts_ms[-1])
    if any(int(f.ts_ms[-1]) >= first and int(f.ts_ms[0]) <= last for f in mine):
        return
    words = (
        f"no funding print of {series.coin} at {series.venue} in its time: spot is not perpetual"
    )
    yield found(series, "symbol", "no funding", 0, words)
