# SPDX-License-Identifier: Apache-2.0
"""What a defence is told of the world, and what it then does with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.room import FixedOutlook
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, base_lots, held
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.question import Answer, Question
from tidegate.engine.alarm import Level, assess
from tidegate.engine.defence import CERTAIN, threat
from tidegate.engine.inquiry import ask
from tidegate.model.account import Position
from tidegate.model.mandate import Mandate
from tidegate.model.market import Quote
from tidegate.risk.plan import Situation, Terms

# The carry that a cut gives up is counted over three weeks: dearer cuts than these would wait.
MANDATE = msgspec.structs.replace(
    desk.MANDATE, edge=msgspec.structs.replace(desk.MANDATE.edge, payback_days=20.0)
)
TERMS = desk.terms(MANDATE)
NAMES = tuple(desk.INSTRUMENTS)
LOTS = base_lots(ALPHA_BTC, 600_000)
HEDGED = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
ETH_LOTS = base_lots(ALPHA_ETH, 200_000)


def seen(
    positions: Mapping[str, Position] = HEDGED,
    wallets: Mapping[str, float] | None = None,
    out: tuple[str, ...] = (),
    ranks: Mapping[str, float] | None = None,
    quotes: Mapping[str, Quote] | None = None,
) -> Situation:
    book = desk.portfolio(wallets or {"alpha": 300_000, "beta": 300_000}, positions)
    found = desk.situation(book, quotes=quotes)
    snapshot = msgspec.structs.replace(found.snapshot, out_venues=out)
    return msgspec.structs.replace(found, snapshot=snapshot, adl_ranks=ranks or {})


def asked(situation: Situation, terms: Terms | None = None) -> Question:
    outlook = FixedOutlook(("BTC", "ETH")).at(desk.NOW_MS)
    return ask(terms or TERMS, situation, outlook, may_grow=False)


def told(situation: Situation, terms: Terms | None = None, *, reduces: bool = True) -> Threat:
    held_to = terms or TERMS
    return threat(held_to, situation, asked(situation, held_to), reduces=reduces)


def answered(situation: Situation, terms: Terms | None = None, *, reduces: bool = True) -> Answer:
    return relieve(asked(situation, terms), told(situation, terms, reduces=reduces))


def leg(values: np.ndarray, name: str) -> float:
    return float(values[NAMES.index(name)])


def watching(decision_s: int, watch_s: int) -> Mandate:
    purpose = msgspec.structs.replace(
        MANDATE.mandate, decision_interval_s=decision_s, watch_interval_s=watch_s
    )
    return msgspec.structs.replace(MANDATE, mandate=purpose)


@pytest.mark.parametrize("out", [(), ("alpha",), ("alpha", "vault"), ("alpha", "beta", "vault")])
def test_legs_at_a_venue_that_is_out_are_not_tradable_and_all_others_are(
    out: tuple[str, ...],
) -> None:
    found = told(seen(out=out)).tradable
    assert found.tolist() == [desk.INSTRUMENTS[name].venue not in out for name in NAMES]


def test_coin_may_be_naked_up_to_the_limit_only_while_a_held_leg_cannot_be_traded() -> None:
    limit = desk.MANDATE.limits.naked_usd
    assert told(seen()).naked == 0
    assert told(seen(out=("vault",))).naked == 0
    situation = seen(out=("alpha",))
    assert told(situation).naked == pytest.approx(limit / situation.equity_usd)


@pytest.mark.parametrize(("beta_usd", "stands"), [(45_000, True), (300_000, False)])
def test_legs_of_an_account_that_lacks_what_cannot_come_must_stand_a_share_of_the_outer_moves(
    beta_usd: float, stands: bool
) -> None:
    stress = msgspec.structs.replace(MANDATE.stress, blocked_share=0.79)
    terms = desk.terms(msgspec.structs.replace(MANDATE, stress=stress))
    situation = seen(wallets={"alpha": 300_000, "beta": beta_usd})
    frozen = msgspec.structs.replace(situation.snapshot, frozen_venues=("beta",))
    found = told(msgspec.structs.replace(situation, snapshot=frozen), terms).blocked_moves
    wanted = [
        0.79 * situation.outer[desk.INSTRUMENTS[n].base] * (desk.INSTRUMENTS[n].venue == "beta")
        for n in NAMES
    ]
    assert np.asarray(found).tolist() == pytest.approx(wanted if stands else [0.0] * len(NAMES))


def winning(name: str = ALPHA_BTC, entry: float = 0.9) -> dict[str, Position]:
    lots = HEDGED[name].lots
    return {**HEDGED, name: held(name, lots, entry)}


@given(st.floats(0.0, 1.0))
def test_winner_is_pressed_by_its_place_in_the_queue_and_an_unknown_place_is_the_first(
    rank: float,
) -> None:
    first, unknown, placed = (
        told(seen(winning(), ranks=ranks)).adl_cost_rate
        for ranks in ({ALPHA_BTC: 1.0}, {}, {ALPHA_BTC: rank})
    )
    np.testing.assert_array_equal(unknown, first)
    assert leg(first, ALPHA_BTC) > 0
    np.testing.assert_allclose(placed, rank * first, atol=1e-15)


def test_pressure_of_the_first_in_the_queue_is_what_its_orphan_may_lose() -> None:
    question = asked(seen(winning()))
    found = leg(told(seen(winning())).adl_cost_rate, ALPHA_BTC)
    cost = leg(question.legs.cost_rate, ALPHA_BTC)
    share = desk.MANDATE.stress.adl_fraction
    assert found == pytest.approx(share * (desk.INNER["BTC"] / 2 + cost))


def test_losers_and_legs_that_are_not_held_are_not_closed_by_a_venue() -> None:
    found = told(seen(winning(entry=1.1))).adl_cost_rate
    assert not found.any()
    short = {**HEDGED, BETA_BTC: held(BETA_BTC, -100 * LOTS, 1.1)}
    assert leg(told(seen(short)).adl_cost_rate, BETA_BTC) > 0


def lasting(median_s: float, p95_s: float) -> Terms:
    passages = {
        ends: replace(way, latency_median_s=median_s, latency_p95_s=p95_s)
        for ends, way in desk.PASSAGES.items()
    }
    return msgspec.structs.replace(TERMS, passages=passages)


@pytest.mark.parametrize(
    ("decision_s", "watch_s", "share", "certain"),
    [
        (3600, 60, 0.99, True),
        (3600, 60, 1.01, False),
        (3600, 900, 0.99, True),
        (3600, 900, 1.01, False),
        (300, 900, 0.99, True),
        (300, 900, 1.01, False),
    ],
)
def test_money_is_in_time_only_where_it_is_certain_to_land_before_the_next_look(
    decision_s: int, watch_s: int, share: float, certain: bool
) -> None:
    """The next look is the sooner of a watch and a decision; certain is 99 in a hundred."""
    one = next(iter(desk.PASSAGES.values()))
    scale = share * min(decision_s, watch_s) / one.latency_quantile_s(CERTAIN)
    slow = lasting(one.latency_median_s * scale, one.latency_p95_s * scale)
    terms = msgspec.structs.replace(slow, mandate=watching(decision_s, watch_s))
    assert told(seen(), terms).in_time.tolist() == [certain] * len(desk.PASSAGES)


def test_route_whose_median_alone_is_in_time_is_not_counted_on() -> None:
    one = next(iter(desk.PASSAGES.values()))
    assert one.latency_quantile_s(0.5) < 900 < one.latency_quantile_s(CERTAIN)
    terms = msgspec.structs.replace(TERMS, mandate=watching(3600, 900))
    assert not told(seen(), terms).in_time.any()


@given(beta=st.floats(60_000, 400_000), size=st.floats(0.1, 1.0), entry=st.floats(0.9, 1.1))
def test_price_of_the_outer_level_is_above_every_route_and_below_cutting(
    beta: float, size: float, entry: float
) -> None:
    lots = int(LOTS * size)
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, lots, entry),
        BETA_BTC: held(BETA_BTC, -100 * lots, entry),
    }
    situation = seen(positions, {"alpha": 600_000, "beta": beta})
    question, found = asked(situation), told(situation)
    legs, stakes = question.legs, question.stakes
    routes = question.edges.cost_rate[question.edges.open].max()
    relief = stakes.outer[legs.coin] + legs.margin_rate.max(axis=1)
    cutting = (2 * (legs.cost_rate + found.keep_rate) / relief).min()
    assert routes < found.outer_penalty < cutting


def below_the_outer_level() -> Situation:
    situation = seen(wallets={"alpha": 500_000, "beta": 58_000})
    assert assess(TERMS, situation).level is Level.TRANSFER
    return situation


def test_below_the_outer_level_money_is_sent_and_positions_stay() -> None:
    situation = below_the_outer_level()
    answer = answered(situation)
    assert answer.transfer.sum() > 0
    np.testing.assert_allclose(answer.target, asked(situation).legs.held, atol=1e-9)


def test_below_the_outer_level_without_a_route_positions_stay_as_well() -> None:
    situation = below_the_outer_level()
    terms = msgspec.structs.replace(TERMS, passages={})
    answer = answered(situation, terms)
    np.testing.assert_allclose(answer.target, asked(situation, terms).legs.held, atol=1e-9)
    assert answer.outer_shortfall.max() > 0


def below_the_inner_level(**changes: object) -> Situation:
    situation = seen(wallets={"alpha": 500_000, "beta": 40_000}, **changes)  # type: ignore[arg-type]
    assert assess(TERMS, situation).level is Level.REDUCE
    return situation


def test_below_the_inner_level_both_legs_are_cut_by_the_same() -> None:
    situation = below_the_inner_level()
    legs = asked(situation).legs
    cut = np.abs(legs.held) - np.abs(answered(situation).target)
    assert leg(cut, BETA_BTC) > 0.05
    assert leg(cut, ALPHA_BTC) == pytest.approx(leg(cut, BETA_BTC), abs=2e-4)


def test_defence_that_may_not_reduce_leaves_a_hedged_book_alone_below_any_level() -> None:
    situation = below_the_inner_level()
    assert not told(situation, reduces=False).tradable.any()
    answer = answered(situation, reduces=False)
    np.testing.assert_array_equal(answer.target, asked(situation).legs.held)
    assert answer.inner_shortfall.max() > 0


ORPHANED = {
    ALPHA_BTC: HEDGED[ALPHA_BTC],
    ALPHA_ETH: held(ALPHA_ETH, ETH_LOTS),
    BETA_ETH: held(BETA_ETH, -100 * ETH_LOTS),
}


def test_defence_that_may_not_reduce_mends_orphans_and_nothing_else() -> None:
    situation = seen(ORPHANED)
    found = told(situation, reduces=False).tradable
    assert found.tolist() == [desk.INSTRUMENTS[name].base == "BTC" for name in NAMES]
    answer, held_now = answered(situation, reduces=False), asked(situation).legs.held
    assert leg(answer.target, ALPHA_BTC) == pytest.approx(0, abs=1e-9)
    for name in (ALPHA_ETH, BETA_ETH):
        assert leg(answer.target, name) == leg(held_now, name) != 0


def test_orphan_at_a_venue_that_is_out_cannot_be_mended() -> None:
    situation = seen(ORPHANED, out=("alpha",))
    assert not leg(told(situation, reduces=False).tradable, ALPHA_BTC)
    answer = answered(situation, reduces=False)
    assert leg(answer.target, ALPHA_BTC) == leg(asked(situation).legs.held, ALPHA_BTC)


def moved(name: str, share: float) -> dict[str, Quote]:
    return {name: desk.quote(name, round(desk.MARKS[name] * (1 + share)))}


@pytest.mark.parametrize(
    ("name", "share", "dearer"),
    [
        (ALPHA_BTC, -0.02, 1 / 0.98 - 1),
        (ALPHA_BTC, 0.02, 0.0),
        (BETA_BTC, 0.02, 1 - 1 / 1.02),
        (BETA_BTC, -0.02, 0.0),
    ],
)
def test_leg_whose_venue_stands_against_it_is_dearer_to_cut_by_what_comes_back(
    name: str, share: float, dearer: float
) -> None:
    """Long at alpha and short at beta; the vault is the third price, and the middle one."""
    calm, off = told(seen()), told(seen(quotes=moved(name, share)))
    extra = off.keep_rate - calm.keep_rate
    assert leg(extra, name) == pytest.approx(dearer, abs=2e-5)
    for other in NAMES:
        if other != name:
            assert leg(extra, other) == pytest.approx(0, abs=2e-5)


def two_coins() -> dict[str, Position]:
    """Half of the pair in each of two coins: either short relieves beta."""
    half = LOTS // 2
    return {
        ALPHA_BTC: held(ALPHA_BTC, half),
        ALPHA_ETH: held(ALPHA_ETH, ETH_LOTS),
        BETA_BTC: held(BETA_BTC, -100 * half),
        BETA_ETH: held(BETA_ETH, -100 * ETH_LOTS),
    }


def test_of_two_coins_the_one_that_is_not_dislocated_is_cut_first() -> None:
    """Beta needs relief; its short in one coin stands three percent above the others' price."""
    cuts = {}
    for name in (BETA_BTC, BETA_ETH):
        situation = seen(
            two_coins(),
            {"alpha": 400_000, "beta": 58_000},
            quotes=moved(name, 0.03),
        )
        legs = asked(situation).legs
        cut = np.abs(legs.held) - np.abs(answered(situation).target)
        cuts[name] = {leg_name: leg(cut, leg_name) for leg_name in (BETA_BTC, BETA_ETH)}
    assert min(max(cut.values()) for cut in cuts.values()) > 0.01
    assert cuts[BETA_BTC][BETA_BTC] < cuts[BETA_ETH][BETA_BTC]
    assert cuts[BETA_ETH][BETA_ETH] < cuts[BETA_BTC][BETA_ETH]


def test_leg_at_the_middle_price_keeps_its_carry_and_the_cost_of_coming_back() -> None:
    """Carry that is paid, and not received, is no reason to stay."""
    keep = told(seen()).keep_rate
    question = asked(seen())
    carry = np.sign(question.legs.held) * question.legs.carry_annual
    expected = np.maximum(carry * question.stakes.payback_years, 0) + question.legs.cost_rate
    np.testing.assert_allclose(keep, expected, atol=2e-5)
