# SPDX-License-Identifier: Apache-2.0
"""Random lives at Binance, Bybit and OKX on a wire that breaks: orders once, wallets agree."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.venues.exchanges.fakes.places import KINDS, Place, place_of
from tidegate.model.events import Filled
from tidegate.model.replies import NotTaken, OrderStatus, Unclear
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.venues.exchanges.order_ids import client_id

STEPS, FINAL = 24, ("filled", "cancelled", "refused", "absent")
FAULTS = (("lost", 0), ("done", 500), ("done", 503), ("told", 500), ("told", 429))


class Life:
    """One place, lived at random; `said` is the venue's last word on each order of ours."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place, self.random = place, Random(seed)
        self.said: dict[str, int] = {}
        self.open: set[str] = set()
        self.faults: Counter[str] = Counter()

    def step(self, number: int) -> None:
        chosen = self.random.random()
        if chosen < 0.6:
            self.order(f"{number}.order")
        elif chosen < 0.75:
            self.place.account.ahead_ms += self.random.randrange(HOUR_MS)
            self.place.account.fund(Decimal(self.random.randrange(-999, 999)).scaleb(-6))
        elif chosen < 0.85:
            amount = self.random.choice((-1, 1)) * Decimal(self.random.randrange(1, 10**9))
            self.place.account.comes("transfer", amount.scaleb(-7))
        else:
            self.place.session = self.place.opened()
        self.place.account.ahead_ms += self.random.randrange(MINUTE_MS)
        middle = 60_000 + self.random.randrange(-400, 400)
        self.place.account.quote(Decimal(middle), Decimal(self.random.randrange(1, 3_000)) / 1_000)
        self.place.account.mark = Decimal(middle) + Decimal(self.random.randrange(10**8)).scaleb(-8)

    def order(self, name: str) -> None:
        lots = self.random.randrange(-2_500, 2_500) or 1
        if self.random.random() < 0.5:
            kind, status = self.random.choice(FAULTS)
            self.faults[kind] += 1
            self.place.wire.fail(self.place.kind.placing, kind, status)
        reply = self.place.order(name, lots, reduce_only=self.random.random() < 0.3)
        if isinstance(reply, NotTaken):
            return
        if isinstance(reply, Unclear):
            self.open.add(name)
            self.ask()
        else:
            self.hear(name, reply)

    def ask(self) -> None:
        """Ask about what was not answered, as a desk would; never send it again."""
        for name in sorted(self.open):
            reply = self.place.session.order(name, self.place.kind.symbol)
            if isinstance(reply, OrderStatus):
                self.hear(name, reply)

    def hear(self, name: str, status: OrderStatus) -> None:
        assert status.state in FINAL, status
        self.said[name] = status.filled_lots
        self.open.discard(name)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_random_life_on_a_broken_wire_sends_each_order_once_and_its_wallet_is_the_venues(
    name: str,
) -> None:
    with place_of(name, page_most=7) as place:
        life = Life(place, seed=sum(name.encode()))
        for number in range(STEPS):
            life.step(number)
            if number % 4 == 3:
                life.ask()
                ours, theirs = place.look()
                assert ours == theirs == place.true_wallet()
        life.ask()
        place.wire.faults.clear()
        life.ask()
        place.look()
        sent = Counter(order.client_id for order in place.account.orders.values())
        assert set(sent.values()) <= {1}
        assert life.open == set()
        booked = Counter[str]()
        for line in place.known:
            if isinstance(line.event, Filled):
                booked[line.event.order] += line.event.lots
        told = {order: lots for order, lots in life.said.items() if lots}
        assert {order: lots for order, lots in booked.items() if lots} == told
        assert {client_id(name, order) for order in told} <= sent.keys()
        assert life.faults
