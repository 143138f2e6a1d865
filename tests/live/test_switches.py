# SPDX-License-Identifier: Apache-2.0
"""Dead-man's switches are armed anew in time, said to be none where they are none, and fire."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.live.switches import Switches
from tidegate.model.replies import Armed, ArmReply, Device, NotTaken, Unclear
from tidegate.model.times import SECOND_MS

ANSWERS = st.sampled_from(("armed", "refused", "unclear", "gone"))


class Venues:
    """A venue with a switch, one without; the first answers what it is told to."""

    def __init__(self) -> None:
        self.now_ms, self.answer = 0, "armed"
        self.until_ms: int | None = None
        self.asked: list[int] = []

    def device(self, venue: str) -> Device | None:
        has = venue == "first" and self.answer != "gone"
        return Device(venue, 5, 600, cancels_protective=True) if has else None

    def arm(self, venue: str, seconds: int) -> ArmReply:
        assert venue == "first"
        self.asked.append(seconds)
        if self.answer == "refused":
            return NotTaken("below a million of volume")
        if self.answer == "unclear":
            return Unclear("timeout")
        self.until_ms = self.now_ms + seconds * SECOND_MS if seconds else None
        return Armed(venue, self.until_ms, self.now_ms)


@given(answers=st.lists(ANSWERS, max_size=30), seconds=st.integers(5, 2_000))
def test_switch_is_shown_armed_only_while_the_venue_has_it_so(
    answers: list[str], seconds: int
) -> None:
    venues = Venues()
    switches = Switches(venues, ("first", "second"), seconds)
    for answer in answers:
        venues.answer = answer
        switches.keep(venues.now_ms)
        shown = switches.standing.get("first")
        if shown is not None and shown.until_ms is not None:
            assert shown.until_ms == venues.until_ms
            assert shown.until_ms > venues.now_ms
        elif answer == "armed":
            raise AssertionError("armed, and not shown")
        assert "second" not in switches.standing
        venues.now_ms += seconds * SECOND_MS // 3
    assert set(venues.asked) <= {min(600, seconds)}


def test_armed_switch_is_armed_anew_before_it_fires_and_its_turns_are_told_once() -> None:
    venues = Venues()
    switches = Switches(venues, ("first", "second"), 60)
    assert switches.keep(0)["first"].until_ms == 60 * SECOND_MS
    told = []
    for second in range(1, 200):
        venues.now_ms = second * SECOND_MS
        if second == 100:
            venues.answer = "unclear"
        told += [(second, known.until_ms) for known in switches.keep(venues.now_ms).values()]
        assert second > 100 or (venues.until_ms or 0) > venues.now_ms
    # The last arming was at second 80, and its time ends at 140.
    assert told == [(140, None)]
    assert switches.standing["first"].why_not == "timeout"


def test_orderly_end_disarms_what_was_armed() -> None:
    venues = Venues()
    switches = Switches(venues, ("first", "second"), 60)
    switches.keep(0)
    switches.release()
    assert venues.until_ms is None
    assert switches.standing == {}


def test_order_left_at_a_paper_venue_is_cancelled_once_its_engine_is_dead(tmp_path: Path) -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")
    pytest.importorskip("eth_account", reason="the extra `live` is not installed")
    pytest.importorskip("aiohttp", reason="the extra `live` is not installed")
    from tests.live.desk import desk
    from tidegate.live.rounds import Rounds

    with desk(tmp_path) as found, found.session() as house:
        running = found.engine()
        switches, said = Switches(running.gateway, running.machine.venues, 60), []
        rounds = Rounds(running, switches, lambda what, about: said.append((what, about)))
        client = house._sessions["hyperliquid"]._client  # type: ignore[attr-defined]
        client.create_order(
            "BTC/USDC:USDC",
            "limit",
            "buy",
            0.001,
            round(client.fetch_ticker("BTC/USDC:USDC")["last"] * 0.7),
        )
        for _ in range(4):
            found.clock.pass_ms(30 * SECOND_MS)
            found.stream(running.feed)
            rounds.once()
            assert len(client.fetch_open_orders()) == 1
        assert [about["venue"] for what, about in said if what == "switch"] == ["hyperliquid"]
        # The engine is gone: nobody arms the switch any more.
        for _ in range(7):
            found.clock.pass_ms(10 * SECOND_MS)
            running.gateway.now_ms()
        assert client.fetch_open_orders() == []
        running.machine.record.journal.close()  # type: ignore[attr-defined]
