# SPDX-License-Identifier: Apache-2.0
"""What coins would do by themselves: a factor copula with common tails, and jumps."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.second_world.grid import (
    MINUTES,
    STEPS_YEAR,
    FloatArray,
    Grid,
)
from tidegate.simulation.second_world.jumps import MARKET, JumpList, draw_jumps
from tidegate.simulation.second_world.parameters import SecondParameters
from tidegate.simulation.second_world.variance import variance_multiple


def _student_mixing(grid: Grid, degrees: float) -> FloatArray:
    """Variance mixing of each step, common to all coins: degrees / chi-squared, with mean 1."""
    draws = grid.stream("mixing").chisquare(degrees, grid.steps)
    return np.asarray((degrees - 2.0) / draws)


def _excitement(grid: Grid, jumps: JumpList, seeds: tuple[int, float] | None) -> FloatArray:
    """Market jumps in each step in units of a mean one, and what a crisis adds to them."""
    counts = np.zeros(grid.steps)
    market = jumps.coin == MARKET
    np.add.at(counts, jumps.minute[market] // MINUTES, np.abs(jumps.size[market]))
    if seeds is not None:
        counts[seeds[0]] += seeds[1]
    return counts


def _jump_returns(grid: Grid, p: SecondParameters, jumps: JumpList) -> FloatArray:
    """Log returns of the jumps: a market jump moves each coin by about its beta."""
    coins = list(p.coins.values())
    rng = grid.stream("jump answers")
    beta = np.array([coin.beta for coin in coins])[:, None]
    answer = beta * np.exp(0.2 * rng.standard_normal((len(coins), len(jumps.size))))
    own = np.array([coin.vol_annual / coins[0].vol_annual for coin in coins])[:, None]
    mine = np.arange(len(coins))[:, None] == jumps.coin
    share = np.where(jumps.coin == MARKET, answer, np.where(mine, own, 0.0))
    returns = np.zeros((len(coins), grid.minutes))
    for row, sizes in zip(returns, p.jumps.scale * share * jumps.size, strict=True):
        np.add.at(row, jumps.minute, sizes)
    return returns


def _scales(p: SecondParameters) -> tuple[float, FloatArray, FloatArray]:
    """Deviations of a minute's return: of the market; betas; of each coin by itself."""
    coins = list(p.coins.values())
    beta = np.array([coin.beta for coin in coins])
    part = p.volatility.diffusion_share / (STEPS_YEAR * MINUTES)
    market = part * coins[0].vol_annual ** 2
    whole = part * np.array([coin.vol_annual for coin in coins]) ** 2
    return float(np.sqrt(market)), beta, np.sqrt(np.maximum(whole - beta**2 * market, 0.0))


def coin_returns(
    grid: Grid, p: SecondParameters, crisis: tuple[int, float] | None
) -> tuple[FloatArray, FloatArray]:
    """Log returns of each coin in each minute, before crises and forced sales.

    r_c = sqrt(V w) (beta_c s z + s_c z_c) + jumps, V the variance multiple, w the common mixing.
    `crisis` is the step and the number of jumps whose aftermath it leaves. Returns the returns
    (coins, minutes) and the deviation of a minute's diffusion (coins, steps).
    """
    jumps = draw_jumps(grid, p.jumps, len(p.coins))
    rng = grid.stream("returns")
    factor = rng.standard_normal(grid.minutes)
    own = rng.standard_normal((len(p.coins), grid.minutes))
    step_factor = factor.reshape(-1, MINUTES).sum(axis=1) / np.sqrt(MINUTES)
    excitement = _excitement(grid, jumps, crisis)
    multiple = variance_multiple(grid, p.volatility, step_factor, excitement)
    speed = np.sqrt(multiple * _student_mixing(grid, p.volatility.tail_degrees))
    market, beta, alone = _scales(p)
    own *= alone[:, None]
    own += (beta * market)[:, None] * factor
    own *= np.repeat(speed, MINUTES)
    deviation = np.hypot(beta * market, alone)[:, None] * speed
    return own + _jump_returns(grid, p, jumps), deviation
