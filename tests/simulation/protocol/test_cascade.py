# SPDX-License-Identifier: Apache-2.0
"""A cascade makes and loses no money, and charges who is to be charged, in the venue's order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.margin.adl import rank_score
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.units import MICRO
from tidegate.simulation.protocol.books import (
    FUND,
    MAKERS,
    OURS,
    UNIT,
    Books,
    maintenance,
    shared_out,
)
from tidegate.simulation.protocol.cascade import PRICE_TICKS, Cascade, Shock, default_tiers
from tidegate.simulation.protocol.deleveraging import bankruptcy_ticks, deleverage
from tidegate.simulation.protocol.population import Crowd, Own, populate

TABLE = default_tiers()
SMALL = Crowd(accounts=200, interest_usd=5e7)
FAST = Shock(move_s=120, end_s=400, step_s=4, depth_usd=2e8)
SHOCKS = st.builds(
    lambda move, adl, floor, unwind: replace(
        FAST, move=move, adl=adl, depth_floor=floor, unwind_share=unwind
    ),
    st.sampled_from([-0.5, -0.3, -0.15, 0.0, 0.2, 0.6]),
    st.booleans(),
    st.sampled_from([0.02, 0.1, 1.0]),
    st.sampled_from([0.0, 0.25, 1.0]),
)
OWNS = st.builds(
    Own, st.sampled_from([0.0, 0.01, 0.3]), st.sampled_from([-1, 1]), st.sampled_from([1.0, 20.0])
)


@settings(max_examples=25, deadline=None)
@given(shock=SHOCKS, own=OWNS, fund=st.sampled_from([0.0, 0.001, 0.05]), seed=st.integers(0, 99))
def test_money_and_lots_are_conserved_to_the_quantum_in_every_step(
    shock: Shock, own: Own, fund: float, seed: int
) -> None:
    books = populate(replace(SMALL, fund_share=fund), own, TABLE, PRICE_TICKS, seed)
    whole, cascade = books.total(PRICE_TICKS), Cascade(books, shock, TABLE)
    for step in range(shock.steps):
        cascade.play(step)
        assert int(books.lots.sum()) == 0
        assert books.total(cascade.tally.marks[-1]) == books.total(1) == whole
    assert books.fees >= 0
    closed = cascade.tally.closed
    flat = books.lots[:-2] == 0
    # Who was closed and holds nothing owes nothing either: somebody has paid.
    assert (books.balance[:-2][closed & flat] >= 0).all()


@given(usd=st.integers(0, 4 * 10**9), quanta=st.integers(-2, 2))
def test_maintenance_of_a_column_is_that_of_the_exact_table(usd: int, quanta: int) -> None:
    notional = max(0, usd * MICRO + quanta)
    found = maintenance(TABLE, np.array([0, notional], dtype=np.int64))
    assert found.tolist() == [0, TABLE.maintenance(notional)]


@given(total=st.integers(0, 10**12), weights=st.lists(st.integers(0, 10**15), min_size=1))
def test_sum_that_is_shared_out_is_whole_and_by_weight(total: int, weights: list[int]) -> None:
    if not sum(weights):
        return
    shares = shared_out(total, np.array(weights, dtype=np.int64))
    assert int(shares.sum()) == total
    assert all(
        abs(s - total * w / sum(weights)) < 1 + 1e-9 * total
        for s, w in zip(shares, weights, strict=True)
    )


def by_hand(rows: list[tuple[int, int, int]], fund: int = 0) -> Books:
    """Accounts of (lots, entry ticks, equity in dollars at the first price); makers opposite."""
    lots = np.array([r[0] for r in rows], dtype=np.int64)
    cost = np.array([r[0] * r[1] * UNIT for r in rows], dtype=np.int64)
    equity = np.array([r[2] * MICRO for r in rows], dtype=np.int64)
    books = Books(np.append(lots, [0, 0]), np.append(cost, [0, 0]), np.zeros(len(rows) + 2, int))
    books.balance[:-2] = equity - (lots * PRICE_TICKS * UNIT - cost)
    books.balance[FUND] = fund * MICRO
    books.lots[MAKERS] = -int(lots.sum())
    books.cost[MAKERS] = books.lots[MAKERS] * PRICE_TICKS * UNIT
    return books


STILL = Shock(move=0.0, move_s=1, end_s=100, step_s=1)


def test_account_above_maintenance_is_left_alone_and_below_it_is_sold() -> None:
    """A hundred coins at 100,000: ten million, of which 1.25 % are 125,000."""
    books = by_hand([(100_000, PRICE_TICKS, 125_000), (100_000, PRICE_TICKS, 124_999)])
    cascade = Cascade(books, STILL, TABLE)
    cascade.play(0)
    assert cascade.tally.closed.tolist() == [False, True]
    assert books.lots[0] == 100_000


def test_account_below_two_thirds_of_maintenance_goes_to_the_fund_with_its_money() -> None:
    books = by_hand([(100_000, PRICE_TICKS, 80_000)], fund=1_000)
    cascade = Cascade(books, replace(STILL, unwind_share=0.0), TABLE)
    cascade.play(0)
    assert books.lots.tolist() == [0, 100_000, -100_000]
    assert books.balance.tolist()[:2] == [0, 81_000 * MICRO]
    assert cascade.tally.taken_over == 10_000_000 * MICRO


def test_bankrupt_account_that_the_fund_cannot_bear_is_closed_against_the_first_in_rank() -> None:
    """A long that lacks 10,000 is closed where it is worth nothing: 100 dollars above the mark."""
    rows = [(-50_000, PRICE_TICKS + 5_000, 2_000_000), (-100_000, PRICE_TICKS + 5_000, 900_000)]
    books = by_hand([*rows, (100_000, PRICE_TICKS, -10_000)], fund=9_999)
    assert bankruptcy_ticks(books, 2) == PRICE_TICKS + 1_000
    cascade = Cascade(books, STILL, TABLE)
    cascade.play(0)
    assert books.lots.tolist() == [-50_000, 0, 0, 0, 50_000]
    assert cascade.tally.deleveraged.tolist() == [False, True, False]
    assert books.balance[FUND] == 9_999 * MICRO
    # 100,000 lots at the mark's 900,000 of equity, less ten thousand for the worse price.
    assert books.balance[1] == 890_000 * MICRO


def test_bankrupt_account_that_the_fund_can_bear_deleverages_nobody() -> None:
    rows = [(-100_000, PRICE_TICKS + 5_000, 900_000), (100_000, PRICE_TICKS, -10_000)]
    books = by_hand(rows, fund=10_000)
    cascade = Cascade(books, replace(STILL, unwind_share=0.0), TABLE)
    cascade.play(0)
    assert not cascade.tally.deleveraged.any()
    assert books.equity(PRICE_TICKS)[FUND] == 0


def test_loss_beyond_the_fund_is_socialised_by_equity_where_nobody_is_deleveraged() -> None:
    rows = [(-60_000, PRICE_TICKS, 3_000_000), (-40_000, PRICE_TICKS, 1_000_000)]
    books = by_hand([*rows, (100_000, PRICE_TICKS, -50_000)], fund=10_000)
    cascade = Cascade(books, replace(STILL, adl=False, unwind_share=0.0), TABLE)
    cascade.play(0)
    assert cascade.tally.socialised == 40_000 * MICRO
    assert books.balance[:2].tolist() == [2_970_000 * MICRO, 990_000 * MICRO]
    assert books.equity(PRICE_TICKS)[FUND] == 0


def test_account_without_a_position_bears_no_socialised_loss() -> None:
    rows = [(0, PRICE_TICKS, 3_000_000), (-100_000, PRICE_TICKS, 1_000_000)]
    books = by_hand([*rows, (100_000, PRICE_TICKS, -50_000)])
    Cascade(books, replace(STILL, adl=False, unwind_share=0.0), TABLE).play(0)
    assert books.balance[:2].tolist() == [3_000_000 * MICRO, 950_000 * MICRO]


def test_winners_are_ranked_as_the_venue_publishes_it() -> None:
    rows = [(-10, PRICE_TICKS + e, q) for e, q in ((9_000, 50), (90_000, 50), (9_000, 5), (-9, 9))]
    books = by_hand([*rows, (100, PRICE_TICKS, -1)])
    found = deleverage(books, 4, (PRICE_TICKS, PRICE_TICKS + 1))
    assert found is not None
    scores = [
        float(rank_score("price_leverage", -1.0, PRICE_TICKS + e, PRICE_TICKS, 1_000 / q))
        for e, q in ((9_000, 50), (90_000, 50), (9_000, 5))
    ]
    assert found[0].tolist() == [int(i) for i in np.argsort(-np.array(scores))]
    assert found[1].tolist() == [-10, -10, -10]


def test_large_account_is_closed_in_parts_as_the_book_takes_them() -> None:
    books = by_hand([(1_000_000, PRICE_TICKS, 1_200_000)])
    shock = replace(STILL, depth_usd=5e9, depth_floor=1.0)
    cascade = Cascade(books, shock, TABLE)
    cascade.play(0)
    room = 5e9 * 0.002
    assert cascade.tally.market / MICRO == pytest.approx(room, rel=1e-4)
    assert books.lots[0] == 1_000_000 - int(room / (PRICE_TICKS * UNIT / MICRO))
    assert -0.0021 < cascade.tally.marks[0] / PRICE_TICKS - 1 <= 0


def test_price_that_orders_have_moved_comes_back_by_half_in_the_time_of_refill() -> None:
    books = by_hand([(100_000, PRICE_TICKS, 120_000)])
    shock = replace(STILL, depth_floor=1.0, refill_s=20.0)
    cascade = Cascade(books, shock, TABLE)
    tally = cascade.run()
    fallen = [1 - mark / PRICE_TICKS for mark in tally.marks]
    assert fallen[1] == pytest.approx(0.002, rel=0.01)
    assert fallen[21] == pytest.approx(fallen[1] / 2, rel=0.01)


def test_nothing_happens_where_nothing_moves() -> None:
    books = populate(SMALL, Own(0.01), TABLE, PRICE_TICKS, 3)
    before = books.lots.copy()
    tally = Cascade(books, replace(FAST, move=0.0), TABLE).run()
    assert (books.lots == before).all()
    assert not tally.closed.any()
    assert set(tally.marks) == {PRICE_TICKS}


def test_crowd_of_a_seed_is_the_same_whatever_our_size_is() -> None:
    small, large = (populate(SMALL, Own(s), TABLE, PRICE_TICKS, 5) for s in (0.0, 0.2))
    for column in ("lots", "cost", "balance"):
        ours, theirs = getattr(small, column), getattr(large, column)
        assert (ours[1:-1] == theirs[1:-1]).all()
    assert small.lots[OURS] == 0
    assert large.lots[OURS] * UNIT * PRICE_TICKS == pytest.approx(0.2 * 5e7 * MICRO, rel=1e-3)


@pytest.mark.parametrize("tail", [1.2, 1.5, 3.0])
def test_sizes_have_the_tail_that_is_said(tail: float) -> None:
    """Hill's estimate over the largest tenth."""
    crowd = Crowd(accounts=40_000, size_tail=tail)
    books = populate(crowd, Own(), TABLE, PRICE_TICKS, 1)
    sizes = np.sort(books.lots[1:20_001].astype(float))[::-1][:2_000]
    assert 1 / np.log(sizes / sizes[-1]).mean() == pytest.approx(tail, rel=0.1)


def test_books_refuse_to_close_more_than_is_held() -> None:
    books = by_hand([(10, PRICE_TICKS, 5)])
    with pytest.raises(InvariantError, match="closes too much"):
        books.close(np.array([0]), np.array([11]), PRICE_TICKS, MAKERS)


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (lambda: Crowd(accounts=3), "accounts"),
        (lambda: Crowd(size_tail=1.0), "size_tail"),
        (lambda: Crowd(fund_share=float("nan")), "fund_share"),
        (lambda: Own(share=1.5), "share"),
        (lambda: Own(side=0), "side"),
        (lambda: Own(leverage=0.0), "leverage"),
        (lambda: Shock(move=-1.0), "move"),
        (lambda: Shock(end_s=10), "end_s"),
        (lambda: Shock(depth_floor=0.0), "depth_floor"),
    ],
)
def test_figure_outside_its_span_is_refused_by_name(made: object, field: str) -> None:
    with pytest.raises(InputError, match=field):
        made()  # type: ignore[operator]
