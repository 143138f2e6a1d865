# SPDX-License-Identifier: Apache-2.0
"""The slow implementation of scenario margin against sums worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, log, sqrt
from typing import Any

import pytest

from tests.margin.oracle_black import Margins, black, black_delta
from tests.margin.oracle_derive_portfolio import skewed
from tests.margin.random_parameters import HELD, scenarios
from tests.margin.scenario_cases import (
    NOW_MS,
    Draft,
    future,
    option,
    perpetual,
)
from tests.margin.scenario_oracle import (
    BaseTerms,
    DeribitCurrency,
    DeribitPair,
    DeribitPortfolioParameters,
    DerivePortfolioParameters,
    DeriveStandardParameters,
    Scenario,
    deribit_parts,
    deribit_portfolio,
    derive_portfolio,
    derive_portfolio_parts,
    derive_standard,
    derive_standard_parts,
)
from tidegate.margin.market_values import (
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)

YEAR = NOW_MS + 365 * 86_400_000
DAY = NOW_MS + 86_400_000


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# --- Black's formula -------------------------------------------------------------------------


def test_black_at_the_money_is_a_normal_interval_and_parity_holds() -> None:
    # F = K = 100, deviation 0.2: d1 = 0.1; 100 (N(0.1) - N(-0.1)) = 100 x 0.0796556746 (tables).
    assert black(100.0, 100.0, True, 0.2) == pytest.approx(7.96556746, rel=1e-8)
    call, put = black(100.0, 130.0, True, 0.4), black(100.0, 130.0, False, 0.4)
    assert call - put == near(-30.0)
    assert black(100.0, 130.0, False, 0.0) == 30.0
    # N(0.1) = 0.5398278373 (tables).
    assert black_delta(100.0, 100.0, True, 0.2) == pytest.approx(0.5398278373, rel=1e-9)
    assert black_delta(100.0, 100.0, False, 0.2) == pytest.approx(0.5398278373 - 1, rel=1e-9)


# --- Derive, portfolio margin, by hand -------------------------------------------------------


def eth(spot: float = 3000.0, sure: float = 1.0, stable: float = 1.0) -> Draft:
    draft = Draft()
    draft.see(index_of("ETH"), spot, sure)
    draft.see(dollar_of("USDC"), stable)
    return draft


def hold(draft: Draft, size: float, strike: float, is_call: bool = True, vol: float = 0.0) -> None:
    """An ETH option of one year; the forward is 3000, the rate zero unless seen already."""
    held = option("ETH", "USDC", YEAR, strike, is_call)
    draft.hold(held, size)
    draft.see(vol_of(held.id), vol)
    for key, value in ((forward_of("ETH", YEAR), 3000.0), (rate_of("ETH", YEAR), 0.0)):
        if key not in draft.values:
            draft.see(key, value)


def pm(*table: Scenario, **changes: Any) -> DerivePortfolioParameters:
    return DerivePortfolioParameters("ETH", table or scenarios(), HELD["ETH"], **changes)


def portfolio(draft: Draft, parameters: DerivePortfolioParameters) -> Margins:
    return derive_portfolio(*draft.book(), parameters)


def test_portfolio_margin_of_nothing_is_zero() -> None:
    assert portfolio(eth(), pm()) == (0.0, 0.0, 0.0)


def test_portfolio_margin_of_perpetual_by_hand() -> None:
    draft = eth()
    perp = perpetual("ETH", "USDC")
    draft.collateral["USDC"] = 1000.0
    draft.hold(perp, 2.0, 2900.0, 5.0)
    draft.see(mark_of(perp.id), 3100.0)
    # Equity 1000 + 2 x (3100 - 2900) + 5 = 1405; the loss at -18 % is 2 x 3100 x 0.18 = 1116.
    # MM 0.8 x 1116 + 2 x 3000 x 0.015 = 982.8; IM 1116 + 90 + 2 x 3000 x 0.005 = 1236.
    assert portfolio(draft, pm()) == (near(1405.0), near(982.8), near(1236.0))


def test_portfolio_margin_of_long_option_loses_the_static_discount_or_the_basis() -> None:
    draft = eth()
    hold(draft, 1.0, 2000.0)
    # Worth 1000. Down 18 %: F 2460, 460 x 0.95 exp(-0.08), against 1000. Basis: 2865 is worth 865,
    # -135 x (0.5 + 2 x 1) = -337.5, which decides where the scenario is dampened to half.
    loss = 1000.0 - 460.0 * 0.95 * exp(-0.08)
    assert loss == pytest.approx(596.598, abs=1e-3)
    found = portfolio(draft, pm(Scenario(0.82, "none")))
    assert found == (near(1000.0), near(0.8 * loss), near(loss))
    found = portfolio(draft, pm(Scenario(0.82, "none", 0.5)))
    assert found == (near(1000.0), near(0.8 * 337.5), near(337.5))


def test_portfolio_margin_of_short_option_pays_naked_contingency_and_discounts_its_debt() -> None:
    draft = eth()
    draft.see(rate_of("ETH", YEAR), 0.3)
    hold(draft, -2.0, 2000.0)
    # Discount exp(-0.3); owes 2000 undiscounted, 1481.64 now. Unmoved, the debt grows by
    # 1.04 exp(0.5 x 0.3 + 0.08) = 1.30894 < exp(0.3) = 1.34986: 1939.38, a loss of 457.74.
    # Naked: 2 x 3000 x 0.003 = 18 and 0.002 = 12 more.
    value = 2000.0 * exp(-0.3)
    loss = value * 1.04 * exp(0.23) - value
    assert loss == pytest.approx(457.74, abs=1e-2)
    changes = {"basis_add": 0.0, "basis_mult": 0.0}
    found = portfolio(draft, pm(Scenario(1.0, "none"), **changes))
    assert found == (near(-value), near(0.8 * loss + 18.0), near(loss + 30.0))


def test_portfolio_margin_at_negative_rate_is_that_at_none() -> None:
    draft = eth()
    draft.see(rate_of("ETH", YEAR), -0.05)
    hold(draft, 1.0, 2000.0)
    # Mark 1000; unmoved 1000 x 0.95 exp(-(0 + 0.08)) = 950 exp(-0.08) = 876.96.
    loss = 1000.0 - 950.0 * exp(-0.08)
    assert loss == pytest.approx(123.04, abs=1e-2)
    changes = {"basis_add": 0.0, "basis_mult": 0.0}
    found = portfolio(draft, pm(Scenario(1.0, "none"), **changes))
    assert found == (near(1000.0), near(0.8 * loss), near(loss))


def test_skew_leans_with_moneyness_up_to_its_cap_and_no_volatility_is_negative() -> None:
    p = pm()
    # T 0.25, root 0.5: k* = 0.5 x 4 x (0.6 - 0.05) = 1.1; cap 0.15 - 0.025 = 0.125;
    # k 0.2 leans 0.2 x 0.125 / 1.1 = 1/44; k 2 leans the cap; a cap of 3 at k -2 is no volatility.
    assert skewed(p, 0.5, 0.2, 0.125, 0.25) == near(0.5 * (1 + 1 / 44))
    assert skewed(p, 0.5, -2.0, 0.125, 0.25) == near(0.5 * 0.875)
    assert skewed(p, 0.5, -2.0, 3.0, 0.25) == 0.0


def test_skew_takes_the_size_of_each_expiry_and_not_of_their_sum() -> None:
    draft = eth()
    hold(draft, 1.0, 2000.0)
    hold(draft, -1.0, 2000.0, is_call=False)
    later = YEAR + 86_400_000
    held = option("ETH", "USDC", later, 4000.0, False)
    draft.hold(held, -1.0)
    draft.see(vol_of(held.id), 0.0)
    draft.see(forward_of("ETH", later), 3000.0)
    draft.see(rate_of("ETH", later), 0.0)
    # 1000 owned falls to 950 exp(-0.08) = 876.96, a loss of 123.04; 1000 owed stays, its discount
    # capped. No gain of one expiry may pay for another's loss.
    changes = {"basis_add": 0.0, "basis_mult": 0.0}
    parts = derive_portfolio_parts(*draft.book(), pm(Scenario(1.0, "abs"), **changes))
    assert parts.worst == near(-(1000.0 - 950.0 * exp(-0.08)))


def test_doubt_and_depeg_count_initially_only() -> None:
    draft = eth(sure=0.5, stable=0.9)
    hold(draft, 2.0, 2000.0)
    draft.collateral = {"USDC": 100.0, "ETH": 3.0, "BTC": 0.0}
    # ETH counts 3 x 3000 / 0.9 = 10,000; options are worth 2000. One scenario, -10 %: F 2700, a
    # loss of 2 x 300 = 600 without static discount, and of the collateral 1000: 1600 in all.
    # Depeg adds (0.98 - 0.9) x 2 = 0.16 to the factor. Doubt of half: 2 x 3000 / 2 + 10,000 / 2.
    # Collateral 0.015 and 0.005 of 10,000.
    changes = {"basis_add": 0.0, "basis_mult": 0.0, "long_base": 1.0, "long_add": 0.0}
    found = portfolio(draft, pm(Scenario(0.9, "none"), **changes))
    assert found.equity == near(12_100.0)
    assert found.maintenance == near(0.8 * 1600 + 150)
    assert found.initial == near(1.16 * 1600 + 150 + 50 + 3000 + 5000)


def test_share_of_the_forward_that_is_fixed_does_not_move() -> None:
    draft = eth()
    hold(draft, 1.0, 2000.0)
    # Three quarters fixed: -10 % moves 3000 by 75 only.
    changes = {"basis_add": 0.0, "basis_mult": 0.0, "long_base": 1.0, "long_add": 0.0}
    p = pm(Scenario(0.9, "none"), fixed={YEAR: 0.75}, **changes)
    assert portfolio(draft, p) == (near(1000.0), near(60.0), near(75.0))


def test_confidence_at_the_threshold_is_enough_and_a_doubtful_rate_is_not() -> None:
    # Below: a doubt of 1 - 0.54 on all of |q| S, 2 x 3000.
    for sure, usd in ((0.55, 0.0), (0.54, 0.46 * 6000)):
        draft = eth()
        draft.see(rate_of("ETH", YEAR), 0.0, sure)
        hold(draft, 2.0, 2000.0)
        parts = derive_portfolio_parts(*draft.book(), pm())
        assert parts.oracle == {"perp": 0.0, "options": near(usd), "collateral": 0.0}


def test_up_volatility_has_a_floor_and_down_volatility_a_factor() -> None:
    draft = eth()
    hold(draft, 1.0, 2000.0, vol=0.2)
    # A year: (30 / 365)^0.13 = 0.72268; up 0.2 x 1.36134 is below the floor of 0.45.
    (leg,) = derive_portfolio_parts(*draft.book(), pm()).expiries[0].legs
    ratio = exp(0.13 * log(30 / 365))
    assert leg.vols["up"] == 0.45
    assert leg.vols["down"] == near(0.2 * (1 - 0.275 * ratio))


def test_position_of_another_underlying_is_refused() -> None:
    draft = eth()
    draft.hold(perpetual("BTC", "USDC"), 1.0, 90_000.0)
    with pytest.raises(ValueError, match="BTC"):
        portfolio(draft, pm())


# --- Derive, standard manager, by hand -------------------------------------------------------


def test_standard_margin_scales_collateral_once_more_initially() -> None:
    draft = Draft(collateral={"BTC": 1.0, "USDC": -10.0})
    draft.see(index_of("BTC"), 100_000.0)
    draft.see(dollar_of("USDC"), 1.0)
    p = DeriveStandardParameters({"BTC": BaseTerms(0.75, 0.93)})
    # 75,000 - 10; initially 0.93 of 75,000 = 69,750 - 10.
    found = derive_standard(*draft.book(), p)
    assert found == (near(74_990.0), 0.0, near(5_250.0))


def test_standard_margin_of_short_strangle_by_hand() -> None:
    draft = eth(2000.0)
    draft.see(forward_of("ETH", YEAR), 2000.0)
    hold(draft, -1.0, 2100.0)
    hold(draft, -1.0, 2500.0, is_call=False)
    # Zero vol: the call's mark is 0, 5 % out: IM max(0.15 - 0.05, 0.10) x 2000 = 200, MM 150.
    # The put's mark is -500: MM max(150, 37.5) + 500 = 650, IM max(300 + 500, 1.05 x 650) = 800.
    # Bounded: the loss at 0 is 2500, and 1.1 x 2000 for the call: worse.
    found = derive_standard(*draft.book(), DeriveStandardParameters({}))
    assert found == (0.0, near(800.0), near(1000.0))


def test_standard_margin_doubts_what_is_below_the_threshold() -> None:
    # Spot at the threshold is enough; below it (1 - 0.3) x 0.4 = 0.28 of S: one short option, three
    # perpetuals, 0.5 of collateral. A doubtful perpetual's own mark touches the perpetual alone.
    for spot, own, sums in (
        (0.4, 1.0, (0.0, 0.0, 0.0)),
        (0.3, 1.0, (560.0, 1680.0, 280.0)),
        (1.0, 0.3, (0.0, 1680.0, 0.0)),
    ):
        draft, perp = eth(2000.0, spot), perpetual("ETH", "USDC")
        draft.collateral["ETH"] = 0.5
        hold(draft, -1.0, 3000.0)
        draft.hold(perp, -3.0, 2000.0)
        draft.see(mark_of(perp.id), 2000.0, own)
        p = DeriveStandardParameters({"ETH": BaseTerms(0.8)})
        assert tuple(derive_standard_parts(*draft.book(), p).oracle.values()) == near(sums)


# --- Deribit, by hand ------------------------------------------------------------------------

PLAIN = {coin: DeribitCurrency() for coin in ("BTC", "ETH", "USDC")}
PAIRS = {coin: DeribitPair() for coin in ("BTC", "ETH")}
BTC_BOOK = DeribitPortfolioParameters(PLAIN, PAIRS, "BTC")
CROSSED = DeribitPortfolioParameters(PLAIN, PAIRS)


def deribit(index: float = 100_000.0) -> Draft:
    draft = Draft()
    draft.see(index_of("BTC"), index)
    draft.see(index_of("ETH"), 2_000.0)
    draft.see(dollar_of("USDC"), 1.0)
    return draft


def hold_deribit_call(draft: Draft, size: float, strike: float, vol: float, mark: float) -> None:
    held = option("BTC", "BTC", DAY, strike, True)
    draft.hold(held, size, mark)
    draft.see(vol_of(held.id), vol)
    draft.see(mark_of(held.id), mark)
    draft.see(forward_of("BTC", DAY), 100_000.0)


def hold_inverse(draft: Draft, coin: str, coins: float, mark: float) -> None:
    held = perpetual(coin, coin)
    draft.hold(held, coins * mark, mark)
    draft.see(mark_of(held.id), mark)


def test_deribit_margin_of_nothing_is_zero() -> None:
    for p in (BTC_BOOK, CROSSED):
        assert deribit_portfolio(*deribit().book(), p) == (0.0, 0.0, 0.0)


def test_deribit_margin_of_short_call_in_coin_by_hand() -> None:
    draft = deribit()
    draft.collateral["BTC"] = 2.0
    hold_deribit_call(draft, -1.0, 50_000.0, 0.0, 0.5)
    # +16 %: (116 - 50) / 116 = 0.5689655 coins against 0.5: a loss of 0.0689655 (16/232). At the
    # floor of 50 % volatility a day of life adds nothing at half the price. +50 %: a loss of 1/6,
    # x 0.16/0.5 x 1.5/1.16 = the same 16/232, less the dampener. Roll: |1 - 0.5| x 1 % = 0.005.
    matrix = 16 / 232 + 0.005
    found = deribit_portfolio(*draft.book(), replace(BTC_BOOK, mmp_margin=0.06))
    assert found == (near(1.5), near(0.8 * matrix), near(matrix + 0.06))


def test_deribit_extended_table_dampens_by_dollars_at_the_edge() -> None:
    draft = deribit()
    hold_deribit_call(draft, -100.0, 120_000.0, 0.0, 0.0)
    parts = deribit_parts(*draft.book(), BTC_BOOK)
    # +100 %: (200 - 120) / 200 = 0.4 coins each, 40 in all, x 0.16 x 2 / 1.16 = 11.0345; less
    # (1/0.16 - 1) x 100,000 / (1.16 x 100,000) = 5.25 / 1.16 = 4.5259.
    at = parts.names.index("+100% extended")
    assert parts.total[at] == near(-(12.8 - 5.25) / 1.16)
    # The table's factor is of the profit before it is dampened.
    halved = replace(BTC_BOOK, pairs={"BTC": DeribitPair(extended_table_factor=0.5)})
    assert deribit_parts(*draft.book(), halved).total[at] == near(-(6.4 - 5.25) / 1.16)


def test_deribit_delta_shock_grows_from_the_threshold_to_its_cap() -> None:
    # 20m USD at 100,000 are 200 coins. 1200: 1000 x 5e-5 = 5 % of 1200 = 60. 5000: 24 %, capped
    # at 10 %: 500. 200: nothing.
    for coins, shock in ((200.0, 0.0), (1200.0, 60.0), (-5000.0, 500.0)):
        draft = deribit()
        hold_inverse(draft, "BTC", coins, 100_000.0)
        assert deribit_parts(*draft.book(), BTC_BOOK).delta_shock == near(shock)


def test_deribit_roll_grows_with_time_and_expiries_do_not_offset() -> None:
    draft = deribit()
    hold_inverse(draft, "BTC", 10.0, 100_000.0)
    held = future("BTC", "BTC", YEAR)
    draft.hold(held, -10.0 * 100_000.0, 100_000.0)
    draft.see(mark_of(held.id), 100_000.0)
    # The perpetual at 1 %, the year at exp(0.075) - 1 = 7.788 %: 0.1 + 0.7788.
    parts = deribit_parts(*draft.book(), BTC_BOOK)
    assert parts.roll_shock == near(0.1 + 10 * (exp(0.075) - 1))
    assert parts.worst_case == near(0.0)


def test_deribit_delta_and_mark_fade_over_the_last_half_hour() -> None:
    # support.deribit.com 25944751433757: delta 1, mark 0.3, 15 minutes left: 0.5 - 0.15 = 0.35.
    draft = deribit()
    soon = NOW_MS + 15 * 60_000
    held = option("BTC", "BTC", soon, 70_000.0, True)
    draft.hold(held, 1.0)
    draft.see(vol_of(held.id), 0.0)
    draft.see(mark_of(held.id), 0.3)
    draft.see(forward_of("BTC", soon), 100_000.0)
    assert deribit_parts(*draft.book(), BTC_BOOK).roll_shock == near(0.35 * 0.01)


def test_deribit_crossed_gains_count_by_their_offset_and_cap() -> None:
    draft = deribit()
    hold_inverse(draft, "BTC", 1.0, 100_000.0)
    hold_inverse(draft, "ETH", -25.0, 2_000.0)
    # -16 %: BTC loses 0.16 / 0.84 coins at 84,000: 16,000. ETH gains 8000, of which 60 % count, or
    # 3000 where that is the cap. +16 %: ETH loses 8000, BTC none of its gain. Roll 1 % of 150,000.
    for cap, gain in ((inf, 4800.0), (3000.0, 3000.0)):
        eth_terms = DeribitCurrency(pnl_offset=0.6, max_offsetable_pnl=cap)
        p = replace(CROSSED, currencies={**PLAIN, "ETH": eth_terms})
        parts = deribit_parts(*draft.book(), p)
        assert parts.worst_case == near(16_000.0 - gain)
        assert parts.roll_shock == near(1500.0)


def test_deribit_crossed_contract_in_coins_is_hedged_by_its_twin_in_dollars() -> None:
    draft = deribit()
    hold_inverse(draft, "BTC", 1.0, 100_000.0)
    held = perpetual("BTC", "USDC")
    draft.hold(held, -1.0, 100_000.0)
    draft.see(mark_of(held.id), 100_000.0)
    full = DeribitCurrency(pnl_offset=1.0, max_offsetable_pnl=inf)
    p = replace(CROSSED, currencies=dict.fromkeys(PLAIN, full))
    assert deribit_parts(*draft.book(), p).worst_case == near(0.0)


def test_deribit_crossed_coins_are_positions_where_equity_has_side_impact() -> None:
    draft = deribit()
    draft.collateral = {"BTC": 2.0, "USDC": 7.0}
    coin = DeribitCurrency(equity_side_impact="both")
    p = replace(CROSSED, currencies={**PLAIN, "BTC": coin})
    # Two coins lose 16 % of 200,000; no position, no roll.
    assert deribit_parts(*draft.book(), p).worst_case == near(32_000.0)
    # A short of a dollar's worth of them at the mark owes what the coins are worth, at any price.
    hold_inverse(draft, "BTC", -2.0, 100_000.0)
    assert deribit_parts(*draft.book(), p).worst_case == near(0.0)


def test_deribit_crossed_profit_in_a_dollar_coin_is_worth_what_the_coin_is() -> None:
    draft = deribit()
    draft.see(dollar_of("USDC"), 0.9)
    held = perpetual("BTC", "USDC")
    draft.hold(held, 1.0, 100_000.0)
    draft.see(mark_of(held.id), 100_000.0)
    assert deribit_parts(*draft.book(), CROSSED).worst_case == near(0.9 * 16_000.0)


def test_deribit_linear_position_loses_the_edge_bucket_in_dollars() -> None:
    draft = deribit()
    held = perpetual("BTC", "USDC")
    draft.collateral["USDC"] = 1000.0
    draft.hold(held, 2.0, 99_000.0)
    draft.see(mark_of(held.id), 100_000.0)
    # 2 x 100,000 x 0.16 = 32,000, and roll 2 x 100,000 x 1 % = 2000; extended: 32,000 less the
    # dampener of 100,000 x (0.66 / 0.16 - 1): nothing left.
    parts = deribit_parts(*draft.book(), replace(BTC_BOOK, settlement="USDC"))
    assert parts.margins == (near(3000.0), near(0.8 * 34_000), near(34_000.0))
    assert parts.total[-8:] == [0.0] * 8


def test_deribit_crossed_haircut_is_of_what_is_owned_only() -> None:
    draft = deribit()
    draft.collateral = {"BTC": 1.0, "ETH": -1.0, "USDC": 500.0}
    terms = DeribitCurrency(haircut=0.05)
    p = replace(CROSSED, currencies={**PLAIN, "BTC": terms, "ETH": terms})
    # 100,000 - 2000 + 500; 5 % of what is owned, initially.
    assert deribit_portfolio(*draft.book(), p) == (near(98_500.0), near(0.0), near(5000.0))


def test_deribit_vol_shock_has_its_floor_and_its_powers() -> None:
    draft = deribit()
    hold_deribit_call(draft, 1.0, 100_000.0, 0.4, 0.0)
    parts = deribit_parts(*draft.book(), BTC_BOOK)
    # One day: up 0.4 x (1 + 0.5 x 30^0.3) = 0.9548; unmoved that is a gain over 0.4.
    up, root = 0.4 * (1 + 0.5 * exp(0.3 * log(30.0))), sqrt(1 / 365)
    gain = black(1.0, 1.0, True, up * root) - black(1.0, 1.0, True, 0.4 * root)
    assert parts.total[parts.names.index("+0 up")] == near(gain)
    # Down 0.4 x (1 - 0.25 x 2.774) = 0.1226; and 0.1 rises to 0.2387 only, so to the floor of 0.5.
    down = 0.4 * (1 - 0.25 * exp(0.3 * log(30.0)))
    loss = black(1.0, 1.0, True, down * root) - black(1.0, 1.0, True, 0.4 * root)
    assert parts.total[parts.names.index("+0 down")] == near(loss)
    calm = deribit()
    hold_deribit_call(calm, 1.0, 100_000.0, 0.1, 0.0)
    parts = deribit_parts(*calm.book(), BTC_BOOK)
    gain = black(1.0, 1.0, True, 0.5 * root) - black(1.0, 1.0, True, 0.1 * root)
    assert parts.total[parts.names.index("+0 up")] == near(gain)
