# SPDX-License-Identifier: Apache-2.0
"""Books under every fault of a stream: equal to the venue's, or marked stale."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.order_books.made_streams import (
    NOW,
    TERMS,
    VENUES,
    Sent,
    give,
    made_stream,
    sides_of,
)
from tidegate.venues.order_books.book import Ages, Best, Outcome, Unknown
from tidegate.venues.order_books.keepers import (
    BUFFERED_MAX,
    MESSAGE_BYTES_MAX,
    BinanceKeeper,
    BybitKeeper,
    DydxKeeper,
    OkxKeeper,
)

NAMES = sorted(VENUES)
FATES = st.lists(
    st.sampled_from(("keep", "keep", "keep", "keep", "drop", "double", "later", "again")),
    min_size=40,
    max_size=40,
)


def faulty(sent: list[Sent], fates: list[str]) -> list[Sent]:
    """The messages as they come: some lost, some twice, some late, some again much later."""
    came: list[tuple[float, Sent]] = []
    for place, (message, fate) in enumerate(zip(sent, fates, strict=False)):
        if fate != "drop":
            came.append((place + (2.5 if fate == "later" else 0.0), message))
        if fate in ("double", "again"):
            came.append((place + (0.1 if fate == "double" else 9.5), message))
    return [message for _, message in sorted(came, key=lambda pair: pair[0])]


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32), fates=FATES)
@settings(max_examples=40)
def test_book_under_lost_doubled_and_reordered_messages_is_true_or_stale(
    name: str, seed: int, fates: list[str]
) -> None:
    stream = made_stream(name, random.Random(seed), 30)
    keeper = VENUES[name].keeper()
    for sent in faulty(stream.sent, fates):
        outcome = give(keeper, sent)
        if keeper.book.live:
            assert outcome is not Outcome.RESYNC
            assert keeper.book.sequence >= sent.sequence
            assert sides_of(keeper) == stream.truth[keeper.book.sequence]
        else:
            assert outcome is not Outcome.FRESH
            assert isinstance(keeper.book.best(NOW, Ages()), Unknown)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_book_of_a_whole_stream_is_live_and_true_after_every_message(name: str, seed: int) -> None:
    stream = made_stream(name, random.Random(seed), 60)
    keeper = VENUES[name].keeper()
    for sent in stream.sent:
        assert give(keeper, sent) is not Outcome.RESYNC
        if keeper.book.live:
            assert keeper.book.sequence == sent.sequence
            assert sides_of(keeper) == stream.truth[sent.sequence]
    assert keeper.book.live


@pytest.mark.parametrize("name", sorted(n for n in NAMES if not VENUES[n].whole))
def test_one_lost_change_asks_for_one_resync_and_a_snapshot_heals_it(name: str) -> None:
    stream = made_stream(name, random.Random(3), 12, resyncs=0.0)
    keeper = VENUES[name].keeper()
    lost = len(stream.sent) // 2
    outcomes = [give(keeper, s) for n, s in enumerate(stream.sent) if n != lost]
    assert outcomes.count(Outcome.RESYNC) == 1
    assert "gap" in keeper.book.reason
    last = stream.sent[-1].sequence
    bids, asks = stream.truth[last]
    again = Sent(
        VENUES[name].message(True, last, last + 1, (bids, asks)), last + 1, VENUES[name].fetched
    )
    assert give(keeper, again) is Outcome.FRESH
    assert keeper.book.live
    assert sides_of(keeper) == stream.truth[last]


@pytest.mark.parametrize("name", NAMES)
def test_crossed_book_is_stale_and_asks_for_a_resync(name: str) -> None:
    keeper, venue = VENUES[name].keeper(), VENUES[name]
    crossed = venue.message(True, 4, 5, ({2_001: 5}, {2_001: 5}))
    assert give(keeper, Sent(crossed, 5, venue.fetched)) is Outcome.RESYNC
    assert keeper.book.reason == "a bid at or above an ask"
    assert isinstance(keeper.book.best(NOW, Ages()), Unknown)


@pytest.mark.parametrize("name", NAMES)
def test_messages_of_another_form_make_the_book_stale(name: str) -> None:
    stream = made_stream(name, random.Random(1), 3)
    for broken in (
        b"",
        b"[]",
        b'{"a":',
        b"\xff" * 20,
        b"[" * 50_000,
        b" " * (MESSAGE_BYTES_MAX + 1),
    ):
        keeper = VENUES[name].keeper()
        for sent in stream.sent:
            give(keeper, sent)
        assert keeper.take(broken, NOW) is Outcome.RESYNC
        assert not keeper.book.live


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [("1000.25", "1", "finer"), ("1000", "0.0001", "finer"), ("1e30", "1", "digits")],
)
def test_level_off_the_grid_of_ticks_and_lots_makes_the_book_stale(
    name: str, price: str, size: str, reason: str
) -> None:
    keeper, venue = VENUES[name].keeper(), VENUES[name]
    content = venue.message(True, 4, 5, ({1_999: 1}, {2_001: 5}))
    for number, odd in (("999.5", price), ("0.001", size)):
        content = content.replace(f'"{number}"'.encode(), f'"{odd}"'.encode(), 1)
        content = content.replace(f",{number}".encode(), f",{odd}".encode(), 1)
    assert give(keeper, Sent(content, 5, venue.fetched)) is Outcome.RESYNC
    assert reason in keeper.book.reason


@pytest.mark.parametrize("name", NAMES)
def test_messages_of_another_instrument_change_nothing(name: str) -> None:
    stream = made_stream(name, random.Random(2), 4)
    keeper = VENUES[name].keeper()
    for sent in stream.sent:
        if not sent.fetched:
            assert keeper.take(sent.content.replace(b'"BTC"', b'"ETH"'), NOW) is Outcome.IGNORED
    assert not keeper.book.live


def best_after(received_ms: int, now_ms: int) -> Best | Unknown:
    keeper = BybitKeeper(TERMS)
    message = VENUES["bybit"].message(True, 4, 5, ({1_999: 3}, {2_001: 5}))
    assert keeper.take(message, received_ms) is Outcome.FRESH
    return keeper.book.best(now_ms, Ages(silence_ms=5_000, lag_ms=3_000, lead_ms=2_000))


@pytest.mark.parametrize(
    ("late_ms", "silent_ms", "known"),
    [
        *((0, 0, True), (0, 5_000, True), (0, 5_001, False), (0, -1, False)),
        *((3_000, 0, True), (3_001, 0, False), (-2_000, 0, True), (-2_001, 0, False)),
    ],
)
def test_book_is_known_only_within_its_ages(late_ms: int, silent_ms: int, known: bool) -> None:
    as_of = NOW + 5
    best = best_after(as_of + late_ms, as_of + late_ms + silent_ms)
    if known:
        assert best == Best(1_999, 3, 2_001, 5, as_of, as_of + late_ms)
    else:
        assert isinstance(best, Unknown)
        assert best.reason


def test_book_with_an_empty_side_is_unknown_and_not_free() -> None:
    keeper = BybitKeeper(TERMS)
    assert keeper.take(VENUES["bybit"].message(True, 4, 5, ({}, {2_001: 5})), NOW) is Outcome.FRESH
    assert keeper.book.best(NOW, Ages()) == Unknown("a side without levels")


def test_bybit_that_starts_anew_replaces_the_book() -> None:
    keeper, message = BybitKeeper(TERMS), VENUES["bybit"].message
    keeper.take(message(True, 4, 500, ({1_999: 3}, {2_001: 5})), NOW)
    assert keeper.take(message(True, 0, 1, ({1_998: 3}, {2_002: 5})), NOW) is Outcome.FRESH
    assert sides_of(keeper) == ({1_998: 3}, {2_002: 5})


def test_okx_sequence_that_falls_at_maintenance_is_followed_and_its_loss_is_a_gap() -> None:
    keeper, message = OkxKeeper(TERMS), VENUES["okx"].message
    keeper.take(message(True, 0, 500, ({1_999: 3}, {2_001: 5})), NOW)
    assert keeper.take(message(False, 500, 3, ({1_999: 4}, {})), NOW) is Outcome.FRESH
    assert keeper.take(message(False, 3, 3, ({}, {})), NOW) is Outcome.FRESH
    assert keeper.take(message(False, 4, 6, ({1_999: 4}, {})), NOW) is Outcome.RESYNC


def test_dydx_message_lost_on_another_channel_makes_the_book_stale() -> None:
    keeper, message = DydxKeeper(TERMS), VENUES["dydx"].message
    assert keeper.take(b'{"type":"connected","message_id":0}', NOW) is Outcome.IGNORED
    assert keeper.take(message(True, 0, 1, ({1_999: 3}, {2_001: 5})), NOW) is Outcome.FRESH
    other = b'{"type":"channel_data","message_id":%d,"channel":"v4_trades","contents":{}}'
    assert keeper.take(other % 2, NOW) is Outcome.IGNORED
    assert keeper.take(other % 4, NOW) is Outcome.RESYNC
    keeper.connected()
    assert keeper.take(message(True, 0, 0, ({1_999: 3}, {2_001: 5})), NOW) is Outcome.FRESH


def test_dydx_batch_puts_each_of_its_changes() -> None:
    keeper, message = DydxKeeper(TERMS), VENUES["dydx"].message
    keeper.take(message(True, 0, 1, ({1_999: 3}, {2_001: 5})), NOW)
    one = message(False, 1, 2, ({1_999: 0, 1_998: 4}, {})).replace(
        b"channel_data", b"channel_batch_data"
    )
    batch = (
        one.replace(b'"contents":{', b'"contents":[{"asks":[["1001.0","0.009"]]},{')[:-1] + b"]}"
    )
    assert keeper.take(batch, NOW) is Outcome.FRESH
    assert sides_of(keeper) == ({1_998: 4}, {2_001: 5, 2_002: 9})


def test_binance_snapshot_older_than_the_buffer_meets_a_gap() -> None:
    keeper, message = BinanceKeeper(TERMS), VENUES["binance usd-m"].message
    for number in range(100, 110):
        keeper.take(message(False, number - 1, number, ({1_999: number}, {})), NOW)
    old = message(True, 0, 90, ({1_999: 3}, {2_001: 5}))
    assert keeper.start(old, NOW, NOW) is Outcome.RESYNC
    assert not keeper.book.live


def test_binance_buffer_is_bounded_and_what_it_let_go_is_a_gap() -> None:
    keeper, message = BinanceKeeper(TERMS), VENUES["binance usd-m"].message
    for number in range(1, BUFFERED_MAX + 50):
        keeper.take(message(False, number - 1, number, ({1_999: number}, {})), NOW)
    assert len(keeper._buffer) <= BUFFERED_MAX
    early = message(True, 0, 10, ({1_999: 3}, {2_001: 5}))
    assert keeper.start(early, NOW, NOW) is Outcome.RESYNC


@pytest.mark.parametrize("name", sorted(n for n in NAMES if VENUES[n].whole))
def test_whole_book_that_is_older_than_the_last_one_is_ignored(name: str) -> None:
    stream, keeper = made_stream(name, random.Random(5), 6), VENUES[name].keeper()
    assert give(keeper, stream.sent[-1]) is Outcome.FRESH
    assert give(keeper, stream.sent[2]) is Outcome.IGNORED
    assert sides_of(keeper) == stream.truth[stream.sent[-1].sequence]
