# SPDX-License-Identifier: Apache-2.0
"""Nonces, weights and address limits, and the text of prices, sizes and dollars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.times import DAY_MS, MINUTE_MS
from tidegate.venues.hyperliquid_server import amounts
from tidegate.venues.hyperliquid_server.nonces import KEPT, Nonces
from tidegate.venues.hyperliquid_server.rate_limits import (
    PENALTY_MS,
    AddressLimit,
    Weights,
    exchange_weight,
    info_weight,
)

NOW = 1_780_000_000_000


@given(st.lists(st.integers(NOW - 50, NOW + 50), max_size=150))
def test_no_nonce_of_a_signer_is_ever_taken_twice(sent: list[int]) -> None:
    nonces, taken = Nonces(), []
    for nonce in sent:
        if nonces.refusal("a", nonce, NOW) is None:
            nonces.use("a", nonce)
            taken.append(nonce)
    assert len(set(taken)) == len(taken)


def test_a_nonce_lies_between_two_days_before_and_one_after() -> None:
    nonces = Nonces()
    ends = NOW - 2 * DAY_MS, NOW + DAY_MS
    assert [nonces.refusal("a", end, NOW) is None for end in ends] == [False, False]
    inside = ends[0] + 1, ends[1] - 1
    assert [nonces.refusal("a", end, NOW) for end in inside] == [None, None]


def test_of_a_signer_the_hundred_highest_are_kept_and_lower_ones_refused() -> None:
    nonces = Nonces()
    for step in range(KEPT + 1):
        nonces.use("a", NOW + step)
    assert "not between" in (nonces.refusal("a", NOW, NOW) or "")
    assert nonces.refusal("b", NOW, NOW) is None


def test_a_minute_carries_the_weight_and_no_more() -> None:
    weights = Weights()
    for _ in range(60):
        assert not weights.full(NOW)
        weights.take(20, NOW)
    assert weights.full(NOW + MINUTE_MS - 1)
    assert not weights.full(NOW + MINUTE_MS)


def test_weights_are_those_of_the_venue() -> None:
    assert [exchange_weight(n) for n in (1, 39, 40, 79, 80)] == [1, 1, 2, 2, 3]
    assert [info_weight(k, 0) for k in ("l2Book", "meta", "userRole")] == [2, 20, 60]
    assert info_weight("userFills", 45) == 22
    assert info_weight("candleSnapshot", 120) == 22


def test_an_address_beyond_its_requests_has_one_in_ten_seconds_and_says_why() -> None:
    limit = AddressLimit(buffer=2)
    assert limit.refusal(2, False, 0, NOW) is None
    told = limit.refusal(1, False, 437_920_000 - 437_000_000, NOW + 1)
    assert told is not None
    assert told.startswith("Too many cumulative requests sent (3 > 2) for cumulative volume traded")
    assert limit.refusal(1, False, 0, NOW + PENALTY_MS) is None
    assert limit.refusal(1, False, 0, NOW + PENALTY_MS + 1) is not None


def test_a_dollar_traded_gives_a_request_and_cancels_have_twice_as_many() -> None:
    limit = AddressLimit(buffer=2)
    assert limit.refusal(3, False, 1_000_000, NOW) is None
    assert limit.refusal(1, False, 1_999_999, NOW) is not None
    assert limit.refusal(3, True, 1_000_000, NOW) is None
    assert limit.refusal(1, True, 1_000_000, NOW) is not None


VALID = [("1234.5", 2), ("0.001234", 0), ("123456", 2), ("0.01234", 1), ("100000", 5)]
INVALID = [("1234.56", 2), ("0.0012345", 0), ("0.012345", 1), ("12345.6", 1), ("1e3", 1), ("-1", 1)]


@pytest.mark.parametrize(("text", "decimals"), VALID)
def test_a_price_by_the_rule_is_whole_ticks(text: str, decimals: int) -> None:
    # Examples of hyperliquid.gitbook.io, Tick and lot size.
    tick = Decimal(1).scaleb(decimals - amounts.MAX_DECIMALS)
    ticks = amounts.price_ticks(text, tick)
    assert ticks is not None
    assert ticks * tick == Decimal(text)


@pytest.mark.parametrize(("text", "decimals"), INVALID)
def test_a_price_against_the_rule_is_none(text: str, decimals: int) -> None:
    tick = Decimal(1).scaleb(decimals - amounts.MAX_DECIMALS)
    assert amounts.price_ticks(text, tick) is None


@given(st.integers(0, 10**15), st.integers(-8, 0))
def test_text_of_steps_gives_the_steps_back(steps: int, exponent: int) -> None:
    step = Decimal(1).scaleb(exponent)
    text = amounts.text_of(steps * step)
    assert amounts.whole_steps(text, step) == steps
    assert "." in text
    assert "E" not in text


@given(st.text(max_size=30))
def test_any_text_is_a_number_of_steps_or_none(text: str) -> None:
    assert (amounts.whole_steps(text, Decimal("0.1")) or 0) >= 0
    amounts.without_trailing_zeros(text)


@pytest.mark.parametrize(("text", "plain"), [("100.0", "100"), ("0.10", "0.1"), ("100", "100")])
def test_zeros_at_the_end_are_taken_off_decimals_alone(text: str, plain: str) -> None:
    assert amounts.without_trailing_zeros(text) == plain
