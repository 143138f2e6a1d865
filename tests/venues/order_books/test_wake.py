# SPDX-License-Identifier: Apache-2.0
"""What wakes a decision: a mid outside its band, and prices that are not known."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.venues.order_books.made_streams import NOW, TERMS, VENUES, give, made_stream
from tidegate.venues.order_books.book import Ages, Best, Unknown
from tidegate.venues.order_books.keepers import BybitKeeper
from tidegate.venues.order_books.wake import Band, Watch

WHOLE = VENUES["bybit"].message


def watch(band: Band) -> Watch:
    return Watch(BybitKeeper(TERMS), Ages(), band)


@given(bid=st.integers(1_980, 2_000), ask=st.integers(2_001, 2_020))
def test_message_wakes_exactly_where_the_mid_is_outside_its_band(bid: int, ask: int) -> None:
    band = Band(3_995, 4_005)
    wake = watch(band).take(WHOLE(True, 4, 5, ({bid: 1}, {ask: 2})), NOW)
    assert (wake is None) == (band.low_ticks <= bid + ask <= band.high_ticks)
    if wake:
        assert wake.seen == Best(bid, 1, ask, 2, NOW + 5, NOW)


def test_message_that_makes_the_book_stale_wakes_with_its_reason_and_no_price() -> None:
    watched = watch(Band(0, 10_000))
    assert watched.take(WHOLE(True, 4, 5, ({1_999: 1}, {2_001: 2})), NOW) is None
    wake = watched.take(WHOLE(False, 6, 7, ({1_999: 1}, {})), NOW)
    assert wake is not None
    assert wake.seen == Unknown("a gap in the sequence") == Unknown(wake.reason)


def test_message_that_came_late_wakes_since_its_prices_are_not_known() -> None:
    wake = watch(Band(0, 10_000)).take(WHOLE(True, 4, 5, ({1_999: 1}, {2_001: 2})), NOW + 60_000)
    assert wake is not None
    assert isinstance(wake.seen, Unknown)


def test_ignored_messages_wake_nobody() -> None:
    stream = made_stream("bybit", random.Random(1), 10, resyncs=0.0)
    watched = watch(Band(0, 0))
    for sent in stream.sent:
        give(watched.keeper, sent)
    assert watched.take(stream.sent[-1].content, NOW) is None
