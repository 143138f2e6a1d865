# SPDX-License-Identifier: Apache-2.0
"""What differs and what is open, against the same worked out entry by entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.execution.orders import OrderRecord, State
from tidegate.execution.reconciliation import Break, compare, unsettled
from tidegate.execution.transfers import Leg, TransferRecord
from tidegate.model.account import Account, Position
from tidegate.model.actions import Order, Transfer

NAMES, ASSETS = ("alpha:BTC", "alpha:ETH", "alpha:SOL"), ("USDC", "USDT", "BNB")
AGREED = Break({}, {}, {})
SMALL = st.integers(-3, 3)
POSITIONS = st.dictionaries(st.sampled_from(NAMES), st.builds(Position, SMALL, SMALL))
ACCOUNTS = st.builds(
    Account, st.just("alpha"), st.dictionaries(st.sampled_from(ASSETS), SMALL), POSITIONS
)


@given(ours=ACCOUNTS, theirs=ACCOUNTS)
def test_break_is_theirs_less_ours_of_each_thing_and_none_where_all_are_equal(
    ours: Account, theirs: Account
) -> None:
    found = compare(ours, theirs)
    held, said = ours.positions, theirs.positions
    flat = Position(0, 0)
    for name in NAMES:
        here, there = held.get(name, flat), said.get(name, flat)
        assert found.lots.get(name, 0) == there.lots - here.lots
        cost = there.cost - here.cost if there.lots == here.lots else 0
        assert found.costs.get(name, 0) == cost
    for asset in ASSETS:
        differs = theirs.balances.get(asset, 0) - ours.balances.get(asset, 0)
        assert found.quanta.get(asset, 0) == differs
    assert all([*found.lots.values(), *found.costs.values(), *found.quanta.values()])
    assert found.strangers == ()
    assert found.is_none == (not found.lots and not found.costs and not found.quanta)


@pytest.mark.parametrize(
    "found",
    [
        Break({"alpha:BTC": 1}, {}, {}),
        Break({}, {"USDC": 1}, {}),
        Break({}, {}, {"alpha:BTC": 1}),
        Break({}, {}, {}, strangers=("o",)),
        Break({}, {}, {}, doubts={"alpha:BTC": "overfilled"}),
        Break({}, {}, {}, stuck="line 3"),
    ],
)
def test_any_one_thing_that_differs_is_a_break(found: Break) -> None:
    assert not found.is_none
    assert AGREED.is_none


@given(ours=ACCOUNTS, theirs=ACCOUNTS, listed=st.sets(st.sampled_from([*NAMES, *ASSETS])))
def test_what_nobody_knows_is_a_stranger_and_no_difference(
    ours: Account, theirs: Account, listed: set[str]
) -> None:
    """An unknown contract is one as soon as it is named; an unknown coin where it differs."""
    found = compare(ours, theirs, ("alpha.o",), listed.__contains__)
    whole = compare(ours, theirs)
    named = {*ours.positions, *theirs.positions}
    odd = {n for n in named if n not in listed} | {a for a in whole.quanta if a not in listed}
    assert found.strangers[0] == "alpha.o"
    assert set(found.strangers[1:]) == odd
    assert len(found.strangers) == 1 + len(odd)
    for kept, all_of_them in (
        (found.lots, whole.lots),
        (found.costs, whole.costs),
        (found.quanta, whole.quanta),
    ):
        assert kept == {n: v for n, v in all_of_them.items() if n in listed}


def order(name: str, lots: int, state: State, filled: int) -> OrderRecord:
    sent = Order("o", name, lots, reduce_only=False, reason="test")
    return OrderRecord(sent, "alpha", 0, state, filled)


ORDERS = st.lists(
    st.builds(
        order,
        st.sampled_from(NAMES),
        st.integers(-9, 9).filter(bool),
        st.sampled_from([State.UNKNOWN, State.WORKING, State.CANCELLING, State.CLOSED]),
        SMALL,
    ),
    max_size=6,
)
BREAKS = st.fixed_dictionaries(
    {},
    optional={
        "alpha": st.builds(
            Break,
            st.dictionaries(st.sampled_from(NAMES), SMALL.filter(bool)),
            st.dictionaries(st.sampled_from(ASSETS), SMALL.filter(bool)),
            st.dictionaries(st.sampled_from(NAMES), SMALL.filter(bool)),
        )
    },
)


@given(orders=ORDERS, breaks=BREAKS)
def test_range_of_an_instrument_holds_every_open_order_and_every_difference_at_once(
    orders: list[OrderRecord], breaks: dict[str, Break]
) -> None:
    found = unsettled(orders, (), breaks, frozenset()).lots
    for name in NAMES:
        open_orders = [r for r in orders if r.order.instrument == name and r.is_open]
        moves = [r.order.lots - r.filled_lots for r in open_orders]
        differs = [b for b in breaks.values() if name in b.lots or name in b.costs]
        moves += [b.lots.get(name, 0) for b in differs]
        assert (name in found) == bool(moves)
        if moves:
            expected = sum(m for m in moves if m < 0), sum(m for m in moves if m > 0)
            assert found[name] == expected


TRANSFERS = st.lists(
    st.builds(
        lambda to, asset, quanta, leg: TransferRecord(
            Transfer("t", "alpha", to, asset, quanta, "test"), 0, leg
        ),
        st.sampled_from(["beta", "vault"]),
        st.sampled_from(ASSETS),
        st.integers(1, 9),
        st.sampled_from(Leg),
    ),
    max_size=6,
)


@given(sent=TRANSFERS, breaks=BREAKS)
def test_money_that_may_have_left_is_missing_at_its_source_and_arriving_elsewhere(
    sent: list[TransferRecord], breaks: dict[str, Break]
) -> None:
    found = unsettled((), sent, breaks, frozenset())
    leaving = [r.transfer for r in sent if r.leg in (Leg.INTENDED, Leg.UNKNOWN, Leg.ACCEPTED)]
    lacks = breaks["alpha"].quanta if breaks else {}
    for asset in ASSETS:
        expected = sum(t.quanta for t in leaving if t.asset == asset)
        expected += max(0, -lacks.get(asset, 0))
        assert found.missing.get("alpha", {}).get(asset, 0) == expected
    for venue in ("beta", "vault"):
        arriving = sum(t.quanta for t in leaving if t.destination == venue)
        assert found.arriving.get(venue, 0) == arriving
        assert (venue in found.arriving) == (arriving > 0)
    assert ("alpha" in found.missing) == bool(leaving or lacks)


@pytest.mark.parametrize(
    ("found", "doubtful"),
    [
        (Break({"alpha:BTC": 1}, {}, {}), False),
        (Break({}, {}, {"alpha:BTC": 1}), False),
        (Break({}, {}, {}, doubts={"alpha:BTC": "overfilled"}), False),
        (Break({}, {"USDC": 1}, {}), True),
        (Break({}, {}, {}, strangers=("o",)), True),
        (Break({}, {}, {}, stuck="line 3"), True),
    ],
)
def test_venue_whose_money_orders_or_log_are_in_doubt_counts_as_unseen_beside_those_that_are(
    found: Break, doubtful: bool
) -> None:
    unseen = unsettled((), (), {"alpha": found}, frozenset({"beta"})).unseen
    assert unseen == {"beta", "alpha"} if doubtful else unseen == {"beta"}


def test_doubt_about_fills_is_a_range_of_nothing_that_locks_its_instrument() -> None:
    found = Break({}, {}, {}, doubts={"alpha:BTC": "overfilled"})
    assert unsettled((), (), {"alpha": found}, frozenset()).lots == {"alpha:BTC": (0, 0)}


def test_instrument_that_differs_and_is_in_doubt_is_off_by_its_lots_once() -> None:
    found = Break({"alpha:BTC": 3}, {}, {}, doubts={"alpha:BTC": "overfilled"})
    assert unsettled((), (), {"alpha": found}, frozenset()).lots == {"alpha:BTC": (0, 3)}
