# SPDX-License-Identifier: Apache-2.0
"""Why a joint question has no answer, or none without a shortfall, and what cures it.

A conflict is an irreducible set of limits: they cannot hold together, and any one less can. Limits
with a price count as limits here. It is found from the prices that prove an elastic programme's
least violation to be above nought: the limits with a price conflict by that very proof, whatever
all others are. So one programme with every limit finds them, and only theirs are left in those
by which one limit at a time is dropped (deletion filter, Chinneck and Dravnieks 1991). A venue that
is under water today is found by the equations themselves, and so is what lifts it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from tidegate.allocation.joint.elastic import Elastic
from tidegate.allocation.joint.evaluation import Trades, evaluate
from tidegate.allocation.joint.question import Question, Tail
from tidegate.allocation.solve import FEASIBILITY, SolveError

# A violation below this is rounding: ten times what a solver may leave.
NOUGHT = 10 * FEASIBILITY
# No cure of a venue brings more than this many times the book's equity.
MOST_MONEY = 1e3


@dataclass(frozen=True, slots=True)
class Easing:
    """A limit and by how much it must give way, in its own units: equity, or those of its row."""

    name: str
    amount: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Limits that cannot hold together, while any one less of them can.

    `cures` holds each limit that resolves this conflict when it alone is eased, by the least
    amount for that, the least first; the rest of the conflict and nothing else is held meanwhile. A
    limit whose cure could not be proved is left out.
    """

    limits: tuple[str, ...]
    cures: tuple[Easing, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """A tail that today's book exceeds, untraded.

    `excess` in equity. `money` is what must be added to `node`, the one whose money counts most,
    and `reduction` is the share of every position there that must be closed; None where no amount
    of it cures alone.
    """

    tail: str
    venue: str
    excess: float
    node: str
    money: float | None
    reduction: float | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What stands in the way of a question.

    `least` eases all conflicts together at the least sum of violations, each in its scale.
    """

    conflicts: tuple[Conflict, ...]
    least: tuple[Easing, ...]
    breaches: tuple[Breach, ...]

    @property
    def feasible(self) -> bool:
        """Whether all limits can hold together, the priced ones too."""
        return not self.conflicts

    def lines(self, equity_usd: float) -> tuple[str, ...]:
        """One line for each breach and conflict, and for what cures it."""
        found = [_breach_line(breach, equity_usd) for breach in self.breaches]
        for conflict in self.conflicts:
            found.append("cannot hold together: " + ", ".join(conflict.limits))
            found += [f"  cured by easing {c.name} by {c.amount:.6g}" for c in conflict.cures]
        if self.least:
            easings = ", ".join(f"{e.name} by {e.amount:.6g}" for e in self.least)
            found.append(f"least violation that cures all: {easings}")
        return tuple(found)


def diagnose(question: Question) -> Diagnosis:
    """Conflicts, cures and breaches of a question; no conflict means that all limits can hold.

    Raises: `SolveError` where not even easing limits leaves a book, or nothing is proved.
    """
    elastic = Elastic(question)
    least, solution = elastic.least(elastic.names)
    eased = _easings(elastic, least)
    conflicts = tuple(_conflicts(elastic, elastic.binding(solution))) if eased else ()
    return Diagnosis(conflicts, eased, breaches(question))


def breaches(question: Question) -> tuple[Breach, ...]:
    """Tails that today's book exceeds when nothing is done, the worst first."""
    nothing = _trades(question)
    excess = evaluate(question, nothing).excess
    found = [
        _breach(question, tail, float(excess[tail.name][0]))
        for tail in question.tails
        if excess[tail.name][0] > NOUGHT
    ]
    return tuple(sorted(found, key=lambda breach: -breach.excess))


def _easings(elastic: Elastic, slack: dict[str, float]) -> tuple[Easing, ...]:
    given = [Easing(n, s) for n, s in slack.items() if s > NOUGHT * elastic.scale[n]]
    return tuple(sorted(given, key=lambda e: -e.amount / elastic.scale[e.name]))


def _conflicts(elastic: Elastic, first: list[str]) -> list[Conflict]:
    """Irreducible conflicts one after another, each without the limits that resolved the last.
    `first` are limits that cannot hold together."""
    kept = list(elastic.names)
    found: list[Conflict] = []
    suspects = first or kept
    while suspects:
        conflict = _conflict(elastic.question, suspects)
        found.append(conflict)
        kept.remove(conflict.cures[0].name if conflict.cures else conflict.limits[0])
        suspects = _core(elastic, kept)
    return found


def _conflict(question: Question, suspects: list[str]) -> Conflict:
    """An irreducible conflict among limits that cannot hold together, and what cures it."""
    core = _irreducible(Elastic(question, suspects), suspects) or suspects
    alone = Elastic(question, core)
    return Conflict(tuple(core), _cures(alone, core))


def _irreducible(elastic: Elastic, kept: list[str]) -> list[str]:
    """An irreducible conflict among the limits kept; empty where they hold together."""
    core = _core(elastic, kept)
    for name in list(core):
        fewer = [other for other in core if other != name]
        smaller = _core(elastic, fewer) if name in core and fewer else []
        core = smaller or core
    return core


def _core(elastic: Elastic, kept: list[str]) -> list[str]:
    """The limits on which the proof rests that `kept` cannot hold together; empty if they can.

    All others are free, so the prices of the rows of `kept` alone make the proof.
    """
    free = [name for name in elastic.names if name not in kept]
    slack, solution = elastic.least(kept, free)
    if not _easings(elastic, slack):
        return []
    binding = [name for name in elastic.binding(solution) if name in kept]
    return binding or kept


def _cures(elastic: Elastic, core: list[str]) -> tuple[Easing, ...]:
    """What each limit of a conflict must give way when the others hold, the least first."""
    found = []
    for name in core:
        try:
            slack, _ = elastic.least([name])
        except SolveError:
            continue
        found.append(Easing(name, slack[name]))
    return tuple(sorted(found, key=lambda e: e.amount / elastic.scale[e.name]))


def _trades(question: Question) -> Trades:
    shape = (question.steps, len(question.positions.names))
    flow = np.zeros((question.steps, len(question.edges.names)))
    return Trades(np.zeros(shape), np.zeros(shape), flow)


def _breach(question: Question, tail: Tail, excess: float) -> Breach:
    venue = question.venues[tail.venue] if tail.venue >= 0 else "all venues"
    reduction = _least(lambda share: _after_reduction(question, tail, share), 1.0)
    if not tail.nodes.size:
        return Breach(tail.name, venue, excess, "", None, reduction)
    node = int(tail.nodes[int(tail.worth.min(axis=(0, 1)).argmax())])
    money = _least(lambda amount: _after_money(question, tail, node, amount), MOST_MONEY)
    return Breach(tail.name, venue, excess, question.nodes.names[node], money, reduction)


def _after_money(question: Question, tail: Tail, node: int, amount: float) -> float:
    """Excess of a tail with more money at a node; convex and falling in it."""
    more = question.nodes.amount.copy()
    more[node] += amount
    richer = replace(question, nodes=replace(question.nodes, amount=more))
    return _excess(richer, tail, _trades(richer))


def _after_reduction(question: Question, tail: Tail, share: float) -> float:
    """Excess of a tail once a share of each position there is closed, at its cost; convex."""
    held, trades = question.positions.held, _trades(question)
    closed = np.zeros_like(held)
    closed[tail.columns] = share * held[tail.columns]
    bought, sold = trades.bought.copy(), trades.sold.copy()
    bought[0], sold[0] = np.maximum(-closed, 0.0), np.maximum(closed, 0.0)
    return _excess(question, tail, Trades(bought, sold, trades.flow))


def _excess(question: Question, tail: Tail, trades: Trades) -> float:
    alone = replace(question, tails=(tail,), step_years=question.step_years[:1])
    first = Trades(trades.bought[:1], trades.sold[:1], trades.flow[:1])
    return float(evaluate(alone, first).excess[tail.name][0])


def _least(excess: Callable[[float], float], most: float) -> float | None:
    """Least argument up to `most` at which a convex excess, positive at nought, is nought."""
    end = most
    if excess(most) > 0.0:
        lowest = minimize_scalar(excess, bounds=(0.0, most), method="bounded")
        end = float(lowest.x)
        if excess(end) > 0.0:
            return None
    return float(brentq(excess, 0.0, end, xtol=1e-12))


def _breach_line(breach: Breach, equity_usd: float) -> str:
    cures = []
    if breach.money is not None:
        cures.append(f"{breach.money * equity_usd:,.0f} USD more at {breach.node}")
    if breach.reduction is not None:
        cures.append(f"closing {breach.reduction:.2%} of every position there")
    cure = " or ".join(cures) if cures else "neither money nor closing positions there alone"
    return (
        f"{breach.venue}: {breach.tail} is exceeded by {breach.excess * equity_usd:,.0f} USD; "
        f"cured by {cure}"
    )
