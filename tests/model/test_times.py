# SPDX-License-Identifier: Apache-2.0
"""Times are UTC milliseconds; what is not said to be UTC is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.model.times import (
    ALWAYS,
    DAY_MS,
    MINUTE_MS,
    format_date,
    format_time,
    parse_time_ms,
    read_window,
)

BEGUN = 1_725_494_400_000  # 2024-09-05


@pytest.mark.parametrize(
    ("text", "offset_ms"),
    [
        ("2024-09-05", 0),
        ("2024-09-05T08:00Z", 8 * 3_600_000),
        ("2024-09-05T08:00:00.250+00:00", 8 * 3_600_000 + 250),
        ("2024-09-05 08:00:01Z", 8 * 3_600_000 + 1_000),
    ],
)
def test_date_or_utc_time_is_read_to_the_millisecond(text: str, offset_ms: int) -> None:
    assert parse_time_ms(text, "arguments", "--from") == BEGUN + offset_ms


def test_end_given_by_a_date_includes_its_day_and_given_by_a_time_does_not_move() -> None:
    assert parse_time_ms("2024-09-05", "a", "b", end_of_day=True) == BEGUN + DAY_MS
    assert parse_time_ms("2024-09-05T00:00Z", "a", "b", end_of_day=True) == BEGUN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday!",
        "2024-13-05",
        "2024-02-30",
        "20240905",
        "2024-09-05T08:00",
        "2024-09-05T08:00+02:00",
        "2024-09-05T08:00-00:01",
        "2024-09-05T25:00Z",
        "9999-12-32",
    ],
)
def test_time_without_zone_in_another_zone_or_unreadable_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_time_ms(text, "arguments", "--from")
    assert (refused.value.where, refused.value.field) == ("arguments", "--from")
    assert repr(text) in str(refused.value)
    assert "expected a date or a UTC time" in str(refused.value)


def test_day_after_the_last_day_of_the_calendar_is_refused() -> None:
    with pytest.raises(InputError, match="--to"):
        parse_time_ms("9999-12-31", "arguments", "--to", end_of_day=True)


@given(st.integers(0, 4_000_000_000_000))
def test_printed_time_reads_back(ts_ms: int) -> None:
    assert parse_time_ms(format_time(ts_ms), "a", "b") == ts_ms
    assert parse_time_ms(format_date(ts_ms), "a", "b") == ts_ms - ts_ms % DAY_MS


@given(st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 3 * 1440))
def test_window_holds_the_minutes_that_its_hours_name(opens: int, closes: int, minute: int) -> None:
    if opens == closes % 1440:
        return
    text = f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
    window, of_day = read_window(text, "a", "b"), minute % 1440
    inside = opens <= of_day < closes if opens < closes else not closes <= of_day < opens
    now = BEGUN + minute * MINUTE_MS
    assert window.holds(now) == inside
    assert window.holds(now + MINUTE_MS - 1) == inside
    later = window.next_ms(now)
    assert window.holds(later)
    assert (later == now) == inside
    assert inside or not window.holds(later - 1)


@pytest.mark.parametrize("text", ["always", "00:00-24:00"])
def test_window_of_the_whole_day_is_always(text: str) -> None:
    assert read_window(text, "a", "b") == ALWAYS
    assert ALWAYS.holds(BEGUN - 1)
    assert ALWAYS.next_ms(BEGUN + 1) == BEGUN + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "8:00-20:00",
        "08:00",
        "08:00-08:00",
        "24:00-08:00",
        "08:00-24:01",
        "08:60-20:00",
        "08:00-20:00Z",
    ],
)
def test_window_that_is_no_hours_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="b: expected always, or UTC hours"):
        read_window(text, "a", "b")
