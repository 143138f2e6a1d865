# SPDX-License-Identifier: Apache-2.0
"""Greek boxes against what the book earns when its market is bumped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.allocation.joint.test_scenario_tails import NAMES
from tests.margin.account_books import Book, drawn_book
from tidegate.allocation.joint.greek_boxes import (
    BoxTerms,
    CoinLimits,
    Greeks,
    greek_boxes,
    greeks_of,
)
from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.margin.market_values import vol_of
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.risk.factor_paths import neutral

FloatArray = NDArray[np.float64]
LIMITS = CoinLimits(skew=0.2, delta=0.1, gamma=2.0, vega=(0.5, 1.0), wing=0.3)
TERMS = BoxTerms({"BTC": LIMITS, "ETH": LIMITS}, 0.3, 0.15, (45.0, np.inf))
KINDS = st.sampled_from(["deribit-btc", "deribit-usdc"])
BUMP = 1e-4


def bumped(book: Book, price: float = 1.0, level: float = 1.0) -> FloatArray:
    """Gains per notional with all coins' prices and vols changed, [n]."""
    paths = neutral(NAMES, np.full((1, 1, 2), price), 1.0, "bump")
    paths = replace(paths, vol_level=np.full((1, 1, 2), level))
    return np.asarray(MovedMarkets(paths, "venue", book.market).gains(book.instruments)[0])


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), KINDS)
def test_delta_and_gamma_are_what_a_small_move_earns(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind, 5)
    found = greeks_of(book.instruments, book.market)
    up, down = bumped(book, 1.0 + BUMP), bumped(book, 1.0 - BUMP)
    np.testing.assert_allclose((up - down) / (2.0 * BUMP), found.delta, rtol=0.0, atol=2e-5)
    for i, each in enumerate(book.instruments):
        if isinstance(each, Option) and not each.coin_settled:
            bent = (up[i] + down[i]) / BUMP**2
            assert bent == pytest.approx(
                found.gamma[i], rel=1e-2, abs=0.02 + 0.01 * abs(found.delta[i])
            ), each.id


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), KINDS)
def test_vega_is_what_a_small_move_of_vol_earns(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind, 5)
    found = greeks_of(book.instruments, book.market)
    gained = (bumped(book, level=1.0 + BUMP) - bumped(book, level=1.0 - BUMP)) / (2.0 * BUMP)
    for i, each in enumerate(book.instruments):
        if isinstance(each, Option):
            vol = book.market.value(vol_of(each.id))
            assert gained[i] == pytest.approx(found.vega[i] * vol, rel=1e-4, abs=1e-6)


def sample(seed: int) -> tuple[Book, Greeks]:
    book = drawn_book(seed, "deribit-usdc", 8)
    return book, greeks_of(book.instruments, book.market)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_book_inside_the_boxes_is_one_whose_greeks_and_coins_are(
    seed: int, btc: float, eth: float
) -> None:
    _, greeks = sample(seed)
    boxes = greek_boxes(greeks, TERMS, {"BTC": btc, "ETH": eth})
    x = np.random.default_rng(seed).normal(size=len(greeks.delta)) * 0.05
    inside = dict(
        zip(
            boxes.names,
            ((boxes.rows @ x >= boxes.lower) & (boxes.rows @ x <= boxes.upper)).tolist(),
            strict=True,
        )
    )
    for coin, own in (("BTC", btc), ("ETH", eth)):
        here = np.array([each == coin for each in greeks.coins])
        delta = float(greeks.delta[here] @ x[here]) + own
        assert inside[f"delta of {coin}"] == (abs(delta - LIMITS.skew) <= LIMITS.delta)
        assert inside.get(f"gamma of {coin}", True) == (
            abs(greeks.gamma[here] @ x[here]) <= LIMITS.gamma
        )
    whole = float(greeks.delta @ x) + btc + eth
    assert inside["delta of book"] == (abs(whole - TERMS.book_skew) <= TERMS.book_delta)


def test_every_option_is_in_one_bucket_of_vega_and_wings_are_out_of_the_money() -> None:
    for seed in range(20):
        _, greeks = sample(seed)
        boxes = greek_boxes(greeks, TERMS, {})
        rows = dict(zip(boxes.names, boxes.rows, strict=True))
        vega = sum(row for name, row in rows.items() if name.startswith("vega"))
        np.testing.assert_allclose(vega, greeks.vega)
        for name, row in rows.items():
            if "wing" in name:
                side = 1.0 if name.startswith("upper") else -1.0
                assert (side * greeks.z[row > 0.0] >= 1.0).all()
                assert (greeks.call[row > 0.0] == (side > 0.0)).all()


def test_short_wing_that_a_longer_wing_covers_is_allowed() -> None:
    found = Greeks(
        coins=("BTC", "BTC"),
        delta=np.zeros(2),
        gamma=np.zeros(2),
        vega=np.zeros(2),
        call=np.ones(2),
        z=np.array([1.2, 2.0]),
        days=np.full(2, 30.0),
    )
    boxes = greek_boxes(found, TERMS, {})
    row = boxes.names.index("upper wing of BTC")
    assert boxes.rows[row] @ [-1.0, 1.0] >= boxes.lower[row]
    assert boxes.rows[row] @ [-0.4, 0.0] < boxes.lower[row]


def test_coin_without_limits_and_limits_that_are_none_are_refused() -> None:
    _, greeks = sample(1)
    with pytest.raises(InputError, match="SOL"):
        greek_boxes(greeks, TERMS, {"SOL": 0.1})
    with pytest.raises(InputError, match="rising"):
        replace(TERMS, tenor_days=(60.0, 30.0))
    with pytest.raises(InputError, match="BTC"):
        replace(TERMS, coins={"BTC": replace(LIMITS, gamma=-1.0)})
