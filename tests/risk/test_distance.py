# SPDX-License-Identifier: Apache-2.0
"""Distances agree with stepping the exact rule, and name the venue that goes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, held
from tidegate.risk.distance import Book, joint_distances

BETAS = {"BTC": 1.0, "ETH": 1.4}
STEP = 0.002


def book(wallets: dict[str, float], lots: dict[str, int]) -> Book:
    positions = {name: held(name, n) for name, n in lots.items() if n}
    portfolio = desk.portfolio(wallets, positions)
    return Book(portfolio.accounts, desk.RULES, desk.INSTRUMENTS, desk.MARKS)


def stepped(over: Book, betas: dict[str, float], sign: int) -> tuple[float, set[str]] | None:
    """The first grid move at which any venue is insolvent, and who is."""
    farthest = 10.0 if sign > 0 else 1.0 / max(betas.values())
    for size in np.arange(0.0, farthest, STEP):
        dead = {v for v in over.accounts if over.health_after(v, betas, sign * float(size)) < 0}
        if dead:
            return sign * float(size), dead
    return None


@settings(max_examples=30)
@given(
    alpha=st.floats(50_000, 400_000),
    beta=st.floats(50_000, 400_000),
    btc=st.integers(-8_000, 8_000),
    eth=st.integers(-15_000, 15_000),
)
def test_distances_agree_with_stepping_the_exact_rule(
    alpha: float, beta: float, btc: int, eth: int
) -> None:
    over = book(
        {"alpha": alpha, "beta": beta},
        {ALPHA_BTC: btc, BETA_BTC: -100 * btc, ALPHA_ETH: eth, BETA_ETH: -100 * eth},
    )
    directions = [{"BTC": 1.0}, {"ETH": 1.0}, BETAS]
    found = iter(joint_distances(over, BETAS))
    for betas in directions:
        for sign in (-1, 1):
            distance, first = next(found), stepped(over, betas, sign)
            assert distance.direction.endswith("up" if sign > 0 else "down")
            if first is None:
                assert distance.move is None or abs(distance.move) > 1 / max(betas.values()) - STEP
                continue
            assert distance.move == pytest.approx(first[0], abs=1.5 * STEP)
            assert distance.venue is not None
            beyond = distance.move + sign * 1e-4 if distance.move else 0.0
            assert over.health_after(distance.venue, betas, beyond) < 0


def test_venue_with_the_thinner_wallet_is_the_one_that_goes_first() -> None:
    over = book({"alpha": 90_000, "beta": 60_000}, {ALPHA_BTC: 5_000, BETA_BTC: -500_000})
    down, up = joint_distances(over, {"BTC": 1.0})[:2]
    # 300k at alpha with 90k: 0.3 - m = 0.01 (1 - m), so m = 0.29 / 0.99; beta likewise upward.
    assert (down.venue, up.venue) == ("alpha", "beta")
    assert down.move == pytest.approx(-0.29 / 0.99, abs=1e-4)
    assert up.move == pytest.approx(0.19 / 1.01, abs=1e-4)


def test_distance_names_the_nearer_of_two_dying_venues() -> None:
    for thin, wallets in (("alpha", (30_000, 60_000)), ("beta", (60_000, 30_000))):
        over = book(
            {"alpha": wallets[0], "beta": wallets[1]}, {ALPHA_BTC: 4_000, BETA_BTC: 400_000}
        )
        assert joint_distances(over, {"BTC": 1.0})[0].venue == thin


def test_book_without_positions_has_no_distance() -> None:
    for distance in joint_distances(book({"alpha": 1_000}, {}), BETAS):
        assert (distance.move, distance.venue) == (None, None)


def test_account_that_is_lost_already_is_at_no_distance_whichever_way_the_market_goes() -> None:
    """Equity 1,000 of 3,000 maintenance on 300,000; the market that would mend it is no comfort."""
    for sign in (1, -1):
        over = book({"alpha": 1_000, "beta": 60_000}, {ALPHA_BTC: sign * 5_000})
        for distance in joint_distances(over, {"BTC": 1.0}):
            assert (distance.move, distance.venue) == (0.0, "alpha")


@pytest.mark.parametrize(("wallet", "within"), [(285_000, True), (320_000, False)])
def test_rise_is_searched_to_ten_times_the_price_above_it(wallet: int, within: bool) -> None:
    """Half a coin short of 30,000 dollars dies at the rise m where w = 30,000 (m + 1 % (1 + m))."""
    over = book({"alpha": wallet}, {ALPHA_BTC: -500})
    _, up = joint_distances(over, {"BTC": 1.0})[:2]
    exact = (wallet / 30_000 - 0.01) / 1.01
    assert (9 < exact < 10) if within else (10 < exact < 11)
    assert up.move == (pytest.approx(exact, abs=1e-4) if within else None)


def test_book_is_lost_below_maintenance_and_not_at_it() -> None:
    at, below = (book({"alpha": 3_000 - short}, {ALPHA_BTC: 5_000}) for short in (0, 1e-6))
    assert at.health_after("alpha", {"BTC": 1.0}, 0.0) == 0
    assert below.health_after("alpha", {"BTC": 1.0}, 0.0) == -1
    down, up = joint_distances(at, {"BTC": 1.0})[:2]
    assert down.move == pytest.approx(0.0, abs=1e-6)
    assert down.move != 0.0
    assert up.move is None


def test_directions_are_each_coin_and_all_by_beta_down_and_up() -> None:
    names = [d.direction for d in joint_distances(book({}, {}), BETAS)]
    ways = ("BTC", "ETH", "all coins by beta")
    assert names == [f"{way} {sign}" for way in ways for sign in ("down", "up")]


def test_coin_without_a_beta_stands_still_and_no_price_falls_below_one_tick() -> None:
    over = book({"alpha": 1e6}, {ALPHA_BTC: 1_000, ALPHA_ETH: 1_000})
    ether = desk.MARKS[ALPHA_ETH]
    for beta, size, ticks in (
        (1.0, -0.25, ether * 3 // 4),
        (2.0, -0.6, 1),
        (0.5, 1.0, ether * 1.5),
    ):
        moved = {**desk.MARKS, ALPHA_ETH: int(ticks), BETA_ETH: 0}
        equity, maintenance = desk.RULES["alpha"].health_at(over.accounts["alpha"], moved)
        assert over.health_after("alpha", {"ETH": beta}, size) == equity - maintenance


def test_of_two_venues_that_die_together_the_first_is_named() -> None:
    over = book({"alpha": 60_000, "beta": 60_000}, {ALPHA_BTC: 5_000, BETA_BTC: 500_000})
    assert joint_distances(over, {"BTC": 1.0})[0].venue == "alpha"


def test_fall_ends_where_the_coin_of_the_largest_beta_is_worth_nothing() -> None:
    """Bitcoin alone is held and dies at 75 %, when ether, which falls 1.4 times as far, is gone."""
    over = book({"alpha": 150_500 * 1.5}, {ALPHA_BTC: 5_000})
    found = {d.direction: d.move for d in joint_distances(over, BETAS)}
    assert found["BTC down"] == pytest.approx(-0.75, abs=0.01)
    assert found["all coins by beta down"] is None
