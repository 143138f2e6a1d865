# SPDX-License-Identifier: Apache-2.0
"""What venues send, for the fuzzing: payloads of every form, and streams of books."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.venues.order_books.made_streams import NOW, VENUES, give, made_stream
from tests.venues.payload_forms import FORMS
from tests.venues.payload_samples import SAMPLES
from tidegate.model.errors import InputError
from tidegate.venues.order_books.book import Ages, Best, Outcome
from tidegate.venues.order_books.keepers import BinanceKeeper
from tidegate.venues.payloads.fields import decode, encode

Feed = Callable[[bytes, Path], object]


def _payload_feed(venue: str) -> tuple[tuple[bytes, ...], Feed]:
    """Try every form of a venue; what none takes is refused as by one."""
    names = [name for name in FORMS if name.startswith(f"{venue}/")]

    def feed(content: bytes, _: Path) -> None:
        taken = 0
        for name in names:
            try:
                kept = encode(decode(content, FORMS[name], name))
            except InputError:
                continue
            assert encode(decode(kept, FORMS[name], name)) == kept
            taken += 1
        if not taken:
            raise InputError(venue, "payload", "expected one of its forms")

    return tuple(sample for name in names for sample in SAMPLES[name]), feed


def _book_feed(name: str) -> tuple[tuple[bytes, ...], Feed]:
    """Give a message in the middle of a stream; a book that lives on is in order, or stale."""
    stream = made_stream(name, random.Random(7), 6, resyncs=0.0)

    def feed(content: bytes, _: Path) -> Outcome:
        keeper = VENUES[name].keeper()
        for sent in stream.sent[:4]:
            give(keeper, sent)
        outcome = keeper.take(content, NOW)
        if isinstance(keeper, BinanceKeeper):
            keeper.start(content, NOW, NOW)
        best = keeper.book.best(NOW, Ages())
        assert not isinstance(best, Best) or best.bid_ticks < best.ask_ticks
        return outcome

    return tuple(sent.content for sent in stream.sent), feed


VENUE_FEEDS: dict[str, tuple[tuple[bytes, ...], Feed]] = {
    f"payloads of {venue}": _payload_feed(venue)
    for venue in sorted({name.split("/")[0] for name in FORMS})
} | {f"book of {name}": _book_feed(name) for name in VENUES}
