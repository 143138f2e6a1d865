# SPDX-License-Identifier: Apache-2.0
"""One sweep of a venue, request by request: what it cancels, what is left, and since when."""

from __future__ import annotations

import pytest

from tests.risk.desk import NOW_MS
from tidegate.execution.sweep import Round, sweep, sweep_problem
from tidegate.model.account import Account
from tidegate.model.replies import NotTaken, OrderReply, OrderStatus, Statement, Swept, Unclear

LOST, BUSY = Unclear("no answer"), NotTaken("status 429")


def status(order: str, state: str) -> OrderStatus:
    return OrderStatus(order, state, 0, 0)  # type: ignore[arg-type]


class Told:
    """A venue whose replies are given; each takes ten milliseconds."""

    def __init__(
        self,
        swept: Swept | NotTaken | Unclear,
        works: list[tuple[str, ...] | Unclear],
        cancels: list[OrderReply],
    ) -> None:
        self._swept, self._works, self._cancels = swept, works, cancels
        self.now_ms, self.asked = NOW_MS, list[str]()

    def _ask(self, words: str) -> None:
        self.now_ms += 10
        self.asked.append(words)

    def cancel_all(self, venue: str) -> Swept | NotTaken | Unclear:
        self._ask(f"sweep {venue}")
        return self._swept

    def cancel(self, venue: str, order: str) -> OrderReply:
        self._ask(f"cancel {order}")
        return self._cancels.pop(0)

    def statement(self, venue: str) -> Statement | Unclear:
        self._ask(f"state {venue}")
        works = self._works.pop(0)
        if isinstance(works, Unclear):
            return works
        return Statement(venue, self.now_ms, 0, Account(venue, {}, {}), works)


def swept(venue: Told) -> Round:
    return sweep(venue, "alpha", lambda: venue.now_ms)


def test_what_still_works_is_cancelled_one_by_one_and_asked_for_again() -> None:
    cancels = [status("b", "cancelled"), LOST, status("d", "filled"), status("e", "cancelled")]
    venue = Told(Swept("alpha", ("a",), 0), [("b", "c", "d", "e"), ("f",)], cancels)
    found = swept(venue)
    orders = [f"cancel {order}" for order in "bcde"]
    assert venue.asked == ["sweep alpha", "state alpha", *orders, "state alpha"]
    problems = ("cancel c: unclear, no answer",)
    assert found == Round("alpha", NOW_MS + 10, ("a", "b", "e"), ("f",), NOW_MS + 70, problems)


@pytest.mark.parametrize("works", [(), LOST])
def test_venue_that_names_none_is_asked_no_more_and_is_quiet_only_by_its_word(
    works: tuple[str, ...] | Unclear,
) -> None:
    venue = Told(Swept("alpha", ("b", "a"), 0), [works], [])
    left = None if works == LOST else ()
    problems = ("statement: unclear, no answer",) if works == LOST else ()
    assert swept(venue) == Round("alpha", NOW_MS + 10, ("a", "b"), left, NOW_MS + 20, problems)
    assert venue.asked == ["sweep alpha", "state alpha"]


def test_second_word_of_what_works_counts_also_where_there_is_none() -> None:
    venue = Told(BUSY, [("a",), LOST], [BUSY])
    found = swept(venue)
    assert (found.cancelled, found.left) == ((), None)
    assert found.problems == (
        "cancel all: not taken, status 429",
        "cancel a: not taken, status 429",
        "statement: unclear, no answer",
    )


def test_session_is_of_use_where_its_venue_says_what_works() -> None:
    assert sweep_problem(Told(BUSY, [("a",)], []), "alpha") == ""
    assert sweep_problem(Told(BUSY, [LOST], []), "alpha") == "statement: unclear, no answer"
