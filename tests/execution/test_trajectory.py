# SPDX-License-Identifier: Apache-2.0
"""The best shares against closed forms, a general optimiser, and what must hold of any order."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import acosh, sinh, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from tidegate.execution.trajectory import Tradeoff, optimal_shares

COSTS = st.floats(1e-3, 10.0)


@st.composite
def problems(draw: st.DrawFn, most: int = 9) -> Tradeoff:
    slots = draw(st.integers(1, most))
    waiting = draw(st.just(0.0) | COSTS)
    cap = draw(st.floats(1.0 / slots, 1.0))
    return Tradeoff(draw(COSTS), draw(st.just(0.0) | COSTS), waiting, slots, max(cap, 1.0 / slots))


def left(shares: list[float]) -> list[float]:
    return [1.0 - done for done in accumulate(shares)]


def best_of_an_optimiser(problem: Tradeoff) -> float:
    """The least value that a general method finds from equal shares."""
    a, b, c = problem.impact, problem.quadratic, problem.waiting

    def slope(q: NDArray[np.float64]) -> NDArray[np.float64]:
        after = 1.0 - np.cumsum(q)
        waits = np.cumsum(after[::-1])[::-1]
        return np.asarray(1.5 * a * np.sqrt(np.maximum(q, 0.0)) + 2 * b * q - 2 * c * waits)

    found = minimize(
        lambda q: problem.value([max(0.0, share) for share in q]),
        np.full(problem.slots, 1.0 / problem.slots),
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, problem.cap)] * problem.slots,
        constraints=[LinearConstraint(np.ones(problem.slots), 1.0, 1.0)],
        options={"maxiter": 300, "ftol": 1e-14},
    )
    assert abs(found.x.sum() - 1.0) < 1e-9
    return float(found.fun)


@settings(max_examples=40)
@given(problems())
def test_value_is_that_of_a_general_optimiser(problem: Tradeoff) -> None:
    ours, theirs = problem.value(optimal_shares(problem)), best_of_an_optimiser(problem)
    assert ours <= theirs * (1 + 1e-9)
    assert ours >= theirs * (1 - 1e-6)


@settings(max_examples=40)
@given(problems(40))
def test_shares_add_up_stay_within_the_cap_and_never_grow(problem: Tradeoff) -> None:
    shares = optimal_shares(problem)
    assert len(shares) == problem.slots
    assert sum(shares) == pytest.approx(1.0, abs=1e-12)
    assert all(-1e-12 <= share <= problem.cap + 1e-12 for share in shares)
    assert all(later <= sooner + 1e-12 for sooner, later in pairwise(shares))


@settings(max_examples=40)
@given(problems(40), st.floats(1.0, 1e6))
def test_more_aversion_never_leaves_more_waiting(problem: Tradeoff, more: float) -> None:
    """Though slices that are risky by their size then weigh more as well."""
    shyer = Tradeoff(
        problem.impact,
        problem.quadratic * more,
        problem.waiting * more,
        problem.slots,
        problem.cap,
    )
    before, after = left(optimal_shares(problem)), left(optimal_shares(shyer))
    assert all(less <= much + 1e-9 for less, much in zip(after, before, strict=True))


@settings(max_examples=20)
@given(COSTS, COSTS, st.integers(1, 99))
def test_shares_without_a_cost_of_waiting_are_equal(a: float, b: float, slots: int) -> None:
    assert optimal_shares(Tradeoff(a, b, 0.0, slots)) == pytest.approx([1 / slots] * slots)


@pytest.mark.parametrize("waiting", [1e12, 1e30])
def test_shares_where_waiting_outweighs_all_are_as_fast_as_the_cap(waiting: float) -> None:
    shares = optimal_shares(Tradeoff(1.0, 0.0, waiting, 9, 0.3))
    assert shares == pytest.approx([0.3, 0.3, 0.3, 0.1] + [0.0] * 5, abs=1e-6)


def test_linear_impact_gives_the_example_of_almgren_and_chriss() -> None:
    """Their table 1 (2000): a million shares, five days, sigma 0.95, gamma 2.5e-7, eta 2.5e-6,
    epsilon 1/16; lambda 1e-6. The figures are eq. 16 to 20 worked for these by a second hand."""
    held, days, sigma, gamma, eta = 1e6, 5, 0.95, 2.5e-7, 2.5e-6
    averse, eta_tilde = 1e-6, eta - gamma / 2
    kappa = acosh(1 + averse * sigma**2 / eta_tilde / 2)
    assert kappa == pytest.approx(0.607076, abs=1e-6)

    def outcome(aversion: float) -> tuple[list[float], float, float]:
        b, c = eta_tilde * held**2, aversion * sigma**2 * held**2
        shares = optimal_shares(Tradeoff(0.0, b, c, days))
        waiting = [held * share for share in left(shares)]
        cost = gamma * held**2 / 2 + 0.0625 * held + b * sum(share**2 for share in shares)
        return waiting, cost, sigma * sqrt(sum(x * x for x in waiting))

    waiting, cost, deviation = outcome(averse)
    assert waiting == pytest.approx([541_956, 289_854, 147_897, 62_142, 0], abs=0.6)
    closed = [held * sinh(kappa * (days - j)) / sinh(kappa * days) for j in range(1, days + 1)]
    assert waiting == pytest.approx(closed, abs=1e-6)
    assert (cost, deviation) == pytest.approx((911_227, 603_431), abs=0.6)
    assert outcome(0.0)[1:] == pytest.approx((662_500, 1_040_673), abs=0.6)


def test_square_root_impact_without_end_follows_the_power_law() -> None:
    """x(t) = (1 + t / (3 T))^-3, T = 1 / speed at the start; Almgren (2003), exponent 1/2.

    With impact cost eta v^(3/2) and risk cost r x^2 a unit of time the law of motion is
    eta v^(3/2) / 2 = r x^2, so T = (eta / (2 r))^(2/3). Slots are a fiftieth of T."""
    eta, slot, slots = 2.0, 0.02, 3_000
    risk = eta / 2.0
    shares = optimal_shares(Tradeoff(eta / sqrt(slot), 0.0, risk * slot, slots))
    waiting = left(shares)
    for time in (0.5, 1.0, 2.0, 5.0, 10.0):
        assert waiting[round(time / slot) - 1] == pytest.approx((1 + time / 3) ** -3, rel=0.02)
