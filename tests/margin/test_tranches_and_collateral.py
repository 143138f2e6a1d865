# SPDX-License-Identifier: Apache-2.0
"""What collateral counts for: tranches, haircuts, debts, dollar marks, and what borrowing costs."""

from __future__ import annotations

from fractions import Fraction
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import COLLATERAL, NOW, TIERED, market
from tidegate.margin.borrowing import HYPERLIQUID_RATE, KinkedRate, debt_after
from tidegate.margin.collateral import CollateralTable, CollateralTerms, flat, owed_usd
from tidegate.margin.market_values import MarketValues, dollar_of
from tidegate.margin.prices import Prices
from tidegate.margin.tranches import Tranche, Tranches, tranches
from tidegate.model.errors import InputError

# The assumed example of Bybit's help page on tiered collateral ratios (18 September 2025).
BYBIT_EXAMPLE = tranches(
    (("10", "0.98"), ("20", "0.95"), ("30", "0.90"), ("40", "0.85"), ("50", "0.80"))
)
# BETH on OKX, USD, from 18 July 2024 (GlobeNewswire, "OKX adjusts discount rates for BETH").
BETH = CollateralTerms(
    tranches((("2000000", "0.95"), ("4000000", "0.85"), ("8000000", "0.5"))), unit="usd"
)
AMOUNTS = st.fractions(min_value=0, max_value=100, max_denominator=1_000)


def test_coins_take_the_ratio_of_each_tranche_and_nothing_beyond_the_last() -> None:
    assert BYBIT_EXAMPLE.total(Fraction(15)) == Fraction("9.8") + 5 * Fraction("0.95")
    everything = 10 * Fraction("4.48")
    assert BYBIT_EXAMPLE.total(Fraction(50)) == everything == BYBIT_EXAMPLE.total(Fraction(80))


def test_tranches_in_dollars_are_found_by_value() -> None:
    # 1,000 BETH at 3,000 are 3 million: 1.9 million and 0.85 of the third one.
    assert BETH.counted_usd(1_000.0, 3_000.0) == 2_750_000.0


@given(AMOUNTS, AMOUNTS)
def test_total_of_tranches_never_falls_and_each_coin_counts_at_most_its_rate(
    low: Fraction, step: Fraction
) -> None:
    gained = BYBIT_EXAMPLE.total(low + step) - BYBIT_EXAMPLE.total(low)
    assert 0 <= gained <= Fraction("0.98") * step


@given(AMOUNTS)
def test_pieces_of_falling_rates_are_tranches_by_their_least(amount: Fraction) -> None:
    least = min(rate * amount + offset for rate, offset in BYBIT_EXAMPLE.pieces())
    assert least == BYBIT_EXAMPLE.total(amount)


def test_charge_beyond_the_last_tranche_is_refused() -> None:
    assert BYBIT_EXAMPLE.charge(Fraction(50)) == Fraction("44.8")
    with pytest.raises(InputError, match="at most 50"):
        BYBIT_EXAMPLE.charge(Fraction(501, 10))


@pytest.mark.parametrize(
    "rows",
    [(), (("2", "1"), ("1", "1")), ((None, "1"), ("1", "1")), (("0", "1"),), (("1", "-1"),)],
)
def test_tranches_that_are_none_are_refused(rows: tuple[tuple[str | None, str], ...]) -> None:
    with pytest.raises(InputError):
        tranches(rows)


def test_rate_is_taken_on_what_is_owned_and_a_debt_weighs_its_own() -> None:
    assert TIERED.counted_usd(10.0, 60_000.0) == 588_000.0
    assert TIERED.counted_usd(-1.0, 60_000.0) == -60_600.0
    assert flat("0.5").counted_usd(-3.0, 10.0) == -30.0


@given(st.floats(-100, 60))
def test_haircut_form_is_never_below_the_haircut_inside_its_span(balance: float) -> None:
    form = TIERED.haircut_form(60.0)
    exact = Fraction(balance) - (
        TIERED.discount.total(Fraction(balance))
        if balance >= 0
        else Fraction(balance) * TIERED.debt_weight
    )
    lines = max(Fraction(rate) * Fraction(balance) - Fraction(cut) for rate, cut in form.lines)
    assert lines >= exact - Fraction(abs(balance)) / 10**15
    assert lines <= exact + Fraction(1 + abs(balance)) / 10**12


def test_haircut_form_refuses_what_is_beyond_it_and_rates_that_rise() -> None:
    with pytest.raises(InputError, match="at most 60"):
        TIERED.haircut_form(60.0).bound(60.1)
    with pytest.raises(InputError, match="do not rise"):
        CollateralTerms(tranches((("1", "0.5"), ("2", "0.9")))).haircut_form(1.0)


@pytest.mark.parametrize("terms", [lambda: flat("1.01"), lambda: flat("0.9", debt_weight="0.9")])
def test_terms_above_one_or_a_debt_below_its_price_are_refused(terms: object) -> None:
    with pytest.raises(InputError, match="expected discounts"):
        terms()  # type: ignore[operator]


def test_asset_without_terms_is_refused_and_named_with_nothing_it_counts_nothing() -> None:
    prices = Prices(market())
    with pytest.raises(InputError, match="SOL"):
        COLLATERAL.counted_usd({"SOL": 1.0}, prices)
    table = CollateralTable({"BTC": flat("0")}, "", "t")
    assert table.counted_usd({"BTC": 3.0, "SOL": 0.0}, prices) == {"BTC": 0.0}
    with pytest.raises(InputError, match="finite"):
        table.counted_usd({"BTC": float("inf")}, prices)


def test_depegged_dollar_counts_its_mark_before_its_haircut() -> None:
    prices = Prices(market({dollar_of("USDC"): 0.88}))
    assert COLLATERAL.counted_usd({"USDC": 1_000.0}, prices) == {
        "USDC": pytest.approx(1_000 * 0.88 * 0.999)
    }
    with pytest.raises(InputError, match="dollar USDC"):
        Prices(MarketValues(NOW, {}, 60_000)).usd("USDC")


def test_what_is_owed_is_without_weight_and_only_of_debts() -> None:
    assert owed_usd({"BTC": -0.5, "USDT": 9.0}, Prices(market())) == {"BTC": 30_000.0}


def test_hyperliquid_rate_is_its_formula() -> None:
    # 0.05 + 4.75 max(0, utilisation - 0.8): portfolio margin page, stored copy of November 2026.
    for hundredth in range(101):
        use = hundredth / 100
        expected = 0.05 + 4.75 * max(0.0, use - 0.8)
        assert HYPERLIQUID_RATE.borrowing_annual(use) == pytest.approx(expected, abs=1e-15)
    assert HYPERLIQUID_RATE.supply_annual(0.5) == pytest.approx(0.05 * 0.5 * 0.9)


def test_rate_bends_at_its_kink_and_a_utilisation_outside_is_refused() -> None:
    curve = KinkedRate(0.0, 0.04, 0.60, 0.9, 0.1, "", "test")
    rates = [curve.borrowing_annual(u) for u in (0.0, 0.45, 0.9, 0.95, 1.0)]
    assert rates == pytest.approx([0.0, 0.02, 0.04, 0.34, 0.64])
    for use in (-0.01, 1.01):
        with pytest.raises(InputError, match="utilisation"):
            curve.borrowing_annual(use)
    with pytest.raises(InputError, match="kink"):
        KinkedRate(0.0, 0.04, 0.6, 1.0, 0.1, "", "test")


def test_debt_compounds_by_whole_steps() -> None:
    hour = 3_600.0
    assert debt_after(100.0, 0.10, 1.5 * hour, hour) == pytest.approx(100 * (1 + 0.10 / 8_760))
    year = 365 * 24 * hour
    assert debt_after(100.0, 0.10, year, 1.0) == pytest.approx(100 * exp(0.10), rel=1e-8)
    assert debt_after(100.0, 0.10, 0.0, 1.0) == 100.0
    with pytest.raises(InputError, match="interest"):
        debt_after(100.0, 0.10, -1.0, 1.0)


def test_tranche_without_end_in_the_middle_is_refused() -> None:
    rows = (Tranche(None, Fraction(1)), Tranche(None, Fraction(1)))
    with pytest.raises(InputError, match="rising caps"):
        Tranches(rows, "", "test")
