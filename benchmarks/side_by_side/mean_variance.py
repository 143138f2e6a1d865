# SPDX-License-Identifier: Apache-2.0
"""Mean-variance positions of one period: who finds them, and how they are judged.

cvxportfolio's licence is the GPL-3.0. It is imported here, where it is measured, if whoever runs
this has installed it; the package never imports it, and nothing of it is shipped.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import brentq

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.mean_variance_questions import (
    COST_RATE,
    LEVERAGE,
    SHRINKAGE,
    YEARS,
    Case,
    FloatArray,
    question_of,
)
from benchmarks.side_by_side.mean_variance_questions import case as case_of
from tidegate.allocation.joint.compiled import Compiled

CLARABEL = {"solver": "CLARABEL", "max_threads": 1}
# z is found to this share of itself; the book then moves by less than the proof allows.
Z_TOLERANCE = 1e-4


def _ours(given: Case) -> Prepared:
    """Compiled once; returns and book of each market, as a loop would."""
    compiled = Compiled(question_of(given.returns[0], given.held[0], given.factor, SHRINKAGE))
    money = np.ones(1)

    def solve(market: int) -> FloatArray:
        compiled.with_returns(given.returns[market] / YEARS)
        compiled.with_book(given.held[market], money, money)
        return compiled.solve().size[0]

    return _each(given, solve)


def _ours_by_gamma(given: Case) -> Prepared:
    """z is sought at which z = gamma ||L'x||: ||L'x|| falls as z rises, so there is one."""
    return _each(given, lambda market: _book_of_gamma(given, market))


def _book_of_gamma(given: Case, market: int) -> FloatArray:
    gamma, books = float(given.gamma[market]), {}

    def excess(z: float) -> float:
        question = question_of(given.returns[market], given.held[market], given.factor, z)
        books[z] = Compiled(question).solve().size[0]
        return z - gamma * float(np.linalg.norm(given.factor.T @ books[z]))

    # Without a charge for risk ||L'x|| is largest, and z with it.
    most = -excess(0.0)
    root = float(brentq(excess, 0.0, most, rtol=Z_TOLERANCE, xtol=Z_TOLERANCE * most))
    if root not in books:
        excess(root)
    return books[root]


def _cvxpy(given: Case) -> Prepared:
    """Compiled once with parameters (DPP), written by hand."""
    count = given.held.shape[1]
    returns, held, factor = cp.Parameter(count), cp.Parameter(count), cp.Parameter((count, count))
    book = cp.Variable(count)
    paid = COST_RATE * cp.norm1(book - held)
    risk = 0.5 * cp.sum_squares(factor.T @ book)
    problem = cp.Problem(cp.Maximize(returns @ book - risk - paid), [cp.norm1(book) <= LEVERAGE])

    def solve(market: int) -> FloatArray:
        returns.value, held.value = given.returns[market], given.held[market]
        factor.value = np.sqrt(given.gamma[market]) * given.factor
        problem.solve(**CLARABEL)
        return np.array(book.value)

    return _each(given, solve)


def _cvxportfolio(given: Case, once: bool, options: dict[str, Any]) -> Prepared:
    """Its policy with all data given: anew by `execute`, or initialised once and then asked for
    each time's weights, as its simulator does."""
    import cvxportfolio as cvx
    import pandas as pd

    times = pd.date_range("2026-01-01", periods=len(given.returns), freq="21D")
    names = [f"asset {number}" for number in range(given.held.shape[1])]
    scaled = [gamma * given.covariance for gamma in given.gamma]
    returns = pd.DataFrame(given.returns, times, names)
    by_time = pd.MultiIndex.from_product([times, names])
    covariance = pd.DataFrame(np.concatenate(scaled), by_time, names)
    cash = 1.0 - given.held.sum(axis=1, keepdims=True)
    held = pd.DataFrame(np.hstack([given.held, cash]), times, [*names, "cash"])
    policy = cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(returns)
        - 0.5 * cvx.FullCovariance(covariance)
        - cvx.TransactionCost(a=COST_RATE, b=None),
        [cvx.LeverageLimit(LEVERAGE)],
        include_cash_return=False,
        **options,
    )
    if once:
        policy.initialize_estimator_recursive(universe=held.columns, trading_calendar=times)
    nothing = dict.fromkeys(("past_returns", "past_volumes", "current_prices"))

    def solve(market: int) -> FloatArray:
        weights = held.iloc[market]
        if not once:
            trades = policy.execute(weights, None, times[market])[0]
            return (weights + trades).to_numpy()[:-1]
        found = policy.values_in_time_recursive(
            t=times[market], current_weights=weights, current_portfolio_value=1.0, **nothing
        )
        return found.to_numpy()[:-1]

    return _each(given, solve)


def _skfolio(given: Case) -> Prepared:
    """`MeanRisk` with moments given, built anew by each fit, as it always is."""
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):
        """Moments that are known."""

        def __init__(self, mu: Any = None, covariance: Any = None) -> None:
            self.mu, self.covariance = mu, covariance

        def fit(self, X: Any, y: Any = None, **others: Any) -> Given:
            self.return_distribution_ = ReturnDistribution(
                mu=self.mu, covariance=self.covariance, returns=X
            )
            return self

    seen = np.zeros((2, given.held.shape[1]))

    def solve(market: int) -> FloatArray:
        model = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_measure=RiskMeasure.VARIANCE,
            risk_aversion=0.5 * float(given.gamma[market]),
            prior_estimator=Given(given.returns[market], given.covariance),
            min_weights=None,
            max_weights=None,
            budget=None,
            transaction_costs=COST_RATE,
            previous_weights=given.held[market],
            solver_params={"max_threads": 1},
            add_constraints=lambda weights: cp.norm1(weights) <= LEVERAGE,
        )
        return np.array(model.fit(seen).weights_)

    return _each(given, solve)


@contextmanager
def _quietly() -> Iterator[None]:
    """Peers warn about each other's versions; what they answer is judged, not what they say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _each(given: Case, solve: Callable[[int], FloatArray]) -> Prepared:
    """All markets, one after the other."""

    def call() -> FloatArray:
        with _quietly():
            return np.stack([solve(market) for market in range(len(given.returns))])

    return Prepared(call, len(given.returns))


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """How far below the best book, and away from it, and beyond the leverage."""
    prepared = entry.prepare(given)
    books = prepared.read(prepared.call())
    short = given.value(given.books) - given.value(books)
    return {
        "error of the objective": float(np.abs(short).max()),
        "furthest position": float(np.abs(books - given.books).max()),
        "over leverage": float(max(0.0, np.abs(books).sum(axis=1).max() - LEVERAGE)),
    }


SHOWN = {
    "objective off by at most": lambda errors: error_text(errors["error of the objective"]),
    "positions off by at most": lambda errors: error_text(errors["furthest position"]),
    "leverage over by": lambda errors: error_text(errors["over leverage"]),
}
ENTRIES = (
    Entry(
        "Tidegate",
        (OURS,),
        "Less: charges z times the norm of L'x, not the variance; is given the z at which both "
        "have the same optimum, where others are given gamma. More: a proof of the bound, prices "
        "of limits. Compiled once; proved to 1e-6 of equity.",
        _ours,
    ),
    Entry(
        "Tidegate, given gamma",
        (OURS,),
        "As before, but z is sought by Brent's method, a programme compiled for each guess. "
        "Less: no plane or basis is kept.",
        _ours_by_gamma,
        slow=True,
    ),
    Entry(
        "cvxpy DPP, Clarabel",
        ("cvxpy",),
        "Less: a solve alone, written by hand, compiled once; gap 1e-8, the solver's default.",
        _cvxpy,
    ),
    Entry(
        "cvxportfolio, compiled once, Clarabel",
        ("cvxportfolio",),
        "More: policies, forecasts and simulation around it. Less: no proof, no prices of limits. "
        "Its policy initialised once, then asked at each time, as its simulator does; gap 1e-8.",
        functools.partial(_cvxportfolio, once=True, options=CLARABEL),
    ),
    Entry(
        "cvxportfolio, compiled once",
        ("cvxportfolio",),
        "As before, with the solver that cvxpy chooses, at its default accuracy.",
        functools.partial(_cvxportfolio, once=True, options={}),
    ),
    Entry(
        "cvxportfolio, execute",
        ("cvxportfolio",),
        "As before, by `execute`, its call for one time, which compiles anew.",
        functools.partial(_cvxportfolio, once=False, options={}),
        slow=True,
    ),
    Entry(
        "skfolio MeanRisk",
        ("skfolio",),
        "More: estimation around it, here a prior that is given. Less: no proof, no prices of "
        "limits; leverage added as a constraint of its user; each fit compiles anew; gap 1e-8.",
        _skfolio,
    ),
)


def _topic(count: int) -> Topic:
    return Topic(
        f"mean-variance-{count}",
        f"Mean-variance, {count} assets",
        "solves",
        f"Positions in {count} assets for one period of 21 days: expected returns and a dense "
        f"covariance given, costs of {1e4 * COST_RATE:g} bp of what is traded, leverage at most "
        f"{LEVERAGE:g}; in every market both expected returns and the book held are others. "
        "Positions and objective as shares of equity, from those of Clarabel at 1e-11.",
        ENTRIES,
        functools.partial(case_of, count),
        judge,
        SHOWN,
    )


TOPICS = (_topic(20), _topic(60))
