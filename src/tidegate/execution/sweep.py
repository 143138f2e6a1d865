# SPDX-License-Identifier: Apache-2.0
"""Taking every order off a venue: cancel all, ask what still works, cancel that, ask again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tidegate.model.replies import NotTaken, OrderStatus, Statement, Swept, Unclear
from tidegate.ports import Stops


class Round(msgspec.Struct, frozen=True):
    """One attempt at one venue: when the first request had gone out, orders that a cancel ended,
    orders that still work (None: the venue does not say), and what went wrong in words."""

    venue: str
    asked_ms: int
    cancelled: tuple[str, ...]
    left: tuple[str, ...] | None
    ended_ms: int
    problems: tuple[str, ...] = ()


def sweep(stops: Stops, venue: str, clock: Callable[[], int]) -> Round:
    """Cancel what works at a venue and ask what is left. Only a venue's own list of what works
    says that nothing does; a reply to a cancel does not.

    The time of asking is that of the first reply or of its lack, so it is never too early.
    """
    problems: list[str] = []
    cancelled = _cancel_all(stops, venue, problems)
    asked_ms = clock()
    left = _working(stops, venue, problems)
    if left:
        cancelled |= _cancel_each(stops, venue, left, problems)
        left = _working(stops, venue, problems)
    ended = tuple(sorted(cancelled))
    return Round(venue, asked_ms, ended, left, clock(), tuple(problems))


def sweep_problem(stops: Stops, venue: str) -> str:
    """Why a sweep would not learn what works at a venue; empty where it would."""
    problems: list[str] = []
    _working(stops, venue, problems)
    return " ".join(problems)


def _cancel_all(stops: Stops, venue: str, problems: list[str]) -> set[str]:
    reply = stops.cancel_all(venue)
    if isinstance(reply, Swept):
        return set(reply.orders)
    problems.append(f"cancel all: {_words(reply)}")
    return set()


def _cancel_each(
    stops: Stops, venue: str, orders: tuple[str, ...], problems: list[str]
) -> set[str]:
    ended = set()
    for order in orders:
        reply = stops.cancel(venue, order)
        if not isinstance(reply, OrderStatus):
            problems.append(f"cancel {order}: {_words(reply)}")
        elif reply.state == "cancelled":
            ended.add(order)
    return ended


def _working(stops: Stops, venue: str, problems: list[str]) -> tuple[str, ...] | None:
    reply = stops.statement(venue)
    if isinstance(reply, Statement):
        return reply.working
    problems.append(f"statement: {_words(reply)}")
    return None


def _words(reply: NotTaken | Unclear) -> str:
    return f"{'not taken' if isinstance(reply, NotTaken) else 'unclear'}, {reply.reason}"
