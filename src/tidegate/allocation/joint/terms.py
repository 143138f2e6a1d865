# SPDX-License-Identifier: Apache-2.0
"""Terms of the joint programme for cvxpy: what a book is, and what it earns and costs.

A term is a frozen object with a concave `gain` and convex `rules`; terms add. `assemble` asserts
the curvature of each by the rules of disciplined (parametrised) convex programming (Agrawal,
Verschueren, Diamond and Boyd 2018; Agrawal et al. 2019), so that a term that is not convex stops
the programme by name. Limits are in `limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import cvxpy
import numpy as np

from tidegate.allocation.joint.evaluation import penalties
from tidegate.allocation.joint.question import FloatArray, Question
from tidegate.model.errors import ensure

# The types that cvxpy publishes leave out what its package gathers from its modules.
cp: Any = cvxpy
Expression = Any


class Rule(NamedTuple):
    """A constraint with the name of the limit whose price its dual is; "" for a definition."""

    name: str
    constraint: Any


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Variables and parameters of a question, by step.

    Variables: size, bought, sold (k, n); charge (k, n), impact paid; function (k, a) and flow
    (k, e), none where there are none; money (k + 1, m); shortfall (k) by name of each limit with a
    price.
    Parameters: carry (n), held (n), lower, upper (n), amount (m), withdrawable (m).
    """

    question: Question
    size: Expression
    bought: Expression
    sold: Expression
    charge: Expression
    function: Expression
    flow: Expression
    money: Expression
    shortfall: Mapping[str, Expression]
    carry: Expression
    held: Expression
    lower: Expression
    upper: Expression
    amount: Expression
    withdrawable: Expression

    @property
    def traded(self) -> Expression:
        """b + s (k, n)."""
        return self.bought + self.sold

    @property
    def spend(self) -> Expression:
        """Trading costs by venue (k, v), affine in trades and in what stands above impact."""
        positions, venues = self.question.positions, len(self.question.venues)
        cost = cp.multiply(np.tile(positions.cost_rate, (self.question.steps, 1)), self.traded)
        return (cost + self.charge) @ np.eye(venues)[positions.venue]

    def arrival(self, step: int, edge: int) -> Expression | None:
        """What edge e brings in a step, (1 - cost_e) y_e,k-lag_e; none before the first."""
        edges = self.question.edges
        sent = step - int(edges.lag[edge])
        return (1.0 - edges.cost_rate[edge]) * self.flow[sent, edge] if sent >= 0 else None

    def left(self, step: int, node: int) -> Expression:
        """Money of the step's beginning less all that leaves in the step."""
        leaves = np.flatnonzero(self.question.edges.source == node)
        money = self.money[step, node]
        return money - cp.sum(self.flow[step, leaves]) if leaves.size else money


def book_of(question: Question) -> Book:
    """Fresh variables and parameters for a question's shapes."""
    positions, nodes, steps = question.positions, question.nodes, question.steps
    size, flows, places = len(positions.names), len(question.edges.names), len(nodes.names)
    functions = question.functions.net.shape[0]
    priced = [name for name, price in penalties(question).items() if np.isfinite(price)]

    def variable(name: str, *shape: int) -> Expression:
        return cp.Variable(shape, name=name) if shape[-1] else None

    def parameter(name: str, width: int) -> Expression:
        return cp.Parameter(width, name=name)

    return Book(
        question=question,
        size=variable("size", steps, size),
        bought=variable("bought", steps, size),
        sold=variable("sold", steps, size),
        charge=variable("charge", steps, size),
        function=variable("function", steps, functions),
        flow=variable("flow", steps, flows),
        money=variable("money", steps + 1, places),
        shortfall={name: variable(f"shortfall of {name}", steps) for name in priced},
        carry=parameter("carry", size),
        held=parameter("held", size),
        lower=parameter("lower", size),
        upper=parameter("upper", size),
        amount=parameter("amount", places),
        withdrawable=parameter("withdrawable", places),
    )


class Term:
    """One term: a concave gain and convex rules; nought and none unless it says otherwise."""

    def gain(self, book: Book) -> Expression | None:
        """Concave scalar to be maximised."""
        return None

    def rules(self, book: Book) -> list[Rule]:
        """Convex constraints."""
        return []

    def __add__(self, other: Term) -> Terms:
        return Terms((*parts_of(self), *parts_of(other)))


@dataclass(frozen=True, slots=True)
class Terms(Term):
    """A sum of terms."""

    parts: tuple[Term, ...]

    def assemble(self, book: Book) -> tuple[Any, dict[str, list[Any]]]:
        """The problem, and its constraints by name of limit.

        Raises: `InvariantError` naming a term whose gain is not concave, or a rule not convex.
        """
        gains, rules = [], []
        for term in self.parts:
            name, gain, own = type(term).__name__, term.gain(book), term.rules(book)
            if gain is not None:
                ensure(gain.is_scalar() and gain.is_concave(), f"{name}: its gain is not concave")
                gains.append(gain)
            for rule in own:
                ensure(rule.constraint.is_dcp(dpp=True), f"{name}, {rule.name}: it is not convex")
            rules += own
        named: dict[str, list[Any]] = {}
        for rule in rules:
            named.setdefault(rule.name, []).append(rule.constraint)
        problem = cp.Problem(cp.Maximize(cp.sum(cp.hstack(gains))), [r.constraint for r in rules])
        ensure(problem.is_dcp(dpp=True), "the sum of terms is not a convex parametrised programme")
        return problem, named


def parts_of(term: Term) -> tuple[Term, ...]:
    """The terms of a sum, or the term itself."""
    return term.parts if isinstance(term, Terms) else (term,)


@dataclass(frozen=True, slots=True)
class Carry(Term):
    """Gain sum_k step_years_k carry'x_k (linear). Source: Boyd et al. 2017 (holding terms)."""

    def gain(self, book: Book) -> Expression:
        """Linear."""
        return book.carry @ (book.size.T @ book.question.step_years)


@dataclass(frozen=True, slots=True)
class CorrelatedError(Term):
    """Loss sum_k step_years_k z ||L'x_k||_2 (a norm: convex), what carry may be too high by.

    Over the ellipsoid of carries {carry + L e, ||e|| <= z} the least carry of x is
    carry'x - z ||L'x||. Source: Ben-Tal and Nemirovski 1999.
    """

    def gain(self, book: Book) -> Expression | None:
        """Concave: minus a norm."""
        question = book.question
        factor = question.positions.error_factor
        if question.shrinkage == 0.0 or not factor.any():
            return None
        norms = cp.hstack([cp.norm2(factor.T @ book.size[k]) for k in range(question.steps)])
        return -question.shrinkage * (question.step_years @ norms)


@dataclass(frozen=True, slots=True)
class Lending(Term):
    """Gain sum_k step_years_k yield'c_k+1 (linear): lending yield less cost of capital."""

    def gain(self, book: Book) -> Expression:
        """Linear."""
        question = book.question
        return question.nodes.yield_annual @ (book.money[1:].T @ question.step_years)


@dataclass(frozen=True, slots=True)
class TradingCost(Term):
    """Loss sum_k cost'(b_k + s_k), with x_k - x_k-1 = b_k - s_k and b, s >= 0 (linear).

    Source: Boyd et al. 2017, section 2.3, its first summand.
    """

    def gain(self, book: Book) -> Expression:
        """Linear."""
        return -cp.sum(book.traded @ book.question.positions.cost_rate)

    def rules(self, book: Book) -> list[Rule]:
        """Trades as changes of sizes, from what is held."""
        change = book.bought - book.sold
        rules = [book.size[0] - book.held == change[0], book.bought >= 0, book.sold >= 0]
        if book.question.steps > 1:
            rules.append(book.size[1:] - book.size[:-1] == change[1:])
        return [Rule("", rule) for rule in rules]


@dataclass(frozen=True, slots=True)
class Impact(Term):
    """Loss sum_k charge_k with charge >= impact (b + s)^1.5 (convex; a power cone with exponent
    3/2, which two second-order cones state exactly).

    Square-root law: a trade of d costs Y s sqrt(d / V) of its size. Sources: Grinold and Kahn
    1999, chapter 16; Boyd et al. 2017, section 2.3; the cones, Alizadeh and Goldfarb 2003.
    """

    def gain(self, book: Book) -> Expression:
        """Linear in what stands above impact."""
        return -cp.sum(book.charge)

    def rules(self, book: Book) -> list[Rule]:
        """charge above the power; nought where there is no impact."""
        impact = book.question.positions.impact
        charged, free = np.flatnonzero(impact > 0.0), np.flatnonzero(impact == 0.0)
        found = []
        if free.size:
            found.append(Rule("", book.charge[:, free] == 0))
        if charged.size:
            power = cp.power(book.traded[:, charged], 1.5)
            rate = np.tile(impact[charged], (book.question.steps, 1))
            found.append(Rule("", cp.multiply(rate, power) <= book.charge[:, charged]))
        return found


@dataclass(frozen=True, slots=True)
class TransferCost(Term):
    """Loss sum_k sum_e cost_e y_ke (linear), 0 <= y <= cap."""

    def gain(self, book: Book) -> Expression | None:
        """Linear."""
        edges = book.question.edges
        return -cp.sum(book.flow @ edges.cost_rate) if edges.names else None

    def rules(self, book: Book) -> list[Rule]:
        """Bounds of flows; a cap of infinity is none."""
        edges = book.question.edges
        found = [Rule("", book.flow >= 0)] if edges.names else []
        for edge in np.flatnonzero(np.isfinite(edges.cap)):
            name = f"cap of {edges.names[edge]}"
            found.append(Rule(name, book.flow[:, edge] <= edges.cap[edge]))
        return found


@dataclass(frozen=True, slots=True)
class Shortfalls(Term):
    """Loss sum over priced limits of penalty' shortfall, shortfall >= 0 (linear).

    An exact penalty: with a price above the limit's own multiplier no shortfall is taken that can
    be avoided. Source: Nocedal and Wright 2006, theorem 17.3.
    """

    def gain(self, book: Book) -> Expression | None:
        """Linear."""
        if not book.shortfall:
            return None
        price = penalties(book.question)
        costs = [price[name] * cp.sum(short) for name, short in book.shortfall.items()]
        return -cp.sum(cp.hstack(costs))

    def rules(self, book: Book) -> list[Rule]:
        """None is negative."""
        return [Rule("", short >= 0) for short in book.shortfall.values()]


EARNINGS = Terms(
    (
        Carry(),
        CorrelatedError(),
        Lending(),
        TradingCost(),
        Impact(),
        TransferCost(),
        Shortfalls(),
    )
)


def values_of(question: Question, bounds: tuple[FloatArray, FloatArray]) -> dict[str, FloatArray]:
    """What the parameters of a book are in a question; `bounds` are those of sizes.

    A parameter is finite, so an infinite bound is a thousand times the money that there is, beyond
    what any book reaches.
    """
    positions, nodes = question.positions, question.nodes
    far = 1e3 * max(1.0, float(np.abs(nodes.amount).sum()))
    return {
        "carry": positions.carry_annual,
        "held": positions.held,
        "lower": np.clip(bounds[0], -far, far),
        "upper": np.clip(bounds[1], -far, far),
        "amount": nodes.amount,
        "withdrawable": np.clip(nodes.withdrawable, -far, far),
    }
