# SPDX-License-Identifier: Apache-2.0
"""Re-solves of the benchmark programme by the cutting planes and by cvxpy, in turn."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from benchmarks.side_by_side.aims import Aim
from benchmarks.side_by_side.joint_cvxpy import Peer, Solver, compiled_peer
from benchmarks.side_by_side.joint_questions import Shape, other_book, other_returns, question_of
from benchmarks.side_by_side.report import table
from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import FloatArray, Question

OURS = "Tidegate"
T = TypeVar("T")
Book = tuple[FloatArray, FloatArray, FloatArray]
# What is aimed at, in ms at the middle of all re-solves, by case and kind of change.
RETURNS = {"returns by 20 % of their spread": 0.2, "returns by 5 % of their spread": 0.05}
AIMS = {("60, one step", kind): 25.0 for kind in RETURNS} | {("60, one step", "book"): 120.0}
AIMS |= {("60, four steps", kind): 250.0 for kind in (*RETURNS, "book")}
TIMES_CVXPY = 4.0
# Objectives of all contestants agree to this.
AGREE = 3e-6


@dataclass(frozen=True, slots=True)
class Case:
    """A programme, who solves it beside us, and how often."""

    name: str
    shape: Shape
    peers: tuple[tuple[str, Solver, bool], ...]
    rounds: int
    linear: bool = False


# Peers take seconds where we take hundredths: they solve the first few of our changes.
PEER_ROUNDS = 3


@dataclass(slots=True)
class Times:
    """Milliseconds of the processor and on the wall, one of each re-solve."""

    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    def add(self, call: Callable[[], T]) -> T:
        """Time one call; its value."""
        wall, cpu = time.perf_counter(), time.process_time()
        value = call()
        self.cpu_ms.append(1e3 * (time.process_time() - cpu))
        self.wall_ms.append(1e3 * (time.perf_counter() - wall))
        return value

    @property
    def middle_ms(self) -> float:
        """Milliseconds of the processor at the middle."""
        return float(np.median(self.cpu_ms))

    def as_json(self) -> dict[str, float]:
        """Middle and 99th percentile of both, and how many there were."""
        found: dict[str, float] = {"times": len(self.cpu_ms)}
        for name, ms in (("cpu", self.cpu_ms), ("wall", self.wall_ms)):
            found[f"{name}_p50_ms"] = float(np.median(ms))
            found[f"{name}_p99_ms"] = float(np.quantile(ms, 0.99))
        return found


@dataclass(frozen=True, slots=True)
class Start:
    """What stating a programme and its first answer took."""

    build: Times = field(default_factory=Times)
    first: Times = field(default_factory=Times)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Re-solves after one kind of change, and how far apart objectives were (not a number where
    nobody else solved); `rounds` is how often ours met its master for one answer."""

    kind: str
    times: dict[str, Times]
    rounds: float
    furthest_apart: float
    inaccurate: int

    def cells(self) -> Iterator[tuple[str, ...]]:
        """A row of a table for each contestant."""
        ours = self.times[OURS].middle_ms
        for name, each in self.times.items():
            ms = [f"{value:.1f}" for key, value in each.as_json().items() if key != "times"]
            yield self.kind, name, str(len(each.cpu_ms)), *ms, f"{each.middle_ms / ours:.3g}"

    def remark(self) -> str:
        """Rounds of ours, and whether all came to the same."""
        text = f"- {self.kind}: {self.rounds:.1f} rounds of ours an answer"
        if math.isnan(self.furthest_apart):
            return f"{text}; nobody else solved it."
        agree = "agree" if self.furthest_apart <= AGREE else "DO NOT AGREE"
        return (
            f"{text}; objectives {agree}, furthest apart {self.furthest_apart:.1e} of equity; "
            f"{self.inaccurate} of cvxpy's answers so far called inaccurate by its solver."
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "times": {name: each.as_json() for name, each in self.times.items()},
            "rounds": self.rounds,
            "furthest_apart": None if math.isnan(self.furthest_apart) else self.furthest_apart,
            "inaccurate": self.inaccurate,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """A case: its sizes, its starts and its re-solves, by contestant."""

    name: str
    described: str
    size: tuple[int, int, int]
    starts: dict[str, Start]
    kinds: list[Resolved]

    def as_json(self) -> dict[str, Any]:
        starts = {
            name: {"build": each.build.as_json(), "first": each.first.as_json()}
            for name, each in self.starts.items()
        }
        return {
            "name": self.name,
            "described": self.described,
            "rows_columns_entries": list(self.size),
            "starts": starts,
            "kinds": [each.as_json() for each in self.kinds],
        }


CONIC: tuple[tuple[str, Solver, bool], ...] = (
    ("cvxpy DPP, net form, Clarabel", "CLARABEL", True),
    ("cvxpy DPP, plain form, Clarabel", "CLARABEL", False),
)
LINEAR: tuple[tuple[str, Solver, bool], ...] = (
    ("cvxpy DPP, net form, Clarabel", "CLARABEL", True),
    ("cvxpy DPP, net form, HiGHS", "HIGHS", True),
)


def cases(quick: bool, rounds: int) -> list[Case]:
    """What is measured. cvxpy is left out where one solve of it takes many seconds."""
    if quick:
        return [Case("small", Shape(4, 100), CONIC, rounds or 3)]
    return [
        Case("60, one step", Shape(10), CONIC, rounds or 30),
        Case("60, one step, linear", Shape(10), LINEAR, rounds or 30, linear=True),
        Case("60, four steps", Shape(10, steps=4), (), rounds or 10),
        Case("360, one step", Shape(60), (), rounds or 10),
    ]


def measure(quick: bool, rounds: int) -> list[Measured]:
    """Every case, one after the other."""
    found = []
    for case in cases(quick, rounds):
        print(f"measuring {case.name} ...", file=sys.stderr)
        found.append(_measure(case))
    return found


def _measure(case: Case) -> Measured:
    question = question_of(case.shape)
    if case.linear:
        positions = replace(question.positions, impact=np.zeros(case.shape.positions))
        question = replace(question, positions=positions, shrinkage=0.0)
    starts, peers = {OURS: Start()}, {}
    ours = starts[OURS].build.add(lambda: Compiled(question))
    starts[OURS].first.add(lambda: ours.solve().objective)
    size = ours.size
    now = question.positions.carry_annual, _book(question)
    for name, solver, net in case.peers:
        start = starts[name] = Start()
        peer = start.build.add(lambda s=solver, n=net: compiled_peer(question, s, n))
        start.first.add(lambda p=peer: p.solve(*now))
        peers[name] = peer
    kinds = [_resolves(case, kind, question, (ours, peers)) for kind in (*RETURNS, "book")]
    return Measured(case.name, described(question), size, starts, kinds)


def _book(question: Question) -> Book:
    nodes = question.nodes
    return question.positions.held, nodes.amount, nodes.withdrawable


def _resolves(
    case: Case, kind: str, question: Question, solvers: tuple[Compiled, dict[str, Peer]]
) -> Resolved:
    """Every contestant solves every change, one after the other."""
    ours, peers = solvers
    times = {name: Times() for name in (OURS, *peers)}
    worst, rounds = 0.0, 0
    carry, book = question.positions.carry_annual, _book(question)
    ours.with_returns(carry).with_book(*book).solve()
    gc.collect()
    gc.disable()
    for seed in range(case.rounds):
        if kind in RETURNS:
            carry = other_returns(question, seed, RETURNS[kind])
            value = times[OURS].add(lambda c=carry: ours.with_returns(c).solve().objective)
        else:
            book = other_book(question, seed)
            value = times[OURS].add(lambda b=book: ours.with_book(*b).solve().objective)
        rounds += ours.rounds
        for name, peer in peers.items() if seed < PEER_ROUNDS else ():
            other = times[name].add(lambda p=peer, c=carry, b=book: p.solve(c, b))
            worst = max(worst, abs(other - value) / max(1.0, abs(value)))
    gc.enable()
    inaccurate = sum(peer.inaccurate for peer in peers.values())
    return Resolved(kind, times, rounds / case.rounds, worst if peers else math.nan, inaccurate)


def aims(found: list[Measured]) -> list[Aim]:
    """What was aimed at and what was reached, of every case that ran."""
    return [aim for case in found for kind in case.kinds for aim in _aims(case.name, kind)]


def _aims(case: str, resolved: Resolved) -> Iterator[Aim]:
    middle = resolved.times[OURS].middle_ms
    most, what = AIMS.get((case, resolved.kind)), f"{case}, {resolved.kind} moved"
    if most is not None:
        yield Aim(f"{what}: under {most:.0f} ms", f"{middle:.1f} ms", middle < most)
    others = {name: t.middle_ms for name, t in resolved.times.items() if name != OURS}
    if others:
        best = min(others, key=lambda name: others[name])
        ratio = others[best] / middle
        yield Aim(
            f"{what}: {TIMES_CVXPY:.0f} x the best of cvxpy",
            f"{ratio:.1f} x {best}",
            ratio >= TIMES_CVXPY,
        )


def to_text(found: list[Measured]) -> Iterator[str]:
    """Each case as tables in Markdown."""
    for case in found:
        rows, columns, entries = case.size
        yield from ("", f"## Joint programme: {case.name}", "", f"{case.described}.", "")
        yield f"Ours after the first answer: {rows} rows, {columns} columns, {entries} entries."
        yield ""
        starts = (
            (name, f"{each.build.middle_ms:.1f}", f"{each.first.middle_ms:.1f}")
            for name, each in case.starts.items()
        )
        yield from table(("ms of the processor", "build", "first answer"), starts)
        yield ""
        heading = "what moved,solved by,re-solves,cpu p50 ms,cpu p99,wall p50,wall p99,time of ours"
        yield from table(heading.split(","), (row for each in case.kinds for row in each.cells()))
        yield ""
        for each in case.kinds:
            yield each.remark()


def described(question: Question) -> str:
    """Sizes, cones and tolerance."""
    scenarios = question.tails[0].constant.shape
    powers = int((question.positions.impact > 0.0).sum()) * question.steps
    norms = question.steps if question.shrinkage else 0
    return (
        f"{len(question.venues)} venues, {len(question.positions.names)} instruments, "
        f"{scenarios[0]} scenarios of {scenarios[1]} points, {len(question.tails)} CVaR tails, "
        f"{len(question.edges.names)} edges, {len(question.nodes.names)} nodes, "
        f"{question.steps} steps; {powers} power cones of 3/2, {norms} second-order cones of "
        f"{question.positions.error_factor.shape[1] + 1}; proved to 1e-6, limits to 1e-7"
    )
