# SPDX-License-Identifier: Apache-2.0
"""Levels at which money is sent are those that a small inventory problem has by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidegate.allocation.cash_band import CashLevels, MovingCost, cash_levels
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
FREE = MovingCost(0.0, 0.0)
CASES = (
    (MovingCost(0.4, 0.0), MovingCost(0.4, 0.0)),
    (MovingCost(0.5, 0.10), MovingCost(0.1, 0.05)),
    (MovingCost(0.2, 0.02), MovingCost(0.8, 0.15)),
    (MovingCost(1.0, 0.00), MovingCost(0.3, 0.20)),
)


def brute_force(
    variance: float, holding: float, costs: tuple[MovingCost, MovingCost], step: float, most: float
) -> tuple[float, FloatArray]:
    """Least cost a year of any policy on a grid, and where each state is sent (n), by policy
    iteration: from anywhere to anywhere, nothing said of bands. A state waits for a step of the
    walk, up or down with equal chance; at nought it must be left upwards before it waits."""
    grid = np.arange(0.0, most, step)
    count, wait = grid.size, step**2 / variance
    sent = grid[None, :] - grid[:, None]
    into, out = costs
    price = np.where(sent > 0.0, into.fixed_usd + into.share * sent, 0.0)
    price = np.where(sent < 0.0, out.fixed_usd - out.share * sent, price)
    # What waits at the ends would leave the grid.
    price[:, [0, -1]] = np.inf
    policy = np.clip(np.arange(count), 1, count - 2)
    rows = np.arange(count)
    while True:
        # w(i) = price(i, j) + (h x_j - g) wait + mean of w about j, with w(0) = 0.
        system = np.zeros((count + 1, count + 1))
        system[rows, rows] = 1.0
        for side in (-1, 1):
            np.add.at(system, (rows, policy + side), -0.5)
        system[:count, count] = wait
        system[count, 0] = 1.0
        right = np.append(price[rows, policy] + holding * grid[policy] * wait, 0.0)
        solved = np.linalg.solve(system, right)
        value, cost = solved[:count], float(solved[count])
        after = np.full(count, np.inf)
        after[1:-1] = (holding * grid[1:-1] - cost) * wait + 0.5 * (value[:-2] + value[2:])
        choice = price + after[None, :]
        better = choice.argmin(axis=1)
        kept = choice[rows, policy] <= choice[rows, better] + 1e-12
        better = np.where(kept, policy, better)
        if (better == policy).all():
            return cost, grid[policy]
        policy = better


@pytest.mark.parametrize("costs", CASES)
def test_levels_are_those_of_the_best_policy_of_any_kind_on_a_grid(
    costs: tuple[MovingCost, MovingCost],
) -> None:
    variance, holding, step = 1.0, 0.5, 0.03
    found = cash_levels(variance, holding, *costs)
    cost, sent = brute_force(variance, holding, costs, step, 1.6 * found.top)
    grid = np.arange(0.0, 1.6 * found.top, step)
    assert cost == pytest.approx(found.cost_usd_annual, rel=0.02)
    # What is best is flat: a level may be a few steps off at no cost that a grid could tell.
    near = 5 * step
    assert sent[0] == pytest.approx(found.fill, abs=near)
    leaves = grid[(sent < grid) & (grid < grid[-1])]
    assert leaves[0] == pytest.approx(found.top, abs=near)
    assert sent[grid == leaves[0]][0] == pytest.approx(found.land, abs=near)
    stays = grid[1 : int(leaves[0] / step) - 1]
    assert (sent[1 : stays.size + 1] == stays).all()


@given(st.floats(0.01, 1e4), st.floats(1e3, 1e12), st.floats(0.001, 1.0))
def test_one_fixed_cost_gives_the_levels_of_miller_and_orr(
    fixed: float, variance: float, holding: float
) -> None:
    found = cash_levels(variance, holding, MovingCost(fixed, 0.0), MovingCost(fixed, 0.0))
    miller_orr = (3.0 * fixed * variance / (4.0 * holding)) ** (1.0 / 3.0)
    expected = CashLevels(miller_orr, miller_orr, 3.0 * miller_orr, 2.0 * holding * miller_orr)
    for name in ("fill", "land", "top", "cost_usd_annual"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_without_a_fixed_cost_money_comes_as_it_is_needed() -> None:
    found = cash_levels(4.0, 0.5, MovingCost(0.0, 0.1), MovingCost(0.0, 0.1))
    assert (found.fill, found.land) == (0.0, found.top)
    assert found.top == pytest.approx(np.sqrt(0.2 * 4.0 / 0.5))


@given(st.floats(0.0, 100.0), st.floats(0.0, 0.1), st.floats(0.0, 100.0), st.floats(0.0, 0.1))
def test_levels_are_in_order(fixed: float, share: float, out: float, out_share: float) -> None:
    found = cash_levels(1e6, 0.05, MovingCost(fixed, share), MovingCost(out, out_share))
    assert 0.0 <= found.fill <= found.land <= found.top


@pytest.mark.parametrize(("variance", "holding"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_motion_or_cost_of_idle_money_that_is_not_known_is_refused(
    variance: float, holding: float
) -> None:
    with pytest.raises(InputError, match="cash band"):
        cash_levels(variance, holding, FREE, FREE)


def test_cost_below_nought_is_refused() -> None:
    with pytest.raises(InputError, match="fixed_usd"):
        MovingCost(-1.0, 0.0)
