# SPDX-License-Identifier: Apache-2.0
"""What the joint programme is asked, as arrays, and what it answers.

Everything is in units of the book's equity (1.0 = all of it); a position's size is the notional of
its underlying, long +. Every limit that looks at scenarios has one shape, a `Tail`:

    CVaR_w( max_p [ constant_wp - slopes_wp'x + weights_wp'u - worth_wp'c + spend ] )
        <= limit + shortfall

with convex functions u_a = max_j (slope_aj net_a'x - offset_aj) of positions, and c_n the money at
a node at that point: what was there when the step began, less all that leaves in it, plus what has
landed by then. A venue's solvency, a named stress (few scenarios, mass one), a drawdown budget and
a withdrawal bound are all tails, so a solver needs to know one thing only. A portfolio margin is a
maximum over its own scenarios, which are points p of the tail; a tier is a function u.

Over steps k, with x_-1 = held, trades x_k - x_k-1 = b_k - s_k, b, s >= 0, flows y_k >= 0:

    maximise  sum_k step_years_k (carry'x_k - shrinkage ||L'x_k|| + yield'c_k+1)
              - sum_k (cost'(b_k + s_k) + impact'(b_k + s_k)^1.5 + sum_e cost_e y_ke) - penalties
    c_0 = amount,  c_k+1 = c_k - out of y_k + (1 - cost_e) y_e,k-lag_e - [pays_costs] spend_vk >= 0
    sum over k' <= k of what left a node for another venue <= withdrawable + what landed before k
    tails, boxes, gross limits at every step; sum_k 1'(b_k + s_k) <= turnover
    min(lower, held) <= x_k <= max(upper, held); reduce only: x_k between nought and held too

A point of a tail counts what edge e brings in step k, y_e,k-lag_e, where `landed` says so.

Shapes: n positions, a functions, m nodes (collateral of one asset at one venue), e edges, f factors
of carry error, k steps, W scenarios, P points of a path.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Instruments: present size, carry of being long (a year), factors of its error, costs, bounds.

    Args:
        venue: int64 (n), index into `Question.venues`.
        held: (n). lower, upper: (n) bounds of size, from open interest, depth, short-wing and
            long-only limits; `held` may lie outside, and may then only move inward.
        carry_annual: (n), per unit and year. error_factor: (n, f), L with L L' the covariance of
            its errors.
        cost_rate: (n), fee and half spread per unit traded. impact: (n), Y s sqrt(E0 / V_day): a
            trade of d costs impact |d|^1.5 (square-root law).
        orphan_rate: (n), cost per unit of re-hedging the partner of a leg lost with its venue.
        derivative: (n), whether it counts as gross leverage.
    """

    names: tuple[str, ...]
    venue: IntArray
    held: FloatArray
    lower: FloatArray
    upper: FloatArray
    carry_annual: FloatArray
    error_factor: FloatArray
    cost_rate: FloatArray
    impact: FloatArray
    orphan_rate: FloatArray
    derivative: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Functions:
    """u_a = max_j (slope[a, j] (net[a] @ x) - offset[a, j]); net (a, n), slope, offset (a, j).

    A side without a charge is a piece of slope and offset nought; pieces may repeat.
    """

    net: FloatArray
    slope: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Collateral: venue (m), amount now at mark (m), yield less cost of capital a year (m), whether
    trading costs at its venue are paid from it (one node a venue), and what may leave now (m)."""

    names: tuple[str, ...]
    venue: IntArray
    amount: FloatArray
    yield_annual: FloatArray
    pays_costs: BoolArray
    withdrawable: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Ways for money: transfers of an asset between venues and conversions within one. Source and
    destination nodes (e), share lost on the way (e), most per step (e; 0 while closed), and whole
    steps beyond the one of sending before it is there (e; conversions and fast routes 0)."""

    names: tuple[str, ...]
    source: IntArray
    destination: IntArray
    cost_rate: FloatArray
    cap: FloatArray
    lag: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """One limit over scenarios; see the module's head.

    Args:
        columns: int64 (n'), the positions it looks at; functions: int64 (a'); nodes: int64 (m').
        slopes: (W, P, n'), gain per unit. weights: (W, P, a'), >= 0. worth: (W, P, m'), value of a
            unit of the node as margin. constant: (W, P).
        landed: bool (W, P, e), whether what is sent in this step has arrived at the point; an edge
            counts by the worth of its destination, less its cost.
        mass: how many scenarios' worth of probability the tail holds, >= 1: CVaR is the mean of the
            `mass` worst, the last one in part; 1 is the maximum.
        spends: whether trading costs of its venue reduce it; `venue` -1 stands for all.
        penalty: price per unit of shortfall; inf for a limit that is never given up.
        limit: right side.
    """

    name: str
    venue: int
    columns: IntArray
    functions: IntArray
    nodes: IntArray
    slopes: FloatArray
    weights: FloatArray
    worth: FloatArray
    constant: FloatArray
    landed: BoolArray
    mass: float
    penalty: float
    limit: float = 0.0
    spends: bool = True

    def __post_init__(self) -> None:
        if not 1.0 <= self.mass <= self.slopes.shape[0]:
            raise InputError(
                "tail", self.name, f"expected a mass from 1 to {self.slopes.shape[0]}: {self.mass}"
            )
        if (self.weights < 0).any():
            raise InputError("tail", self.name, "expected weights of functions >= 0")


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Linear limits lower <= rows @ x <= upper: delta per coin and of the book about its target
    skew, gamma, vega per tenor, open short wings; rows (r, n). Hard, unless `penalty` is finite."""

    names: tuple[str, ...]
    rows: FloatArray
    lower: FloatArray
    upper: FloatArray
    penalty: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Gross:
    """A limit on sizes: weights @ |x| + claim @ c <= cap; weights (n), claim (m). Gross leverage, a
    sleeve's size, and what a venue's default costs (equity there and the orphaned legs)."""

    name: str
    weights: FloatArray
    claim: FloatArray
    cap: float
    constant: float = 0.0
    penalty: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One joint allocation problem.

    `step_years` (k) weighs each step's carry; the last also stands for the time after it.
    `turnover` bounds the sum of |trades| of all steps. `shrinkage` z charges
    z ||L'x|| of correlated error against carry. `reduce_only` lets positions only move toward zero.
    """

    venues: tuple[str, ...]
    positions: Positions
    functions: Functions
    nodes: Nodes
    edges: Edges
    tails: tuple[Tail, ...]
    boxes: Boxes
    gross: tuple[Gross, ...]
    step_years: FloatArray
    turnover: float
    shrinkage: float
    equity_usd: float
    reduce_only: bool = False

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.step_years.size)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Targets, flows and why, in units of equity.

    `size` (k, n), `collateral` (k, m) after the step's flows have landed, `flow` (k, e).
    `shortfall` by name of what was given up. `objective` is a maximum, `bound` what no book can
    exceed. `prices` by name of limit: what easing it by one unit is worth (a limit per step is
    summed over steps); `dollar_value` (m) is what one more unit at a node is worth.
    """

    size: FloatArray
    collateral: FloatArray
    flow: FloatArray
    shortfall: dict[str, float]
    objective: float
    bound: float
    prices: dict[str, float] = field(default_factory=dict)
    dollar_value: FloatArray = field(default_factory=lambda: np.zeros(0))
