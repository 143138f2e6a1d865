# SPDX-License-Identifier: Apache-2.0
"""Solvency of a book's accounts in scenarios, as tails beside the mandate's named moves.

    CVaR_mass( max_p [ requirement(market_wp) - equity(market_wp) ] ) <= 0    of every account

Of an account of contracts alone equity is linear in the price ratios r, and maintenance is bounded
by a chord: f(r x) <= (r / R) f(R x) for f convex, f(0) = 0 and r <= R, with R the largest ratio of
the coin. Of an account of options the rule's own form is taken at every market. Money that is sent
arrives in none of them. A tail of probability q among n scenarios has a mass of q n; what does not
belong to the worst may be left out, as long as `mass` counts it.

Source: Rockafellar and Uryasev (2002), proposition 8, for the mean of the worst scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Answer, Functions, Question, Tail
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.asking import KEPT, Asked
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.moves import Move, moved
from tidegate.engine.plan.requirement import has_convex_form, standing
from tidegate.engine.plan.shared_functions import Scale, SharedFunctions
from tidegate.engine.plan.tails import Place, Point, points_of, stress_tail
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.plan_sections import VolStress

FloatArray = NDArray[np.float64]
Solver = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True, eq=False)
class Markets:
    """Scenarios (W) of several points each (P): price ratios by coin and the factor on all implied
    vols, (W, P) each; `mass` is how many scenarios' worth of probability the tail holds."""

    ratios: Mapping[str, FloatArray]
    vols: FloatArray
    mass: float


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioTails:
    """Tails with the functions that they look at, to be asked beside a question's own."""

    tails: tuple[Tail, ...]
    functions: Functions

    def beside(self, question: Question) -> Question:
        """The question with these tails too."""
        first = question.functions.net.shape[0]
        own = tuple(replace(tail, functions=tail.functions + first) for tail in self.tails)
        joined = _joined(question.functions, self.functions)
        return replace(question, tails=(*question.tails, *own), functions=joined)

    def solving(self, solve: Solver) -> Solver:
        """A solver that always asks for these tails."""
        return lambda question: solve(self.beside(question))


def scenario_tails(asked: Asked, markets: Mapping[str, Markets]) -> ScenarioTails:
    """A tail named `solvency VENUE` of each venue in `markets`.

    Raises: `InputError` for a venue that may not change, or a coin of it without ratios.
    """
    functions = SharedFunctions(len(asked.bounds))
    tails = []
    for venue, seen in markets.items():
        account = asked.book.accounts.get(venue)
        if account is None or venue in asked.fixed or not has_convex_form(account):
            raise InputError("scenarios", venue, "expected an account that a plan may change")
        for coin in account.coins:
            if coin not in seen.ratios:
                raise InputError("scenarios", f"{venue}.{coin}", "expected ratios of the coin")
        tails.append(_tail(asked, account, seen, functions))
    return ScenarioTails(tuple(tails), functions.arrays())


def _tail(asked: Asked, account: PlanAccount, seen: Markets, functions: SharedFunctions) -> Tail:
    place = asked.accounts.index(account)
    columns = asked.members(account)
    per_size = np.array([asked.bounds[i].per_size for i in columns])
    scale = Scale(columns, per_size, asked.held[columns], asked.equity_usd)
    of = _linear if isinstance(account.book.rule, ExactAccount) else _by_market
    points = of(asked, account, seen, (scale, functions))
    where = (place, columns, (place,), len(asked.book.ways))
    tail = stress_tail(points, Place(f"solvency {account.venue}", *where, -KEPT))
    return replace(tail, mass=seen.mass)


def _linear(
    asked: Asked, account: PlanAccount, seen: Markets, into: tuple[Scale, SharedFunctions]
) -> list[list[Point]]:
    """Contracts alone: everything but the chord's weight is linear in the ratios."""
    scale, functions = into
    place = asked.accounts.index(account)
    amount = float(asked.question.nodes.amount[place])
    coins = [asked.bounds[i].instrument.base for i in scale.columns]
    most = {coin: float(seen.ratios[coin].max()) for coin in set(coins)}
    span = np.array([asked.bounds[i].span_size for i in scale.columns])
    highest = moved(account, Move("", most), VolStress())
    lines = standing(account, highest, span, opening=False).maintenance.always
    found = [functions.add(line, scale) for line in lines]
    held_usd = asked.statements[place].equity * account.price(asked.statements[place].unit)
    rows = []
    for w in range(seen.vols.shape[0]):
        points = []
        for p in range(seen.vols.shape[1]):
            ratios = np.array([seen.ratios[coin][w, p] for coin in coins])
            weights: dict[int, float] = {}
            for function, coin, ratio in zip(found, coins, ratios.tolist(), strict=True):
                if function is not None:
                    weight = function[1] * ratio / most[coin]
                    weights[function[0]] = weights.get(function[0], 0.0) + weight
            constant = amount - held_usd / asked.equity_usd
            points.append(Point(constant, ratios - 1.0, weights, 1.0))
        rows.append(points)
    return rows


def _by_market(
    asked: Asked, account: PlanAccount, seen: Markets, into: tuple[Scale, SharedFunctions]
) -> list[list[Point]]:
    """The rule's own form at every market."""
    scale, functions = into
    amount = float(asked.question.nodes.amount[asked.accounts.index(account)])
    span = np.array([asked.bounds[i].span_size for i in scale.columns])
    rows = []
    for w in range(seen.vols.shape[0]):
        points: list[Point] = []
        for p in range(seen.vols.shape[1]):
            ratios = {coin: float(seen.ratios[coin][w, p]) for coin in account.coins}
            market = moved(account, *_move(ratios, float(seen.vols[w, p]), account))
            there = standing(account, market, span, opening=False)
            points += points_of(there, there.maintenance, scale, functions, amount)
        rows.append(points)
    return rows


def _move(ratios: Mapping[str, float], vols: float, account: PlanAccount) -> tuple[Move, VolStress]:
    """A move of prices by ratios and of all implied vols by one factor."""
    if vols == 1.0 or not any(isinstance(each, Option) for each in account.dealt):
        return Move("", ratios), VolStress()
    if vols > 1.0:
        return Move("", ratios, 1), VolStress(up=vols - 1.0)
    return Move("", ratios, -1), VolStress(down=1.0 - vols)


def _joined(first: Functions, second: Functions) -> Functions:
    """Functions of both, with pieces repeated to one length."""
    pieces = max(first.slope.shape[1], second.slope.shape[1])

    def padded(rows: FloatArray) -> FloatArray:
        return np.pad(rows, ((0, 0), (0, pieces - rows.shape[1])), mode="edge")

    return Functions(
        np.concatenate([first.net, second.net]),
        np.concatenate([padded(first.slope), padded(second.slope)]),
        np.concatenate([padded(first.offset), padded(second.offset)]),
    )
