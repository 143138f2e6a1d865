# SPDX-License-Identifier: Apache-2.0
"""Funding is read with every print that was due, or refused; a missing print is never zero."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.written_files import (
    FUNDING_COLUMNS,
    FUNDING_FILE,
    START_MS,
    funding,
    write_rows,
)
from tidegate.history.funding import FundingPrints, funding_file, read_funding
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, MINUTE_MS, format_time, parse_time_ms

# Three eight-hour prints, then hourly ones: as Hyperliquid changed on 2023-06-08.
STAMPS_H = [0, 8, 16, *range(17, 30)]
INTERVALS_H = [8, 8, 8, *[1] * 13]
SOUND = [
    funding(START_MS + stamp * HOUR_MS, interval)
    for stamp, interval in zip(STAMPS_H, INTERVALS_H, strict=True)
]
WINDOW = Window(START_MS, START_MS + 30 * HOUR_MS)


def days(first: str, last: str) -> Window:
    return Window(parse_time_ms(first, "test", "start"), parse_time_ms(last, "test", "end"))


def read_written(rows: list[dict[str, str]], window: Window = WINDOW) -> FundingPrints:
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / FUNDING_FILE, rows, FUNDING_COLUMNS)
        return read_funding(Path(folder), "hyperliquid", "BTC", window)


@given(st.tuples(st.integers(0, 29 * 60), st.integers(1, 30 * 60)).filter(lambda b: b[0] < b[1]))
@settings(max_examples=30)
def test_funding_of_a_window_is_every_print_settled_in_it(bounds: tuple[int, int]) -> None:
    """Any window inside the file is whole, also across a change of interval."""
    window = Window(*(START_MS + minute * MINUTE_MS for minute in bounds))
    prints = read_written(SOUND, window)
    inside = [i for i, stamp in enumerate(STAMPS_H) if bounds[0] <= stamp * 60 < bounds[1]]
    assert prints.ts_ms.tolist() == [START_MS + STAMPS_H[i] * HOUR_MS for i in inside]
    assert prints.interval_ms.tolist() == [INTERVALS_H[i] * HOUR_MS for i in inside]
    assert set(prints.rate_e12.tolist()) <= {100_000_000}


@given(st.integers(0, len(SOUND) - 1))
@settings(max_examples=16)
def test_funding_without_one_print_is_refused_and_its_stamp_named(gone: int) -> None:
    """Whichever print is missing, first, last or beside the change, its stamp is in the line."""
    rows = SOUND[:gone] + SOUND[gone + 1 :]
    with pytest.raises(InputError) as refusal:
        read_written(rows)
    assert (refusal.value.where, refusal.value.field) == (FUNDING_FILE, "BTC")
    # The eight-hour print just before the change is looked for on the hourly grid after it.
    due = STAMPS_H[gone] if gone != 2 else 9
    assert format_time(START_MS + due * HOUR_MS) in str(refusal.value)


def test_a_missing_print_outside_the_window_does_not_refuse_it() -> None:
    """A hole elsewhere in the file is no reason to refuse a whole window."""
    rows = SOUND[:5] + SOUND[7:]
    before = Window(START_MS, START_MS + 19 * HOUR_MS)
    assert len(read_written(rows, before)) == 5
    after = Window(START_MS + 21 * HOUR_MS, START_MS + 30 * HOUR_MS)
    assert len(read_written(rows, after)) == 9


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (funding(START_MS + 20 * HOUR_MS, 1, "'NaN'"), "rate"),
        (funding(START_MS + 20 * HOUR_MS, 1, "NULL"), "rate"),
        (funding(START_MS + 20 * HOUR_MS, 1, "1.01"), "rate"),
        (funding(START_MS + 20 * HOUR_MS, 0), "interval_h"),
        (funding(START_MS + 20 * HOUR_MS, -1), "interval_h"),
        (funding(START_MS + 20 * HOUR_MS + MINUTE_MS, 1), "ts"),
        (funding(START_MS + 21 * HOUR_MS, 1), "ts"),
        (funding(START_MS + 20 * HOUR_MS, 2), "ts"),
    ],
)
def test_a_flawed_print_is_refused_with_file_and_field(row: dict[str, str], field: str) -> None:
    """The print of hour 20 is replaced by a flawed one."""
    at = STAMPS_H.index(20)
    with pytest.raises(InputError) as refusal:
        read_written([*SOUND[:at], row, *SOUND[at + 1 :]])
    assert (refusal.value.where, refusal.value.field) == (FUNDING_FILE, field)


@given(st.integers(-(10**12), 10**12))
@settings(max_examples=25)
def test_a_rate_is_kept_to_twelve_decimals(rate_e12: int) -> None:
    """What is written as a decimal fraction comes back as the nearest whole 1e-12."""
    rate = f"{rate_e12 / 1e12!r}"
    prints = read_written([funding(START_MS, 8, rate)], Window(START_MS, START_MS + HOUR_MS))
    assert prints.rate_e12.tolist() == [rate_e12]


def test_a_window_past_the_last_print_is_refused() -> None:
    """Where the file ends the next print is due by the last one's interval."""
    with pytest.raises(InputError, match="due at 2024-01-02T06:00:00Z"):
        read_written(SOUND, Window(START_MS, START_MS + 31 * HOUR_MS))
    with pytest.raises(InputError, match="missing from 2024-03"):
        read_written(SOUND, days("2024-03-01", "2024-03-02"))


def test_funding_of_an_unknown_venue_or_symbol_is_refused_with_what_there_is(
    tmp_path: Path,
) -> None:
    """The line says what could have been asked for."""
    write_rows(tmp_path / FUNDING_FILE, SOUND, FUNDING_COLUMNS)
    with pytest.raises(InputError, match=r"expected one of binance, bybit, .* got 'gate'"):
        read_funding(tmp_path, "gate", "BTC", WINDOW)
    with pytest.raises(InputError, match=r"expected a coin of the file \(BTC\), got 'ETH'"):
        read_funding(tmp_path, "hyperliquid", "ETH", WINDOW)


def test_real_funding_of_seven_months_is_complete_at_both_venues(data_root: Path) -> None:
    """Three prints a day at Binance and one an hour at Hyperliquid."""
    window = days("2024-09-05", "2025-03-31")
    for coin in ("BTC", "ETH", "SOL"):
        assert len(read_funding(data_root, "binance", f"{coin}USDT", window)) == 207 * 3
        assert len(read_funding(data_root, "hyperliquid", coin, window)) == 207 * 24


def test_the_change_of_interval_in_the_real_data_is_no_hole(data_root: Path) -> None:
    """DATA.md: Hyperliquid settled every eight hours until 2023-06-08 00:00, then hourly."""
    window = days("2023-06-07", "2023-06-09")
    hours = read_funding(data_root, "hyperliquid", "BTC", window).interval_ms // HOUR_MS
    assert hours.tolist() == [8, 8, 8, 8, *[1] * 23]


def test_the_two_hour_hole_of_the_real_data_is_refused(data_root: Path) -> None:
    """DATA.md: three two-hour holes; one begins after 2024-08-15 12:00."""
    with pytest.raises(InputError, match="the first due at 2024-08-15T13:00:00Z") as refusal:
        read_funding(data_root, "hyperliquid", "ETH", days("2024-08-01", "2024-09-01"))
    assert refusal.value.where == funding_file("hyperliquid")
