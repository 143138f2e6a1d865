# SPDX-License-Identifier: Apache-2.0
"""What is compared: a topic, its case, and who solves it.

An entry is one way to solve the case of its topic: ours, a peer's, or what anyone would write with
numpy and scipy. Every entry but ours says what it does less or more than the topic asks.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The name of what is measured, where peers have theirs.
OURS = "tidegate"


@dataclass(frozen=True, slots=True)
class Peer:
    """A package that is measured and never shipped."""

    distribution: str
    module: str
    licence: str


PEERS = (
    Peer("iv-engine", "iv_engine", "MIT"),
    Peer("pyvolr", "pyvolr", "MIT OR Apache-2.0"),
    Peer("lbriv", "lbriv.black_core", "MIT, and Jaeckel's notice"),
    Peer("fast-vollib", "fast_vollib", "MIT"),
    Peer("jax", "jax", "Apache-2.0"),
    Peer("QuantLib", "QuantLib", "BSD-3-Clause"),
    Peer("vollib", "vollib.black", "MIT"),
    Peer("scipy", "scipy", "BSD-3-Clause"),
    Peer("numpy", "numpy", "BSD-3-Clause"),
)

# Those of the allocation: statements of programmes, and the solvers that they or we call.
ALLOCATION_PEERS = (
    Peer("cvxportfolio", "cvxportfolio", "GPL-3.0"),
    Peer("skfolio", "skfolio", "BSD-3-Clause"),
    Peer("cvxpy", "cvxpy", "Apache-2.0"),
    Peer("clarabel", "clarabel", "Apache-2.0"),
    Peer("osqp", "osqp", "Apache-2.0"),
    Peer("highspy", "highspy", "MIT"),
)


def absences(peers: tuple[Peer, ...] = PEERS) -> dict[str, str]:
    """Why a peer cannot be imported on this Python, by its name; a peer that can be is not in it.

    Whatever an import raises is the reason: a package that was built for another Python may fail
    in any way.
    """
    found = {}
    for peer in peers:
        try:
            importlib.import_module(peer.module)
        except Exception as error:
            reason = " ".join(str(error).split()) or "no reason given"
            found[peer.distribution] = f"{type(error).__name__}: {reason}"
    return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that solves a case, how many things it gives, and its answer in the topic's form."""

    call: Callable[[], Any]
    things: int
    read: Callable[[Any], Any] = lambda answer: answer


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to solve a topic's case.

    Attributes:
        name: of the row.
        peers: distributions that it needs; `OURS` alone for ours.
        differs: what it does less or more than the topic asks.
        prepare: from a case to a call; conversions that are no part of the work happen here.
        slow: whether it takes seconds, to compile or at all, so that the quick mode leaves it out.
    """

    name: str
    peers: tuple[str, ...]
    differs: str
    prepare: Callable[[Any], Prepared]
    slow: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is Tidegate itself, which is measured with AVX2 too."""
        return self.peers == (OURS,)

    def missing(self, absent: dict[str, str]) -> str:
        """Why it cannot run, or nothing."""
        return "; ".join(f"{name}: {absent[name]}" for name in self.peers if name in absent)


def error_text(error: float) -> str:
    """An error with two digits; a dash for what could not be compared."""
    return "–" if math.isnan(error) else f"{error:.1e}"


@dataclass(frozen=True, slots=True)
class Topic:
    """A question, those who answer it, and how an answer is judged.

    Attributes:
        key, title: for options and headings.
        things: what is counted, in the plural.
        asked: what an entry is asked to do.
        entries: the first is the one that the others are compared with, ours.
        case: the case, smaller in the quick mode.
        judge: errors of an entry on the case, by name.
        shown: columns of a table: a heading, and the text made of those errors.
    """

    key: str
    title: str
    things: str
    asked: str
    entries: tuple[Entry, ...]
    case: Callable[[bool], Any]
    judge: Callable[[Any, Entry], dict[str, Any]]
    shown: dict[str, Callable[[dict[str, Any]], str]]

    def entry(self, name: str) -> Entry:
        """The entry of that name."""
        return next(each for each in self.entries if each.name == name)
