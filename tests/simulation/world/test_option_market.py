# SPDX-License-Identifier: Apache-2.0
"""The generated option market has no static arbitrage and knows no future."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.world.option_worlds import (
    OPTIONS,
    at_the_money,
    begin,
    market,
    paths,
)
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.pricing import static_arbitrage
from tidegate.pricing.essvi import Essvi
from tidegate.simulation.world.arrays import FloatArray
from tidegate.simulation.world.option_chain import listed
from tidegate.simulation.world.option_listing import option
from tidegate.simulation.world.option_market import (
    OptionMarket,
    Values,
    half_spread_usd,
    make_option_market,
)
from tidegate.simulation.world.option_surface import averaging_years
from tidegate.simulation.world.paths import WorldPaths

COINS = tuple(coin.name for coin in OPTIONS.coins)
CRISES = ("crash", "squeeze", "insolvency")
SEEDS = tuple(range(1, 7))
EXPIRIES_YEARS = np.array([1e-4, 1e-3, 0.01, 0.05, 0.2, 0.6, 1.0])


@dataclass(frozen=True)
class Looked:
    """A surface as the search for arbitrage wants it."""

    total_variance: Any
    durrleman: Any


@dataclass(frozen=True)
class Smiles:
    slices: Essvi

    def smile(self, log_strike: FloatArray, expiry_years: FloatArray) -> Looked:
        both = (log_strike, expiry_years)
        return Looked(self.slices.total_variance(*both), self.slices.durrleman(*both))


def expiring(made: OptionMarket, coin: str, days: float, ts_ms: int) -> list[Option]:
    """What is listed of the expiry nearest to a number of days from a time."""
    options = listed(made, coin, ts_ms, coin_settled=False)
    nearest = min((o.expiry_ms for o in options), key=lambda e: abs(e - ts_ms - days * DAY_MS))
    return [o for o in options if o.expiry_ms == nearest]


def ends_ms(made: OptionMarket, step: int) -> int:
    return made.start_ms + (step + 1) * made.step_ms


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(CRISES),
    st.sampled_from((1, 2)),
    st.sampled_from(COINS),
    st.floats(0, 1),
    st.booleans(),
)
def test_surface_of_any_step_holds_no_butterfly_and_no_calendar(
    crisis: str, seed: int, coin: str, share: float, near: bool
) -> None:
    made = market(crisis, seed)
    step = int(share * (made.steps - 1))
    if near:
        step = min(begin(crisis, seed) + step % 36, made.steps - 1)
    slices = made.coins[coin].surface.slices(step, EXPIRIES_YEARS)
    assert slices.broken_bounds() == ()
    assert static_arbitrage.check(Smiles(slices), EXPIRIES_YEARS).clean


def test_time_that_counts_rises_and_is_a_third_where_the_mean_begins() -> None:
    left = np.linspace(0.0, 3 * HOUR_MS, 2_000) / (365 * DAY_MS)
    counted = averaging_years(left)
    assert counted[0] == 0.0
    assert (np.diff(counted) > 0.0).all()
    half_hour = np.array([0.5 * HOUR_MS / (365 * DAY_MS)])
    assert averaging_years(half_hour) == pytest.approx(half_hour / 3.0, rel=1e-12)


def test_market_of_a_seed_is_the_same_and_leaves_the_world_as_it_is() -> None:
    before = paths("crash", 1).digest()
    again = make_option_market(OPTIONS, paths("crash", 1), 1)
    assert paths("crash", 1).digest() == before
    for coin in COINS:
        one, other = again.coins[coin].surface, market("crash", 1).coins[coin].surface
        assert (one.level == other.level).all()
        assert (one.put_wing == other.put_wing).all()
    another = make_option_market(OPTIONS, paths("crash", 1), 2)
    assert (another.coins["BTC"].surface.level != again.coins["BTC"].surface.level).any()


def test_nothing_at_a_step_knows_what_comes_after_it() -> None:
    given, step = paths("crash", 1), begin("crash", 1) + 6
    other = make_option_market(OPTIONS, bent(given, step + 1), 1)
    made = market("crash", 1)
    for coin in COINS:
        options = expiring(made, coin, 7.0, ends_ms(made, step))
        mine, theirs = (m.quotes(coin, options, step - 4, 5) for m in (made, other))
        for name in ("open", "high", "low", "close", "half_spread_usd", "volume_day_usd"):
            assert (getattr(mine, name) == getattr(theirs, name)).all(), name
        mine, theirs = (m.quotes(coin, options, step, 2) for m in (made, other))
        for name in ("open", "half_spread_usd", "volume_day_usd", "vol_daily"):
            assert (getattr(mine, name) == getattr(theirs, name)).all(), name
        assert (mine.close[-1] != theirs.close[-1]).any()


def bent(given: WorldPaths, step: int) -> WorldPaths:
    """The same world up to a step, and another from there on."""

    def other(columns: Any) -> dict[str, FloatArray]:
        return {n: np.concatenate([c[:step], c[step:] * 0.8]) for n, c in columns.items()}

    marks = {name: other(getattr(given, name)) for name in ("mark_high", "mark_low", "mark_close")}
    stress = np.concatenate([given.stress[:step], given.stress[step:] * 0.5])
    return replace(given, **marks, depth=other(given.depth), stress=stress)


def test_volatility_in_rest_is_what_chains_show() -> None:
    for coin, low, high in (("BTC", 0.42, 0.54), ("ETH", 0.58, 0.74)):
        calm = [np.median(at_the_money(market("calm", s), coin), axis=1) for s in SEEDS]
        assert low < np.median(calm, axis=0)[2] < high


def test_crisis_lifts_and_inverts_the_term_structure_as_in_february_2026() -> None:
    peaks = []
    for seed in SEEDS:
        first = begin("crash", seed)
        vol = at_the_money(market("crash", seed), "BTC")
        worst = vol[:, first : first + 24].max(axis=1)
        assert (np.diff(worst) < 0.0).all()
        assert (worst > vol[:, first - 1]).all()
        peaks.append(worst)
    # Measured there at 1, 7, 30, 90, 180 days: 1.44, 1.03, 0.79, 0.64, 0.58.
    middle = np.median(peaks, axis=0)
    assert middle == pytest.approx([1.44, 1.03, 0.79, 0.64, 0.58], rel=0.2)


def test_fear_of_a_crisis_has_halved_within_a_day() -> None:
    for seed in SEEDS:
        first = begin("crash", seed)
        vol = at_the_money(market("crash", seed), "BTC")[2]
        before, peak = vol[first - 12], vol[first : first + 24].max()
        assert vol[first + 276] - before < 0.5 * (peak - before)


def test_falls_steepen_the_puts_side_and_rises_the_calls() -> None:
    for seed in SEEDS:
        for crisis, more, less in (
            ("crash", "put_wing", "call_wing"),
            ("squeeze", "call_wing", "put_wing"),
        ):
            first = begin(crisis, seed)
            for coin in COINS:
                surface = market(crisis, seed).coins[coin].surface
                moved = {
                    name: getattr(surface, name)[first : first + 24].max()
                    - getattr(surface, name)[first - 12]
                    for name in (more, less)
                }
                assert moved[more] > 0.25
                assert moved[more] > moved[less] + 0.1


def test_volatility_and_returns_move_against_each_other() -> None:
    found = []
    for seed in SEEDS:
        made = market("calm", seed)
        closes = np.log(made.coins["BTC"].index.close[::24])
        vol = np.log(at_the_money(made, "BTC")[2][::24])
        found.append(np.corrcoef(np.diff(closes), np.diff(vol))[0, 1])
    # Measured: -0.6 over four months; a jump up in a calm week frightens all the same.
    assert np.median(found) < -0.3


def test_spreads_widen_toward_the_wings_and_with_stress() -> None:
    made, first = market("crash", 1), begin("crash", 1)
    steps = np.array([first - 12, first + 12])
    coin = made.coins["BTC"]
    options = expiring(made, "BTC", 30.0, ends_ms(made, first - 13))
    known = made.values("BTC", options, steps)
    days = np.array([30.0, 30.0])
    half = half_spread_usd(coin, OPTIONS, known, days, steps)
    points = half / known.vega_usd
    money, wing = (int(np.argmin(np.abs(known.deviations[0] - z))) for z in (0.0, -2.4))
    assert points[0, money] == pytest.approx(0.0025 + 0.012 / 30**0.5, rel=0.3)
    assert points[0, wing] > 2.5 * points[0, money]
    assert points[1, money] > 2.0 * points[0, money]


def test_depth_falls_with_stress_and_toward_the_wings() -> None:
    made, first = market("crash", 1), begin("crash", 1)
    options = expiring(made, "BTC", 7.0, ends_ms(made, first - 2))
    quotes = made.quotes("BTC", options, first - 1, 14)
    coins = quotes.volume_day_usd / np.maximum(quotes.open, 5.0)
    money = int(np.argmax(coins[0]))
    assert coins[13, money] < 0.5 * coins[0, money]
    assert coins[0].min() < 0.5 * coins[0, money]


@pytest.mark.parametrize("coin", COINS)
def test_extremes_of_a_step_hold_its_begin_and_its_end(coin: str) -> None:
    made, first = market("insolvency", 2), begin("insolvency", 2)
    options = expiring(made, coin, 3.0, ends_ms(made, first - 7))
    quotes = made.quotes(coin, options, first - 6, 40)
    for row in (quotes.open, quotes.close):
        assert (quotes.low <= row).all()
        assert (row <= quotes.high).all()
    assert (quotes.open[1:] == quotes.close[:-1]).all()
    assert (quotes.low >= 0.0).all()


def test_marks_of_call_and_put_differ_by_parity() -> None:
    made = market("crash", 2)
    steps = np.array([begin("crash", 2), begin("crash", 2) + 20])
    options = expiring(made, "ETH", 20.0, ends_ms(made, int(steps[0]) - 1))
    known = made.values("ETH", options, steps)
    strike = np.array([float(o.strike) for o in options[::2]])
    calls, puts = known.price_usd[:, ::2], known.price_usd[:, 1::2]
    assert calls - puts == pytest.approx(known.forward_usd - strike, abs=1e-8 * strike.max())
    assert known.delta[:, ::2] - known.delta[:, 1::2] == pytest.approx(1.0, abs=1e-12)


def test_last_mark_is_the_payoff_at_the_mean_of_the_last_half_hour() -> None:
    made = market("crash", 1)
    expiry_ms = made.start_ms + 5 * DAY_MS + 8 * HOUR_MS
    last = (expiry_ms - made.start_ms) // made.step_ms - 1
    index = made.coins["BTC"].index.close[last - 5 : last + 1]
    strikes = [Decimal(round(float(index.mean()) * x)) for x in (0.9, 0.999, 1.001, 1.1)]
    coin = OPTIONS.coin("BTC")
    calls = [option("deribit", coin, expiry_ms, k, True, False) for k in strikes]
    known: Values = made.values("BTC", calls, np.array([last]))
    pays = np.maximum(index.mean() - np.array([float(k) for k in strikes]), 0.0)
    assert known.price_usd[0] == pytest.approx(pays, abs=1e-7)
    assert known.forward_usd[0, 0] == pytest.approx(index.mean(), rel=1e-12)


def test_index_lies_between_the_venues_marks() -> None:
    given = paths("crash", 1)
    rows = np.array([given.mark_close[f"{v}:{c}"] for v, c in given.instruments if c == "BTC"])
    index = market("crash", 1).coins["BTC"].index
    assert (rows.min(axis=0) <= index.close).all()
    assert (index.close <= rows.max(axis=0)).all()
    assert (index.open[1:] == index.close[:-1]).all()
    assert (index.low <= np.minimum(index.open, index.close)).all()
    assert (index.high >= np.maximum(index.open, index.close)).all()


def test_unknown_coin_or_time_or_venue_is_refused_in_one_line() -> None:
    made = market("calm", 1)
    with pytest.raises(InputError, match="options: coin: expected one of BTC, ETH, SOL"):
        made.coin("DOGE")
    for ts_ms in (made.start_ms, made.start_ms + (made.steps + 1) * made.step_ms):
        with pytest.raises(InputError, match="options: time: expected a time inside"):
            made.step_before(ts_ms)
    with pytest.raises(InputError, match="expected a coin of the world at nowhere:BTC"):
        make_option_market(replace(OPTIONS, venue="nowhere"), paths("calm", 1), 1)
