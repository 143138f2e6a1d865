# SPDX-License-Identifier: Apache-2.0
"""One-period mean-variance problems with linear costs and a limit on leverage.

    maximise  mu'x - (gamma / 2) x'V x - cost'|x - held|   over   ||x||_1 <= 3

Ours charges z ||L'x||, V = L L', for an error of the expected returns; a norm, not a variance. At
an x with z = gamma ||L'x|| both have the same gradient, so that x is the best of both or of
neither (Karush, Kuhn and Tucker). So z is given, our x is found, and each market's gamma follows as
z / ||L'x||, by which its V is scaled for all others. A norm alone does not say how far to go
along a ray: where leverage does not bind, many books can be best under it. Here it binds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import (
    Boxes,
    Edges,
    Functions,
    Gross,
    Nodes,
    Positions,
    Question,
)

FloatArray = NDArray[np.float64]
LEVERAGE, COST_RATE, YEARS, SHRINKAGE = 3.0, 0.00055, 21.0 / 365.0, 0.35
FACTORS = 4
# Expected returns move by this share of their spread from market to market.
MOVED = 0.2
SEED = 5
MARKETS, QUICK_MARKETS = 12, 2


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Markets of the same assets: expected returns of the period and books held (t, n), L and
    covariance of the period (n, n), gamma (t), and the best books (t, n) by a third solver."""

    returns: FloatArray
    held: FloatArray
    factor: FloatArray
    covariance: FloatArray
    gamma: FloatArray
    books: FloatArray

    def value(self, books: FloatArray) -> FloatArray:
        """Objective of a book in each market (t), from the formula of the module's head."""
        risk = np.einsum("ti,ij,tj->t", books, self.covariance, books)
        paid = COST_RATE * np.abs(books - self.held).sum(axis=1)
        return (self.returns * books).sum(axis=1) - 0.5 * self.gamma * risk - paid


def case(count: int, quick: bool) -> Case:
    """Markets of so many assets, each with the gamma that our z stands for in it.

    Raises: `ValueError` where leverage does not bind, so that a norm would not decide the book.
    """
    returns, held, factor = made_up(count, QUICK_MARKETS if quick else MARKETS)
    asked = zip(returns, held, strict=True)
    ours = [Compiled(question_of(r, h, factor, SHRINKAGE)).solve().size[0] for r, h in asked]
    if (np.abs(ours).sum(axis=1) < LEVERAGE - 1e-6).any():
        raise ValueError("expected markets in which leverage binds")
    gamma = SHRINKAGE / np.linalg.norm(np.array(ours) @ factor, axis=1)
    asked_gamma = zip(returns, held, gamma, strict=True)
    books = np.array([best_book(r, h, factor, float(g)) for r, h, g in asked_gamma])
    return Case(returns, held, factor, factor @ factor.T, gamma, books)


def best_book(
    returns: FloatArray, held: FloatArray, factor: FloatArray, gamma: float
) -> FloatArray:
    """The mean-variance optimum by Clarabel, with a gap of 1e-11."""
    book = cp.Variable(held.size)
    gain = returns @ book - COST_RATE * cp.norm1(book - held)
    risk = 0.5 * gamma * cp.sum_squares(factor.T @ book)
    problem = cp.Problem(cp.Maximize(gain - risk), [cp.norm1(book) <= LEVERAGE])
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
    problem.solve(solver="CLARABEL", max_threads=1, **tight)
    return np.array(book.value)


def question_of(returns: FloatArray, held: FloatArray, factor: FloatArray, z: float) -> Question:
    """The joint programme without margin: one venue, money that no limit looks at, no transfers."""
    count, none, nowhere = returns.size, np.zeros(0), np.zeros(0, dtype=np.int64)
    every, never = np.ones(count), np.zeros(count)
    open_ended = np.full(count, np.inf)
    positions = Positions(
        tuple(f"asset {number}" for number in range(count)),
        np.zeros(count, dtype=np.int64),
        held,
        -open_ended,
        open_ended,
        returns / YEARS,
        factor / YEARS,
        COST_RATE * every,
        never,
        never,
        np.ones(count, dtype=bool),
    )
    money = np.array([1.0])
    nodes = Nodes(("money",), np.zeros(1, np.int64), money, np.zeros(1), np.array([True]), money)
    return Question(
        ("venue",),
        positions,
        Functions(np.zeros((0, count)), np.zeros((0, 1)), np.zeros((0, 1))),
        nodes,
        Edges((), nowhere, nowhere, none, none, nowhere),
        (),
        Boxes((), np.zeros((0, count)), none, none, none),
        (Gross("leverage", every, np.zeros(1), LEVERAGE),),
        np.array([YEARS]),
        np.inf,
        z,
        1.0,
    )


def made_up(count: int, markets: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected returns and books (t, n), and L (n, n) of a covariance with common factors, all of
    the period; vols of 40 to 90 % a year."""
    random = np.random.default_rng(SEED)
    loading = random.normal(0.0, 0.4, (count, FACTORS)) + np.eye(FACTORS)[0]
    correlation = loading @ loading.T + 0.6 * np.eye(count)
    deviation = np.sqrt(np.diag(correlation))
    vol = random.uniform(0.4, 0.9, count) * np.sqrt(YEARS)
    covariance = correlation * np.outer(vol / deviation, vol / deviation)
    mean = 0.5 * random.standard_normal(count) * YEARS
    returns = mean + MOVED * mean.std() * random.standard_normal((markets, count))
    held = random.normal(0.0, 1.0, (markets, count))
    held *= 0.8 * LEVERAGE / np.abs(held).sum(axis=1, keepdims=True)
    return returns, held, np.linalg.cholesky(covariance)
