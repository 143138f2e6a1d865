# SPDX-License-Identifier: Apache-2.0
"""The pool's regret stays below its published bound on every sequence that could be thought of."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tidegate.forecast.pooling import hedge, pooled_log
from tidegate.forecast.scoring import qlike
from tidegate.model.errors import InputError

ROUNDING = 1e-9
LOSS = st.one_of(st.floats(0.0, 5.0), st.floats(0.0, 1e6), st.just(0.0), st.just(math.nan))


@settings(max_examples=100)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=LOSS)
    ),
    st.floats(0.001, 0.5),
    st.integers(1, 8),
)
def test_regret_is_within_the_bound_after_every_round_of_any_losses(
    losses: np.ndarray, share: float, delay: int
) -> None:
    found = hedge(losses, share, delay)
    scale = 1.0 + np.nan_to_num(losses).sum()
    assert np.all(found.regret <= found.bound + ROUNDING * scale)
    assert found.weights.sum(axis=1) == pytest.approx(1.0)
    assert np.all(found.weights > 0.0)


def _against_the_leader(rounds: int, n: int) -> np.ndarray:
    """Each round hurts whoever has the most weight, which is the worst a sequence can do."""
    losses = np.zeros((rounds, n))
    for t in range(rounds):
        losses[t, int(np.argmax(hedge(losses[: t + 1]).weights[t]))] = 1.0
    return losses


@cache
def _sequences() -> dict[str, np.ndarray]:
    rounds = np.arange(300)
    follow = np.zeros((300, 2))
    follow[0, 0], follow[1::2, 1], follow[2::2, 0] = 0.5, 1.0, 1.0
    growing = np.random.default_rng(0).random((300, 4)) * np.exp(rounds / 30.0)[:, None]
    changing = np.where((rounds // 50 % 2 == 0)[:, None], [0.0, 1.0, 0.5], [1.0, 0.0, 0.5])
    return {
        "against the leader": _against_the_leader(60, 3),
        "alternating": follow,
        "growing losses": growing,
        "best expert changes": changing,
        "one expert": np.ones((50, 1)),
        "all equal": np.ones((50, 4)),
    }


@pytest.mark.parametrize("name", list(_sequences()))
@pytest.mark.parametrize("delay", [1, 7])
def test_regret_is_within_the_bound_on_adversarial_sequences(name: str, delay: int) -> None:
    losses = _sequences()[name]
    found = hedge(losses, delay=delay)
    assert np.all(found.regret <= found.bound + ROUNDING * (1.0 + losses.sum()))
    own = (found.weights * losses).sum(axis=1).cumsum()
    best = losses.cumsum(axis=0).min(axis=1)
    assert found.regret == pytest.approx(own - best, abs=ROUNDING * (1.0 + losses.sum()))


def test_bound_is_of_use_it_is_far_below_the_worst_loss() -> None:
    losses = np.random.default_rng(1).random((2000, 5))
    losses[:, 2] *= 0.5
    found = hedge(losses)
    assert found.bound[-1] < 0.25 * losses.sum(axis=0).max()
    assert found.weights[-1].argmax() == 2


def test_share_lets_the_pool_follow_a_change_of_the_best_expert() -> None:
    losses = _sequences()["best expert changes"]
    found = hedge(losses)
    assert found.weights[49].argmax() == 0
    assert found.weights[99].argmax() == 1


def test_silent_expert_neither_gains_nor_loses_against_the_mean_of_the_others() -> None:
    losses = np.array([[1.0, 1.0, math.nan]] * 20)
    assert hedge(losses).weights[-1] == pytest.approx(1.0 / 3.0)


def test_round_in_which_all_are_silent_changes_nothing() -> None:
    losses = np.random.default_rng(2).random((20, 3))
    gap = np.insert(losses, 10, math.nan, axis=0)
    assert hedge(gap).weights[-1] == pytest.approx(hedge(losses).weights[-1], rel=1e-12)


@settings(max_examples=25)
@given(st.integers(1, 10), st.integers(0, 99))
def test_weights_of_a_round_know_no_loss_of_the_last_rounds_before_it(
    delay: int, seed: int
) -> None:
    losses = np.random.default_rng(seed).random((40, 3))
    bent = losses.copy()
    bent[30 - delay + 1 :] *= 100.0
    plain, other = hedge(losses, delay=delay), hedge(bent, delay=delay)
    assert np.array_equal(plain.weights[:31], other.weights[:31])


@settings(max_examples=25)
@given(st.integers(0, 999))
def test_pooled_loss_is_at_most_the_weighted_loss_of_the_experts(seed: int) -> None:
    """Jensen: QLIKE is convex in the logarithm of the forecast."""
    rng = np.random.default_rng(seed)
    logs, y = rng.normal(0.0, 2.0, (30, 4)), np.exp(rng.normal(0.0, 1.0, 30))
    weights = rng.dirichlet(np.ones(4), 30)
    mean = (weights * qlike(y[:, None], np.exp(logs))).sum(axis=1)
    assert np.all(qlike(y, np.exp(pooled_log(logs, weights))) <= mean + 1e-9)


def test_pool_of_silent_experts_is_silent() -> None:
    logs = np.array([[math.nan, 1.0], [math.nan, math.nan]])
    pooled = pooled_log(logs, np.full((2, 2), 0.5))
    assert pooled[0] == 1.0
    assert math.isnan(pooled[1])


@pytest.mark.parametrize(
    ("losses", "share", "delay", "field"),
    [
        (np.full((2, 2), math.inf), 0.1, 1, "losses"),
        (np.zeros((2, 0)), 0.1, 1, "losses"),
        (np.zeros((2, 2)), 0.0, 1, "share"),
        (np.zeros((2, 2)), 0.1, 0, "delay"),
    ],
)
def test_unusable_input_is_refused_by_name(
    losses: np.ndarray, share: float, delay: int, field: str
) -> None:
    with pytest.raises(InputError, match=field):
        hedge(losses, share, delay)
