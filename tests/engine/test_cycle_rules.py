# SPDX-License-Identifier: Apache-2.0
"""Each rule of the cycle by itself: when it looks, what it sees, and what it keeps."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.engine.scripted_cycle import QUIET, Scene, scene, toward
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH
from tidegate.allocation.deleveraging import Threat
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.cycle import REFUSED_PAUSE_MS, Tools
from tidegate.engine.memory import Memory
from tidegate.model.account import Unsettled
from tidegate.model.events import Deposited, TransferSent
from tidegate.model.mandate import Pacing
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation

HOUR_S = 3_600
PAIR = {ALPHA_BTC: 5_000, BETA_BTC: -500_000}
THIN = {"alpha": 500_000.0, "beta": 20_000.0}
# Beta's short of 300,000 is above the inner level and below the outer one, and then below both.
SHORT_OF_MONEY, IN_NEED = {"alpha": 500_000.0, "beta": 28_500.0}, {"alpha": 5e5, "beta": 20_000.0}

NOBODY = msgspec.structs.replace(
    desk.MANDATE,
    authority=msgspec.structs.replace(
        desk.MANDATE.authority, level="observe", reduce_without_human=False
    ),
)


def looked(made: Scene, seconds: float = 0.0) -> Situation:
    """What the cycle sees then."""
    now_ms = desk.NOW_MS + round(seconds * 1000)
    terms = made.cycle._terms_at(now_ms)
    look = made.cycle._look(terms, made.cycle._expect(now_ms), now_ms)
    assert look is not None
    return look.situation


@pytest.mark.parametrize(
    ("called", "seconds", "decided"),
    [(True, 30, "legs apart"), (False, 30, None), (True, 60, "margin"), (True, 0, "grid")],
)
def test_look_that_execution_calls_for_is_made_between_watches_and_says_so(
    called: bool, seconds: int, decided: str | None
) -> None:
    """Five thousand dollars are naked, of a coin whose legs came apart."""
    made = scene(positions={ALPHA_BTC: 83})
    made.hands.stands = msgspec.structs.replace(QUIET, loose=frozenset({"BTC"}))
    made.hands.called = called
    made.at(seconds)
    assert [trigger for trigger, _ in made.decided()] == ([decided] if decided else [])
    told = [bool(seen.get("called")) for seen in made.frames("observed")]
    assert told == ([decided == "legs apart"] if decided else [])


def test_plan_of_before_is_stopped_for_a_cut_which_is_made_of_what_stands_then() -> None:
    made = scene(positions=PAIR, funds=IN_NEED)
    made.hands.stands = msgspec.structs.replace(QUIET, busy=True)
    made.hands.stopped = msgspec.structs.replace(QUIET, unfinished=True)
    made.at(60)
    assert made.hands.told[:2] == ["stop", "heeded"]
    (seen,) = made.frames("observed")
    assert (bool(seen.get("busy")), seen["unfinished"]) == (False, True)


def test_cut_under_way_is_not_stopped_and_growth_after_it_is() -> None:
    cut = {ALPHA_BTC: 150_000.0, BETA_BTC: -150_000.0}
    made = scene(tools=Tools(toward(cut), lambda q, _: toward(cut)(q)), positions=PAIR, funds=THIN)
    made.at(60)
    assert made.hands.told == ["begin"]
    made.at(120)
    assert "stop" not in made.hands.told
    made.hands.stands = QUIET
    made.record.take([Deposited(desk.NOW_MS, "beta", "USDC", 500_000 * MICRO)])
    grown = {ALPHA_ETH: 90_000.0, BETA_ETH: -90_000.0}
    made.cycle._tools = Tools(toward(grown), lambda q, _: toward(cut)(q))
    made.at(24 * HOUR_S)
    assert made.decided()[-1][1] == "review"
    assert made.hands.stands.busy
    made.market.price("BTC", 2.6)
    made.hands.told.clear()
    made.at(24 * HOUR_S + 60)
    assert made.hands.told[0] == "stop"


@pytest.mark.parametrize("funds", [THIN, None], ids=["to cut", "calm"])
def test_nothing_is_decided_while_execution_is_halted(funds: dict[str, float] | None) -> None:
    made = scene(positions=PAIR, funds=funds)
    made.hands.stands = msgspec.structs.replace(QUIET, halted="killed")
    made.at(0)
    made.at(60)
    assert made.decided() == []


def test_calm_book_is_left_to_the_plan_that_is_under_way_at_grid_times_too() -> None:
    made = scene(positions=PAIR)
    made.hands.stands = msgspec.structs.replace(QUIET, busy=True)
    made.at(HOUR_S)
    assert made.decided() == []


def test_outlook_is_renewed_with_the_day_and_not_before() -> None:
    """The start is two hours before midnight."""
    assert desk.NOW_MS % DAY_MS == 22 * HOUR_MS
    made = scene()
    for hours in (0, 1, 2, 3, 25, 26):
        made.at(hours * HOUR_S)
    assert made.outlooks.asked == [desk.NOW_MS + hours * HOUR_MS for hours in (0, 2, 26)]
    assert len(made.frames("outlook")) == 3


def test_contract_without_a_quote_blinds_until_it_has_one_and_is_then_carried_as_old_as_it_is() -> (
    None
):
    made = scene()
    lacking = made.market.quotes.pop(BETA_ETH)
    for minutes in (0, 1, 2):
        made.at(60 * minutes)
    made.market.quotes[BETA_ETH] = lacking
    assert made.decided() == []
    made.at(180)
    del made.market.quotes[BETA_ETH]
    assert [f["without_quote"] for f in made.frames("blind")] == [[BETA_ETH], []]
    seen = looked(made, 240).snapshot.quotes
    ages = {name: desk.NOW_MS + 240_000 - quote.as_of_ms for name, quote in seen.items()}
    assert ages == {name: 60_000 if name == BETA_ETH else 0 for name in desk.INSTRUMENTS}


def test_engine_that_goes_on_has_the_quotes_of_before() -> None:
    made = scene()
    old = {name: desk.quote(name) for name in desk.INSTRUMENTS}
    made.market.quotes.clear()
    made.cycle.recall(Memory(peak_micro=7), old)
    assert looked(made).snapshot.quotes == old


def test_what_execution_takes_in_and_venues_then_announce_is_part_of_the_same_look() -> None:
    made = scene()

    def told() -> None:
        made.hands.first = lambda: None
        made.fill(ALPHA_BTC, 10)
        made.market.frozen, made.market.out = ("alpha",), ("beta",)
        made.market.stable = {"USDT": 990_000}

    made.hands.first = told
    found = looked(made)
    assert found.portfolio.accounts["alpha"].positions[ALPHA_BTC].lots == 10
    snapshot = found.snapshot
    assert (snapshot.frozen_venues, snapshot.out_venues) == (("alpha",), ("beta",))
    assert snapshot.stable_micro == {"USDT": 990_000}


def test_doubts_of_execution_are_those_of_the_situation() -> None:
    made = scene()
    unsettled = Unsettled(missing={"beta": {"USDC": 5}})
    made.hands.stands = msgspec.structs.replace(
        QUIET, unsettled=unsettled, loose=frozenset({"ETH"})
    )
    found = looked(made)
    assert (found.unsettled, found.loose) == (unsettled, frozenset({"ETH"}))


def test_equity_is_that_at_the_prices_that_are_seen() -> None:
    made = scene(positions={ALPHA_BTC: 1_000})
    assert looked(made).equity_usd == pytest.approx(1_000_000)
    made.market.price("BTC", 1.1)
    assert looked(made).equity_usd == pytest.approx(1_006_000)


@pytest.mark.parametrize(("late", "blocks"), [(0, True), (3 * DAY_MS, False)])
def test_money_that_is_late_by_more_than_a_day_counts_as_nothing_and_is_not_waited_for(
    late: int, blocks: bool
) -> None:
    made = scene(pause=False)
    parcel = TransferSent(desk.NOW_MS, "s", "alpha", "beta", "USDT", 7_000 * MICRO, 0)
    made.record.take([parcel])
    hours = late // HOUR_MS
    found = looked(made, hours * HOUR_S)
    assert found.void == (frozenset() if blocks else {"s"})
    assert found.equity_usd == pytest.approx(1_000_000 if blocks else 993_000)
    made.at(hours * HOUR_S)
    assert made.cycle.tally.solves == (0 if blocks else 1)


@pytest.mark.parametrize("flow", [-300_000, 400_000])
def test_capital_moves_the_peak_once_however_often_the_book_is_looked_at(flow: int) -> None:
    made = scene()
    looked(made)
    made.record.take([Deposited(desk.NOW_MS, "alpha", "USDT", flow * MICRO)])
    for minute in range(1, 4):
        found = looked(made, 60 * minute)
        assert found.peak_usd == found.equity_usd == pytest.approx(1_000_000 + flow)


@pytest.mark.parametrize(
    ("capped", "known"), [((), False), (("alpha",), True), (("alpha", "beta"), True)]
)
def test_what_left_is_known_where_the_mandate_caps_any_route(
    capped: tuple[str, ...], known: bool
) -> None:
    ways = {
        ends: replace(way, cap_usd_day=9e4 if ends[0] in capped else None)
        for ends, way in desk.PASSAGES.items()
    }
    terms = msgspec.structs.replace(desk.terms(), passages=ways)
    made = scene(terms)
    sent_ms = desk.NOW_MS + 60_000
    made.record.take([TransferSent(sent_ms, "s", "alpha", "beta", "USDT", 7 * MICRO, 0)])
    for hours, usd in ((2, {("alpha", "beta"): 7.0}), (25, {})):
        assert looked(made, hours * HOUR_S).sent_day_usd == (usd if known else None)


def test_place_of_nought_in_a_queue_is_known_and_told() -> None:
    made = scene(positions=PAIR, funds=THIN)
    made.market.ranks = {ALPHA_BTC: 0.0, BETA_BTC: 0.4}
    made.at(60)
    (seen,) = made.frames("observed")
    assert seen["adl_ranks"] == {ALPHA_BTC: 0.0, BETA_BTC: 0.4}


def test_book_of_exactly_nothing_is_not_asked_for_another() -> None:
    made = scene(funds={}, pause=False)
    made.at(0)
    assert made.decided() == [("grid", "nothing left")]
    assert made.cycle.tally.solves == 0


@pytest.mark.parametrize(
    ("funds", "level", "cut"),
    [(SHORT_OF_MONEY, "transfer", False), (IN_NEED, "reduce", True)],
)
def test_only_a_cut_delays_growth_and_either_defence_awaits_it(
    funds: dict[str, float], level: str, cut: bool
) -> None:
    made = scene(positions=PAIR, funds=funds)
    made.at(HOUR_S)
    (decision,) = made.frames("decision")
    assert decision["alarm"] == level
    memory = made.cycle.memory
    assert memory.awaits_growth
    assert (memory.cut_ms == desk.NOW_MS + HOUR_MS) == cut
    assert msgspec.convert(decision["memory"], Memory) == memory


def test_engine_that_may_not_reduce_says_so_to_its_defence_and_in_its_journal() -> None:
    told: list[Threat] = []

    def relieve(question: Question, threat: Threat) -> Answer:
        told.append(threat)
        return toward({})(question)

    made = scene(tools=Tools(relieve=relieve, reduces=False), positions=PAIR, funds=THIN)
    made.at(60)
    assert not told[0].tradable.any()
    assert [frame["reduces"] for frame in made.frames("terms")] == [False]


def test_refused_part_of_a_plan_is_heeded_once_and_is_still_to_come() -> None:
    made = scene()
    made.hands.stands = msgspec.structs.replace(QUIET, unfinished=True)
    made.at(HOUR_S)
    assert made.hands.told[0] == "heeded"
    assert made.cycle.tally.solves == 1


CALM_S = desk.MANDATE.edge.review_s


@pytest.mark.parametrize(
    ("memory", "due"),
    [
        (Memory(reviewed_ms=0, awaits_growth=False), True),
        (Memory(reviewed_ms=1, awaits_growth=False), False),
        (Memory(reviewed_ms=1, awaits_growth=True), True),
        (Memory(refused_ms=round(CALM_S * 1000) - REFUSED_PAUSE_MS), True),
        (Memory(refused_ms=round(CALM_S * 1000) - REFUSED_PAUSE_MS + 1), False),
        (Memory(cut_ms=round(CALM_S * 1000) - 5_000), True),
        (Memory(cut_ms=round(CALM_S * 1000) - 4_999), False),
    ],
)
def test_review_is_due_after_its_interval_or_where_growth_waits_and_after_every_pause(
    memory: Memory, due: bool
) -> None:
    """Times count from the start, and now is one interval after it; the delay is five seconds."""
    authority = msgspec.structs.replace(desk.MANDATE.authority, delay_before_raising_s=5.0)
    terms = desk.terms(msgspec.structs.replace(desk.MANDATE, authority=authority))
    made = scene(terms)
    start = {n: getattr(memory, n) + desk.NOW_MS for n in ("reviewed_ms", "refused_ms", "cut_ms")}
    made.cycle.memory = memory.changed(**start)
    assert made.cycle._review_due(terms, looked(made, CALM_S)) == due


@pytest.mark.parametrize("blocked", ["frozen", "under way"])
def test_review_waits_for_a_freeze_and_for_money_under_way_each_by_itself(blocked: str) -> None:
    made = scene(pause=False)
    if blocked == "frozen":
        made.market.frozen = ("vault",)
    else:
        made.record.take([TransferSent(desk.NOW_MS, "s", "alpha", "beta", "USDT", MICRO, 0)])
    made.at(0)
    assert made.decided() == [("grid", "hold")]


def failing(question: Question, threat: Threat | None = None) -> Answer:
    raise SolveError("planted")


def test_review_without_an_answer_was_one_and_is_not_made_again_at_once() -> None:
    made = scene(tools=Tools(failing), pause=False)
    made.at(0)
    made.at(HOUR_S)
    assert [action for _, action in made.decided()] == ["hold: no agreed solution", "hold"]
    tally, memory = made.cycle.tally, made.cycle.memory
    assert (tally.solves, tally.failures) == (1, 1)
    assert (memory.reviewed_ms, memory.awaits_growth) == (desk.NOW_MS, False)


def test_review_with_nothing_worth_moving_waits_for_the_next() -> None:
    """A lot at alpha is sixty dollars."""
    made = scene(tools=Tools(toward({ALPHA_BTC: 200.0, BETA_BTC: -200.0})), pause=False)
    made.cycle.memory = made.cycle.memory.changed(unfinished=True)
    made.at(0)
    assert made.decided() == [("grid", "hold: nothing worth moving")]
    assert not made.cycle.memory.awaits_growth


def both(name: str, usd: float) -> dict[str, float]:
    pair = {"BTC": (ALPHA_BTC, BETA_BTC), "ETH": (ALPHA_ETH, BETA_ETH)}[name]
    return {pair[0]: usd, pair[1]: -usd}


def test_ladder_takes_three_tenths_however_small_the_position_is() -> None:
    """Eight hundred dollars are below the least trade, and two accounts hold less than their
    stress asks."""
    made = scene(
        tools=Tools(relieve=failing),
        positions={ALPHA_BTC: 10, BETA_BTC: -1_000},
        funds={"alpha": 10.0, "beta": 10.0},
    )
    made.at(60)
    assert made.decided() == [("margin", "ladder")]
    ((steps, _),) = made.hands.begun
    sent = {a.action.instrument: a.action.lots for step in steps for a in step}  # type: ignore[union-attr]
    assert sent == {ALPHA_BTC: -3, BETA_BTC: 300}


@pytest.mark.parametrize(
    ("held_usd", "wanted_usd", "cap", "unfinished", "awaits"),
    [
        (0.0, 120_000.0, None, False, False),
        (0.0, 120_000.0, 0.12, True, True),
        (120_000.0, 60_000.0, None, False, True),
        (120_000.0, 60_000.0, 0.06, True, True),
    ],
)
def test_book_that_shrank_or_was_capped_awaits_growth_and_its_decision_says_so(
    held_usd: float, wanted_usd: float, cap: float | None, unfinished: bool, awaits: bool
) -> None:
    find = toward(both("BTC", wanted_usd))

    def allocate(question: Question) -> Answer:
        if cap is not None:
            question.legs.trade_cap[question.legs.names.index(BETA_BTC)] = cap
        return find(question)

    lots = round(held_usd / 60)
    held = {ALPHA_BTC: lots, BETA_BTC: -100 * lots} if lots else {}
    made = scene(tools=Tools(allocate), positions=held, pause=False)
    made.at(0)
    assert made.decided() == [("grid", "review")]
    memory = made.cycle.memory
    assert (memory.unfinished, memory.awaits_growth) == (unfinished, awaits)
    told = msgspec.convert(made.frames("decision")[0]["memory"], Memory)
    assert told == memory


@pytest.mark.parametrize(
    ("funds", "actions"),
    [(SHORT_OF_MONEY, ["transfer"]), (IN_NEED, ["reduce", "ladder"])],
)
def test_refused_defence_pauses_growth_and_the_ladder_follows_only_where_accounts_must_be_cut(
    funds: dict[str, float], actions: list[str]
) -> None:
    """The answer sends money that the mandate lets nobody send, or cuts what nobody may cut."""
    terms = desk.terms(NOBODY)
    find = toward(both("BTC", 200_000.0), {0: 5_000.0})
    made = scene(terms, Tools(relieve=lambda q, _: find(q)), PAIR, funds)
    made.at(HOUR_S)
    assert [action for _, action in made.decided()] == actions
    assert made.cycle.memory.refused_ms == desk.NOW_MS + HOUR_MS
    assert [bool(f.get("curable")) for f in made.frames("refused")] == [False] * len(actions)


def test_defence_that_was_refused_pauses_growth_though_what_it_broke_passes_by_itself() -> None:
    """Quotes are a day old; a review would be made again at the next look."""
    cut = toward(both("BTC", 200_000.0))
    made = scene(tools=Tools(relieve=lambda q, _: cut(q)), positions=PAIR, funds=IN_NEED)
    made.market.age_ms = DAY_MS
    made.at(60)
    refused = made.frames("refused")
    assert {b["rule"] for f in refused for b in f["breaches"]} == {"fresh quotes"}
    assert not any(f.get("curable") for f in refused)
    assert made.cycle.memory.refused_ms == desk.NOW_MS + 60_000


def test_plan_over_time_is_begun_with_the_times_of_its_steps() -> None:
    pacing = Pacing(horizon_s=300.0, interval_s=30.0, aversion_per_usd=1e-6)
    terms = desk.terms(msgspec.structs.replace(desk.MANDATE, execution=pacing))
    made = scene(terms, Tools(toward(both("BTC", 120_000.0))), pause=False)
    made.at(0)
    ((steps, offsets),) = made.hands.begun
    assert len(steps) == len(offsets) > 1
    assert list(offsets) == sorted(offsets)
    assert offsets[-1] > 0


def test_ladder_follows_a_refused_cut_of_a_broken_hedge_for_which_no_venue_is_named() -> None:
    made = scene(desk.terms(NOBODY), positions={ALPHA_BTC: 2_000})
    made.at(60)
    assert [action for _, action in made.decided()] == ["reduce", "ladder"]


def test_decision_tells_equity_as_it_was_seen_and_what_a_dollar_is_worth_at_each_venue() -> None:
    def allocate(question: Question) -> Answer:
        worth = np.array([0.1, 0.2, 0.3])
        return replace(toward({})(question), dollar_value=worth, objective=-1.0, bound=-2.0)

    made = scene(tools=Tools(allocate), positions={**PAIR, ALPHA_ETH: 10}, pause=False)
    made.market.price("ETH", 1.2)
    made.at(0)
    (decision,) = made.frames("decision")
    assert decision["equity_micro"] == (1_000_000 + 60) * MICRO
    assert decision["shadow"] == {"alpha": 0.1, "beta": 0.2, "vault": 0.3}
    assert (decision["objective"], decision["bound"]) == (-1.0, -2.0)
    assert decision["snapshot"] == made.frames("observed")[0]["snapshot"]
