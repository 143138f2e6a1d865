# SPDX-License-Identifier: Apache-2.0
"""The paced session against a count of every message that went to a venue."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.scripted import ScriptedVenues, approval
from tests.risk.desk import ALPHA_BTC, BETA_BTC
from tidegate.execution.paced import BUSY, Paced
from tidegate.model.actions import Order, Transfer
from tidegate.model.replies import OrderStatus

CONTRACTS = {"alpha": ALPHA_BTC, "beta": BETA_BTC}
QUESTIONS = ("order", "shipment", "entries", "statement")
ACTIONS = ("place", "send", "cancel")
PER_SECOND = 3


class Counted(ScriptedVenues):
    """Venues that count what they are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str]] = []

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in (*QUESTIONS, *ACTIONS):
            return found

        def ask(*words: object) -> object:
            self.heard.append((name, str(words[0])))
            return found(*words)  # type: ignore[operator]

        return ask


STEPS = st.lists(
    st.tuples(
        st.sampled_from((*QUESTIONS, *ACTIONS)),
        st.sampled_from(["alpha", "alpha", "alpha", "beta"]),
        st.sampled_from([0, 0, 0, 0, 0, 0, 1, 499, 999, 1_000]),
    ),
    min_size=10,
    max_size=30,
)


@settings(max_examples=60)
@given(STEPS)
def test_questions_keep_to_the_rate_of_all_messages_and_what_must_go_goes(
    steps: list[tuple[str, str, int]],
) -> None:
    venues = Counted()
    paced, now_ms, sent = Paced(venues, PER_SECOND), 1_000_000, list[tuple[str, int]]()
    for number, (kind, venue, step_ms) in enumerate(steps):
        now_ms += step_ms
        paced.now_ms = now_ms
        room = sum(v == venue and ts > now_ms - 1_000 for v, ts in sent) < PER_SECOND
        assert paced.has_room(venue) == room
        venues.heard.clear()
        if kind == "place":
            order = Order(f"{venue}.{number}", CONTRACTS[venue], 1, False, "")
            paced.place(approval(order))
        elif kind == "send":
            away = "beta" if venue == "alpha" else "alpha"
            paced.send(approval(Transfer(f"{number}", venue, away, "USDT", 1, "")))
        elif kind == "statement":
            assert (paced.statement(venue) == BUSY) != room
        elif kind == "entries":
            assert (paced.entries(venue, 0) == BUSY) != room
        else:
            reply = getattr(paced, kind)(venue, "o")
            assert (reply == BUSY) == (kind != "cancel" and not room)
        goes = kind in ACTIONS or room
        assert [name for name, _ in venues.heard] == ([kind] if goes else [])
        # Who sends has asked for room before; a cancellation may exceed it, and is counted.
        if room or kind == "cancel":
            sent.append((venue, now_ms))


class Telling(ScriptedVenues):
    """Venues that announce something of each kind."""

    def frozen_venues(self) -> tuple[str, ...]:
        return ("alpha",)

    def out_venues(self) -> tuple[str, ...]:
        return ("beta",)

    def stable_micro(self) -> dict[str, int]:
        return {"USDT": 990_000}

    def adl_rank(self, instrument: str) -> float | None:
        return 0.25 if instrument == ALPHA_BTC else None


def test_what_venues_announce_passes_and_costs_no_room() -> None:
    venues = Telling(told=[OrderStatus("o", "working", 0, 0)])
    paced = Paced(venues, 1)
    assert (paced.frozen_venues(), paced.out_venues()) == (("alpha",), ("beta",))
    assert paced.stable_micro() == {"USDT": 990_000}
    assert (paced.adl_rank(ALPHA_BTC), paced.adl_rank(BETA_BTC)) == (0.25, None)
    assert paced.pushed() == (OrderStatus("o", "working", 0, 0),)
    assert paced.has_room("alpha")
    assert paced.has_room("beta")
