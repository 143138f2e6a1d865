# SPDX-License-Identifier: Apache-2.0
"""What is in doubt is settled one thing at a time, and recovered from replies as well as fills."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.execution.scripted import NOW_MS
from tests.execution.test_returns import begun, restarted
from tests.execution.test_unbookable import ORDER, fill
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, INSTRUMENTS, MARKS
from tidegate.execution.books import Books
from tidegate.execution.doubts import Doubts
from tidegate.model.events import Filled
from tidegate.model.replies import OrderStatus

NAMES = (ALPHA_BTC, ALPHA_ETH, BETA_BTC)


def stray(name: str) -> Filled:
    """A fill of an order that was never sent."""
    return Filled(NOW_MS, name, 1, MARKS[name], MARKS[name], 0, 0, 0, "stray", "order")


@given(st.lists(st.sampled_from(NAMES), unique=True), st.sampled_from(NAMES))
def test_settling_one_instrument_leaves_every_other_in_doubt(held: list[str], one: str) -> None:
    doubts = Doubts()
    for name in held:
        doubts.take(stray(name), Books(), INSTRUMENTS[name].venue)
    doubts.settle(one)
    left = {name for venue in ("alpha", "beta") for name in doubts.fills_at(venue)}
    assert left == set(held) - {one}


def test_restart_keeps_an_instrument_locked_whose_venue_said_fewer_lots_than_had_filled() -> None:
    built = begun(ORDER)
    built.venues.log("alpha", fill(ORDER.lots - 2))
    built.wait(1)
    built.venues.truth[ORDER.id] = OrderStatus(ORDER.id, "filled", ORDER.lots - 5, NOW_MS)
    built.desk.stop(built.venues.now_ms, "test")
    built.wait(60)
    assert ORDER.instrument in built.desk.breaks["alpha"].doubts
    again = restarted(built)
    again.wait(5)
    assert ORDER.instrument in again.desk.breaks["alpha"].doubts
