# SPDX-License-Identifier: Apache-2.0
"""Factor paths: windows of the past, what is stated where there are none, tail, jump, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.risk.factor_paths import (
    FactorPaths,
    Latencies,
    NamedStress,
    Names,
    StressedFactors,
    SurfaceHistory,
    filtered_paths,
    named_paths,
    quasi,
    tail_index,
    with_others,
    with_stated_vols,
    with_surfaces,
    with_tail,
)
from tidegate.risk.scenarios import BarBlock, PathTables, filtered, path_tables

NAMES = Names(("BTC", "ETH"), ("one", "two"), ("USDC",), 2)
LENGTHS = (2, 6)
BARS = 60
VOL = np.array([0.03, 0.05])
STARTS = np.arange(40)
STRESSED = StressedFactors(0.7, 1.4, 2.0, 1.3, skew_down=-0.2, term=0.3)


def block(seed: int) -> BarBlock:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_t(3, (BARS, 2)), axis=0))
    high, low = (
        close * (1 + rng.random(close.shape) / 50),
        close * (1 - rng.random(close.shape) / 50),
    )
    return BarBlock(high, low, close, rng.uniform(0.01, 0.1, close.shape))


def paths(seed: int, latencies: Latencies | None = None) -> tuple[FactorPaths, PathTables]:
    tables = path_tables(block(seed), LENGTHS)
    late = latencies or Latencies(np.array([[0.0, 0.0, 0.0], [1.0, 3.0, np.inf]]))
    return filtered_paths(NAMES, tables, STARTS, VOL, late, 2.0), tables


@given(st.integers(0, 2**32 - 1))
def test_prices_are_those_of_the_existing_scenarios(seed: int) -> None:
    found, tables = paths(seed)
    known = filtered(tables, STARTS, VOL, np.full(len(STARTS), 1.0))
    expected = (known.low_before, known.high_before, known.low_after, known.high_after)
    np.testing.assert_allclose(found.price, np.stack(expected, axis=1))


def test_money_counts_from_the_first_stage_that_begins_after_it_has_landed() -> None:
    found, _ = paths(1)
    instant, late = found.landed[:, :, 0], found.landed[:, :, 1]
    assert instant.all()
    assert not late[:, :2].any()
    # Of the three draws 1 bar is there when the second stage begins, after 2 bars.
    assert abs(late[:, 2].mean() - 1 / 3) < 0.08
    np.testing.assert_array_equal(late[:, 2], late[:, 3])


def test_quasi_random_numbers_fill_the_square_evenly_and_are_the_same_each_time() -> None:
    numbers = quasi(1_000, 2)
    np.testing.assert_array_equal(numbers, quasi(1_000, 2))
    cells = np.histogram2d(numbers[:, 0], numbers[:, 1], bins=5, range=[[0, 1], [0, 1]])[0]
    assert cells.min() >= 34
    assert cells.max() <= 46


def test_surfaces_are_read_at_the_bar_of_each_coin_s_extreme() -> None:
    bars, (found, tables) = block(5), paths(5)
    rng = np.random.default_rng(5)
    history = SurfaceHistory(*np.exp(0.1 * rng.normal(size=(3, BARS, 2))))
    moved = with_surfaces(found, history, bars, tables, STARTS)
    for w in (0, 17, 39):
        for c in range(2):
            window = range(w + 1, w + 7)
            at = min(window, key=lambda b: bars.low[b, c])
            assert moved.vol_level[w, 2, c] == history.level[at, c] / history.level[w, c]
            top = max(window, key=lambda b: bars.high[b, c])
            assert moved.skew[w, 3, c] == history.skew[top, c] - history.skew[w, c]
            assert moved.term[w, 3, c] == history.term[top, c] - history.term[w, c]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_stated_vols_rise_with_the_move_to_the_stressed_ones(seed: int) -> None:
    found = with_stated_vols(paths(seed)[0], dict.fromkeys(NAMES.coins, STRESSED), 0)
    order = np.argsort(found.price[:, 0, 0])
    assert (np.diff(found.vol_level[order, 0, 0]) <= 1e-12).all()
    assert (found.vol_level >= 1.0).all()
    assert (found.vol_level <= 2.0).all()
    at = found.price[:, :, 0] <= STRESSED.down
    np.testing.assert_allclose(found.vol_level[:, :, 0][at], 2.0)
    np.testing.assert_allclose(found.skew[:, :, 0][at], -0.2)


def test_coin_of_which_nothing_is_known_is_refused_and_never_taken_as_calm() -> None:
    found, _ = paths(1)
    known: dict[str, StressedFactors | None] = {"BTC": STRESSED, "ETH": None}
    with pytest.raises(InputError, match="ETH"):
        with_stated_vols(found, known, 0)
    with pytest.raises(InputError, match="ETH"):
        with_stated_vols(found, {"BTC": STRESSED}, 1)
    assert (with_stated_vols(found, known, 1).vol_level[:, :, 1] == 1.0).all()
    with pytest.raises(InputError, match="ETH"):
        named_paths(NAMES, NamedStress("crash", {"BTC": (0.7, 1.3)}))


def test_stablecoin_falls_most_where_prices_move_most() -> None:
    found, _ = paths(2)
    law = np.linspace(0.9, 1.0, 50)
    moved = with_others(found, {"two": np.array([-0.01, 0.01])}, {"USDC": law}, {})
    size = np.abs(np.log(found.price)).max(axis=(1, 2))
    assert moved.stable[size.argmax(), 0, 0] == law[0]
    assert moved.stable[size.argmin(), 0, 0] == law[-1]
    assert abs(moved.spread[:, 0, 1].mean()) < 0.002
    assert (moved.spread[:, :, 0] == 0.0).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_tail_adds_scenarios_beyond_the_worst_and_a_jump_that_no_money_precedes(
    seed: int, count: int
) -> None:
    found, _ = paths(seed)
    more = with_tail(found, count, 1.5)
    assert more.count == found.count + count + 1
    assert more.mass == found.mass
    size = np.abs(np.log(more.price)).max(axis=(1, 2))
    worst = np.sort(np.abs(np.log(found.price)).max(axis=(1, 2)))[::-1]
    assert (size[found.count : -1] >= worst[:count] - 1e-12).all()
    np.testing.assert_allclose(size[-1], 1.5 * worst[0])
    assert not more.landed[-1].any()
    assert tail_index(found) > 0.0


def test_named_stress_acts_at_both_ends_of_its_ranges_and_at_every_choice_of_coins() -> None:
    stress = NamedStress(
        "crash",
        {"BTC": (0.7, 1.3), "ETH": (0.6, 1.4)},
        vol_level={"BTC": (0.8, 2.0)},
        spread={"two": 0.02},
        stable={"USDC": 0.97},
    )
    found = named_paths(NAMES, stress)
    assert found.mass == 1.0
    assert found.count == 1
    corners = {tuple(row) for row in found.price[0]}
    assert corners == {(a, b) for a in (0.7, 1.3) for b in (0.6, 1.4)}
    assert {(0.7, 2.0), (1.3, 0.8)} <= set(
        zip(found.price[0, :, 0], found.vol_level[0, :, 0], strict=True)
    )
    assert set(found.spread[0, :, 1]) == {0.02, -0.02}
    assert (found.stable == 0.97).all()
    assert (found.vol_level[:, :, 1] == 1.0).all()


def test_paths_that_are_none_are_refused() -> None:
    found, _ = paths(3)
    for name, value in (
        ("price", -found.price),
        ("skew", found.skew[:, :1]),
        ("vol_level", np.full_like(found.vol_level, np.nan)),
        ("mass", 0.5),
    ):
        given_fields = {f: getattr(found, f) for f in FactorPaths.__dataclass_fields__}
        with pytest.raises(InputError, match=name):
            FactorPaths(**{**given_fields, name: value})
