# SPDX-License-Identifier: Apache-2.0
"""Re-solves of the benchmark programme by the cutting planes and by cvxpy, in turn."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TypeVar

import numpy as np

from benchmarks.side_by_side.joint_cvxpy import Peer, Solver, compiled_peer
from benchmarks.side_by_side.joint_questions import Shape, other_book, other_returns, question_of
from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import FloatArray, Question

OURS = "tidegate"
T = TypeVar("T")
Book = tuple[FloatArray, FloatArray, FloatArray]
# What is aimed at, in ms at the middle of all re-solves, by case and kind of change.
RETURNS = {"returns by 20 % of their spread": 0.2, "returns by 5 % of their spread": 0.05}
AIMS = {("60, one step", kind): 25.0 for kind in RETURNS} | {("60, one step", "book"): 120.0}
AIMS |= {("60, four steps", kind): 250.0 for kind in (*RETURNS, "book")}
TIMES_CVXPY = 4.0
# Objectives of all contestants agree to this.
AGREE = 3e-6
MEAN_VARIANCE_PEERS = ("cvxportfolio", "skfolio")


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

    def text(self) -> str:
        """Middle and 99th percentile of both."""
        return "  ".join(
            f"{name} p50 {np.median(ms):8.1f} p99 {np.quantile(ms, 0.99):8.1f} ms"
            for name, ms in (("cpu", self.cpu_ms), ("wall", self.wall_ms))
        )


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


def measure(quick: bool, rounds: int) -> None:
    """Print every case."""
    for name in MEAN_VARIANCE_PEERS:
        print(f"mean-variance peer {name}: {_version(name)}")
    for case in cases(quick, rounds):
        _measure(case)


def _version(name: str) -> str:
    try:
        return f"{metadata.version(name)}, not measured: no case without margin is stated yet"
    except metadata.PackageNotFoundError:
        return "absent here, not measured"


def _measure(case: Case) -> None:
    question = question_of(case.shape)
    if case.linear:
        positions = replace(question.positions, impact=np.zeros(case.shape.positions))
        question = replace(question, positions=positions, shrinkage=0.0)
    print(f"\n== {case.name}: {described(question)}")
    build, first = Times(), Times()
    ours = build.add(lambda: Compiled(question))
    first.add(lambda: ours.solve().objective)
    rows, columns, entries = ours.size
    print(f"   master after the first answer: {rows} rows, {columns} columns, {entries} entries")
    print(f"   {OURS:34} build {build.cpu_ms[0]:8.1f} ms, first {first.cpu_ms[0]:8.1f} ms (cpu)")
    peers = {}
    for name, solver, net in case.peers:
        build, first = Times(), Times()
        peer = build.add(lambda s=solver, n=net: compiled_peer(question, s, n))
        peers[name], now = peer, (question.positions.carry_annual, _book(question))
        first.add(lambda p=peer, n=now: p.solve(*n))
        print(
            f"   {name:34} build {build.cpu_ms[0]:8.1f} ms, first {first.cpu_ms[0]:8.1f} ms (cpu)"
        )
    for kind in (*RETURNS, "book"):
        _resolves(case, kind, question, (ours, peers))


def _book(question: Question) -> Book:
    nodes = question.nodes
    return question.positions.held, nodes.amount, nodes.withdrawable


def _resolves(
    case: Case, kind: str, question: Question, solvers: tuple[Compiled, dict[str, Peer]]
) -> None:
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
    print(f"   re-solve, {kind} moved ({case.rounds} times, {rounds / case.rounds:.1f} rounds):")
    for name, each in times.items():
        print(f"     {name:34} {each.text()}")
    if not peers:
        _judge(case, kind, times)
        return
    inaccurate = sum(peer.inaccurate for peer in peers.values())
    agree = "agree" if worst <= AGREE else "DO NOT AGREE"
    print(
        f"     objectives {agree}: furthest apart {worst:.1e} of equity; "
        f"{inaccurate} of cvxpy's so far called inaccurate"
    )
    _judge(case, kind, times)


def _judge(case: Case, kind: str, times: dict[str, Times]) -> None:
    middle = float(np.median(times[OURS].cpu_ms))
    aim = AIMS.get((case.name, kind))
    if aim is not None:
        print(f"     aim under {aim:.0f} ms: {'met' if middle < aim else 'missed'} ({middle:.1f})")
    others = {n: float(np.median(t.cpu_ms)) for n, t in times.items() if n != OURS}
    if others:
        best = min(others, key=lambda name: others[name])
        ratio = others[best] / middle
        met = "met" if ratio >= TIMES_CVXPY else "missed"
        print(f"     best of cvxpy is {best}: {ratio:.1f} times ours; aim {TIMES_CVXPY:.0f}: {met}")


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
