# SPDX-License-Identifier: Apache-2.0
"""What is in flight or unknown counts as the worse of done and not done, against every outcome."""

from __future__ import annotations

from itertools import product
from random import Random

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, base_lots, held
from tests.soak import Budget
from tidegate.costs.trading import TradingCosts
from tidegate.execution.orders import OrderRecord, State
from tidegate.execution.reconciliation import unsettled
from tidegate.execution.transfers import Leg, TransferRecord
from tidegate.model.actions import Order
from tidegate.risk.plan import account_after, least_certain
from tidegate.risk.stress import stressed_health

OUTCOMES, PARTS, SOAK_BOOKS = 10_000, 2, 100_000
NAMES = (ALPHA_BTC, ALPHA_ETH)
OPEN = (State.INTENDED, State.UNKNOWN, State.WORKING, State.CANCELLING, State.CLOSING)
TERMS = desk.terms()
FREE = msgspec.structs.replace(TERMS, costs=dict.fromkeys(desk.INSTRUMENTS, TradingCosts(0, 0, 0)))
# A fill that closes a part of a position rounds its cost by less than a quantum.
ROUNDING = 10


def in_flight(dice: Random, key: int) -> OrderRecord:
    """An order of which no lots, some or all but one are in the ledger."""
    name = dice.choice(NAMES)
    lots = dice.choice((-1, 1)) * base_lots(name, dice.uniform(1_000, 60_000))
    filled = dice.choice((0, 0, int(lots * dice.random())))
    order = Order(f"o{key}", name, lots, reduce_only=dice.random() < 0.3, reason="test")
    return OrderRecord(order, "alpha", 0, dice.choice(OPEN), filled)


def leaving(dice: Random, key: int) -> TransferRecord:
    """A transfer whose money may be gone."""
    sent = msgspec.structs.replace(
        desk.send("alpha", "beta", dice.uniform(1_000, 50_000)), id=f"t{key}"
    )
    return TransferRecord(sent, 0, dice.choice((Leg.INTENDED, Leg.UNKNOWN, Leg.ACCEPTED)))


def outcomes_no_better(number: int) -> int:
    """How many outcomes were tried of a drawn book; fails where one is worse than the reserve."""
    dice = Random(f"unknown {number}")
    positions = {
        name: held(name, lots, dice.uniform(0.8, 1.2))
        for name in NAMES
        if (lots := dice.randint(-20, 20) * base_lots(name, 10_000))
    }
    book = desk.situation(desk.portfolio({"alpha": dice.uniform(20_000, 500_000)}, positions))
    orders = [in_flight(dice, key) for key in range(dice.randint(1, 3))]
    transfers = [leaving(dice, key) for key in range(dice.randint(0, 1))]
    doubts = unsettled(orders, transfers, {}, frozenset())
    situation = msgspec.structs.replace(book, unsettled=doubts)
    tried = 0
    for moves in (desk.OUTER, desk.INNER):
        reserved = health(least_certain(TERMS, situation, "alpha", moves), moves)
        for done in product((0.0, 0.5, 1.0), repeat=len(orders)):
            for gone in product((False, True), repeat=len(transfers)):
                actions = [
                    msgspec.structs.replace(r.order, lots=part)
                    for r, share in zip(orders, done, strict=True)
                    if (part := int(share * r.open_lots))
                ]
                actions += [t.transfer for t, g in zip(transfers, gone, strict=True) if g]
                true = account_after(FREE, book, "alpha", actions)
                assert reserved <= health(true, moves) + ROUNDING, (done, gone, moves)
                tried += 1
    return tried


def health(account: desk.Account, moves: dict[str, float]) -> int:
    marks = desk.MARKS
    return stressed_health(TERMS.rules["alpha"], account, marks, desk.INSTRUMENTS, moves)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_outcome_of_what_is_in_flight_is_worse_than_what_is_reserved_for_it(part: int) -> None:
    tried, number = 0, part
    while tried < OUTCOMES // PARTS:
        tried += outcomes_no_better(number)
        number += PARTS


def test_book_that_reserves_nothing_is_worse_in_some_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = "tests.risk.test_unknown_orders.least_certain"
    monkeypatch.setattr(plain, lambda _, book, venue, __: book.portfolio.accounts[venue])
    with pytest.raises(AssertionError):
        sum(outcomes_no_better(number) for number in range(20))


def test_reserve_is_met_by_some_outcome_so_that_it_is_no_constant_refusal() -> None:
    """Of one order that grows a position and one that is closed, the worst is that it fills."""
    order = Order("o", ALPHA_BTC, base_lots(ALPHA_BTC, 50_000), reduce_only=False, reason="test")
    record = OrderRecord(order, "alpha", 0, State.UNKNOWN)
    book = desk.situation(desk.portfolio({"alpha": 100_000.0}, {ALPHA_BTC: held(ALPHA_BTC, 1_000)}))
    doubts = unsettled([record], [], {}, frozenset())
    situation = msgspec.structs.replace(book, unsettled=doubts)
    reserved = health(least_certain(TERMS, situation, "alpha", desk.OUTER), desk.OUTER)
    filled = health(account_after(FREE, book, "alpha", [order]), desk.OUTER)
    assert reserved == pytest.approx(filled, abs=ROUNDING)
    assert filled < health(book.portfolio.accounts["alpha"], desk.OUTER)


@pytest.mark.soak(promise="R10", weight=1)
def test_no_outcome_of_fresh_books_is_worse_than_what_is_reserved_for_it(budget: Budget) -> None:
    tried = 0

    def judge(number: int) -> None:
        nonlocal tried
        tried += outcomes_no_better(number)

    budget.each("book", judge, SOAK_BOOKS)
    budget.figures.append(f"{tried:,} outcomes of orders and transfers in flight")
