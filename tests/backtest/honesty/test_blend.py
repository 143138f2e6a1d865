# SPDX-License-Identifier: Apache-2.0
"""The policy that draws between two runs: of the rule's own size, and with an honest interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.backtest.honesty.blend import (
    Arm,
    blend_weight,
    blended_mean_difference,
    blended_risk_difference,
)
from tidegate.backtest.honesty.paired import paired_mean_difference, paired_risk_difference
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.model.errors import InputError

LEVEL, SEED = 0.95, 1
some = settings(max_examples=40)
seeds = st.integers(0, 10_000)


def flat(size: float, outcome: FloatArray) -> Arm:
    return Arm(np.full(outcome.size, size), outcome)


def drawn(seed: int, n: int = 40) -> tuple[Arm, Arm, Arm]:
    """A thin run, a thick one and a rule between them, sizes and outcomes all chance."""
    chance = np.random.default_rng(seed)
    return tuple(  # type: ignore[return-value]
        Arm(size + chance.uniform(-0.4, 0.4, n), chance.normal(size, 1.0, n)) for size in (2, 4, 3)
    )


def events(seed: int, n: int = 60) -> tuple[Arm, Arm, Arm]:
    return tuple(  # type: ignore[return-value]
        Arm(arm.size, (arm.outcome > 3.0).astype(np.float64)) for arm in drawn(seed, n)
    )


@some
@given(seeds)
def test_drawn_run_has_the_rules_mean_size_and_the_blend_of_outcomes(seed: int) -> None:
    thin, thick, rule = drawn(seed)
    weight = blend_weight(thin.size, thick.size, rule.size)
    mixed = weight * thick.size.mean() + (1 - weight) * thin.size.mean()
    assert mixed == pytest.approx(rule.size.mean())
    found = blended_mean_difference((thin, thick), rule, LEVEL, SEED)
    blend = weight * thick.outcome.mean() + (1 - weight) * thin.outcome.mean()
    assert found.ours == pytest.approx(blend)
    assert found.theirs == rule.outcome.mean()
    assert found.low < found.difference < found.high


@pytest.mark.parametrize("size", [1.9, 2.0, 4.0, 4.1, float("nan")])
def test_rule_that_is_not_between_the_runs_is_refused_in_one_line(size: float) -> None:
    thin, thick, _ = drawn(3)
    wanted = np.full(40, size)
    runs = (flat(2.0, thin.outcome), flat(4.0, thick.outcome))
    with pytest.raises(InputError, match="blend: size: expected a mean strictly between"):
        blended_mean_difference(runs, Arm(wanted, thin.outcome), LEVEL, SEED)


def test_run_of_other_seeds_is_refused() -> None:
    thin, thick, rule = drawn(3)
    short = Arm(thin.size[:-1], thin.outcome[:-1])
    with pytest.raises(InputError, match="expected one value per seed, 40, got 39"):
        blended_mean_difference((short, thick), rule, LEVEL, SEED)


@some
@given(seeds)
def test_where_sizes_never_vary_it_is_the_paired_interval_of_the_blend(seed: int) -> None:
    thin, thick, rule = drawn(seed)
    runs = (flat(2.0, thin.outcome), flat(4.0, thick.outcome))
    found = blended_mean_difference(runs, flat(2.5, rule.outcome), LEVEL, SEED)
    blend = 0.25 * thick.outcome + 0.75 * thin.outcome
    plain = paired_mean_difference(blend, rule.outcome, LEVEL, SEED)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("seed", range(4))
def test_interval_has_the_error_of_the_weight_as_if_it_were_found_again_in_each_draw(
    seed: int,
) -> None:
    chance = np.random.default_rng(seed)
    n = 400
    # Sizes that vary much and outcomes that vary little: nearly all error is the weight's.
    sizes = [mean + chance.normal(0.0, 1.0, n) for mean in (2.0, 4.0, 3.0)]
    outcomes = [mean + chance.normal(0.0, 0.1, n) for mean in (0.0, 4.0, 2.0)]
    thin, thick, rule = (Arm(s, o) for s, o in zip(sizes, outcomes, strict=True))
    found = blended_mean_difference((thin, thick), rule, LEVEL, SEED)
    again = []
    for _ in range(2000):
        rows = chance.integers(n, size=n)
        weight = blend_weight(thin.size[rows], thick.size[rows], rule.size[rows])
        blend = weight * thick.outcome[rows] + (1 - weight) * thin.outcome[rows]
        again.append(float((blend - rule.outcome[rows]).mean()))
    low, high = np.quantile(again, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.12)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))


@some
@given(seeds)
def test_risk_lies_within_one_and_is_the_mean_difference_of_the_event(seed: int) -> None:
    thin, thick, rule = events(seed)
    found = blended_risk_difference((thin, thick), rule, LEVEL, SEED)
    mean = blended_mean_difference((thin, thick), rule, LEVEL, SEED)
    assert (found.ours, found.theirs, found.difference) == (mean.ours, mean.theirs, mean.difference)
    assert -1.0 <= found.low <= found.difference + 1e-12
    assert found.difference - 1e-12 <= found.high <= 1.0
    assert found.p_value is None


def test_interval_that_reaches_beyond_certainty_ends_there() -> None:
    thin, thick, rule = events(5, 8)
    runs = (Arm(thin.size, np.zeros(8)), Arm(thick.size, np.eye(1, 8)[0]))
    found = blended_risk_difference(runs, Arm(rule.size, np.ones(8)), LEVEL, SEED)
    mean = blended_mean_difference(runs, Arm(rule.size, np.ones(8)), LEVEL, SEED)
    assert mean.low < -1.0
    assert found.low == -1.0


@pytest.mark.parametrize("n", [2, 5, 100])
def test_two_seeds_that_all_agree_have_the_width_of_their_number_and_not_none(n: int) -> None:
    never, always = np.zeros(n), np.ones(n)
    found = blended_risk_difference(
        (flat(2.0, never), flat(4.0, never)), flat(3.0, always), LEVEL, SEED
    )
    one = paired_risk_difference(never > 0, always > 0, LEVEL)
    assert found.difference == -1.0
    assert (found.low, found.high) == pytest.approx((one.low, one.high))
    assert found.high > -1.0
