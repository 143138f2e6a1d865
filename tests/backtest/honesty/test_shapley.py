# SPDX-License-Identifier: Apache-2.0
"""Shapley's axioms, and agreement with walking through every order of the factors."""

from __future__ import annotations

from itertools import chain, combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.backtest.honesty.paired import paired_mean_difference
from tidegate.backtest.honesty.shapley import shapley_shares, shapley_with_intervals
from tidegate.model.errors import InputError

Game = dict[frozenset[str], float]
NAMES = ("wires", "cuts", "buffers", "bands")


def subsets(factors: tuple[str, ...]) -> list[frozenset[str]]:
    sizes = range(len(factors) + 1)
    return [frozenset(s) for s in chain.from_iterable(combinations(factors, k) for k in sizes)]


@st.composite
def games(draw: st.DrawFn) -> tuple[tuple[str, ...], Game]:
    factors = NAMES[: draw(st.integers(1, 4))]
    values = st.floats(-1e6, 1e6, allow_subnormal=False)
    return factors, {subset: draw(values) for subset in subsets(factors)}


@given(games())
def test_shares_add_up_to_the_whole_effect(game: tuple[tuple[str, ...], Game]) -> None:
    factors, value = game
    shares = shapley_shares(factors, value)
    whole = value[frozenset(factors)] - value[frozenset()]
    # Each share is rounded once, so the sum is off by no more than these roundings.
    roundings = sum(np.spacing(abs(share)) for share in shares.values()) + np.spacing(abs(whole))
    assert abs(sum(shares.values()) - whole) <= 2 * roundings


@given(games())
def test_share_is_the_mean_step_over_every_order(game: tuple[tuple[str, ...], Game]) -> None:
    factors, value = game
    steps: dict[str, list[float]] = {factor: [] for factor in factors}
    for order in permutations(factors):
        for place, factor in enumerate(order):
            before = frozenset(order[:place])
            steps[factor].append(value[before | {factor}] - value[before])
    expected = {factor: float(np.mean(taken)) for factor, taken in steps.items()}
    assert shapley_shares(factors, value) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(games())
def test_factors_that_do_the_same_have_equal_shares(game: tuple[tuple[str, ...], Game]) -> None:
    factors, value = game
    twins = (*factors, "twin")

    def swapped(subset: frozenset[str]) -> frozenset[str]:
        other = {"twin": factors[0], factors[0]: "twin"}
        return frozenset(other.get(name, name) for name in subset)

    even: Game = {}
    for subset in subsets(twins):
        even[subset] = sum(value[frozenset(s - {"twin"})] for s in (subset, swapped(subset)))
    shares = shapley_shares(twins, even)
    assert shares["twin"] == shares[factors[0]]


@given(games())
def test_factor_without_effect_has_no_share_and_leaves_the_others_alone(
    game: tuple[tuple[str, ...], Game],
) -> None:
    factors, value = game
    idle = {s: value[s - {"idle"}] for s in subsets((*factors, "idle"))}
    shares = shapley_shares((*factors, "idle"), idle)
    assert shares.pop("idle") == 0.0
    assert shares == shapley_shares(factors, value)


@given(games(), st.floats(-100, 100, allow_subnormal=False))
def test_shares_of_a_blend_are_the_blend_of_shares(
    game: tuple[tuple[str, ...], Game], scale: float
) -> None:
    factors, one = game
    other = {subset: float(len(subset) ** 2) - value for subset, value in one.items()}
    blend = {subset: one[subset] + scale * other[subset] for subset in one}
    first, second = shapley_shares(factors, one), shapley_shares(factors, other)
    expected = {factor: first[factor] + scale * second[factor] for factor in factors}
    assert shapley_shares(factors, blend) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_glove_game_gives_the_single_left_glove_two_thirds() -> None:
    # One left and two right gloves; a pair is worth 1. Shapley (1953): 2/3, 1/6, 1/6.
    factors = ("left", "right", "other right")
    value = {s: float("left" in s and len(s) > 1) for s in subsets(factors)}
    expected = {"left": 2 / 3, "right": 1 / 6, "other right": 1 / 6}
    assert shapley_shares(factors, value) == expected


def test_no_factors_have_no_shares() -> None:
    assert shapley_shares((), {frozenset(): 3.0}) == {}


def outcomes(factors: tuple[str, ...], n: int) -> dict[frozenset[str], np.ndarray]:
    rng = np.random.default_rng(17)
    weather = rng.exponential(5.0, size=n)
    return {
        s: weather + 2.0 * len(s) ** 2 * ("cuts" in s) + rng.normal(size=n)
        for s in subsets(factors)
    }


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(2, 30))
def test_shares_with_intervals_are_the_shares_of_the_means(k: int, n: int) -> None:
    by_set = outcomes(NAMES[:k], n)
    found = shapley_with_intervals(NAMES[:k], by_set, 0.9, 3)
    means = {subset: float(values.mean()) for subset, values in by_set.items()}
    shares = {factor: share.share for factor, share in found.items()}
    assert shares == pytest.approx(shapley_shares(NAMES[:k], means), rel=1e-9, abs=1e-9)
    assert all(one.low <= one.share <= one.high for one in found.values())


def test_single_factor_has_the_interval_of_the_paired_difference() -> None:
    by_set = outcomes(("cuts",), 40)
    found = shapley_with_intervals(("cuts",), by_set, 0.95, 3)["cuts"]
    pair = paired_mean_difference(by_set[frozenset({"cuts"})], by_set[frozenset()], 0.95, 3)
    assert (found.share, found.low, found.high) == (pair.difference, pair.low, pair.high)


def test_weather_common_to_all_sets_does_not_widen_an_interval() -> None:
    by_set = outcomes(NAMES[:2], 40)
    storm = 1000.0 * np.arange(40)
    calm = shapley_with_intervals(NAMES[:2], by_set, 0.95, 3)
    stormy = shapley_with_intervals(
        NAMES[:2], {subset: values + storm for subset, values in by_set.items()}, 0.95, 3
    )
    for factor in NAMES[:2]:
        assert stormy[factor].high == pytest.approx(calm[factor].high, abs=1e-8)


def test_missing_set_is_refused_and_named() -> None:
    by_set = outcomes(NAMES[:3], 4)
    del by_set[frozenset({"wires", "buffers"})]
    value = dict.fromkeys(by_set, 0.0)
    message = r"^shapley: \{buffers, wires\}: expected (a value|outcomes) for this set of factors$"
    with pytest.raises(InputError, match=message):
        shapley_shares(NAMES[:3], value)
    with pytest.raises(InputError, match=message):
        shapley_with_intervals(NAMES[:3], by_set, 0.95, 0)


def test_missing_empty_set_is_refused_and_not_taken_for_zero() -> None:
    with pytest.raises(InputError, match=r"^shapley: \{\}: expected a value"):
        shapley_shares(("cuts",), {frozenset({"cuts"}): 1.0})


def test_value_that_is_not_a_number_is_refused() -> None:
    value = {frozenset[str](): 0.0, frozenset({"cuts"}): float("nan")}
    with pytest.raises(InputError, match=r"^shapley: \{cuts\}: expected a finite value, got nan$"):
        shapley_shares(("cuts",), value)


def test_outcomes_of_unequal_length_or_unknown_are_refused() -> None:
    by_set = outcomes(("cuts",), 5)
    by_set[frozenset({"cuts"})] = by_set[frozenset({"cuts"})][:4]
    with pytest.raises(InputError, match=r"\{cuts\}: expected one value per seed, 5, got 4$"):
        shapley_with_intervals(("cuts",), by_set, 0.95, 0)
    by_set[frozenset({"cuts"})] = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    with pytest.raises(InputError, match=r"\{cuts\}: expected finite numbers, got nan at index 2$"):
        shapley_with_intervals(("cuts",), by_set, 0.95, 0)


def test_factor_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="factors: expected each once, got cuts, cuts"):
        shapley_shares(("cuts", "cuts"), {})
