# SPDX-License-Identifier: Apache-2.0
"""The adapter of Uniswap v3 against a double with the published ABI; the real pool needs a node."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.setting import KEEPER, NEVER, BookLimit, VenueLimit
from tests.contracts.uniswap import E18, GAP_BPS, UNIT, WINDOW_S, Shore

pytestmark = pytest.mark.contracts
PUT = 100_000 * UNIT
DUST = 10  # units, for what rounding takes on the way


@pytest.fixture(params=[True, False], ids=["asset is token1", "asset is token0"])
def shore(request: pytest.FixtureRequest) -> Shore:
    made = Shore(asset_is_1=request.param)
    made.put(PUT)
    return made


def away(shore: Shore, bps: int) -> float:
    """The tick at which the other token is dearer by that many hundredths of a per cent."""
    steps = math.log1p(bps / 10_000) / math.log(1.0001)
    return shore.mean + (steps if shore.asset_is_1 else -steps)


def test_value_is_that_of_the_range_at_the_average_less_gap_and_fee(shore: Shore) -> None:
    here = shore.setting.held(shore.adapter.address)
    other = shore.other.balanceOf(shore.adapter.address)
    root = shore.limit_root()
    price = root**2 if shore.asset_is_1 else 1 / root**2
    expected = here + other * price + shore.range().worth(root)
    assert float(shore.value()) == pytest.approx(float(expected), rel=1e-7)
    assert shore.adapter.state()[1:] == (NEVER, shore.setting.evm.now_s)
    # Half of it is bought: half a gap, half a fee on each way, and the swap's own impact.
    assert 0.985 * PUT < shore.value() < PUT


def test_nearly_all_of_the_money_goes_to_work(shore: Shore) -> None:
    assert shore.setting.held(shore.adapter.address) < PUT // 500
    assert shore.other.balanceOf(shore.adapter.address) < E18 // 4  # half a per cent


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bps=st.integers(-99, 99))
def test_spot_price_within_the_gap_has_no_part_in_the_value(shore: Shore, bps: int) -> None:
    before = shore.value()
    shore.at(away(shore, bps))
    assert shore.adapter.state() == (before, NEVER, shore.setting.evm.now_s)
    shore.at(shore.mean)


@pytest.mark.parametrize("bps", [150, 1_000, 50_000])
def test_spot_price_pushed_up_raises_nothing_and_makes_the_value_unknown(
    shore: Shore, bps: int
) -> None:
    before = shore.value()
    shore.at(away(shore, bps))
    assert shore.adapter.state() == (before, NEVER, 0)


@pytest.mark.parametrize("bps", [-150, -1_000, -9_000])
def test_spot_price_pushed_down_lowers_the_value_and_nobody_can_buy_in(
    shore: Shore, bps: int
) -> None:
    before = shore.value()
    shore.at(away(shore, bps))
    value, _, as_of = shore.adapter.state()
    assert (value < before, as_of) == (True, 0)
    with pytest.raises(Refused, match="vault: stale report"):
        shore.setting.deposit(account("bob"), UNIT)


def test_nothing_is_sent_while_the_price_is_off_its_average(shore: Shore) -> None:
    shore.at(away(shore, 150))
    with pytest.raises(Refused, match="lp: price off its average"):
        shore.put(UNIT)


def test_pool_in_the_midst_of_a_call_is_not_known(shore: Shore) -> None:
    shore.pool.set_slot(1_000, False, sender=account("anybody"))
    assert shore.adapter.state()[2] == 0


def test_pool_that_forgot_its_window_does_not_answer(shore: Shore) -> None:
    shore.pool.set_slot(1, True, sender=account("anybody"))
    with pytest.raises(Refused, match="OLD"):
        shore.adapter.state()
    assert shore.setting.vault.current_book()[2][0][1:] == (0, 0, 0)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bps=st.integers(-99, 99), share=st.integers(1, 1_000), up=st.booleans())
def test_bringing_home_at_any_price_within_the_gap_takes_nothing_off_the_book(
    bps: int, share: int, up: bool
) -> None:
    shore = Shore(asset_is_1=up)
    shore.put(PUT)
    shore.at(away(shore, bps))
    before, asked = shore.setting.total(), shore.value() * share // 1_000
    came = shore.home(asked)
    assert asked * 9 // 10 <= came <= asked or bps < -90
    assert shore.setting.total() >= before - DUST


def test_all_comes_home_and_is_at_least_the_value(shore: Shore) -> None:
    value = shore.value()
    came = shore.home(10**30, value)
    assert value <= came < PUT
    assert shore.adapter.state() == (0, NEVER, shore.setting.evm.now_s)
    shore.setting.vault.retire_venue(shore.adapter.address, sender=shore.setting.curator)


def test_what_comes_home_is_no_more_than_was_asked_for(shore: Shore) -> None:
    assert shore.home(PUT // 10) == PUT // 10
    assert shore.home(1) == 1


def test_sale_stops_at_the_limit_and_what_is_left_counts_on(shore: Shore) -> None:
    shore.pool.set_depth(10**14, sender=account("anybody"))
    before = shore.setting.total()
    shore.home(10**30)
    assert shore.other.balanceOf(shore.adapter.address) > E18
    shore.at(shore.mean)
    assert shore.setting.total() >= before - DUST
    shore.pool.set_depth(10**18, sender=account("anybody"))
    shore.home(10**30)
    assert shore.value() == 0
    assert shore.setting.total() >= before - DUST


def test_sandwich_of_the_unwind_meets_the_limit_and_takes_nothing_off_the_book(
    shore: Shore,
) -> None:
    value, total = shore.value(), shore.setting.total()
    shore.at(away(shore, -GAP_BPS + 1))
    shore.pool.set_depth(10**12, sender=account("anybody"))
    with pytest.raises(Refused, match="vault: too little came home"):
        shore.home(value, value)
    shore.home(value)
    shore.at(shore.mean)
    assert shore.setting.total() >= total - DUST


def test_away_from_the_average_what_is_asset_comes_home_and_the_rest_waits(shore: Shore) -> None:
    shore.at(away(shore, -1_000))
    came = shore.home(10**30)
    assert 0 < came < PUT // 2
    assert shore.other.balanceOf(shore.adapter.address) > E18
    with pytest.raises(Refused, match="lp: nothing comes home"):
        shore.home(10**30)
    shore.average(round(away(shore, -1_000)))
    assert shore.home(10**30) > PUT // 3
    assert shore.adapter.state()[:2] == (0, NEVER)


def test_range_that_the_price_has_left_upward_is_all_asset_and_comes_home_at_once(
    shore: Shore,
) -> None:
    shore.at(away(shore, 12_000))
    assert shore.home(10**30) > PUT
    assert shore.liquidity() == shore.setting.held(shore.adapter.address) == 0


def test_fees_count_as_they_can_be_collected_and_are_locked_as_a_gain(shore: Shore) -> None:
    setting, liquidity = shore.setting, shore.liquidity()
    setting.vault.accrue(sender=setting.stranger)
    before, price = shore.value(), setting.vault.totalAssets()
    growth = 1_000 * UNIT * 2**128 // liquidity
    shore.pool.earn(*((0, growth) if shore.asset_is_1 else (growth, 0)), sender=account("giver"))
    assert shore.value() == pytest.approx(before + 1_000 * UNIT, abs=1)
    assert setting.vault.totalAssets() == price
    assert shore.home(10**30, before + 1_000 * UNIT - 1) > before


def test_fees_in_the_other_token_count_at_the_limit(shore: Shore) -> None:
    before, liquidity = shore.value(), shore.liquidity()
    growth = E18 * 2**128 // liquidity
    shore.pool.earn(*((growth, 0) if shore.asset_is_1 else (0, growth)), sender=account("giver"))
    root = shore.limit_root()
    price = float((root**2 if shore.asset_is_1 else 1 / root**2) * E18)
    assert shore.value() - before == pytest.approx(price, rel=1e-4)


def test_donor_of_fees_who_holds_shares_gains_nothing_by_leaving_at_once(shore: Shore) -> None:
    setting, giver = shore.setting, account("giver")
    shares = setting.deposit(giver, 500_000 * UNIT)
    growth = 10_000 * UNIT * 2**128 // shore.liquidity()
    shore.pool.earn(*((0, growth) if shore.asset_is_1 else (growth, 0)), sender=giver)
    setting.vault.requestRedeem(shares, giver, giver, sender=giver)
    assert setting.vault.fulfil(giver, shares, [], 0, sender=giver) <= 500_000 * UNIT


def test_tokens_given_to_the_pool_change_nothing(shore: Shore) -> None:
    before = shore.adapter.state()
    for token, amount in ((shore.setting.token, 10**6 * UNIT), (shore.other, 1_000 * E18)):
        token.mint(shore.pool.address, amount, sender=account("giver"))
    assert shore.adapter.state() == before


def test_later_money_uses_what_the_first_left_over(shore: Shore) -> None:
    shore.put(PUT)
    shore.put(PUT)
    assert shore.setting.held(shore.adapter.address) < PUT // 100
    assert shore.value() > 0.985 * 3 * PUT


def test_order_names_the_least_that_must_arrive(shore: Shore) -> None:
    with pytest.raises(Refused, match="vault: too little arrived"):
        shore.put(PUT, PUT)
    shore.put(PUT, PUT * 985 // 1_000)


def test_loss_limit_of_the_policy_holds_for_the_way_in(shore: Shore) -> None:
    shore.setting.limit_book(BookLimit(loss_max_bps=5))
    with pytest.raises(Refused, match="policy: loss"):
        shore.put(PUT)


@pytest.mark.parametrize("side", [-1, 1])
def test_range_on_one_side_of_the_price_is_filled_with_one_token(side: int) -> None:
    shore = Shore()
    ends = (shore.mean // 60 + side * 50) * 60
    shore.ends = (ends - 600, ends + 600)
    shore.adapter = shore.made()
    shore.setting.add_venue(shore.adapter, VenueLimit())
    shore.put(PUT)
    # Below the price a range holds the dollar alone; above it, the coin.
    assert shore.liquidity() > 0
    assert shore.value() > PUT * (0.999 if side < 0 else 0.97)
    assert shore.home(10**30) > PUT * 0.97


def test_silent_operators_liquidity_is_brought_home_by_the_keeper_in_steps(shore: Shore) -> None:
    setting = shore.setting
    keeper = setting.evm.deploy(
        "Keeper", setting.vault.address, 3 * DAY_S, 3_600, 2_500, 50, sender=setting.owner
    )
    setting.through_timelock(setting.vault, "appoint", KEEPER, keeper.address)
    setting.rebalance()
    setting.evm.wait(3 * DAY_S + 1)
    before, idle = shore.value(), setting.vault.idle()
    keeper.act(shore.adapter.address, sender=setting.stranger)
    assert setting.vault.idle() - idle == before // 4
    assert shore.value() >= before - before // 4 - DUST
    setting.evm.wait(3_600)
    shore.at(away(shore, -500))
    with pytest.raises(Refused, match="keeper: venue does not answer"):
        keeper.act(shore.adapter.address, sender=setting.stranger)


def test_stranger_can_neither_move_the_position_nor_have_the_adapter_pay(shore: Shore) -> None:
    for call in (shore.adapter.allocate, shore.adapter.deallocate):
        with pytest.raises(Refused, match="lp: not vault"):
            call(1, sender=account("thief"))
    for call in (shore.adapter.uniswapV3MintCallback, shore.adapter.uniswapV3SwapCallback):
        with pytest.raises(Refused, match="lp: not pool"):
            call(1, 1, b"", sender=account("thief"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gap_bps": 0}, "lp: gap"),
        ({"gap_bps": 2_001}, "lp: gap"),
        ({"window_s": 59}, "lp: window"),
        ({"block_s": WINDOW_S // 1_000}, "lp: pool remembers too little"),
        ({"lower": 61}, "lp: range"),
        ({"upper": -887_280}, "lp: range"),
        ({"lower": -887_280}, "lp: range"),
    ],
)
def test_adapter_without_sound_terms_cannot_be_made(changes: dict[str, int], reason: str) -> None:
    shore = Shore()
    with pytest.raises(Refused, match=reason):
        shore.made(**changes)


def test_adapter_of_a_pool_without_the_asset_cannot_be_made() -> None:
    shore = Shore()
    shore.pool = shore.setting.evm.deploy(
        "tests/contracts/sources/UniswapDouble.vy",
        *(shore.other.address, shore.other.address, 3_000, 60, 1),
        sender=shore.setting.owner,
    )
    with pytest.raises(Refused, match="lp: foreign pool"):
        shore.made()
