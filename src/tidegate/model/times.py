# SPDX-License-Identifier: Apache-2.0
"""Times are integer milliseconds since 1970-01-01 UTC; this module reads and prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tidegate.model.errors import InputError

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
YEAR_MS = 365 * DAY_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class DayWindow:
    """Hours of every UTC day, from `open_ms` (in it) to `close_ms` (out of it) after midnight; one
    that closes before it opens runs over midnight."""

    open_ms: int
    close_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is open a day."""
        return (self.close_ms - self.open_ms - 1) % DAY_MS + 1

    def holds(self, ts_ms: int) -> bool:
        """Whether a time lies in it."""
        return (ts_ms - self.open_ms) % DAY_MS < self.length_ms

    def next_ms(self, ts_ms: int) -> int:
        """The first time in it that is not before a time."""
        return ts_ms if self.holds(ts_ms) else ts_ms + (self.open_ms - ts_ms) % DAY_MS


ALWAYS = DayWindow(0, DAY_MS)


def parse_time_ms(text: str, where: str, field: str, *, end_of_day: bool = False) -> int:
    """Milliseconds UTC of a date (`2024-09-05`) or an ISO time whose zone is UTC.

    A bare date means its first instant, or with `end_of_day` the first instant of the day after,
    so that a window given by dates includes its last day. A time without zone, or with another
    zone than UTC, raises `InputError`.
    """
    expected = f"expected a date or a UTC time such as 2024-09-05T08:00Z, got {text!r}"
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if end_of_day else 0)
            return int(
                (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH)
                // timedelta(milliseconds=1)
            )
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError(where, field, expected) from None
    if moment.tzinfo is None or moment.utcoffset() != timedelta(0):
        raise InputError(where, field, expected)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def read_window(text: str, where: str, field: str) -> DayWindow:
    """Hours of the UTC day such as `08:00-20:00`, `22:00-06:00`, or `always`; anything else, and
    hours of no length, raise `InputError`."""
    if text == "always":
        return ALWAYS
    found = _HOURS.fullmatch(text)
    opens, closes = (_minutes(found, at) * MINUTE_MS if found else -1 for at in (1, 3))
    if found is None or opens in (closes, DAY_MS) or max(opens, closes) > DAY_MS:
        expected = f"expected always, or UTC hours such as 08:00-20:00, got {text!r}"
        raise InputError(where, field, expected)
    return DayWindow(opens, closes)


def _minutes(found: re.Match[str], group: int) -> int:
    return 60 * int(found[group]) + int(found[group + 1])


def format_time(ts_ms: int) -> str:
    """ISO text of a time, to the second where it is whole, else to the millisecond."""
    moment = _EPOCH + timedelta(milliseconds=ts_ms)
    spec = "seconds" if ts_ms % SECOND_MS == 0 else "milliseconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def format_date(ts_ms: int) -> str:
    """ISO date (UTC) of a time."""
    return (_EPOCH + timedelta(milliseconds=ts_ms)).date().isoformat()
