# SPDX-License-Identifier: Apache-2.0
"""The solver's answers as a golden run remembers them, so that no processor's last digits matter.

A run that is written anew asks the real programmes and keeps question and answer. A run that is
compared asks nobody: its next question must be the one that was kept, within what two processors
may differ by, and gets the answer that was given then, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from math import isclose
from typing import Any

import numpy as np

from tidegate.allocation.deleveraging import Threat
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.cycle import Tools
from tidegate.engine.written_values import read, written

RELATIVE, ABSOLUTE = 1e-9, 1e-12


class OtherQuestion(AssertionError):
    """A programme was asked what the golden run did not ask it there."""


def plain(value: Any) -> Any:
    """A question as plain JSON values, its arrays as lists of lists."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def unlike(kept: Any, now: Any, place: str = "") -> str:
    """The first place at which two plain values are not alike, with both; empty where none is."""
    if isinstance(kept, dict) and isinstance(now, dict):
        pairs = [(f"{place}.{k}", kept.get(k), now.get(k)) for k in {**kept, **now}]
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        pairs = [(f"{place}[{i}]", *both) for i, both in enumerate(zip(kept, now, strict=True))]
    elif isinstance(kept, float) and isinstance(now, float):
        alike = kept == now or isclose(kept, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        return "" if alike else f"{place.lstrip('.')}: golden {kept!r}, now {now!r}"
    else:
        same = type(kept) is type(now) and kept == now
        return "" if same else f"{place.lstrip('.')}: golden {kept!r}, now {now!r}"
    return next((words for p, k, n in pairs if (words := unlike(k, n, p))), "")


@dataclass
class Answers:
    """Asks the tools and keeps what they say in `kept`, or, where `golden` is given, answers as it
    says."""

    tools: Tools
    golden: list[dict[str, Any]] | None = None
    kept: list[dict[str, Any]] = field(default_factory=list)

    def allocate(self, question: Question) -> Answer:
        return self._answer({"allocate": plain(question)}, lambda: self.tools.allocate(question))

    def relieve(self, question: Question, threat: Threat) -> Answer:
        asked = {"relieve": plain(question), "threat": plain(threat)}
        return self._answer(asked, lambda: self.tools.relieve(question, threat))

    def _answer(self, asked: dict[str, Any], ask: Callable[[], Answer]) -> Answer:
        if self.golden is None:
            try:
                said = {"answer": written(ask())}
            except SolveError as error:
                said = {"failure": str(error)}
        else:
            said = self._remembered(asked)
        self.kept.append({"asked": asked, **said})
        if "failure" in said:
            raise SolveError(str(said["failure"]))
        answer = read(said["answer"])
        assert isinstance(answer, Answer)
        return answer

    def _remembered(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = len(self.kept)
        assert self.golden is not None
        if number >= len(self.golden):
            raise OtherQuestion(f"question {number}: golden nothing, now {next(iter(asked))}")
        known = self.golden[number]
        if words := unlike(known["asked"], asked):
            raise OtherQuestion(f"question {number}, {words}")
        return {key: value for key, value in known.items() if key != "asked"}
