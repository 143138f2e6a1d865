# SPDX-License-Identifier: Apache-2.0
"""What a series tells at a moment never depends on anything after that moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.history.bars import Bars
from tidegate.history.pointintime import Series
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS

START_MS = 1_704_067_200_000


def hourly(count: int) -> Bars:
    """Bars whose close is the number of the bar."""
    open_ms = START_MS + HOUR_MS * np.arange(count, dtype=np.int64)
    close = np.arange(count, dtype=np.float64)
    prices = dict.fromkeys(("open", "high", "low", "close"), close + 0.0)
    return Bars("v", "BTC", "last", HOUR_MS, open_ms, **prices, volume=None)


@given(count=st.integers(1, 60), after_ms=st.integers(0, 61 * HOUR_MS), asked=st.integers(1, 60))
def test_no_bar_that_closes_after_the_moment_is_ever_returned(
    count: int, after_ms: int, asked: int
) -> None:
    """Each returned bar has closed, and the last is the newest that has; or it is refused."""
    series, ts_ms = Series(hourly(count)), START_MS + after_ms
    closed = after_ms // HOUR_MS
    if not 0 < closed <= count or asked > closed:
        with pytest.raises(InputError):
            series.closes_until(ts_ms, asked)
        return
    seen = series.closed_until(ts_ms, asked)
    assert len(seen) == asked
    assert (seen.open_ms + HOUR_MS <= ts_ms).all()
    assert int(seen.open_ms[-1]) + 2 * HOUR_MS > ts_ms
    assert series.closes_until(ts_ms, asked).tolist() == list(range(closed - asked, closed))


@given(closed=st.integers(1, 30), into_ms=st.integers(0, HOUR_MS - 1))
def test_changing_the_future_changes_nothing_that_is_told(closed: int, into_ms: int) -> None:
    """Prices of bars still open or later are replaced; every answer stays as it was."""
    bars = hourly(30)
    spoiled = bars.close.copy()
    spoiled[closed:] = np.nan
    ts_ms = START_MS + closed * HOUR_MS + into_ms
    told = Series(bars).closes_until(ts_ms, closed)
    assert (
        Series(replace(bars, close=spoiled)).closes_until(ts_ms, closed).tolist() == told.tolist()
    )


def test_a_bar_is_known_at_its_open_plus_its_interval_and_not_before() -> None:
    """A millisecond decides."""
    series = Series(hourly(3))
    assert series.known_at(START_MS + 2 * HOUR_MS) == 1
    assert series.known_at(START_MS + 2 * HOUR_MS - 1) == 0


def test_a_series_asked_outside_what_it_holds_is_refused() -> None:
    """Before the first close nothing is known; past the end the last bar would be stale."""
    series = Series(hourly(3))
    with pytest.raises(InputError, match="expected a time not before the first close"):
        series.known_at(START_MS + HOUR_MS - 1)
    assert series.known_at(START_MS + 4 * HOUR_MS - 1) == 2
    with pytest.raises(InputError, match="where the bars end"):
        series.known_at(START_MS + 4 * HOUR_MS)
    with pytest.raises(InputError, match="expected a count from 1 to the 3 closed, got 0"):
        series.closes_until(START_MS + 3 * HOUR_MS, 0)
