# SPDX-License-Identifier: Apache-2.0
"""Option edges: what hedging leaves of a variance premium, and quotes that contradict."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.errors import InsufficientHistory
from tidegate.history.chain_file import read_chain, snapshots
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.pricing.black76 import price
from tidegate.pricing.option_chain import OptionChain
from tidegate.signals.edges import error_correlation, standard_error
from tidegate.signals.option_arbitrage import (
    ArbitrageTerms,
    StrikeQuotes,
    VenueQuote,
    box_edges,
    cross_venue_edges,
    parity_edges,
    strikes_of,
)
from tidegate.signals.variance_premium import HedgeTerms, OptionQuotes, variance_edges
from tidegate.signals.vol_shift import vol_shift, vol_shift_edge

FREE = ArbitrageTerms(36.5, option_fee=0.0, future_cost=0.0)


def quotes_at(vol: float, half_spread_usd: float = 0.0) -> OptionQuotes:
    strike = np.array([90_000.0, 100_000.0, 110_000.0])
    forward, years = np.full(3, 100_000.0), np.full(3, 30 / 365)
    call = np.array([False, True, True])
    mid = np.asarray(price(forward, strike, years, np.full(3, vol), call))
    return OptionQuotes(
        ("put", "atm", "call"), forward, strike, years, call,
        mid - half_spread_usd, mid + half_spread_usd, "BTC",
    )  # fmt: skip


def test_options_at_the_forecast_have_no_edge_before_costs_and_a_loss_after() -> None:
    for edge in variance_edges(quotes_at(0.5, 10.0), HedgeTerms(0.5, 0.2, 8.0, 5e-4, 30.0)):
        assert edge.gross_annual < 0.0 < edge.cost_annual
        assert edge.status == "observed"
        assert edge.capacity_usd is None


def test_dear_options_are_sold_cheap_ones_bought() -> None:
    terms = HedgeTerms(0.5, 0.2, 8.0, 0.0, 0.0)
    dear, cheap = variance_edges(quotes_at(0.6), terms), variance_edges(quotes_at(0.4), terms)
    assert all(edge.name.startswith("sell") and edge.net_annual > 0 for edge in dear)
    assert all(edge.name.startswith("buy") and edge.net_annual > 0 for edge in cheap)
    np.testing.assert_allclose(error_correlation(dear, {}), 1.0)
    assert error_correlation([dear[0], cheap[0]], {})[0, 1] == pytest.approx(-1.0)


def test_error_is_vega_times_the_error_of_volatility() -> None:
    """A forecast one error too low moves the edge by one standard error, to first order."""
    terms = HedgeTerms(0.5, 0.01, 8.0, 0.0, 0.0)
    higher = HedgeTerms(0.5 * 1.01, 0.01, 8.0, 0.0, 0.0)
    for a, b in zip(
        variance_edges(quotes_at(0.7), terms), variance_edges(quotes_at(0.7), higher), strict=True
    ):
        assert a.net_annual - b.net_annual == pytest.approx(standard_error(a), rel=0.05)


def test_hedging_costs_agree_with_leland_by_hand_and_grow_with_frequency() -> None:
    # sigma 0.5, weekly, 5 bp: share = sqrt(8 / pi) 0.0005 / (0.5 sqrt(168 / 8760)) = 0.011523
    weekly = HedgeTerms(0.5, 0.1, 168.0, 5e-4, 0.0)
    assert weekly.hedged_vol(sold=True) == pytest.approx(0.5 * math.sqrt(1.011523), rel=1e-5)
    assert weekly.hedged_vol(sold=False) == pytest.approx(0.5 * math.sqrt(0.988477), rel=1e-5)
    hourly = HedgeTerms(0.5, 0.1, 1.0, 5e-4, 0.0)
    assert hourly.hedged_vol(sold=True) > weekly.hedged_vol(sold=True)
    assert HedgeTerms(0.01, 0.1, 0.01, 0.1, 0.0).hedged_vol(sold=False) == 0.0


def test_a_side_that_is_not_quoted_is_not_taken() -> None:
    dear = quotes_at(0.7)
    dear.bid_usd[0] = math.nan
    edges = variance_edges(dear, HedgeTerms(0.5, 0.2, 8.0, 0.0, 0.0))
    assert edges[0].name == "buy put"
    assert edges[0].net_annual < 0.0
    dear.ask_usd[0] = math.nan
    assert len(variance_edges(dear, HedgeTerms(0.5, 0.2, 8.0, 0.0, 0.0))) == 2


def fair_strikes(vol: float, half: float, ratios: tuple[float, ...]) -> list[StrikeQuotes]:
    found = []
    for x in ratios:
        call, put = (float(price(1.0, x, 0.1, vol, side)) for side in (True, False))
        found.append(StrikeQuotes(x, call - half, call + half, put - half, put + half))
    return found


@settings(max_examples=30)
@given(st.floats(0.2, 1.5), st.floats(0.0, 0.01))
def test_a_chain_of_one_model_has_no_arbitrage(vol: float, half: float) -> None:
    strikes = fair_strikes(vol, half + 1e-12, (0.7, 0.9, 1.0, 1.2))
    assert parity_edges(strikes, FREE) == ()
    assert box_edges(strikes, FREE) == ()


def test_planted_violations_are_found_net_of_fees_and_stay_observed() -> None:
    good = fair_strikes(0.6, 0.001, (0.9, 1.1))
    dear = good[1]
    wrong = StrikeQuotes(
        1.1, dear.call_bid + 0.01, dear.call_ask + 0.01, dear.put_bid, dear.put_ask
    )
    found = parity_edges([good[0], wrong], FREE)
    assert [edge.name for edge in found] == ["conversion at 1.1000"]
    # 1 % less two half spreads of 0.1 %, for a tenth of a year.
    assert found[0].net_annual == pytest.approx((0.01 - 0.002) * 10)
    assert found[0].capacity_usd is None
    assert found[0].status == "observed"
    boxes = box_edges([good[0], wrong], FREE)
    assert [edge.name for edge in boxes] == ["buy 0.9000 to 1.1000"]
    assert boxes[0].net_annual == pytest.approx((0.01 - 0.004) * 10)
    assert parity_edges([wrong], ArbitrageTerms(36.5, option_fee=0.004)) == ()


def test_an_unquoted_leg_makes_no_arbitrage_and_a_crossed_quote_is_refused() -> None:
    holed = StrikeQuotes(1.1, 0.5, math.nan, math.nan, math.nan)
    assert parity_edges([holed], FREE) == ()
    assert box_edges([holed, *fair_strikes(0.6, 0.0, (0.9,))], FREE) == ()
    with pytest.raises(InputError, match="bid <= ask"):
        StrikeQuotes(1.0, 0.2, 0.1, 0.1, 0.2)


def test_violations_of_a_stored_chain_are_few_after_fees(data_root: Path) -> None:
    """Marks of a chain agree with parity, so what quotes violate is rare and small once fees of
    3 bp an option and 5 bp of the future are paid."""
    path = data_root / "options/deribit_BTC_chain_2026-02.parquet"
    chain = read_chain(path, snapshots(path)[-1])
    strikes = edges = 0
    for expiry_ms in np.unique(chain.expiry_ms).tolist():
        held = strikes_of(chain, expiry_ms)
        days = max((expiry_ms - chain.ts_ms) / DAY_MS, 0.1)
        strikes += len(held)
        edges += len(parity_edges(held, ArbitrageTerms(days)))
    assert strikes > 200
    assert edges < 0.05 * strikes


def test_strikes_of_a_chain_are_over_the_forward_and_a_crossed_side_is_missing() -> None:
    strike = np.array([100.0, 100.0, 120.0, 120.0, 130.0])
    call = np.array([True, False, True, False, True])
    chain = OptionChain(
        0, "BTC", np.full(5, DAY_MS), strike, call,
        np.array([5.0, 4.0, 2.0, 0.0, 1.0]), np.array([6.0, 5.0, 1.0, 22.0, 2.0]),
        np.full(5, 100.0), np.full(5, 0.5), 1.0, False,
    )  # fmt: skip
    first, second = strikes_of(chain, DAY_MS)
    assert first == StrikeQuotes(1.0, 0.05, 0.06, 0.04, 0.05)
    assert math.isnan(second.call_bid)
    assert math.isnan(second.put_bid)
    assert (second.over_forward, second.put_ask) == (1.2, 0.22)
    with pytest.raises(InputError, match="expiry_ms"):
        strikes_of(chain, 1)


def test_cross_venue_capacity_is_known_only_with_both_sizes() -> None:
    a, b = VenueQuote("a", 0.050, 0.052, 5.0, 5.0), VenueQuote("b", 0.044, 0.046, 3.0, 2.0)
    found = cross_venue_edges("call", [a, b], FREE, 1000.0)
    assert [(edge.name, edge.capacity_usd) for edge in found] == [("call: buy b, sell a", 2000.0)]
    unsized = cross_venue_edges("call", [a, VenueQuote("b", 0.044, 0.046)], FREE, 1000.0)
    assert unsized[0].capacity_usd is None
    assert cross_venue_edges("call", [a, b], ArbitrageTerms(30.0, option_fee=0.01), 1.0) == ()


def test_vol_shift_returns_to_the_mean_and_its_error_covers_what_came() -> None:
    rng = np.random.default_rng(3)
    x = np.zeros(2500)
    for t in range(1, x.size):
        x[t] = 0.95 * x[t - 1] + 0.05 * rng.standard_normal()
    vol = 0.6 * np.exp(x)
    z = []
    for t in range(400, 2480, 20):
        shift = vol_shift(vol[:t], 7)
        z.append((vol[t + 6] - shift.now - shift.expected) / shift.standard_error)
    assert 0.8 < np.std(z) < 1.25
    high = vol_shift(np.append(vol[:400], 0.9), 7)
    edge = vol_shift_edge("BTC", high, 7, 0.005)
    assert high.expected < 0.0 < edge.gross_annual
    assert edge.name == "BTC short vega"


@pytest.mark.parametrize(
    "series", [np.full(50, 0.5), np.full(400, 0.5), np.r_[np.linspace(0.4, 0.6, 200), np.nan]]
)
def test_vol_shift_refuses_short_stuck_and_stale_series(series: np.ndarray) -> None:
    with pytest.raises(InsufficientHistory):
        vol_shift(series, 7)
