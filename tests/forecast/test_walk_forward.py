# SPDX-License-Identifier: Apache-2.0
"""No model looks ahead; holes, spikes and short series are met as each model says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.forecast.histories import FIRST_MS, WEEK, history, with_hole, with_row
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.experts import BASELINE, Expert, experts
from tidegate.forecast.har import Har
from tidegate.forecast.model import Model, Predicted, VolatilityHistory
from tidegate.forecast.naive import Ewma, RandomWalk
from tidegate.forecast.realised import RealisedMeasures
from tidegate.forecast.scoring import qlike
from tidegate.forecast.seasonal import Seasonal, seasonal_factors, seasons
from tidegate.forecast.walk_forward import Walk, pool, realised_after, walk
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS

EVERY = experts()
NAMES = [expert.model.name for expert in EVERY]
DAYS, BENT = 260, 230


def _values(found: Walk) -> np.ndarray:
    return np.stack([found.variance, found.log_median, found.standard_error_log])


@pytest.mark.parametrize("expert", EVERY, ids=NAMES)
@pytest.mark.parametrize("horizon", [1, 7])
def test_forecast_of_a_row_is_the_same_whatever_comes_after(expert: Expert, horizon: int) -> None:
    past = history(DAYS, 1, implied=True)
    plain = walk(expert.model, past, horizon, expert.refit_every)
    assert np.isfinite(plain.variance[BENT - 1])
    for factor in (30.0, math.nan):
        bent = walk(expert.model, with_row(past, BENT, factor), horizon, expert.refit_every)
        assert np.array_equal(_values(plain)[:, :BENT], _values(bent)[:, :BENT], equal_nan=True)
        assert not np.array_equal(plain.variance[BENT:], bent.variance[BENT:])


@pytest.mark.parametrize("horizon", [1, 7])
def test_pool_of_a_row_is_the_same_whatever_comes_after(horizon: int) -> None:
    past = history(DAYS, 2)
    chosen: list[Model] = [Ewma(), RandomWalk(), Har("log-HAR")]
    found = []
    for tried in (past, with_row(past, BENT, 30.0)):
        walks = [walk(model, tried, horizon) for model in chosen]
        found.append(pool(walks, realised_after(tried, horizon))[0])
    assert np.array_equal(_values(found[0])[:, :BENT], _values(found[1])[:, :BENT], equal_nan=True)
    assert np.isfinite(_values(found[0])[:, BENT - 1]).all()


def test_pool_loss_is_within_the_bound_of_the_best_expert() -> None:
    past = history(400, 3)
    y = realised_after(past, 1)
    chosen: list[Model] = [Ewma(), RandomWalk(), Har("log-HAR")]
    walks = [walk(model, past, 1) for model in chosen]
    found, weights = pool(walks, y)
    rows = np.isfinite(y) & np.all([np.isfinite(w.variance) for w in walks], axis=0)
    first = int(np.flatnonzero(rows)[0])
    assert np.all(weights.regret <= weights.bound + 1e-9)
    lost = qlike(y[rows], found.variance[rows]).sum()
    best = min(qlike(y[rows], w.variance[rows]).sum() for w in walks)
    assert lost - best <= weights.bound[-1] + 1e-9
    assert first > 100


@pytest.mark.parametrize("expert", EVERY, ids=NAMES)
def test_forecasts_are_positive_with_a_spread_and_ordered_quantiles(expert: Expert) -> None:
    past = history(400, 4, implied=True)
    for horizon in (1, 30):
        found = expert.model.fit(past, horizon).predict(past)
        assert found.variance > 0.0
        assert found.standard_error_log > 0.0
        low, middle, high = (found.quantile(p) for p in (0.1, 0.5, 0.9))
        assert low < middle < high
        assert middle == pytest.approx(math.exp(found.log_median))


@pytest.mark.parametrize("expert", EVERY, ids=NAMES)
def test_history_too_short_is_refused_and_never_guessed(expert: Expert) -> None:
    short = history(4, 5, implied=True)
    with pytest.raises(InsufficientHistory):
        expert.model.fit(short, 1).predict(short)
    with pytest.raises(InputError, match="horizon"):
        expert.model.fit(history(400, 5, implied=True), 0)


def test_cold_start_is_ewma_first_then_the_random_walk_then_the_regressions() -> None:
    past = history(220, 6)
    first = {}
    for expert in EVERY:
        known = np.flatnonzero(np.isfinite(walk(expert.model, past, 1).variance))
        first[expert.model.name] = int(known[0]) if known.size else None
    # 27 rows of 30 and 120 targets; 150 returns; 20 pairs; five days; no implied series.
    assert first["EWMA"] == 4
    assert first["random walk"] == 20
    assert first[BASELINE] == first["log-HAR"] == 26 + 120
    assert first["GARCH"] == first["realised GARCH"] == 149
    assert first["week log-HAR leverage quarticity implied"] is None


@pytest.mark.parametrize("expert", EVERY, ids=NAMES)
def test_hole_silences_a_model_until_it_knows_enough_again(expert: Expert) -> None:
    past = with_hole(history(520, 7, implied=True), 300, 380)
    found = walk(expert.model, past, 1, expert.refit_every)
    assert np.isfinite(found.variance[299])
    assert np.isnan(found.variance[330])
    assert np.isfinite(found.variance[450])
    assert np.nanmax(found.variance) < 100.0 * np.nanmax(past.measures.variance)


IN_LOGS = [expert for expert in EVERY if expert.model.name not in (BASELINE, "week HAR")]


@pytest.mark.parametrize("expert", IN_LOGS, ids=lambda expert: str(expert.model.name))
def test_day_of_a_hundred_sigma_raises_the_forecast_and_leaves_it_finite(expert: Expert) -> None:
    past, shocked = history(400, 8, implied=True), _shocked()
    m = shocked.measures
    calm = expert.model.fit(past, 1).predict(past)
    try:
        found = expert.model.fit(shocked, 1).predict(shocked)
    except InsufficientHistory:
        assert "GARCH" in expert.model.name
        return
    assert calm.variance < found.variance < 2.0 * m.variance[-1]


def test_har_in_levels_is_misled_by_such_a_day_and_stays_within_what_it_saw() -> None:
    """Least squares in levels follows one target a thousand times the rest: it is a baseline."""
    shocked = _shocked()
    found = Har(BASELINE, in_logs=False).fit(shocked, 1).predict(shocked)
    seen = shocked.measures.variance[27:]
    assert seen.min() <= found.variance <= seen.max()


def _shocked() -> VolatilityHistory:
    """A history whose last day moved a hundred of its standard deviations."""
    shocked = history(400, 8, implied=True)
    m = shocked.measures
    m.return_log[-1] = -100.0 * math.sqrt(float(np.mean(m.variance)))
    m.variance[-1] = m.return_log[-1] ** 2
    m.quarticity[-1] = m.variance[-1] ** 2 * 20.0
    return shocked


def test_weekly_factors_find_the_week_and_weekends_are_forecast_lower() -> None:
    past = history(371, 9)
    m = past.measures
    factors = seasonal_factors(m.variance, seasons(m.start_ms, DAY_MS), 7)
    assert factors == pytest.approx(WEEK / np.exp(np.log(WEEK).mean()), rel=0.25)
    model = Seasonal(Har("log-HAR"), "week")
    friday = past.rows(0, 369)
    assert seasons(friday.measures.start_ms[-1:], DAY_MS)[0] == 4
    with_week, without = model.fit(friday, 1), Har("log-HAR").fit(friday, 1)
    assert with_week.predict(friday).variance < without.predict(friday).variance


def test_seasons_are_weekdays_of_days_and_hours_of_working_days_and_weekends() -> None:
    days = FIRST_MS + DAY_MS * np.arange(7, dtype=np.int64)
    assert seasons(days, DAY_MS).tolist() == list(range(7))
    hours = np.array([FIRST_MS + 5 * HOUR_MS, FIRST_MS + 5 * DAY_MS + 3 * HOUR_MS])
    assert seasons(hours, HOUR_MS).tolist() == [5, 27]
    with pytest.raises(InsufficientHistory, match="every season"):
        seasonal_factors(np.ones(27), np.arange(27) % 7, 7)


def test_har_in_levels_stays_within_the_targets_it_has_seen() -> None:
    past = history(300, 10)
    wild = history(300, 10)
    wild.measures.variance[-1] = 1e3
    model = Har(BASELINE, in_logs=False)
    fit = model.fit(past, 1)
    assert fit.predict(wild).variance == pytest.approx(np.max(past.measures.variance[27:]))


def test_hourly_grid_has_the_lags_of_a_day_and_a_week() -> None:
    rng = np.random.default_rng(11)
    n = 24 * 40
    start_ms = FIRST_MS + HOUR_MS * np.arange(n, dtype=np.int64)
    v = np.exp(rng.normal(-10.0, 0.5, n)) * np.where(np.arange(n) % 24 == 14, 5.0, 1.0)
    zero = np.zeros(n)
    measures = RealisedMeasures(
        start_ms, HOUR_MS, v, v, zero, v, v, v**2, zero, zero.astype(np.int64)
    )
    past = VolatilityHistory(measures).rows(0, n - 10)
    assert past.measures.start_ms[-1] % DAY_MS == 13 * HOUR_MS
    model = Seasonal(Har("log-HAR"), "week")
    found = model.fit(past, 1).predict(past)
    assert found.variance > 2.5 * model.fit(past, 24).predict(past).variance
    assert {expert.refit_every for expert in experts(HOUR_MS)} == {24}


def test_quantile_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(InputError, match="probability"):
        Predicted(1.0, 0.0, 1.0, 100).quantile(1.0)
    assert Predicted(1e-4, 0.0, 1.0, 9).vol_annual(DAY_MS) == pytest.approx(math.sqrt(0.0365))


def test_history_and_walk_refuse_what_does_not_fit() -> None:
    past = history(30, 12)
    with pytest.raises(InputError, match="implied_variance"):
        VolatilityHistory(past.measures, np.ones(29))
    with pytest.raises(InputError, match="refit_every"):
        walk(Ewma(), past, 1, 0)
