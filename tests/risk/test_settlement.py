# SPDX-License-Identifier: Apache-2.0
"""Settlement: closed forms against each other, against simulation, and against real gaps."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.realised import regular_grid
from tidegate.model.errors import InputError
from tidegate.model.times import MINUTE_MS
from tidegate.risk.settlement import (
    SECONDS_PER_YEAR,
    DiscreteLatency,
    ErlangLatency,
    FixedLatency,
    InversePosition,
    Latency,
    LinearPosition,
    LogMotion,
    LognormalLatency,
    _erlang_nodes,
    _fixed_probabilities,
    adverse_path_maxima,
    buffer_for,
    empirical_buffer,
    hit_probability,
)

# The golden set: volatility 90 %, a martingale price, a buffer of 5 %, a year of 365 days.
MOTION = LogMotion(0.9, -0.405)
DISTANCE = 0.05
MOTIONS = st.builds(LogMotion, st.floats(0.1, 3.0), st.floats(-5.0, 5.0))
MEANS_S = st.floats(60.0, 86_400.0)


def spread(seconds: list[float]) -> DiscreteLatency:
    """Each of these times with the same probability."""
    return DiscreteLatency(np.array(seconds), np.full(len(seconds), 1 / len(seconds)))


LATENCIES: st.SearchStrategy[Latency] = st.one_of(
    st.builds(spread, st.lists(MEANS_S, min_size=1, max_size=5)),
    st.builds(FixedLatency, MEANS_S),
    st.builds(ErlangLatency, MEANS_S, st.integers(1, 20)),
    st.builds(LognormalLatency, MEANS_S, st.floats(0.1, 2.0)),
)


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (ErlangLatency(1_200.0), 2.8686e-6),
        (ErlangLatency(3_600.0), 6.2451e-4),
        (ErlangLatency(14_400.0), 2.4678e-2),
        (FixedLatency(1_200.0), 2.08e-19),
        (FixedLatency(3_600.0), 1.9466e-7),
        (FixedLatency(14_400.0), 9.0956e-3),
        (ErlangLatency(3_600.0, 2), 1.8411e-4),
        (ErlangLatency(3_600.0, 4), 4.716e-5),
        (ErlangLatency(3_600.0, 16), 3.31e-6),
        (LognormalLatency(3_600.0, 1.0), 1.38e-3),
    ],
)
def test_golden_probabilities_hold_to_their_printed_digits(
    latency: Latency, expected: float
) -> None:
    """reference quant 3.4, computed there by independent closed forms."""
    digits = len(f"{expected!r}".split("e")[0].replace(".", "").lstrip("0"))
    found = hit_probability(DISTANCE, MOTION, latency)
    assert found == pytest.approx(expected, rel=5.1 * 10.0**-digits)


@pytest.mark.parametrize(
    ("minutes", "exponential", "fixed"),
    [(20, 0.03609, 0.02159), (60, 0.06241, 0.03737), (240, 0.12440, 0.07465)],
)
def test_golden_buffers_for_one_in_ten_thousand(
    minutes: int, exponential: float, fixed: float
) -> None:
    """reference quant 3.4, the two columns of buffers at eps = 1e-4."""
    found = buffer_for(1e-4, MOTION, ErlangLatency(minutes * 60.0))
    assert found == pytest.approx(exponential, abs=5.1e-6)
    assert buffer_for(1e-4, MOTION, FixedLatency(minutes * 60.0)) == pytest.approx(
        fixed, abs=5.1e-6
    )


@given(MOTIONS, LATENCIES, st.floats(1e-8, 0.5))
@settings(max_examples=60)
def test_buffer_is_the_least_that_keeps_its_promise(
    motion: LogMotion, latency: Latency, eps: float
) -> None:
    found = buffer_for(eps, motion, latency)
    assert hit_probability(found, motion, latency) <= eps * (1.0 + 1e-9)
    assert hit_probability(found * 0.999, motion, latency) > eps


@given(MOTIONS, st.floats(0.01, 0.5), MEANS_S, MEANS_S, st.floats(0.0, 0.99))
def test_discrete_law_is_the_mixture_of_its_times_and_what_never_lands_is_hit(
    motion: LogMotion, distance: float, soon_s: float, late_s: float, lost: float
) -> None:
    law = DiscreteLatency(np.array([soon_s, late_s]), np.array([0.25, 0.75]) * (1 - lost))
    each = [hit_probability(distance, motion, FixedLatency(s)) for s in (soon_s, late_s)]
    mixed = (1 - lost) * (0.25 * each[0] + 0.75 * each[1]) + lost
    assert hit_probability(distance, motion, law) == pytest.approx(mixed, abs=1e-12)


@given(MOTIONS, LATENCIES, st.floats(0.0, 0.5), st.floats(1.001, 2.0))
def test_a_nearer_barrier_is_hit_more_often(
    motion: LogMotion, latency: Latency, distance: float, factor: float
) -> None:
    near, far = (hit_probability(d, motion, latency) for d in (distance, distance * factor))
    assert 0.0 <= far <= near + 1e-12 <= 1.0 + 2e-12
    assert hit_probability(0.0, motion, latency) == pytest.approx(1.0, abs=1e-9)


@given(MOTIONS, MEANS_S, st.floats(0.0, 0.3))
def test_mixtures_meet_the_closed_forms_at_their_ends(
    motion: LogMotion, mean_s: float, distance: float
) -> None:
    """Erlang of one stage integrated numerically is exponential; a narrow lognormal is fixed."""
    times, weights = _erlang_nodes(mean_s / SECONDS_PER_YEAR, 1)
    mixed = float(weights @ _fixed_probabilities(distance, motion, times))
    closed = hit_probability(distance, motion, ErlangLatency(mean_s))
    assert mixed == pytest.approx(closed, rel=1e-6, abs=1e-12)
    narrow = hit_probability(distance, motion, LognormalLatency(mean_s, 1e-5))
    fixed = hit_probability(distance, motion, FixedLatency(mean_s))
    assert narrow == pytest.approx(fixed, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("drift_annual", [-0.405, 30.0])
def test_fixed_form_agrees_with_simulated_paths(drift_annual: float) -> None:
    """Bridges between 64 steps are crossed with their exact probability, so no step is too long.

    P(bridge from x to y in dt crosses b) = exp(-2 (b - x)(b - y)/(s^2 dt)) for x, y < b.
    """
    rng, n, steps, t = np.random.default_rng(11), 40_000, 64, 4.0 * 3_600 / SECONDS_PER_YEAR
    motion, barrier, dt = LogMotion(0.9, drift_annual), 0.02, t / 64
    x, alive = np.zeros(n), np.ones(n)
    for _ in range(steps):
        y = x + drift_annual * dt + 0.9 * math.sqrt(dt) * rng.standard_normal(n)
        room = np.maximum(barrier - x, 0.0) * np.maximum(barrier - y, 0.0)
        alive *= 1.0 - np.exp(-2.0 * room / (0.81 * dt))
        x = y
    expected = hit_probability(barrier, motion, FixedLatency(4 * 3_600.0))
    error = float(np.std(alive)) / math.sqrt(n)
    assert abs(1.0 - float(alive.mean()) - expected) < 4.0 * error
    assert 0.2 < expected < 0.9


@given(
    st.floats(0.001, 100.0), st.sampled_from([-1, 1]), st.floats(1.0, 1e5), st.floats(0.01, 3.0),
    st.floats(0.001, 0.2),
)  # fmt: skip
def test_linear_liquidation_price_is_where_equity_is_maintenance(
    size: float, side: int, entry: float, cover: float, m: float
) -> None:
    q, collateral = side * size, cover * size * entry
    price = LinearPosition(q, entry, collateral, m).liquidation_price_usd()
    if price is None:
        assert side == 1
        assert collateral >= q * entry * (1 - 1e-12)
        return
    equity = collateral + q * (price - entry)
    assert equity == pytest.approx(m * size * price, rel=1e-6, abs=1e-9 * size * entry)
    book = (
        (q * entry - collateral) / (q * (1 - m))
        if side == 1
        else ((collateral + size * entry) / (size * (1 + m)))
    )
    assert price == pytest.approx(book, rel=1e-9)


@given(
    st.floats(1.0, 1e7), st.sampled_from([-1, 1]), st.floats(1.0, 1e5), st.floats(0.01, 3.0),
    st.floats(0.001, 0.2),
)  # fmt: skip
def test_inverse_liquidation_price_is_where_coin_equity_is_maintenance(
    size: float, side: int, entry: float, cover: float, m: float
) -> None:
    coin = cover * size / entry
    price = InversePosition(side * size, entry, coin, m).liquidation_price_usd()
    if price is None:
        assert side == -1
        assert cover >= 1 - 1e-9
        return
    equity = coin + side * size * (1 / entry - 1 / price)
    assert equity == pytest.approx(m * size / price, rel=1e-6, abs=1e-9 * size / entry)


def test_a_short_inverse_at_one_times_holds_usd_and_cannot_be_liquidated() -> None:
    """Collateral c = |N|/p0 coin: USD equity c p - N (p/p0 - 1) = N at every price."""
    for entry in (3.0, 7.0, 61_234.5):
        position = InversePosition(-10_000.0, entry, 10_000.0 / entry, 0.01)
        assert position.delta_coin() == pytest.approx(0.0, abs=1e-12)
        assert position.liquidation_price_usd() is None


def test_a_long_inverse_at_one_times_dies_at_half_price_and_maintenance() -> None:
    """c = N/p0 and c + N/p0 - N/p = m N/p give p = p0 (1 + m)/2; by hand 60,000 -> 30,300."""
    position = InversePosition(10_000.0, 60_000.0, 10_000.0 / 60_000.0, 0.01)
    assert position.liquidation_price_usd() == pytest.approx(30_300.0, rel=1e-12)
    assert position.delta_coin() == pytest.approx(2 * 10_000.0 / 60_000.0, rel=1e-12)


def test_path_maxima_equal_a_plain_loop_over_highs_and_lows() -> None:
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(50)))
    high, low = close * (1 + 0.01 * rng.random(50)), close * (1 - 0.01 * rng.random(50))
    up, down = adverse_path_maxima(high, low, close, 4)
    for i in range(46):
        assert up[i] == pytest.approx(max(0, math.log(high[i + 1 : i + 5].max() / close[i])))
        assert down[i] == pytest.approx(max(0, math.log(close[i] / low[i + 1 : i + 5].min())))
    assert np.isnan([up[46:], down[46:]]).all()


def test_a_window_that_meets_a_hole_is_not_known() -> None:
    close = np.full(10, 100.0)
    close[5] = np.nan
    up, down = adverse_path_maxima(close, close, close, 2)
    assert np.flatnonzero(np.isfinite(up)).tolist() == [0, 1, 2, 6, 7]
    assert np.array_equal(np.isnan(up), np.isnan(down))


def test_a_window_longer_than_the_history_gives_nothing_known() -> None:
    one = np.ones(3)
    assert np.isnan(adverse_path_maxima(one, one, one, 3)).all()


@given(st.integers(0, 99), st.floats(1e-7, 0.2))
def test_empirical_buffer_is_exceeded_no_more_often_than_asked(seed: int, eps: float) -> None:
    moves = np.abs(np.random.default_rng(seed).standard_t(3, 2_000)) * 0.01
    found = empirical_buffer(moves, eps)
    assert np.mean(moves > found) <= eps
    if eps * moves.size < 1:
        assert found >= moves.max()
    assert found >= empirical_buffer(moves, min(0.5, 2 * eps))


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_pareto_tail_finds_a_quantile_that_the_sample_has_not_seen(shape: float) -> None:
    """Median over 60 samples of 4,000 at eps = 1e-4, against the law's own quantile."""
    law = genpareto(shape, scale=0.01)
    found = [empirical_buffer(law.rvs(4_000, random_state=seed), 1e-4) for seed in range(60)]
    assert np.median(found) == pytest.approx(law.isf(1e-4), rel=0.2)


def test_a_share_that_lands_late_is_taken_off_what_is_allowed() -> None:
    moves = np.random.default_rng(1).exponential(0.01, 5_000)
    assert empirical_buffer(moves, 2**-5, late_share=2**-6) == empirical_buffer(moves, 2**-6)
    with pytest.raises(InputError, match="late_share"):
        empirical_buffer(moves, 0.01, late_share=0.01)


def test_moves_of_one_size_have_that_size_as_their_tail() -> None:
    assert empirical_buffer(np.full(1_000, 0.01), 1e-4) == 0.01


def test_unknown_windows_are_left_out_and_too_few_are_refused() -> None:
    moves = np.random.default_rng(1).exponential(0.01, 700)
    holed = np.concatenate([moves, np.full(300, np.nan)])
    assert empirical_buffer(holed, 0.01) == empirical_buffer(moves, 0.01)
    with pytest.raises(InsufficientHistory, match="at least 600 windows, got 500"):
        empirical_buffer(holed[200:], 0.01)


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1, math.nan])
def test_a_probability_outside_its_range_is_refused(eps: float) -> None:
    with pytest.raises(InputError, match="eps: expected between 0 and 1"):
        buffer_for(eps, MOTION, FixedLatency(60.0))
    with pytest.raises(InputError, match="eps"):
        empirical_buffer(np.zeros(1_000), eps)


def test_numbers_without_meaning_are_refused_and_the_field_named() -> None:
    with pytest.raises(InputError, match="vol_annual"):
        LogMotion(0.0)
    with pytest.raises(InputError, match="drift_annual"):
        LogMotion(0.9, math.inf)
    with pytest.raises(InputError, match="mean_s"):
        hit_probability(0.1, MOTION, FixedLatency(0.0))
    with pytest.raises(InputError, match="stages"):
        hit_probability(0.1, MOTION, ErlangLatency(60.0, 0))
    with pytest.raises(InputError, match="sigma_log"):
        hit_probability(0.1, MOTION, LognormalLatency(60.0, math.nan))
    with pytest.raises(InputError, match="distance_log"):
        hit_probability(-0.1, MOTION, FixedLatency(60.0))
    with pytest.raises(InputError, match="expected finite moves"):
        empirical_buffer(np.full(1_000, -0.1), 0.01)
    with pytest.raises(InputError, match="arrays of one length"):
        adverse_path_maxima(np.ones(3), np.ones(2), np.ones(3), 1)
    with pytest.raises(InputError, match="window >= 1"):
        adverse_path_maxima(np.ones(3), np.ones(3), np.ones(3), 0)
    with pytest.raises(InputError, match="low"):
        adverse_path_maxima(np.ones(3), 2 * np.ones(3), np.ones(3), 1)


def _one_hour_moves(data_root: Path, coin: str) -> np.ndarray:
    path = data_root / "ohlcv" / "binance_usdm_perp_15m.parquet"
    rows = duckdb.execute(
        "select epoch_ms(ts) as ts_ms, high, low, close from read_parquet(?) "
        "where symbol like ? order by ts",
        [str(path), f"{coin}%"],
    ).fetchnumpy()
    bars = np.column_stack([rows[name] for name in ("high", "low", "close")]).astype(np.float64)
    _, grid = regular_grid(np.asarray(rows["ts_ms"], dtype=np.int64), bars, 15 * MINUTE_MS)
    return np.maximum(*adverse_path_maxima(grid[:, 0], grid[:, 1], grid[:, 2], 4))


@pytest.mark.parametrize("coin", ["BTC", "SOL"])
def test_real_hours_exceed_what_diffusion_allows_by_orders_of_magnitude(
    data_root: Path, coin: str
) -> None:
    """The reason for the empirical buffer; the closed form gets the same data's volatility."""
    moves = _one_hour_moves(data_root, coin)
    known = moves[np.isfinite(moves)]
    share = float(np.mean(known > 0.05))
    buffer = empirical_buffer(moves, 1e-4)
    print(f"{coin}: {share:.2e} of hours move > 5 %, buffer at 1e-4 {buffer:.3f}, n {known.size}")
    assert share > 100 * hit_probability(0.05, LogMotion(0.6), FixedLatency(3_600.0))
    assert buffer > 1.5 * buffer_for(1e-4, LogMotion(0.6), FixedLatency(3_600.0))
    assert np.mean(known > buffer) <= 1e-4
