# SPDX-License-Identifier: Apache-2.0
"""The panel forecast of funding: no say of the future, holes and stuck feeds, coverage, caps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.optimize import linprog

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import HOURS_PER_YEAR, FundingPrints
from tidegate.forecast.funding_panel import (
    PanelSettings,
    panel_band,
    panel_forecasts,
    panel_forecasts_by_step,
    realised_mean,
)
from tidegate.forecast.funding_rivals import ar1, ewma, rivals
from tidegate.forecast.funding_terms import (
    FUNDING_TERMS,
    default_share,
    funding_terms,
    interval_changes,
    next_settlements,
    rate_from_premium,
)
from tidegate.forecast.quantile import check_loss, quantile_regression
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS

TERMS = FUNDING_TERMS["hyperliquid"]
DAY_AHEAD = PanelSettings(window_days=120, refit_days=30)
DAYS = 150
AT_MS = np.arange(1, DAYS + 1, dtype=np.int64) * DAY_MS


def prints_of(annual: np.ndarray, interval_h: float = 8.0) -> FundingPrints:
    ts_ms = ((1 + np.arange(annual.size)) * interval_h * HOUR_MS).astype(np.int64)
    rate = annual * interval_h / HOURS_PER_YEAR
    return FundingPrints(ts_ms, rate, np.full(annual.size, interval_h))


def reverting(seed: int, days: int = DAYS) -> np.ndarray:
    """Annual rates that revert to the default with a half-life of days and heavy tails."""
    rng = np.random.default_rng(seed)
    x, shock = np.zeros(days * 3), rng.standard_t(4, days * 3)
    for t in range(1, x.size):
        x[t] = 0.95 * x[t - 1] + 0.02 * shock[t]
    return 0.1095 + x


def panel_of(seed: int, coins: int = 3) -> list[FundingPrints]:
    return [prints_of(reverting(seed + coin)) for coin in range(coins)]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("offset_h", [0, 4])
@pytest.mark.parametrize("horizon_h", [24, 72])
@settings(max_examples=2)
@given(st.integers(0, 100), st.integers(90, DAYS - 1))
def test_forecasts_do_not_change_when_later_prints_do(
    cut: bool, offset_h: int, horizon_h: int, seed: int, day: int
) -> None:
    """Later prints are changed wildly or taken away: what was forecast before stays bit by bit.

    Prints that do not settle at midnight are where a target's end is not a print's time."""
    estimated = replace(DAY_AHEAD, horizon_h=horizon_h)
    panel = [
        FundingPrints(each.ts_ms + offset_h * HOUR_MS, each.rate, each.interval_h)
        for each in panel_of(seed)
    ]
    before = panel_forecasts(panel, AT_MS, TERMS, estimated)
    changed = []
    for each in panel:
        later = each.ts_ms > day * DAY_MS
        if cut:
            kept = ~later
            changed.append(FundingPrints(each.ts_ms[kept], each.rate[kept], each.interval_h[kept]))
        else:
            rate = np.where(later, -7.0 * each.rate + 0.003, each.rate)
            changed.append(FundingPrints(each.ts_ms, rate, each.interval_h))
    after = panel_forecasts(changed, AT_MS, TERMS, estimated)
    for name in ("lower", "median", "upper"):
        np.testing.assert_array_equal(getattr(before, name)[:day], getattr(after, name)[:day])
    assert np.isfinite(before.median[day - 1]).all()


def test_band_covers_what_it_says_on_stationary_prints() -> None:
    at_ms = np.arange(1, 500, dtype=np.int64) * DAY_MS
    panel = [prints_of(reverting(seed, 500)) for seed in range(4)]
    found = panel_forecasts(panel, at_ms, TERMS, DAY_AHEAD)
    inside, known = [], np.isfinite(found.median)
    for coin, prints in enumerate(panel):
        realised = realised_mean(prints, at_ms, 24)
        rows = known[:, coin] & np.isfinite(realised)
        inside.append((realised >= found.lower[:, coin])[rows])
        inside[-1] &= (realised <= found.upper[:, coin])[rows]
    assert 0.76 < np.concatenate(inside).mean() < 0.84


def test_forecast_beats_its_rivals_where_prints_revert() -> None:
    at_ms = np.arange(1, 500, dtype=np.int64) * DAY_MS
    panel = [prints_of(reverting(seed, 500)) for seed in range(3)]
    found = panel_forecasts(panel, at_ms, TERMS, DAY_AHEAD)
    realised = realised_mean(panel[0], at_ms, 24)
    named = dict(rivals(panel[0], at_ms, 1, TERMS)) | {"forecast": found.median[:, 0]}
    rows = np.all([np.isfinite(f) for f in (*named.values(), realised)], axis=0)
    errors = {name: np.abs(f - realised)[rows].mean() for name, f in named.items()}
    assert min(errors, key=lambda name: errors[name]) == "forecast"


def test_a_stuck_feed_a_stale_one_and_a_short_one_are_refused() -> None:
    stuck = reverting(1)
    stuck[-31 * 3 :] = 0.2
    stale, short = prints_of(reverting(2)[:-9]), prints_of(reverting(3)[: 10 * 3])
    found = panel_forecasts([prints_of(stuck), stale, short, prints_of(reverting(4))], AT_MS,
                            TERMS, DAY_AHEAD)  # fmt: skip
    for coin in range(3):
        with pytest.raises(InsufficientHistory, match="fresh print"):
            panel_band(found, coin)
    band = panel_band(found, 3)
    assert band.lower_annual <= band.median_annual <= band.upper_annual
    wide = band.upper_annual - band.lower_annual
    assert band.standard_error_annual == pytest.approx(wide / 2 / 1.2815515655)


def test_missing_prints_are_holes_and_never_zero() -> None:
    whole = prints_of(np.full(DAYS * 3, 0.5) + 0.01 * reverting(5))
    kept = np.random.default_rng(0).random(whole.ts_ms.size) > 0.2
    kept[-1] = True
    holed = FundingPrints(whole.ts_ms[kept], whole.rate[kept], whole.interval_h[kept])
    found = panel_forecasts([holed, whole], AT_MS, TERMS, DAY_AHEAD)
    assert panel_band(found, 0).median_annual == pytest.approx(0.5, abs=0.02)


def test_a_print_of_a_hundred_deviations_moves_the_others_little_and_stays_in_the_cap() -> None:
    panel = panel_of(7)
    wild = panel[0].rate.copy()
    wild[-20] += 100 * wild.std()
    changed = [FundingPrints(panel[0].ts_ms, wild, panel[0].interval_h), *panel[1:]]
    before = panel_forecasts(panel, AT_MS, TERMS, DAY_AHEAD)
    after = panel_forecasts(changed, AT_MS, TERMS, DAY_AHEAD)
    np.testing.assert_allclose(after.median[-1, 1:], before.median[-1, 1:], atol=0.01)
    assert np.abs(after.upper[-1]).max() <= TERMS.cap_annual


def test_hourly_feed_that_stopped_three_hours_ago_is_refused() -> None:
    hourly = prints_of(np.repeat(reverting(8), 8), 1.0)
    late = FundingPrints(hourly.ts_ms[:-3], hourly.rate[:-3], hourly.interval_h[:-3])
    found = panel_forecasts([late, hourly], AT_MS, TERMS, DAY_AHEAD)
    assert np.isnan(found.median[-1]).tolist() == [True, False]


def test_print_at_the_origin_is_past_and_one_at_the_horizon_is_not() -> None:
    prints = prints_of(np.array([9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 9.0]))
    found = realised_mean(prints, np.array([DAY_MS], dtype=np.int64), 24)
    assert found[0] == pytest.approx(2.0)


def test_band_widens_on_the_side_that_was_missed() -> None:
    """From day 300 on shocks are upward and five times as large, which no fit has seen."""
    at_ms = np.arange(1, 420, dtype=np.int64) * DAY_MS
    annual = reverting(9, 420)
    annual[900:] += 0.5 * np.random.default_rng(9).exponential(size=360)
    settings_ = PanelSettings(window_days=290, refit_days=300)
    still, moving = panel_forecasts_by_step(
        [prints_of(annual)], at_ms, TERMS, settings_, (0.0, 0.4)
    )
    realised = realised_mean(prints_of(annual), at_ms, 24)
    rows = slice(330, 418)
    above = [float((realised[rows] > f.upper[rows, 0]).mean()) for f in (still, moving)]
    assert above[0] > 0.3, above
    assert above[1] < 0.17, above


def test_duplicated_prints_are_refused() -> None:
    with pytest.raises(InputError, match="strictly rising"):
        FundingPrints(np.array([1, 1], dtype=np.int64), np.zeros(2), np.ones(2))


def test_interval_changes_leave_the_mean_per_hour_alone() -> None:
    """The same 20 % a year, paid every 8 h and then every hour, is 20 % a year throughout."""
    hours = np.concatenate([np.full(30, 8.0), np.full(240, 1.0)])
    ts_ms = (np.cumsum(hours) * HOUR_MS).astype(np.int64)
    prints = FundingPrints(ts_ms, 0.2 * hours / HOURS_PER_YEAR, hours)
    at_ms = np.arange(1, 18, dtype=np.int64) * DAY_MS
    np.testing.assert_allclose(realised_mean(prints, at_ms, 24), 0.2, rtol=1e-12)
    assert interval_changes(prints) == ((8 * HOUR_MS, 8.0), (241 * HOUR_MS, 1.0))
    assert next_settlements(prints, 239 * HOUR_MS, 2).tolist() == [240 * HOUR_MS, 248 * HOUR_MS]
    assert next_settlements(prints, 300 * HOUR_MS + 1, 1).tolist() == [301 * HOUR_MS]


def test_by_step_is_the_single_form() -> None:
    panel = panel_of(11, 2)
    both = panel_forecasts_by_step(panel, AT_MS, TERMS, DAY_AHEAD, (0.02, 0.05))
    np.testing.assert_array_equal(
        both[1].upper, panel_forecasts(panel, AT_MS, TERMS, DAY_AHEAD).upper
    )


@pytest.mark.parametrize(
    ("venue", "premium", "rate"),
    [
        ("binance", 0.0, 1e-4),  # inside the damper the interest component is all there is
        ("binance", 0.002, 0.0015),  # P + clamp(I - P) = 20 bp - 5 bp
        ("hyperliquid", 0.002, 0.0015 / 8),
        ("hyperliquid", 1.0, 0.04),  # the cap of 4 % an hour
        ("deribit", 1e-4, 0.0),  # a dead band of 2.5 bp
        ("deribit", 1e-3, (1e-3 - 2.5e-4) / 8),
        ("dydx_v4", 0.0, 1e-4 / 8),
    ],
)
def test_rate_from_premium_follows_the_venue(venue: str, premium: float, rate: float) -> None:
    found = rate_from_premium(np.array([premium]), funding_terms(venue))
    assert found[0] == pytest.approx(rate, abs=1e-15)


def test_default_share_counts_prints_at_the_default() -> None:
    annual = np.array([0.1095, 0.1095, 0.2, 0.1095])
    assert default_share(prints_of(annual, 1.0), TERMS) == 0.75
    with pytest.raises(InputError, match="expected one of"):
        funding_terms("nowhere")


def test_rivals_equal_their_formulae() -> None:
    daily = np.array([0.1, np.nan, 0.3])
    assert ewma(daily, 1.0)[-1] == pytest.approx((0.3 + 0.1 / 4) / 1.25)
    x = np.zeros(400)
    for t in range(1, 400):
        x[t] = 0.8 * x[t - 1] + np.cos(t * t)
    slope, level = np.polyfit(x[-365:-1], x[-364:], 1)
    mean = level / (1 - slope)
    steps = [mean + slope**k * (x[-1] - mean) for k in (1, 2, 3)]
    assert ar1(x, 3)[-1] == pytest.approx(np.mean(steps), rel=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([0.1, 0.5, 0.9]))
def test_quantile_regression_is_within_a_hair_of_the_linear_programme(seed: int, p: float) -> None:
    """The exact minimum of the check loss as a linear programme is the oracle."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(60), rng.standard_normal((60, 2))])
    y = x @ np.array([0.5, 1.0, -1.0]) + rng.standard_t(3, 60)
    ones = np.ones(60)
    solved = linprog(
        np.concatenate([np.zeros(6), p * ones, (1 - p) * ones]),
        A_eq=np.hstack([x, -x, np.eye(60), -np.eye(60)]),
        b_eq=y,
    )
    found = check_loss(y - x @ quantile_regression(x, y, p), p)
    assert found <= solved.fun / 60 + 1e-3


@pytest.mark.parametrize("bad", [{"horizon_h": 0}, {"window_days": 3}, {"band": 1.0}])
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="funding panel"):
        PanelSettings(**bad)  # type: ignore[arg-type]
