# SPDX-License-Identifier: Apache-2.0
"""Whatever comes later, no earlier row of any stress series changes, bit by bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.change_point import ChangePointPrior, recent_change
from tidegate.forecast.funding_rivals import ar1, ewma
from tidegate.forecast.jump_model import fit_jump_model
from tidegate.forecast.liquidity import forecast_liquidity
from tidegate.forecast.regime_series import jump_states, switching_probability
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
    trailing_mean,
    variance_premium,
)
from tidegate.forecast.stress_gauge import composite
from tidegate.forecast.switching import filtered_high, fit_switching
from tidegate.forecast.turbulence import (
    absorption_ratio,
    mean_correlation,
    standardised_shift,
    turbulence,
)
from tidegate.signals.funding_hold import held_above, rotated, rule_for_cost
from tidegate.signals.lending import forecast_rate
from tidegate.signals.order_flow import (
    TopOfBook,
    micro_price,
    order_flow_imbalance,
    queue_imbalance,
)
from tidegate.signals.vol_shift import vol_shift

FloatArray = np.ndarray
ROWS, COINS = 420, 5

_FIT = np.random.default_rng(0).standard_normal((200, 1))
_JUMP, _SWITCHING = fit_jump_model(_FIT, 2.0), fit_switching(_FIT[:, 0])


def _book(x: FloatArray) -> TopOfBook:
    """Quotes from positive rows of five columns."""
    bid = 100.0 + np.round(x[:, 0], 1)
    sizes = np.abs(x[:, 1:3]) + 0.1
    ts_ms = np.arange(len(x), dtype=np.int64)
    return TopOfBook(ts_ms, bid, sizes[:, 0], bid + 0.1 + np.round(x[:, 3], 1), sizes[:, 1])


def _each_origin(made: Callable[[FloatArray], float]) -> Callable[[FloatArray], FloatArray]:
    """A forecast from the last row, made at several origins."""

    def run(x: FloatArray) -> FloatArray:
        found = np.full(len(x), np.nan)
        for t in range(250, len(x), 40):
            found[t] = made(x[: t + 1, 0])
        return found

    return run


# Each takes positive rows [n, 5] and gives a row or column per row.
SERIES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "range variance": lambda x: range_variance(x.max(axis=1), x.min(axis=1)),
    "trailing mean": lambda x: trailing_mean(x[:, 0], 30),
    "term slope": lambda x: term_slope(x[:, 0], x[:, 1]),
    "skew": lambda x: skew(x[:, 0], x[:, 1]),
    "variance premium": lambda x: variance_premium(x[:, 0], x[:, 1]),
    "leverage": lambda x: leverage_change(x[:, 0], 7),
    "amihud": lambda x: amihud(x[:, 0], x[:, 1]),
    "corwin-schultz": lambda x: corwin_schultz(x.max(axis=1), x.min(axis=1)),
    "abdi-ranaldo": lambda x: abdi_ranaldo(x[:, 0], x.max(axis=1), x.min(axis=1), 20),
    "stablecoin": lambda x: stablecoin_deviation(x[:, 0]),
    "past rank": lambda x: past_rank(x[:, 0]),
    "composite": lambda x: composite(x, np.array([True, False, True, True, False])),
    "absorption": lambda x: absorption_ratio(np.log(x), 60),
    "correlation": lambda x: mean_correlation(np.log(x), 30),
    "turbulence": lambda x: turbulence(np.log(x), 120),
    "shift": lambda x: standardised_shift(x[:, 0], 15, 250),
    "change point": lambda x: recent_change(np.log(x[:, 0]), ChangePointPrior(), 10),
    "jump model, walked": lambda x: jump_states(np.log(x[:, 0]), np.log(x[:, 1])),
    "jump model, online": lambda x: _JUMP.online(np.log(x[:, :1])).astype(float),
    "switching, walked": lambda x: switching_probability(np.log(x[:, 0])),
    "switching, filtered": lambda x: filtered_high(np.log(x[:, 0]), _SWITCHING),
    "ewma": lambda x: ewma(x[:, 0], 5.0),
    "ar1": lambda x: ar1(x[:, 0], 7),
    "held": lambda x: held_above(x[:, 0] - 1.0, rule_for_cost(0.003, 30)).astype(float),
    "rotation": lambda x: rotated(x - 1.0, 2, rule_for_cost(0.003, 30)).astype(float),
    "liquidity": _each_origin(lambda x: forecast_liquidity(x, 5).high),
    "lending rate": _each_origin(lambda x: forecast_rate("pool", x, 7).rate_annual),
    "vol shift": _each_origin(lambda x: vol_shift(x, 7).expected),
    "order flow": lambda x: order_flow_imbalance(_book(x)),
    "queue": lambda x: queue_imbalance(_book(x)),
    "micro price": lambda x: micro_price(_book(x)),
}


@pytest.mark.parametrize("name", SERIES)
@settings(max_examples=3)
@given(st.integers(0, 1000), st.integers(300, ROWS - 2))
def test_series_before_a_row_does_not_change_when_later_rows_do(
    name: str, seed: int, row: int
) -> None:
    x = np.exp(0.5 * np.random.default_rng(seed).standard_normal((ROWS, COINS)))
    changed = x.copy()
    changed[row + 1 :] = 3.0 * x[row + 1 :][::-1, ::-1] ** 2
    before, after = SERIES[name](x), SERIES[name](changed)
    np.testing.assert_array_equal(before[: row + 1], after[: row + 1])
    np.testing.assert_array_equal(before[: row + 1], SERIES[name](x[: row + 1]))
    assert np.isfinite(before[: row + 1]).any()


@pytest.mark.parametrize("name", ["jump model, path", "centred mean"])
def test_this_test_finds_a_series_that_looks_ahead(name: str) -> None:
    """The whole-series path and a centred mean do look ahead, and are caught doing so."""
    looking: dict[str, Callable[[FloatArray], FloatArray]] = {
        "jump model, path": lambda x: _JUMP.path(np.log(x[:, :1])).astype(float),
        "centred mean": lambda x: np.convolve(x[:, 0], np.ones(5) / 5, "same"),
    }
    caught = 0
    for seed in range(20):
        x = np.exp(0.5 * np.random.default_rng(seed).standard_normal((ROWS, COINS)))
        # Two high rows are noise if calm follows, and a regime if more of them follow.
        x[349:351, 0] = 2.0
        x[351:, 0] = 0.4
        changed = x.copy()
        changed[351:] = 3.0
        same = np.array_equal(looking[name](x)[:351], looking[name](changed)[:351])
        caught += not same
    assert caught > 0
