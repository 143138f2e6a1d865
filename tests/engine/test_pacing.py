# SPDX-License-Identifier: Apache-2.0
"""When a cycle looks, when it waits, and how long it goes on."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.engine.room import Room, room
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.question import Answer, Question
from tidegate.engine.cycle import Tools
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.simulation.tape import Freeze

QUARTER_S, HOUR_S = 900, 3600
STORM = {"BTC": [1.0, *[1.13] * 29]}


def bold(**purpose: int) -> Mandate:
    """Large for its money, and of a carry that is soon earned again, so that cuts do not wait."""
    mandate = desk.with_limits(gross_leverage=5.0)
    return msgspec.structs.replace(
        mandate,
        edge=msgspec.structs.replace(mandate.edge, payback_days=20.0),
        mandate=msgspec.structs.replace(mandate.mandate, **purpose),
    )


def allowed(mandate: Mandate, **authority: object) -> Mandate:
    return msgspec.structs.replace(
        mandate, authority=msgspec.structs.replace(mandate.authority, **authority)
    )


def minutes(built: Room, kind: str = "decision") -> list[tuple[int, str]]:
    """Frames of a kind by minutes since the start, with what a decision did."""
    return [
        ((int(str(p["ts_ms"])) - desk.NOW_MS) // 60_000, str(p.get("action", kind)))
        for frame, p in built.frames()
        if frame == kind
    ]


@pytest.mark.parametrize(
    ("watch_s", "cut_minute"), [(60, 30), (QUARTER_S, 30), (2 * QUARTER_S, 30), (3 * QUARTER_S, 45)]
)
def test_book_is_looked_at_between_decisions_once_in_each_watch_interval(
    watch_s: int, cut_minute: int
) -> None:
    """The short is below the inner level from the thirtieth minute on."""
    built = room(STORM, mandate=bold(watch_interval_s=watch_s), steps=30)
    built.play(4)
    assert minutes(built)[1] == (cut_minute, "reduce")


def test_watch_between_decisions_does_not_decide_while_nothing_presses() -> None:
    built = room(mandate=bold(watch_interval_s=60))
    built.play(8)
    assert [minute for minute, _ in minutes(built)] == [0, 60]


def test_watch_and_delay_are_told_by_the_mandate_and_have_their_defaults() -> None:
    assert desk.MANDATE.mandate.watch_interval_s == 60
    assert desk.MANDATE.authority.delay_before_raising_s == 0
    text = desk._MANDATE.replace("capital_usd", "watch_interval_s = 300\ncapital_usd")
    text = text.replace('level = "act"', 'level = "act"\ndelay_before_raising_s = 7_200')
    venue = '[venue.alpha]\nrule = "spot"\ncollateral = "USDT"\nleverage = 1\n'
    venue += "[venue.alpha.instruments.BTC]\n"
    venue += desk._TERMS.format(kind="spot", base="BTC")
    read = read_mandate(text + venue, "desk.toml")
    assert read.mandate.watch_interval_s == 300
    assert read.authority.delay_before_raising_s == 7_200


@pytest.mark.parametrize(("delay_s", "review_minute"), [(0, 60), (HOUR_S, 120), (3 * HOUR_S, 240)])
def test_book_that_was_cut_is_not_asked_to_grow_before_its_delay_is_over(
    delay_s: int, review_minute: int
) -> None:
    """Cut in the thirtieth minute, and calm after it."""
    mandate = allowed(bold(), delay_before_raising_s=float(delay_s))
    built = room(STORM, mandate=mandate, steps=30)
    built.play(20)
    told = dict(minutes(built))
    assert told[30] == "reduce"
    asked = [m for m, action in told.items() if m > 30 and action != "hold"]
    assert asked[0] == review_minute
    assert built.cycle.tally.solves == 3


def test_delay_before_raising_does_not_hold_up_a_book_that_was_never_cut() -> None:
    built = room(mandate=allowed(bold(), delay_before_raising_s=1e6))
    built.play(1)
    assert built.lots(ALPHA_BTC) > 0


def test_book_that_was_refused_is_asked_for_again_after_an_hour_and_not_before() -> None:
    """Decisions every quarter of an hour, by one who may only watch."""
    mandate = allowed(bold(decision_interval_s=QUARTER_S), level="observe")
    built = room(mandate=mandate, funds={"alpha": 900_000.0, "beta": 100_000.0})
    built.play(10)
    assert [minute for minute, _ in minutes(built, "refused")] == [0, 60, 120]
    assert built.cycle.tally.solves == 3
    assert built.cycle.tally.decisions == 10


def thin(volume_share: float) -> Mandate:
    venues = {
        name: msgspec.structs.replace(venue, volume_share=volume_share)
        for name, venue in desk.MANDATE.venue.items()
    }
    return msgspec.structs.replace(desk.MANDATE, venue=venues)


def sizes(mandate: Mandate, steps: int) -> list[int]:
    """Lots at alpha after each hour's decision."""
    built = room(mandate=mandate, steps=steps)
    found = []
    for _ in range(steps // 4):
        built.play(4)
        assert 100 * built.lots(ALPHA_BTC) == -built.lots(BETA_BTC)
        found.append(built.lots(ALPHA_BTC))
    return found


@pytest.mark.parametrize(("share", "hours"), [(2.5e-4, 4), (2e-4, 5), (1e-4, 10)])
def test_growth_that_a_market_does_not_take_at_once_goes_on_hourly_to_the_end(
    share: float, hours: int
) -> None:
    """Also where what is left lies inside the band: a market in which all fits at once has as
    large a book, and nothing is asked again once it is there."""
    whole, parts = sizes(thin(0.02), 8), sizes(thin(share), 4 * (hours + 2))
    growth = np.diff([0, *parts])
    cap = share * 1e9 / desk.PRICE["BTC"] * 1000
    assert (growth[:hours] > 0).all()
    assert not growth[hours:].any()
    np.testing.assert_allclose(growth[: hours - 1], cap, atol=2)
    assert parts[-1] == pytest.approx(whole[-1], rel=0.01)


def test_venue_that_is_out_is_told_to_the_defence_and_not_traded_at() -> None:
    """Alpha is out as the storm comes: the book is seen so in the minute of the defence."""
    seen: list[Threat] = []

    def watched(question: Question, threat: Threat) -> Answer:
        seen.append(threat)
        return relieve(question, threat)

    start = desk.NOW_MS + 2 * QUARTER_S * 1000
    outage = Freeze("alpha", start, start + QUARTER_S * 1000)
    built = room(STORM, mandate=bold(), tools=Tools(relieve=watched), outages=(outage,), steps=30)
    built.play(2)
    before = built.lots(ALPHA_BTC)
    assert not seen
    built.play(1)
    alpha = [desk.INSTRUMENTS[name].venue == "alpha" for name in desk.INSTRUMENTS]
    assert seen[0].tradable.tolist() == [not here for here in alpha]
    assert built.lots(ALPHA_BTC) == before


def test_places_in_the_queues_are_asked_for_by_a_defence_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = room(STORM, mandate=bold(), steps=30)
    asked: list[str] = []
    monkeypatch.setattr(built.exchange, "adl_rank", asked.append)
    built.play(2)
    assert asked == []
    built.play(1)
    assert sorted(asked) == [ALPHA_BTC, BETA_BTC]
