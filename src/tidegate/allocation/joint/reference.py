# SPDX-License-Identifier: Apache-2.0
"""The joint programme stated term by term in cvxpy, and solved by a conic or a simplex solver.

This is the slow statement that the fast solver is judged by. No solver is trusted: an answer
counts when plain numpy proves its gap from the solver's own dual prices (`proof`), and when the
trades, put through the equations of the question in plain loops (`evaluation`), break no limit and
earn what the solver says. The programme lets money be destroyed, by buying and selling at once or
by more impact than there is, where a limit counts money; such an answer is refused as what it is.
cvxpy is needed to import this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tidegate.allocation.joint.evaluation import (
    Evaluation,
    Trades,
    evaluate,
    penalties,
    size_bounds,
)
from tidegate.allocation.joint.limits import OPENING, limits_of
from tidegate.allocation.joint.proof import REACH, Conic, prove
from tidegate.allocation.joint.question import Answer, FloatArray, Question
from tidegate.allocation.joint.terms import EARNINGS, Terms, book_of, values_of
from tidegate.allocation.solve import FEASIBILITY, GAP, SolveError

Solver = Literal["CLARABEL", "HIGHS"]
# Tighter than the proof asks for, since what is left over is charged at the reach of a book; where
# an answer is not proved, the next settings are tried.
TIGHT = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10, "max_threads": 1}
EXACT = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
OPTIONS: dict[Solver, tuple[dict[str, Any], ...]] = {
    "CLARABEL": (
        TIGHT,
        {**TIGHT, "max_step_fraction": 0.95},
        {**TIGHT, "static_regularization_constant": 1e-10},
        {**TIGHT, "static_regularization_constant": 1e-10, "max_step_fraction": 0.9},
        {**TIGHT, "static_regularization_constant": 1e-11, "max_step_fraction": 0.95},
    ),
    "HIGHS": ({**EXACT, "threads": 1, "random_seed": 0},),
}
# "Almost" is less than `OPTIONS` ask for; whether it is enough is for the proof to say.
SOLVED = frozenset({"Solved", "AlmostSolved", "kOptimal"})


def linearised(question: Question) -> Question:
    """The question without what is not linear: impact, and shrinkage for correlated error."""
    impact = np.zeros_like(question.positions.impact)
    return replace(question, positions=replace(question.positions, impact=impact), shrinkage=0.0)


def solve_reference(
    question: Question, solver: Solver = "CLARABEL", *, linear: bool = False
) -> Answer:
    """The best book of a question, proved.

    Args: `linear` strips the regularisers (impact and shrinkage), as HiGHS needs; so that two
    solvers of different kind can be compared.
    Raises: `SolveError` where there is no book within the limits or the answer is not proved.
    """
    return CompiledReference(linearised(question) if linear else question, solver).solve()


@dataclass(frozen=True, slots=True)
class Raw:
    """A solver's word: its status, x (q) and z (r) of the conic form."""

    status: str
    x: FloatArray
    z: FloatArray


class CompiledReference:
    """A question's programme, canonicalised once; carry, holdings and money are parameters.

    `net` states losses over net exposures. Not for use by two threads.
    """

    def __init__(
        self, question: Question, solver: Solver = "CLARABEL", *, net: bool = False
    ) -> None:
        self.question, self._solver = question, solver
        self._book = book_of(question)
        terms = EARNINGS + limits_of(self._book, net)
        assert isinstance(terms, Terms)
        self._problem, self._rules = terms.assemble(self._book)
        self._set()

    def with_book(
        self, held: FloatArray, amount: FloatArray, withdrawable: FloatArray
    ) -> CompiledReference:
        """Another book (n), (m), (m) in the same programme."""
        positions = replace(self.question.positions, held=held)
        nodes = replace(self.question.nodes, amount=amount, withdrawable=withdrawable)
        self.question = replace(self.question, positions=positions, nodes=nodes)
        self._set()
        return self

    def with_returns(self, carry_annual: FloatArray) -> CompiledReference:
        """Another carry (n) in the same programme."""
        positions = replace(self.question.positions, carry_annual=carry_annual)
        self.question = replace(self.question, positions=positions)
        self._set()
        return self

    def solve(self) -> Answer:
        """The best book, proved.

        Raises: `SolveError` with what was wrong by the last of the settings.
        """
        for options in OPTIONS[self._solver][:-1]:
            try:
                return self.attempt(options)
            except SolveError:
                continue
        return self.attempt(OPTIONS[self._solver][-1])

    def attempt(self, options: Mapping[str, Any]) -> Answer:
        """One solve by the solver's own `options`, proved. Raises: `SolveError`."""
        money = float(np.abs(self.question.nodes.amount).sum())
        if money > REACH:
            raise SolveError(f"money of {money:.3g}: expected shares of equity, not an amount")
        conic, offset, raw = self.run(options)
        if raw.status not in SOLVED:
            raise SolveError(f"{self._solver}: {raw.status}")
        bound = -(prove(conic, raw.x, raw.z) + offset)
        book = self._book
        change = _value(book.bought) - _value(book.sold)
        flow = np.maximum(_value(book.flow), 0.0).reshape(self.question.steps, -1)
        trades = Trades(np.maximum(change, 0.0), np.maximum(-change, 0.0), flow)
        found = evaluate(self.question, trades)
        lost = float(book.spend.value.sum() - found.spend.sum())
        if lost > GAP:
            raise SolveError(f"a limit on money is met by destroying {lost:.2e} of equity")
        if not found.violation <= FEASIBILITY:
            raise SolveError(f"{self._solver} breaks a limit by {found.violation:.2e} of equity")
        if not abs(found.objective - bound) <= GAP * max(1.0, abs(bound)):
            raise SolveError(
                f"{self._solver}: its book earns {found.objective:.9f}, not {bound:.9f}"
            )
        return self._answer(found, trades, bound)

    def _set(self) -> None:
        for name, value in values_of(self.question, size_bounds(self.question)).items():
            getattr(self._book, name).value = value

    def run(self, options: Mapping[str, Any]) -> tuple[Conic, float, Raw]:
        """The conic form, its objective's offset, and a solver's own word, which proves nothing."""
        problem = self._problem
        data, chain, inverse = problem.get_problem_data(self._solver, solver_opts=dict(options))
        if data.get("lower_bounds") is not None or data.get("upper_bounds") is not None:
            raise SolveError("a variable's own bounds have no row and so no price")
        answer = chain.solve_via_data(problem, data, solver_opts=dict(options))
        if self._solver == "HIGHS":
            solution = answer["solution"]
            z = -np.array(solution.row_dual)
            raw = Raw(answer["model_status"], np.array(solution.col_value), z)
        else:
            raw = Raw(str(answer.status), np.array(answer.x), np.array(answer.z))
        if raw.status in SOLVED:
            problem.unpack(chain.invert(answer, inverse))
        dims = data["dims"]
        if dims.exp or dims.psd or dims.p3d:
            raise SolveError("a cone that the proof does not know")
        conic = Conic(
            data["c"], data["A"], data["b"], int(dims.zero), int(dims.nonneg), tuple(dims.soc)
        )
        return conic, float(inverse[-1]["offset"]), raw

    def _answer(self, found: Evaluation, trades: Trades, bound: float) -> Answer:
        prices = {
            name: float(sum(np.abs(rule.dual_value).sum() for rule in rules))
            for name, rules in self._rules.items()
            if name not in ("", OPENING)
        }
        (opening,) = self._rules[OPENING]
        return Answer(
            found.size,
            found.money[1:],
            trades.flow,
            {
                name: float(np.maximum(found.excess[name], 0.0).sum())
                for name, price in penalties(self.question).items()
                if np.isfinite(price)
            },
            found.objective,
            bound,
            prices,
            np.asarray(opening.dual_value),
        )


def _value(variable: Any) -> FloatArray:
    return np.zeros((0, 0)) if variable is None else np.asarray(variable.value, dtype=float)
