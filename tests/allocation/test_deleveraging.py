# SPDX-License-Identifier: Apache-2.0
"""Deleveraging against plain arithmetic, a second formulation, and the rules a desk would use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocation.deleveraging_oracle import (
    Plan,
    allowed,
    excused,
    impact,
    plan_of,
    pressed,
    ratio_against,
    restored,
    second_formulation,
    threat_to,
    untouched,
)
from tests.allocation.questions import two_venues
from tidegate.allocation.deleveraging import Threat, formulate, pieces_of, relieve
from tidegate.allocation.question import Question
from tidegate.allocation.solve import row_violation, solve
from tidegate.model.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=15)
@given(SEEDS)
def test_optimum_agrees_with_the_same_mathematics_in_cvxpy(seed: int) -> None:
    question, threat = pressed(seed)
    answer = relieve(question, threat)
    assert answer.objective == pytest.approx(second_formulation(question, threat), abs=1e-6)
    assert answer.bound == pytest.approx(answer.objective, abs=1e-6)


@settings(max_examples=60)
@given(SEEDS)
def test_restored_health_holds_by_the_exact_rules(seed: int) -> None:
    question, threat = pressed(seed)
    answer = relieve(question, threat)
    plan = plan_of(question, answer)
    assert allowed(plan, threat)
    for venue in np.flatnonzero(question.wallets.margined):
        assert plan.outer(venue) >= -answer.outer_shortfall[venue] - 1e-7
        short = answer.inner_shortfall[venue] + excused(question, threat, venue)
        assert plan.inner(venue, threat) >= -short - 1e-7
    assert plan.bill(threat) == pytest.approx(answer.objective, abs=1e-6)


@settings(max_examples=20)
@given(SEEDS)
def test_lines_out_of_order_are_bounded_from_above(seed: int) -> None:
    question, threat = pressed(seed)
    legs = question.legs
    question = replace(question, legs=replace(legs, margin_deduction=legs.margin_deduction + 0.01))
    answer = relieve(question, threat)
    plan = plan_of(question, answer)
    for venue in np.flatnonzero(question.wallets.margined):
        assert plan.outer(venue) >= -answer.outer_shortfall[venue] - 1e-7
        short = answer.inner_shortfall[venue] + excused(question, threat, venue)
        assert plan.inner(venue, threat) >= -short - 1e-7


def smaller(question: Question, threat: Threat, share: np.ndarray) -> Plan:
    """Cuts of a share (i) of each position that can be traded."""
    plan = untouched(question)
    plan.target = question.legs.held * np.where(threat.tradable, 1 - share, 1.0)
    return plan


def pro_rata(question: Question, threat: Threat) -> list[Plan]:
    """The plain rule: for each short account in turn, the least share off every coin it holds,
    hedges included, that makes it healthy; the whole where none does."""
    legs, share, plans = question.legs, np.zeros(question.legs.held.size), []
    for venue in np.flatnonzero(question.wallets.margined):
        coins = np.unique(legs.coin[(legs.venue == venue) & (legs.held != 0)])
        for part in np.linspace(0, 1, 41):
            wider = np.where(np.isin(legs.coin, coins), np.maximum(share, part), share)
            plan = smaller(question, threat, wider)
            if plan.inner(venue, threat) >= -excused(question, threat, venue):
                break
        share = wider
        plans.append(plan)
    return plans


def send_only(question: Question, threat: Threat) -> Plan:
    """Money to each venue below a level, from whoever has most to spare, and nothing else."""
    plan, edges, wallets = untouched(question), question.edges, question.wallets
    for route in np.argsort(edges.cost_rate):
        source, destination = edges.source[route], edges.destination[route]
        if not (edges.open[route] and wallets.margined[[source, destination]].all()):
            continue
        need = max(-plan.outer(destination), -plan.inner(destination, threat), 0.0)
        spare = min(plan.outer(source), plan.inner(source, threat))
        left = wallets.withdrawable[source] - plan.sent[edges.source == source].sum()
        room = wallets.room[destination] - plan.sent[edges.destination == destination].sum()
        needed = need / (1 - edges.cost_rate[route])
        plan.sent[route] = max(0.0, min(needed, spare, left, room))
    return plan


@settings(max_examples=40)
@given(SEEDS)
def test_no_plain_rule_is_cheaper(seed: int) -> None:
    question, threat = pressed(seed)
    best = relieve(question, threat).objective
    rivals = [untouched(question), send_only(question, threat), *pro_rata(question, threat)]
    for plan in rivals:
        assert allowed(plan, threat)
        assert best <= plan.bill(threat) + 1e-7


def test_plain_rules_that_are_compared_do_restore_books_of_the_test() -> None:
    """Else the comparison above would be with rules that never work."""
    healed = {"cut": 0, "sent": 0}
    for seed in range(120):
        question, threat = pressed(seed)
        lends = np.flatnonzero(question.wallets.margined)
        rings = min(untouched(question).inner(v, threat) for v in lends) < -1e-3
        sent, cut = send_only(question, threat), pro_rata(question, threat)[-1]
        healed["sent"] += rings and min(sent.inner(v, threat) for v in lends) >= 0
        healed["cut"] += rings and min(cut.inner(v, threat) for v in lends) >= 0
    assert min(healed.values()) >= 3


@settings(max_examples=30)
@given(SEEDS, st.data())
def test_pieces_add_up_to_the_exact_loss_and_grow_dearer(seed: int, data: st.DataObject) -> None:
    question, threat = pressed(seed)
    pieces, legs = pieces_of(question, threat), question.legs
    for leg in np.unique(pieces.leg):
        own = pieces.leg == leg
        assert pieces.width[own].sum() == pytest.approx(abs(legs.held[leg]), abs=1e-8)
        assert (np.diff(pieces.impact_rate[own]) >= -1e-9).all()
        assert (np.diff(pieces.relief["inner"][own]) <= 1e-9).all()
        share = data.draw(st.floats(0, 1))
        cut, left = share * abs(legs.held[leg]), share * abs(legs.held[leg])
        taken = np.empty(own.sum())
        for index, width in enumerate(pieces.width[own]):
            taken[index] = min(width, left)
            left -= taken[index]
        paid = float(pieces.impact_rate[own] @ taken)
        assert paid == pytest.approx(impact(question, leg, cut), abs=1e-8)
        for name, moves in (
            ("outer", question.stakes.outer[question.legs.coin]),
            ("inner", restored(question, threat)),
        ):
            losses = []
            for size in (abs(legs.held[leg]), abs(legs.held[leg]) - cut):
                then = size * ratio_against(question, leg, moves)
                tiers = legs.margin_rate[leg] * then - legs.margin_deduction[leg]
                losses.append(size * moves[leg] + max(0.0, *tiers))
            gained = float(pieces.relief[name][own] @ taken)
            assert gained == pytest.approx(losses[0] - losses[1], abs=1e-8)


# A short of 1 at venue 0 with 0.18: it survives 10 % (0.155), not 15 % (0.2075).
SHAKY = {"equity": np.array([0.18, 0.82])}
# With 0.14 it does not survive 10 % either, and 11 % asks for 0.1655.
SICK = {"equity": np.array([0.14, 0.86])}


def test_sick_account_is_cut_when_the_route_is_frozen() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    answer = relieve(question, threat_to(question))
    size = (0.14 - 5e-4) / (0.11 + 0.05 * 1.11 - 5e-4)
    assert answer.target == pytest.approx([-size, size], abs=2e-4)
    assert answer.transfer == pytest.approx([0])
    assert answer.inner_shortfall == pytest.approx([0, 0], abs=1e-9)


def test_sick_account_is_sent_money_when_it_lands_in_time_and_nothing_is_cut() -> None:
    question = two_venues(**SICK)
    answer = relieve(question, threat_to(question, in_time=np.array([True])))
    assert answer.target == pytest.approx(question.legs.held)
    assert answer.transfer[0] * (1 - 1e-4) == pytest.approx(0.2075 - 0.14)


def test_sick_account_is_cut_to_the_inner_level_when_money_lands_too_late() -> None:
    question = two_venues(**SICK)
    answer = relieve(question, threat_to(question))
    frozen = relieve(two_venues(**SICK, open=np.array([False])), threat_to(question))
    np.testing.assert_allclose(answer.target, frozen.target, atol=1e-7)
    assert answer.transfer[0] > 0.03
    assert answer.outer_shortfall == pytest.approx([0, 0], abs=1e-9)


def test_shaky_account_is_never_cut_whether_money_can_come_or_not() -> None:
    for can_come in (True, False):
        question = two_venues(**SHAKY, open=np.array([can_come]))
        answer = relieve(question, threat_to(question))
        assert answer.target == pytest.approx(question.legs.held)
        assert (answer.transfer[0] > 0.02) == can_come
        assert (answer.outer_shortfall[0] > 0.02) != can_come


def test_healthy_book_is_left_alone_at_no_cost() -> None:
    question = two_venues(equity=np.array([0.5, 0.5]))
    answer = relieve(question, threat_to(question))
    assert answer.target == pytest.approx(question.legs.held)
    assert answer.transfer == pytest.approx([0])
    assert answer.objective == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("equity", [0.1551, 0.158, 0.164])
def test_account_between_the_inner_and_the_restored_level_is_not_cut(equity: float) -> None:
    question = two_venues(equity=np.array([equity, 1 - equity]), open=np.array([False]))
    assert relieve(question, threat_to(question)).target == pytest.approx(question.legs.held)


# The long of 1 asks 0.145 at the inner level and 0.1545 restored.
@pytest.mark.parametrize(("equity", "spare"), [(0.15, 0.0), (0.1544, 0.0), (0.17, 0.0155)])
def test_money_leaves_an_account_only_down_to_the_restored_level(
    equity: float, spare: float
) -> None:
    question = two_venues(equity=np.array([0.14, equity]))
    helpless = threat_to(
        question,
        tradable=np.array([False, True]),
        keep_rate=np.array([0.0, 10.0]),
        in_time=np.array([True]),
    )
    assert relieve(question, helpless).transfer[0] == pytest.approx(spare, abs=1e-7)
    # A roll costs the account that sends.
    wallets = replace(
        question.wallets,
        withdrawable=np.zeros(2),
        realisable=np.full(2, 0.3),
        realise_cost_rate=np.full(2, 0.01),
    )
    rolled = relieve(replace(question, wallets=wallets), helpless)
    assert rolled.transfer[0] == pytest.approx(spare / 1.01, abs=1e-7)


def test_money_sent_stays_within_what_the_destination_may_hold() -> None:
    question = two_venues(**SICK, room=np.array([0.03, 1.0]))
    answer = relieve(question, threat_to(question, in_time=np.array([True])))
    assert answer.transfer[0] == pytest.approx(0.03)
    assert answer.target == pytest.approx([-1.0, 1.0])


def test_coins_are_sold_for_dollars_to_send_as_far_as_the_naked_limit() -> None:
    """Venue 1 lends nothing: it sends its dollars and what coins fetch, fee and impact paid."""
    question = two_venues(
        **SICK, dollars=np.array([0.14, 0.01]), impact_slope=np.full((2, 1), 5e-4)
    )
    spot = np.array([True, False])
    legs = replace(
        question.legs, margined=spot, margin_rate=question.legs.margin_rate * spot[:, None]
    )
    question = replace(question, legs=legs, wallets=replace(question.wallets, margined=spot))
    threat = threat_to(question, tradable=~spot, in_time=np.array([True]), naked=0.05)
    answer = relieve(question, threat)
    assert answer.target == pytest.approx([-1.0, 0.95])
    assert answer.transfer[0] == pytest.approx(0.01 + 0.05 * (1 - 5e-4 - 5e-4))


def test_account_at_the_inner_level_to_the_last_dollar_is_restored() -> None:
    """The exact rule may have rung where the float twin is on the other side by rounding."""
    question = two_venues(equity=np.array([0.155 + 1e-9, 0.8]), open=np.array([False]))
    assert relieve(question, threat_to(question)).target[0] > -0.95


def test_move_of_a_whole_price_or_more_has_an_answer() -> None:
    question = two_venues(outer=np.array([1.5]), inner=np.array([1.0]), open=np.array([False]))
    answer = relieve(question, threat_to(question))
    assert answer.inner_shortfall == pytest.approx([0, 0], abs=1e-9)
    assert 0.6 > -answer.target[0] > 0.1


def test_restored_account_does_not_ring_again_after_a_small_further_move() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    for margin, survives in ((0.0, False), (0.1, True)):
        plan = plan_of(question, relieve(question, threat_to(question, inner_margin=margin)))
        none = np.zeros(1, dtype=bool)
        assert (
            plan.health(0, question.stakes.inner[question.legs.coin] * 1.08, none) > 0
        ) == survives


def test_restored_level_is_never_beyond_the_outer_one() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    answer = relieve(question, threat_to(question, inner_margin=3.0))
    size = (0.14 - 5e-4) / (0.15 + 0.05 * 1.15 - 5e-4)
    assert answer.target == pytest.approx([-size, size], abs=2e-4)


def two_coins(**changes: object) -> Question:
    """Two equal coins, both short at a sick venue 0 and long at venue 1, routes closed."""
    question = two_venues(**SICK, open=np.array([False]))
    legs = question.legs
    doubled = {
        field: np.concatenate([getattr(legs, field)] * 2)
        for field in legs.__dataclass_fields__
        if field not in {"names", "coin", "held"}
    }
    names, held = ("v0:c", "v1:c", "v0:d", "v1:d"), np.array([-0.5, 0.5, -0.5, 0.5])
    legs = replace(legs, names=names, coin=np.array([0, 0, 1, 1]), held=held, **doubled)
    legs = replace(legs, **changes)
    stakes = replace(
        question.stakes,
        outer=question.stakes.outer.repeat(2),
        inner=question.stakes.inner.repeat(2),
    )
    return replace(question, legs=legs, stakes=stakes)


@pytest.mark.parametrize("risky", [0, 1])
def test_of_two_coins_that_cost_the_same_the_one_in_the_queue_is_cut(risky: int) -> None:
    question = two_coins()
    queue = np.zeros(4)
    queue[2 * risky + 1] = 3e-4
    answer = relieve(question, threat_to(question, adl_cost_rate=queue))
    sizes = np.abs(answer.target).reshape(2, 2)
    assert sizes[1 - risky] == pytest.approx(0.5, abs=2e-4)
    assert sizes[risky].max() < 0.4


@pytest.mark.parametrize("dear", [0, 1])
def test_of_two_coins_the_one_worth_less_is_cut(dear: int) -> None:
    question = two_coins()
    keep = np.full(4, 5e-4)
    keep[2 * dear : 2 * dear + 2] = 9e-4
    answer = relieve(question, threat_to(question, keep_rate=keep))
    assert np.abs(answer.target).reshape(2, 2)[dear] == pytest.approx(0.5, abs=2e-4)


def test_queue_dearer_than_its_cut_empties_the_pair_and_never_half_of_it() -> None:
    question = two_coins()
    queue = np.array([0.0, 0.05, 0.0, 0.0])
    answer = relieve(question, threat_to(question, adl_cost_rate=queue))
    assert answer.target[:2] == pytest.approx([0, 0], abs=2e-4)
    stuck = threat_to(question, adl_cost_rate=queue, tradable=np.array([False, True, True, True]))
    kept = relieve(question, stuck)
    assert kept.target[:2] == pytest.approx([-0.5, 0.5], abs=2e-4)


@pytest.mark.parametrize("equity", [0.14, 0.5])
@pytest.mark.parametrize("orphan", [0, 1])
def test_orphan_is_cut_to_zero_whether_its_account_is_well_or_not(
    orphan: int, equity: float
) -> None:
    held = np.array([-0.3, 0.3, 0.0, 0.0])
    held[2 + orphan] = 0.4 if orphan else -0.4
    question = two_coins(held=held, cost_rate=np.full(4, 4e-3))
    wallets = replace(question.wallets, equity=np.array([equity, 1 - equity]))
    question = replace(question, wallets=wallets)
    answer = relieve(question, threat_to(question))
    assert answer.target[2:] == pytest.approx([0, 0], abs=1e-9)
    assert answer.target[:2].sum() == pytest.approx(0, abs=1e-3)


def test_orphan_beside_a_smaller_partner_is_cut_to_match_it() -> None:
    question = two_coins(held=np.array([-0.3, 0.3, -0.1, 0.4]))
    wallets = replace(question.wallets, equity=np.array([0.5, 0.5]))
    answer = relieve(replace(question, wallets=wallets), threat_to(question))
    assert answer.target == pytest.approx([-0.3, 0.3, -0.1, 0.1], abs=2e-4)


def test_legs_at_a_venue_that_is_out_are_untouched_and_health_goes_before_the_hedge() -> None:
    """Venue 1 is out and venue 0 sick: what it takes to survive is cut, naked or not."""
    question = two_venues(**SICK, open=np.array([False]))
    out = threat_to(question, tradable=np.array([True, False]))
    answer = relieve(question, out)
    assert answer.target[1] == 1.0
    assert answer.inner_shortfall[0] == pytest.approx(0, abs=1e-9)
    assert answer.target[0] == pytest.approx(-0.84, abs=0.01)
    healthy = two_venues(equity=np.array([0.5, 0.5]))
    assert relieve(healthy, out).target == pytest.approx([-1.0, 1.0])


def test_health_goes_before_the_hedge_however_dear_the_trade() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    dear = threat_to(question, tradable=np.array([True, False]), keep_rate=np.array([1.5, 0.0]))
    assert relieve(question, dear).inner_shortfall[0] == pytest.approx(0, abs=1e-9)


def test_half_of_a_hedge_is_not_sold_for_being_worth_less_than_nothing() -> None:
    question = two_venues(equity=np.array([0.5, 0.5]))
    odd = threat_to(question, tradable=np.array([False, True]), keep_rate=np.array([0.0, -0.02]))
    assert relieve(question, odd).target == pytest.approx([-1.0, 1.0], abs=2e-4)


def test_coin_outright_that_never_moves_does_not_make_hedges_worthless() -> None:
    lends = np.array([True, False])
    question = two_coins(held=np.array([-0.3, 0.1, -0.5, 0.5]), margined=np.tile(lends, 2))
    rate = question.legs.margin_rate * np.tile(lends, 2)[:, None]
    question = replace(
        question,
        legs=replace(question.legs, margin_rate=rate),
        wallets=replace(question.wallets, equity=np.array([0.5, 0.5]), margined=lends),
        stakes=replace(question.stakes, inner=np.array([0.1, 0.0]), outer=np.array([0.15, 0.0])),
    )
    answer = relieve(question, threat_to(question))
    assert answer.target == pytest.approx([-0.1, 0.1, -0.5, 0.5], abs=2e-4)


def test_naked_limit_spares_the_hedge_of_a_leg_that_must_be_cut() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    for naked in (0.0, 0.05, 0.5):
        answer = relieve(question, threat_to(question, naked=naked))
        cut = 1 + answer.target[0]
        assert cut > 0.1
        assert 1 - answer.target[1] == pytest.approx(max(0.0, cut - max(naked, 1e-4)), abs=1e-6)


def test_sick_account_at_a_venue_that_is_out_is_helped_by_money_alone() -> None:
    question = two_venues(**SICK)
    out = threat_to(question, tradable=np.array([False, True]), in_time=np.array([True]))
    answer = relieve(question, out)
    assert answer.target == pytest.approx([-1.0, 1.0])
    assert answer.transfer[0] > 0.06
    closed = replace(question, edges=replace(question.edges, open=np.array([False])))
    assert relieve(closed, out).inner_shortfall[0] == pytest.approx(0.1655 - 0.14, abs=1e-6)


def test_profit_is_rolled_to_be_sent_unless_a_leg_there_cannot_trade() -> None:
    question = two_venues(
        **SICK,
        withdrawable=np.zeros(2),
        realisable=np.array([0.0, 0.3]),
        realise_cost_rate=np.full(2, 0.001),
    )
    quick = threat_to(question, in_time=np.array([True]))
    answer = relieve(question, quick)
    assert answer.realise[1] == pytest.approx(answer.transfer[0], abs=1e-7)
    # Beyond the inner level a roll still costs less than the outer shortfall.
    assert answer.transfer[0] > 0.06
    assert answer.target == pytest.approx([-1.0, 1.0])
    stuck = relieve(question, replace(quick, tradable=np.array([True, False])))
    assert stuck.realise == pytest.approx([0, 0])
    assert abs(stuck.target[0]) < 0.9


def test_book_without_positions_or_with_nothing_tradable_has_an_answer() -> None:
    flat = two_venues(held=np.zeros(2))
    assert relieve(flat, threat_to(flat)).objective == pytest.approx(0, abs=1e-9)
    question = two_venues(**SICK, open=np.array([False]))
    nothing = relieve(question, threat_to(question, tradable=np.zeros(2, dtype=bool)))
    assert nothing.inner_shortfall[0] == pytest.approx(0.0255, abs=1e-7)


def test_binding_limits_and_the_worth_of_a_dollar_name_the_sick_venue() -> None:
    question = two_venues(**SICK, open=np.array([False]))
    answer = relieve(question, threat_to(question))
    assert "inner stress at v0" in dict(answer.binding)
    assert answer.dollar_value[0] > 1e-3 > answer.dollar_value[1]


def test_growth_and_scenarios_of_the_question_are_not_looked_at() -> None:
    question, threat = pressed(7)
    stakes = replace(question.stakes, may_grow=not question.stakes.may_grow)
    wild = replace(question.scenarios, low_after=question.scenarios.low_after * 0.5)
    other = relieve(replace(question, stakes=stakes, scenarios=wild), threat)
    np.testing.assert_array_equal(other.target, relieve(question, threat).target)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keep_rate", np.array([0.0, np.nan])),
        ("adl_cost_rate", np.array([0.0, np.inf])),
        ("adl_cost_rate", np.array([-1e-3, 0.0])),
        ("outer_penalty", float("nan")),
        ("naked", -0.1),
        ("inner_margin", -0.1),
    ],
)
def test_threat_with_an_unknown_or_negative_rate_is_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        threat_to(two_venues(), **{field: value})


@pytest.mark.parametrize("field", ["tradable", "adl_cost_rate", "keep_rate", "in_time"])
def test_threat_of_another_size_is_refused(field: str) -> None:
    question = two_venues()
    value = np.zeros(3, dtype=bool if field in {"tradable", "in_time"} else float)
    with pytest.raises(InputError, match=field):
        relieve(question, threat_to(question, **{field: value}))


def test_solved_rows_hold_for_the_programme_as_assembled() -> None:
    for seed in range(5):
        question, threat = pressed(seed)
        form = formulate(question, threat, pieces_of(question, threat))
        assert row_violation(form, solve(form).x) <= 1e-7


def test_book_that_is_meant_to_lean_keeps_its_lean() -> None:
    question = two_venues(held=np.array([0.0, 0.3]), target_delta=0.3)
    assert relieve(question, threat_to(question)).target == pytest.approx([0.0, 0.3])
