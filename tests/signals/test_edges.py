# SPDX-License-Identifier: Apache-2.0
"""Edges: errors shared are correlated, status follows evidence, carry is net of every cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.costs.trading import TradingCosts
from tidegate.forecast.funding import FundingForecast
from tidegate.model.errors import InputError
from tidegate.model.market import Quote
from tidegate.signals.edges import (
    Edge,
    EdgeEvidence,
    Loading,
    edge_status,
    error_correlation,
    error_covariance,
    standard_error,
)
from tidegate.signals.funding_hold import (
    HoldRule,
    held_above,
    hold_value,
    rotated,
    rotation_value,
    rule_for_cost,
)
from tidegate.signals.net_carry import HoldingCosts, TradedLeg, basis_edge, funding_edge

COSTS = TradingCosts(taker_ppm=450, half_spread=1e-4, impact_coefficient=1.0)
QUOTE = Quote(1_000_000, 0, False, volume_day_usd=1e9, vol_daily=0.03)
FREE = TradingCosts(taker_ppm=0, half_spread=0.0, impact_coefficient=0.0)


def leg(name: str, costs: TradingCosts = COSTS, notional_usd: float = 1e5) -> TradedLeg:
    return TradedLeg(name, costs, QUOTE, notional_usd)


def forecast(rate: float, error: float = 0.03) -> FundingForecast:
    return FundingForecast(rate, error, 5.0, 100)


def edge(*loadings: Loading, capacity_usd: float | None = 1e6) -> Edge:
    return Edge("funding", "pair", 0.1, 0.02, loadings, capacity_usd)


def test_two_pairs_with_a_common_leg_are_wrong_together() -> None:
    a, b, c = (Loading(name, 1.0, 0.03) for name in "abc")
    short = [Loading(x.source, -1.0, 0.03) for x in (b, c)]
    found = error_correlation([edge(a, short[0]), edge(a, short[1]), edge(c)], {})
    assert found[0, 1] == pytest.approx(0.5)
    assert found[1, 2] == pytest.approx(-math.sqrt(0.5))
    assert found[0, 2] == pytest.approx(0.0)


def test_correlated_sources_cancel_in_a_spread() -> None:
    pair = edge(Loading("a", 1.0, 0.03), Loading("b", -1.0, 0.03))
    assert error_covariance([pair], {("a", "b"): 1.0})[0, 0] == pytest.approx(0.0)
    assert standard_error(pair) == pytest.approx(0.03 * math.sqrt(2.0))


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.floats(-0.4, 0.9))
def test_error_correlation_is_one(weights: list[float], rho: float) -> None:
    """Symmetric, ones on the diagonal, no negative eigenvalue."""
    edges = [
        edge(*(Loading(s, w, 0.02) for s, w in zip("abc", weights[i : i + 3], strict=True)))
        for i in (0, 3)
    ]
    pairs = {("a", "b"): rho, ("b", "c"): rho, ("a", "c"): rho}
    found = error_correlation(edges, pairs)
    np.testing.assert_allclose(found, found.T)
    assert np.diag(found).tolist() == [1.0, 1.0]
    assert np.linalg.eigvalsh(found).min() > -1e-9


def test_contradictions_are_refused() -> None:
    three = [edge(*(Loading(s, 1.0, 0.02) for s in "abc"))]
    with pytest.raises(InputError, match="hold together"):
        error_covariance(three, {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9})
    with pytest.raises(InputError, match="one error per source"):
        error_covariance([edge(Loading("a", 1, 0.1)), edge(Loading("a", 1, 0.2))], {})


@pytest.mark.parametrize(
    ("evidence", "capacity_usd", "status"),
    [
        (None, 1e6, "observed"),
        (EdgeEvidence(0.01, 0.05, 200), 1e6, "capital"),
        (EdgeEvidence(0.01, 0.05, 200), None, "observed"),
        (EdgeEvidence(0.01, 0.05, 200), 0.0, "observed"),
        (EdgeEvidence(0.01, 0.05, 59), 1e6, "observed"),
        (EdgeEvidence(-0.01, 0.05, 200), 1e6, "observed"),
        (EdgeEvidence(-0.05, -0.01, 200), 1e6, "buffers"),
        (EdgeEvidence(math.nan, math.nan, 200), 1e6, "observed"),
    ],
)
def test_status_follows_evidence(
    evidence: EdgeEvidence | None, capacity_usd: float | None, status: str
) -> None:
    assert edge_status(edge(capacity_usd=capacity_usd), evidence) == status


def test_funding_edge_is_what_is_paid_less_every_cost_by_hand() -> None:
    holding = HoldingCosts(30.0, borrow_annual=0.01, margin_share=0.2, cash_annual=0.05,
                           transfer=0.0005)  # fmt: skip
    found = funding_edge(
        (leg("long"), forecast(0.02)), (leg("short"), forecast(0.25)), holding, 1e6
    )
    # Per leg: 2 x (4.5 bp + 1 bp + 3 % x sqrt(1e5 / 1e9)) = 2 x 8.5 bp.
    once = 2 * 2 * (0.00055 + 0.03 * math.sqrt(1e-4)) + 0.0005
    assert found.gross_annual == pytest.approx(0.23)
    assert found.cost_annual == pytest.approx(once * 365 / 30 + 0.01 + 0.2 * 0.05)
    assert standard_error(found) == pytest.approx(0.03 * math.sqrt(2))


def test_spot_leg_pays_nothing_and_carries_no_error() -> None:
    found = funding_edge((leg("spot"), None), (leg("perp"), forecast(0.2)), HoldingCosts(30), None)
    assert found.gross_annual == 0.2
    assert [each.source for each in found.loadings] == ["funding perp"]


@given(st.floats(1.0, 300.0), st.floats(1.1, 4.0))
def test_costs_weigh_less_the_longer_a_pair_is_held(days: float, factor: float) -> None:
    pair = ((leg("a"), forecast(0.0)), (leg("b"), forecast(0.1)))
    short = funding_edge(*pair, HoldingCosts(days), None)
    long = funding_edge(*pair, HoldingCosts(days * factor), None)
    assert long.cost_annual == pytest.approx(short.cost_annual / factor)


def test_basis_against_spot_is_locked_and_against_a_perpetual_is_not() -> None:
    future, free = leg("future", FREE), HoldingCosts(73.0)
    spot = basis_edge(future, (leg("spot", FREE), None), (102.0, 100.0), free, None)
    assert spot.gross_annual == pytest.approx(0.10)
    assert standard_error(spot) == 0.0
    perp = (leg("perp", FREE), forecast(0.16))
    other = basis_edge(future, perp, (102.0, 100.0), free, None)
    # The perpetual pays more than the basis: buy the future, sell the perpetual.
    assert other.gross_annual == pytest.approx(0.06)
    assert other.loadings[0].weight == 1.0
    negative = basis_edge(future, (leg("spot", FREE), None), (98.0, 100.0), free, None)
    assert negative.gross_annual < 0.0


def test_holding_pays_for_every_change_and_an_unknown_forecast_closes() -> None:
    rule = HoldRule(0.10, 0.0, 0.004)
    held = held_above(np.array([0.05, 0.2, 0.05, math.nan, 0.05, 0.2]), rule)
    assert held.tolist() == [False, True, True, False, False, True]
    paid = np.full(6, 0.365)
    found = hold_value("BTC", paid, held, rule, np.random.default_rng(0))
    years = 6 / 365
    assert found.acted_annual * years == pytest.approx(3 * 0.001 - 4 * 0.002)
    assert found.static_annual * years == pytest.approx(6 * 0.001 - 2 * 0.002)
    assert rule_for_cost(0.003, 30).enter_annual == pytest.approx(0.0365)
    with pytest.raises(InputError, match="known payment"):
        hold_value("BTC", np.full(6, math.nan), held, rule, np.random.default_rng(0))


@given(st.integers(0, 500), st.integers(1, 4))
def test_rotation_holds_no_more_than_its_places_and_nothing_unknown(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    forecasts = np.where(rng.random((60, 5)) < 0.1, math.nan, rng.standard_normal((60, 5)))
    held = rotated(forecasts, count, HoldRule(0.5, 0.0, 0.001))
    assert held.sum(axis=1).max() <= count
    assert np.isfinite(forecasts[held]).all()
    assert (forecasts[held] > 0.0).all()
    assert (forecasts[0][held[0]] > 0.5).all()


def test_rotation_gives_way_only_where_the_gain_pays_for_the_change() -> None:
    rule = HoldRule(0.1, 0.0, 0.004)
    forecasts = np.array([[0.2, 0.15], [0.2, 0.29], [0.2, 0.31], [math.nan, 0.05]])
    assert rotated(forecasts, 1, rule).argmax(axis=1).tolist() == [0, 0, 1, 1]
    paid = np.array([[0.365, 0.0], [0.365, 0.0], [0.0, 0.73], [math.nan, 0.73]])
    held = rotated(forecasts, 1, rule)
    found = rotation_value(paid, held, 1, rule, np.random.default_rng(0))
    years = 4 / 365
    # Six tenths of a per cent of funding, less two entries and two exits of 20 bp each.
    assert found.acted_annual * years == pytest.approx(0.006 - 4 * 0.002)
    assert found.static_annual * years == pytest.approx(0.003 - 2 * 0.002)


@pytest.mark.parametrize("bad", [{"days_held": 0.0}, {"days_held": 1.0, "transfer": math.nan}])
def test_bad_holding_costs_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="holding costs"):
        HoldingCosts(**bad)
