# SPDX-License-Identifier: Apache-2.0
"""What the venue lists: expiries by the calendar, strikes on a grid around the index, contracts.

Expiries are at 08:00 UTC: the next days, the next Fridays, the last Fridays of the next months and
of the next quarters. Read off 481 chains of Deribit's of 2025-12-30 to 2026-04-30.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from math import exp, floor, log, log10

from tidegate.model.instruments import Index, Option
from tidegate.model.times import DAY_MS, HOUR_MS, YEAR_MS, format_date
from tidegate.simulation.world.option_parameters import Listing, OptionCoin

EXPIRY_HOUR = 8
INDEX_TICK = Decimal("0.01")
QUARTER_MONTHS = frozenset({3, 6, 9, 12})
# The first of January 1970 was a Thursday.
_FRIDAY = 1
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_NICE = (1, 2, 5, 10)


def expiries(rules: Listing, ts_ms: int) -> tuple[int, ...]:
    """Expiries (ms UTC, ascending) that are listed at a time; one that is due is not."""
    first = (ts_ms - EXPIRY_HOUR * HOUR_MS) // DAY_MS + 1
    days = [first + k for k in range(rules.days)]
    friday = first + (_FRIDAY - first) % 7
    fridays = range(friday, friday + 7 * 60, 7)
    lasts = [day for day in fridays if _month(day) != _month(day + 7)]
    quarters = (day for day in lasts if _month(day) in QUARTER_MONTHS)
    listed = {
        *days,
        *fridays[: rules.weeks],
        *lasts[: rules.months],
        *islice(quarters, rules.quarters),
    }
    return tuple(day * DAY_MS + EXPIRY_HOUR * HOUR_MS for day in sorted(listed))


def is_daily(expiry_ms: int) -> bool:
    """Whether an expiry is on no Friday, so that its options were never more than days long."""
    return (expiry_ms // DAY_MS - _FRIDAY) % 7 != 0


def strikes(rules: Listing, index_usd: float, left_ms: int) -> tuple[Decimal, ...]:
    """Strikes (ascending) of an expiry that is `left_ms` away, around an index.

    The step is the number 1, 2 or 5 times a power of ten next to step sqrt(T) S; beyond a third of
    the reach every second, beyond two thirds every fifth of the steps is listed.
    """
    reach = max(rules.least, rules.reach * (left_ms / YEAR_MS) ** 0.5)
    counted_ms = max(left_ms, rules.step_days * DAY_MS)
    step = nice_step(rules.step * (counted_ms / YEAR_MS) ** 0.5 * index_usd)
    found: set[Decimal] = set()
    for share, every in ((1 / 3, 1), (2 / 3, 2), (1.0, 5)):
        width = step * every
        low, high = (index_usd * exp(side * reach * share) for side in (-1.0, 1.0))
        first, last = -floor(-low / float(width)), floor(high / float(width))
        found |= {width * n for n in range(max(1, first), last + 1)}
    return tuple(sorted(found))


def nice_step(about: float) -> Decimal:
    """The number 1, 2 or 5 times a power of ten that is nearest to a number, by their ratio."""
    power = floor(log10(about))
    digit = min(_NICE, key=lambda n: abs(log(about) - log(n * 10.0**power)))
    return Decimal(digit).scaleb(power)


def index_of(venue: str, coin: str, *, coin_settled: bool) -> Index:
    """The index that a coin's options settle on."""
    quote = "usd" if coin_settled else "usdc"
    return Index(venue, f"{coin.lower()}_{quote}", INDEX_TICK)


def option(
    venue: str, coin: OptionCoin, expiry_ms: int, strike: Decimal, is_call: bool, coin_settled: bool
) -> Option:
    """The contract, named as Deribit names it: BTC-13MAR26-70000-P, BTC_USDC-13MAR26-70000-P."""
    settle, tick, lot = coin.name, coin.coin_tick, coin.coin_lot
    pair = coin.name
    if not coin_settled:
        settle, tick, lot, pair = "USDC", coin.tick_usd, coin.lot, f"{coin.name}_USDC"
    kind = "C" if is_call else "P"
    written = format(strike, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".").replace(".", "d")
    return Option(
        *(venue, f"{pair}-{expiry_name(expiry_ms)}-{written}-{kind}", coin.name, settle),
        *(Decimal(tick), Decimal(lot)),
        strike=strike,
        is_call=is_call,
        expiry_ms=expiry_ms,
        index=index_of(venue, coin.name, coin_settled=coin_settled),
    )


def expiry_name(expiry_ms: int) -> str:
    """A day as Deribit writes it, such as 6MAR26."""
    year, month, day = format_date(expiry_ms).split("-")
    return f"{int(day)}{_MONTHS[int(month) - 1]}{year[2:]}"


def _month(day: int) -> int:
    return int(format_date(day * DAY_MS)[5:7])
