# SPDX-License-Identifier: Apache-2.0
"""Signs of stress against closed forms, series as they were known, latency and liquidity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.alignment import PublishedSeries, as_known
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.liquidity import forecast_liquidity
from tidegate.forecast.stress_features import (
    abdi_ranaldo,
    amihud,
    corwin_schultz,
    leverage_change,
    past_rank,
    range_variance,
    skew,
    stablecoin_deviation,
    term_slope,
    variance_premium,
)
from tidegate.forecast.transfer_latency import LatencyPrior, ObservedTransfer, learn_latency
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS

PRIOR = LatencyPrior(600.0, 1800.0)


def _days_with_spread(spread: float, days: int, seed: int) -> tuple[np.ndarray, ...]:
    """Close, high and low of a walk whose trades bounce between bid and ask."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((days, 400)) * 0.02 / 20
    mid = 100 * np.exp(np.cumsum(steps.ravel())).reshape(days, 400)
    traded = mid * (1 + 0.5 * spread * rng.choice([-1, 1], mid.shape))
    return traded[:, -1], traded.max(axis=1), traded.min(axis=1)


def test_spread_estimates_find_a_planted_spread_and_nearly_none_without() -> None:
    close, high, low = _days_with_spread(0.02, 1500, 1)
    assert np.nanmean(corwin_schultz(high, low)) == pytest.approx(0.02, abs=0.005)
    assert abdi_ranaldo(close, high, low, 1499)[-1] == pytest.approx(0.02, abs=0.005)
    close, high, low = _days_with_spread(0.0, 1500, 2)
    assert abdi_ranaldo(close, high, low, 1499)[-1] < 0.005


def test_range_variance_of_a_walk_is_its_variance() -> None:
    _, high, low = _days_with_spread(0.0, 3000, 3)
    # 400 steps a day miss some of the range of a continuous path, about 6 % of it.
    assert range_variance(high, low).mean() == pytest.approx(0.02**2, rel=0.12)


def test_ratios_and_changes_are_their_formulae_and_missing_is_not_zero() -> None:
    one = np.array([0.6, 0.5, np.nan])
    assert term_slope(one, np.array([0.5, 0.0, 0.5])).tolist()[0] == pytest.approx(1.2)
    assert np.isnan(term_slope(one, np.array([0.5, 0.0, 0.5]))[1:]).all()
    assert skew(np.array([-0.05]), np.array([0.5]))[0] == pytest.approx(-0.1)
    assert variance_premium(np.array([0.6]), np.array([0.5]))[0] == pytest.approx(0.11)
    oi = np.array([1.0, 0.0, math.e])
    assert leverage_change(oi, 2)[2] == pytest.approx(1.0)
    assert np.isnan(leverage_change(oi, 1)).all()
    assert amihud(np.array([0.01]), np.array([1e9]))[0] == pytest.approx(math.log(0.01))
    assert np.isnan(amihud(np.array([0.01]), np.array([0.0]))[0])
    assert stablecoin_deviation(np.array([0.98, 1.01])) == pytest.approx([0.02, 0.01])
    with pytest.raises(InputError, match="above zero"):
        stablecoin_deviation(np.array([0.0]))
    with pytest.raises(InputError, match="low <= high"):
        corwin_schultz(np.array([1.0, 1.0]), np.array([1.0, 2.0]))


@given(st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=1, max_size=80))
def test_past_rank_is_the_share_at_or_below(values: list[float]) -> None:
    x = np.array(values)
    found = past_rank(x, 1)
    for t, value in enumerate(values):
        past = x[: t + 1][np.isfinite(x[: t + 1])]
        expected = (past <= value).mean() if math.isfinite(value) else math.nan
        assert found[t] == pytest.approx(expected, nan_ok=True)


def test_series_is_seen_from_its_publication_on_and_in_the_revision_of_the_time() -> None:
    series = PublishedSeries(
        "index",
        np.array([0, 30, 0, 60], dtype=np.int64) * DAY_MS,
        np.array([45, 75, 80, 105], dtype=np.int64) * DAY_MS,
        np.array([1.0, 2.0, 1.5, 3.0]),
    )
    at = np.array([44, 45, 79, 80, 104, 105, 106, 200], dtype=np.int64) * DAY_MS
    found = as_known(series, at, 60 * DAY_MS)
    assert found[:7].tolist() == pytest.approx([math.nan, 1, 2, 2, 2, 3, 3], nan_ok=True)
    assert math.isnan(found[7]), "a figure of 95 days ago is not carried"


def test_revised_figure_of_the_newest_period_replaces_it_from_then_on() -> None:
    series = PublishedSeries(
        "index",
        np.array([0, 0], dtype=np.int64),
        np.array([10, 20], dtype=np.int64),
        np.array([1.0, 4.0]),
    )
    at = np.array([19, 20], dtype=np.int64)
    assert as_known(series, at, 100).tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    ("period", "published", "field"),
    [([5], [4], "published_ms"), ([1, 2], [9, 8], "published_ms"), ([1, 1], [9, 9], "published")],
)
def test_series_out_of_order_or_doubled_is_refused(
    period: list[int], published: list[int], field: str
) -> None:
    with pytest.raises(InputError, match=field):
        PublishedSeries(
            "index",
            np.array(period, dtype=np.int64),
            np.array(published, dtype=np.int64),
            np.ones(len(period)),
        )


def test_route_never_used_is_its_prior() -> None:
    found = learn_latency([], 0, PRIOR)
    assert found.landed_quantile_s(0.5) == pytest.approx(600.0)
    assert found.freeze_probability == pytest.approx(0.005)
    assert found.landed_quantile_s(0.95) > 1800.0, "an uncertain variance widens the tail"
    assert found.quantile_s(0.999) == math.inf
    seconds, weights = found.nodes()
    assert weights.sum() == pytest.approx(0.995)
    assert np.median(seconds) == pytest.approx(600.0, rel=0.02)


def _transfers(seconds: np.ndarray, frozen: int = 0) -> list[ObservedTransfer]:
    landed = [
        ObservedTransfer(i * DAY_MS, i * DAY_MS + int(1000 * s)) for i, s in enumerate(seconds)
    ]
    return landed + [ObservedTransfer(i * DAY_MS) for i in range(frozen)]


def test_many_transfers_outweigh_the_prior_and_predict_what_comes() -> None:
    rng = np.random.default_rng(4)
    seconds = np.exp(np.log(120.0) + 0.8 * rng.standard_normal(4000))
    found = learn_latency(_transfers(seconds[:2000]), 3000 * DAY_MS, PRIOR)
    for p in (0.1, 0.5, 0.9, 0.99):
        assert (seconds[2000:] <= found.landed_quantile_s(p)).mean() == pytest.approx(p, abs=0.025)


@settings(max_examples=20)
@given(st.integers(0, 500), st.integers(3, 30))
def test_what_lands_later_is_in_flight_now_and_does_not_change_the_past(seed: int, n: int) -> None:
    """A transfer's later landing, or one sent later, changes nothing that was learned before."""
    rng = np.random.default_rng(seed)
    transfers = _transfers(rng.lognormal(6.0, 1.0, n))
    at_ms = transfers[n // 2].sent_ms + 60_000
    seen = learn_latency(transfers, at_ms, PRIOR)
    changed = [
        each
        if each.landed_ms is not None and each.landed_ms <= at_ms
        else ObservedTransfer(each.sent_ms, each.sent_ms + 50 * DAY_MS)
        for each in transfers
    ]
    assert learn_latency(changed, at_ms, PRIOR) == seen


def test_money_on_its_way_lengthens_the_latency_and_then_counts_as_frozen() -> None:
    quick = _transfers(np.full(10, 300.0) + np.arange(10))
    last = ObservedTransfer(20 * DAY_MS)
    before = learn_latency([*quick, last], 20 * DAY_MS, PRIOR)
    waiting = learn_latency([*quick, last], 20 * DAY_MS + 3_600_000, PRIOR)
    frozen = learn_latency([*quick, last], 22 * DAY_MS, PRIOR)
    assert waiting.landed_quantile_s(0.95) > 1.2 * before.landed_quantile_s(0.95)
    assert (waiting.n_in_flight, frozen.n_in_flight, frozen.n_frozen) == (1, 0, 1)
    assert frozen.freeze_probability == pytest.approx((0.5 + 1) / (100 + 11))
    assert frozen.freeze_low < frozen.freeze_probability < frozen.freeze_high


def test_a_transfer_of_a_hundred_deviations_is_frozen_and_not_a_latency() -> None:
    found = learn_latency([ObservedTransfer(0, 30 * DAY_MS)], 60 * DAY_MS, PRIOR)
    assert (found.n_landed, found.n_frozen) == (0, 1)
    with pytest.raises(InputError, match="after sent_ms"):
        ObservedTransfer(5, 5)
    with pytest.raises(InputError, match="median < p95"):
        LatencyPrior(600.0, 500.0)


def _spreads(seed: int, rows: int = 700) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.zeros(rows)
    for t in range(1, rows):
        x[t] = 0.9 * x[t - 1] + 0.2 * rng.standard_normal()
    return 2e-4 * np.exp(x)


def test_liquidity_quantiles_cover_what_came() -> None:
    series = _spreads(5, 1100)
    origins = range(600, 1095, 4)
    below = []
    for t in origins:
        forecast = forecast_liquidity(series[:t], 5)
        realised = np.exp(np.log(series[t : t + 5]).mean())
        below.append((realised <= forecast.low, realised <= forecast.high))
    low, high = np.mean(below, axis=0)
    assert 0.03 < low < 0.2
    assert 0.8 < high < 0.97


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x: x[:100], InsufficientHistory, "settled rows"),
        (lambda x: np.r_[x, np.full(30, x[-1])], InsufficientHistory, "known and moving"),
        (lambda x: np.r_[x, np.nan], InsufficientHistory, "known and moving"),
        (lambda x: np.r_[x, 0.0], InputError, "above zero"),
    ],
)
def test_liquidity_refuses_what_it_cannot_know(
    change: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        forecast_liquidity(change(_spreads(6)), 5)  # type: ignore[operator]
