# SPDX-License-Identifier: Apache-2.0
"""How much to bet when losses of wealth are bounded: risk-constrained and fractional Kelly.

A drawdown budget says: wealth may ever fall below a share alpha of today's with a probability of
at most beta. For independent periods with returns r'b of bets b the bound

    E (r'b)^-L <= 1,  L = log beta / log alpha,  implies  P(ever below alpha) < beta,

and log E (r'b)^-L is convex in b, so the bet of largest growth E log r'b under it is a convex
programme. Source: Busseti, Ryu and Boyd 2016, "Risk-constrained Kelly gambling".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrawdownBudget:
    """Wealth may ever fall below the share `floor` of today's with probability `chance` at most."""

    floor: float
    chance: float

    def __post_init__(self) -> None:
        for name, value in (("floor", self.floor), ("chance", self.chance)):
            if not 0.0 < value < 1.0:
                expected = f"expected more than 0 and less than 1: {value}"
                raise InputError("drawdown budget", name, expected)

    @property
    def risk_aversion(self) -> float:
        """L = log(chance) / log(floor)."""
        return math.log(self.chance) / math.log(self.floor)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Excess return x_i per unit bet, each above -1 times a unit, with probability p_i; both (i).

    One unit of wealth becomes 1 + f x of it at a bet of f.
    """

    excess: FloatArray
    probability: FloatArray

    def __post_init__(self) -> None:
        if self.excess.shape != self.probability.shape or self.excess.ndim != 1:
            raise InputError("outcomes", "probability", "expected one for each outcome")
        if not (np.isfinite(self.excess).all() and (self.probability > 0.0).all()):
            raise InputError("outcomes", "excess", "expected known outcomes with a probability")
        if abs(float(self.probability.sum()) - 1.0) > 1e-9:
            raise InputError("outcomes", "probability", "expected a sum of 1")

    @property
    def largest_bet(self) -> float:
        """The bet at which the worst outcome takes all; inf where nothing can be lost."""
        worst = float(self.excess.min())
        return math.inf if worst >= 0.0 else -1.0 / worst


@dataclass(frozen=True, slots=True)
class Bet:
    """A share of wealth to bet, its growth E log(1 + f x) a period, whether the budget binds."""

    size: float
    growth: float
    bound: bool


def growth(outcomes: Outcomes, size: float) -> float:
    """E log(1 + f x), per period; minus infinity where all can be lost."""
    wealth = 1.0 + size * outcomes.excess
    if not (wealth > 0.0).all():
        return -math.inf
    return float(outcomes.probability @ np.log1p(size * outcomes.excess))


def kelly(outcomes: Outcomes) -> Bet:
    """The bet f >= 0 of largest growth: E x / (1 + f x) = 0, or nought where E x <= 0.

    Raises: `InputError` where nothing can be lost, since no bet is the largest then.
    Source: Kelly 1956, for any outcomes.
    """
    top = _top(outcomes)
    if float(outcomes.probability @ outcomes.excess) <= 0.0:
        return Bet(0.0, 0.0, False)

    def slope(size: float) -> float:
        return float(outcomes.probability @ (outcomes.excess / (1.0 + size * outcomes.excess)))

    size = float(brentq(slope, 0.0, top * (1.0 - 1e-12), xtol=1e-15, rtol=1e-14))
    return Bet(size, growth(outcomes, size), False)


def drawdown_excess(outcomes: Outcomes, budget: DrawdownBudget, size: float) -> float:
    """log E (1 + f x)^-L, convex in f: the budget is kept where it is at most nought.

    Taken as log sum exp, which neither under- nor overflows. Source: Busseti, Ryu and Boyd 2016.
    """
    exponent = np.log(outcomes.probability) - budget.risk_aversion * np.log1p(
        size * outcomes.excess
    )
    most = float(exponent.max())
    return most + math.log(float(np.exp(exponent - most).sum()))


def risk_constrained_kelly(outcomes: Outcomes, budget: DrawdownBudget) -> Bet:
    """The bet f >= 0 of largest growth that keeps a drawdown budget.

    The excess is convex, nought at f = 0 and falling there where E x > 0; so it has one further
    root, and growth, which is concave, is largest at the lesser of that root and the Kelly bet.
    """
    free = kelly(outcomes)
    if free.size == 0.0 or drawdown_excess(outcomes, budget, free.size) <= 0.0:
        return free
    lowest = _lowest(outcomes, budget, free.size)
    size = float(
        brentq(
            lambda f: drawdown_excess(outcomes, budget, f),
            lowest,
            free.size,
            xtol=1e-15,
            rtol=1e-14,
        )
    )
    return Bet(size, growth(outcomes, size), True)


def fractional_kelly_drawdown(fraction: float, floor: float) -> float:
    """P(wealth is ever below `floor` of today's) at a fraction c of the Kelly bet: floor^(2/c - 1).

    In continuous time log wealth has drift m^2 (c - c^2/2) / s^2 and variance rate c^2 m^2 / s^2; a
    Brownian motion with drift mu and variance rate v ever falls by b with probability
    exp(-2 mu b / v). From c = 2 on it surely does. Source: Thorp 2006, with the
    law of the minimum of a Brownian motion with drift (Karatzas and Shreve 1991, section 3.5.C).
    """
    if not fraction > 0.0:
        raise InputError("fractional Kelly", "fraction", f"expected above 0: {fraction}")
    if not 0.0 < floor < 1.0:
        raise InputError("fractional Kelly", "floor", f"expected between 0 and 1: {floor}")
    return min(1.0, math.pow(floor, 2.0 / fraction - 1.0))


def kelly_fraction(budget: DrawdownBudget) -> float:
    """The fraction of the Kelly bet at which the budget is met exactly: c = 2 / (1 + L), at most 2.

    The inverse of `fractional_kelly_drawdown`.
    """
    return 2.0 / (1.0 + budget.risk_aversion)


def _top(outcomes: Outcomes) -> float:
    if not math.isfinite(outcomes.largest_bet):
        raise InputError("outcomes", "excess", "expected an outcome that loses")
    return outcomes.largest_bet


def _lowest(outcomes: Outcomes, budget: DrawdownBudget, start: float) -> float:
    """A bet above nought at which the budget is kept with room."""
    size = start
    while drawdown_excess(outcomes, budget, size) >= 0.0:
        size *= 0.5
    return size
