# SPDX-License-Identifier: Apache-2.0
"""What is not yet worked off is bounded, and news is never let go for market data."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from tidegate.venues.streams.inbox import Inbox, Kind

STEPS = st.lists(
    st.tuples(st.sampled_from(("news", "market", "whole", "take")), st.sampled_from("abc")),
    max_size=80,
)


@given(steps=STEPS, capacity=st.integers(1, 12), depth=st.integers(1, 12))
def test_inbox_is_bounded_keeps_news_in_order_and_tells_of_every_loss(
    steps: list[tuple[str, str]], capacity: int, depth: int
) -> None:
    inbox = Inbox(capacity, min(depth, capacity))
    news, given_, seen = deque[bytes](), {}, {}  # type: ignore[var-annotated]
    for number, (step, name) in enumerate(steps):
        content = b"%d" % number
        if step == "news":
            if inbox.put_news(content, number):
                news.append(content)
            else:
                assert len(news) == capacity
        elif step == "take":
            item = inbox.take()
            if news:
                assert item is not None
                assert (item.kind, item.content) == (Kind.NEWS, news.popleft())
            elif item is not None and item.kind is Kind.LOST:
                seen[item.instrument] = None
            elif item is not None:
                _check_order(given_, seen, item.instrument, int(item.content))
        else:
            inbox.put_market(name, content, number, whole=step == "whole")
            given_.setdefault(name, []).append((number, step))
        assert len(inbox) <= capacity
    drained = 0
    while inbox.take() is not None:
        drained += 1
    assert drained <= capacity + 3
    assert len(inbox) == 0


def _check_order(
    given_: dict[str, list[tuple[int, str]]], seen: dict[str, int | None], name: str, number: int
) -> None:
    """The message follows the last one seen, or is whole, or comes after a mark of loss."""
    numbers = [n for n, _ in given_[name]]
    last = seen.get(name, -1)
    if last is not None:
        between = [s for n, s in given_[name] if last < n <= number]
        assert len(between) == 1 or "whole" in between
    assert number in numbers
    seen[name] = number


def test_news_that_finds_no_room_takes_that_of_the_longest_market_queue() -> None:
    inbox = Inbox(capacity=6, depth=6)
    for number in range(4):
        inbox.put_market("a", b"a", number)
    inbox.put_market("b", b"b", 5)
    for _ in range(3):
        assert inbox.put_news(b"news", 6)
    kinds = [(i.kind, i.instrument) for i in iter(inbox.take, None)]
    assert kinds == [(Kind.NEWS, "")] * 3 + [(Kind.LOST, "a"), (Kind.MARKET, "b")]
    assert inbox.dropped == 4


def test_news_without_any_room_is_refused_and_not_lost_in_silence() -> None:
    inbox = Inbox(capacity=2, depth=1)
    assert [inbox.put_news(b"x", n) for n in range(3)] == [True, True, False]
    inbox.put_market("a", b"a", 4)
    assert [i.kind for i in iter(inbox.take, None)] == [Kind.NEWS, Kind.NEWS, Kind.LOST]


def test_books_of_a_connection_that_is_gone_each_hear_of_it() -> None:
    inbox = Inbox(capacity=4, depth=4)
    inbox.put_market("a", b"a", 1)
    inbox.put_news(b"x", 2)
    inbox.lose_all(("a", "b"), 3)
    items = [(i.kind, i.instrument) for i in iter(inbox.take, None)]
    assert items == [(Kind.NEWS, ""), (Kind.LOST, "a"), (Kind.LOST, "b")]
