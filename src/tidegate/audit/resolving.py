# SPDX-License-Identifier: Apache-2.0
"""The journalled answers in place of the solver's, and the solver asked again whether they hold.

An answer counts when the programme, solved again, gives the same numbers to the bit; or else when
its objective is within `OBJECTIVE` of the optimum, and its own book, priced by the same programme,
is not dearer than the best one by more than `REGRET` of equity. A joint plan is of whole lots: its
book must be the one made again but for a lot a leg. Shadow prices may then be others: of a
degenerate optimum they are not unique, and nothing is decided by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields

import numpy as np

from tidegate.allocation import deleveraging, programme
from tidegate.allocation.deleveraging import Threat
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.audit.difference import differs
from tidegate.audit.recorded import Frames, Interrupted, payload
from tidegate.engine import joint
from tidegate.engine.inputs import ALLOCATE, JOIN, RELIEVE, SOLVED, Solved
from tidegate.engine.joint import Grounds
from tidegate.engine.restart import RESTARTED
from tidegate.engine.written_values import written
from tidegate.journal.frames import Frame

OBJECTIVE = 1e-6
REGRET = 1e-5
SLACK = 1e-6
LOT_NOISE = 1e-3
TIME_LIMIT = "time limit"

IDENTICAL, WITHIN, FAILED, TIMED_OUT = "identical", "within tolerance", "failed again", "timed out"


class RecordedTools:
    """The programmes, answered from the journal; `found` counts what asking again showed."""

    def __init__(self, frames: Frames, resolves: bool) -> None:
        self._frames, self._resolves = frames, resolves
        self.found: Counter[str] = Counter()
        self.moved: set[str] = set()

    def allocate(self, question: Question) -> Answer:
        """The journalled book; raises `SolveError` where there was none."""
        return self._answer(
            ALLOCATE,
            lambda: programme.allocate(question),
            lambda answer: programme.regret(question, answer, SLACK),
        )

    def relieve(self, question: Question, threat: Threat) -> Answer:
        """The journalled cuts; raises `SolveError` where there were none."""
        return self._answer(
            RELIEVE,
            lambda: deleveraging.relieve(question, threat),
            lambda answer: deleveraging.regret(question, threat, answer, SLACK),
        )

    def join(self, question: Question, grounds: Grounds) -> Answer:
        """The journalled joint plan; raises `SolveError` where there was none."""
        again = list[Answer]()

        def solve() -> Answer:
            again.append(joint.join(question, grounds))
            return again[0]

        return self._answer(JOIN, solve, lambda answer: _apart(grounds, answer, again[0]))

    def _answer(
        self, name: str, solve: Callable[[], Answer], regret: Callable[[Answer], float]
    ) -> Answer:
        frame = self._frames.ahead()
        if frame.kind == RESTARTED:
            # Solving takes longest of all that a decision does, so it is here that most die.
            raise Interrupted
        if frame.kind != SOLVED:
            raise differs(frame, "kind", frame.kind, SOLVED)
        solved = payload(frame, Solved)
        if solved.programme != name:
            raise differs(frame, "programme", solved.programme, name)
        try:
            answer = solved.value()
        except ValueError as error:
            raise differs(frame, "answer", f"unreadable: {error}", "an answer") from None
        if self._resolves:
            self._ask_again(frame, answer or str(solved.failure), solve, regret)
        if answer is None:
            raise SolveError(solved.failure)
        return answer

    def _ask_again(
        self,
        frame: Frame,
        stated: Answer | str,
        solve: Callable[[], Answer],
        regret: Callable[[Answer], float],
    ) -> None:
        try:
            again = solve()
        except SolveError as error:
            if isinstance(stated, Answer):
                raise differs(frame, "answer", "an answer", f"none: {error}") from None
            self.found[FAILED] += 1
            return
        if isinstance(stated, str):
            if TIME_LIMIT not in stated.lower():
                raise differs(frame, "failure", stated, "an answer")
            self.found[TIMED_OUT] += 1
            return
        for name in (field.name for field in fields(Answer)):
            shapes = [np.shape(getattr(answer, name)) for answer in (stated, again)]
            if name != "binding" and shapes[0] != shapes[1]:
                raise differs(frame, f"answer.{name}", *map(str, shapes))
        moved = {f.name for f in fields(Answer) if _other(stated, again, f.name)}
        if moved:
            _ensure_near(frame, stated, again, regret)
        self.moved |= moved
        self.found[WITHIN if moved else IDENTICAL] += 1


def _other(one: Answer, other: Answer, name: str) -> bool:
    return bool(written(getattr(one, name)) != written(getattr(other, name)))


def _apart(grounds: Grounds, one: Answer, other: Answer) -> float:
    """By how much of equity two plans of whole lots differ: legs beyond a lot, and money sent."""
    marks, equity_usd = grounds.situation.marks, grounds.situation.equity_usd
    contracts = grounds.terms.instruments
    lots = [float(each.lot) * each.price(marks[name]) for name, each in contracts.items()]
    legs = np.abs(one.target - other.target) - (1.0 + LOT_NOISE) * np.array(lots) / equity_usd
    money = np.abs(one.transfer - other.transfer)
    return float(max(0.0, legs.max(initial=0.0), money.max(initial=0.0)))


def _ensure_near(
    frame: Frame, stated: Answer, again: Answer, regret: Callable[[Answer], float]
) -> None:
    gap = abs(stated.objective - again.objective)
    # Negated, since a comparison with "not a number" is false.
    if not gap <= OBJECTIVE * max(1.0, abs(again.objective)):
        raise differs(frame, "answer.objective", stated.objective, again.objective)
    try:
        lost = regret(stated)
    except SolveError as error:
        raise differs(frame, "answer.target", "a book that is allowed", f"{error}") from None
    if not lost <= REGRET:
        told = f"one that is better by {lost:.1e} of equity"
        raise differs(frame, "answer.target", "the best book", told)
