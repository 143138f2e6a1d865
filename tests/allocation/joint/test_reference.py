# SPDX-License-Identifier: Apache-2.0
"""The reference statement of the joint programme: two solvers, properties, and answers by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocation.joint.hand_questions import a_step_away, one_coin, with_prices
from tests.allocation.joint.random_questions import random_question, scaled
from tidegate.allocation.joint.evaluation import tail_losses
from tidegate.allocation.joint.question import Answer, Question
from tidegate.allocation.joint.reference import OPTIONS, CompiledReference, solve_reference
from tidegate.allocation.joint.terms import Book, Carry, Expression, Rule, Term, Terms, book_of, cp
from tidegate.allocation.solve import SolveError
from tidegate.model.errors import InvariantError

SEEDS = st.integers(0, 10_000)
AGREED = 1e-6


@settings(max_examples=20)
@given(SEEDS, st.booleans())
def test_simplex_and_interior_point_agree_once_regularisers_are_stripped(
    seed: int, hard: bool
) -> None:
    question = random_question(seed, hard=hard)
    conic = solve_reference(question, "CLARABEL", linear=True)
    simplex = solve_reference(question, "HIGHS", linear=True)
    assert conic.objective == pytest.approx(simplex.objective, abs=AGREED)
    assert abs(simplex.bound - simplex.objective) < 1e-9


@settings(max_examples=3)
@given(SEEDS)
def test_net_exposures_do_not_change_the_optimum(seed: int) -> None:
    question = random_question(seed)
    net = CompiledReference(question, net=True).solve()
    assert net.objective == pytest.approx(solve_reference(question).objective, abs=2 * AGREED)


@settings(max_examples=2)
@given(SEEDS)
def test_compiled_programme_with_another_book_and_carry_answers_as_a_fresh_one(seed: int) -> None:
    old, rng = random_question(seed), np.random.default_rng(seed)
    carry = old.positions.carry_annual * rng.uniform(0.5, 1.5, old.positions.held.size)
    held, amount = 0.5 * old.positions.held, old.nodes.amount * rng.uniform(0.5, 1.5)
    compiled = CompiledReference(old).with_returns(carry).with_book(held, amount, 0.5 * amount)
    fresh = solve_reference(compiled.question)
    assert compiled.question.positions.carry_annual is carry
    assert compiled.solve().objective == pytest.approx(fresh.objective, abs=2 * AGREED)


@settings(max_examples=3)
@given(SEEDS)
def test_no_more_scenarios_breach_than_the_mass_of_a_tail_that_holds(seed: int) -> None:
    question = random_question(seed, hard=True)
    answer = solve_reference(question)
    money = np.concatenate([question.nodes.amount[None], answer.collateral])
    for tail in question.tails:
        for step in range(question.steps):
            losses = tail_losses(question, tail, step, (answer.size, money, answer.flow))
            breaches = (losses.max(axis=1) > tail.limit + 1e-6).sum()
            assert breaches <= tail.mass


@settings(max_examples=3)
@given(SEEDS, st.floats(0.01, 0.5))
def test_more_collateral_never_lowers_the_optimum_where_it_costs_nothing_to_hold(
    seed: int, more: float
) -> None:
    """Where money has a cost, or counts against a venue's cap, more of it may lower it."""
    question = random_question(seed)
    nodes = replace(question.nodes, yield_annual=np.abs(question.nodes.yield_annual))
    question = replace(question, nodes=nodes, gross=question.gross[:1])
    richer = replace(nodes, amount=nodes.amount + more)
    less, plenty = solve_reference(question), solve_reference(replace(question, nodes=richer))
    assert plenty.objective >= less.objective - 2 * AGREED


@settings(max_examples=2)
@given(SEEDS, st.sampled_from([0.25, 4.0]))
def test_optimum_scales_with_equity(seed: int, factor: float) -> None:
    question = random_question(seed)
    value = solve_reference(question).objective
    large = solve_reference(scaled(question, factor)).objective
    assert large == pytest.approx(factor * value, abs=2 * AGREED * max(1.0, factor))


def tighter(question: Question, share: float) -> Question:
    gross = tuple(replace(limit, cap=share * limit.cap) for limit in question.gross[:1])
    tails = tuple(replace(tail, limit=share * tail.limit) for tail in question.tails)
    turnover = share * question.turnover
    return replace(question, gross=gross + question.gross[1:], tails=tails, turnover=turnover)


@settings(max_examples=2)
@given(SEEDS, st.floats(0.1, 0.9))
def test_tighter_cap_never_raises_the_optimum(seed: int, share: float) -> None:
    question = random_question(seed, hard=True)
    tight = solve_reference(tighter(question, share))
    assert tight.objective <= solve_reference(question).objective + 2 * AGREED


@settings(max_examples=2)
@given(SEEDS)
def test_nothing_is_given_up_under_a_loose_mandate(seed: int) -> None:
    question = random_question(seed)
    far = np.full(len(question.boxes.names), 50.0)
    loose = replace(
        question,
        tails=tuple(replace(tail, limit=50.0) for tail in question.tails),
        boxes=replace(question.boxes, lower=-far, upper=far),
    )
    answer = solve_reference(loose)
    assert answer.shortfall
    assert max(answer.shortfall.values()) <= 1e-8


def change_of(question: Question, name: str, ease: float) -> Question:
    if name == "turnover":
        return replace(question, turnover=question.turnover + ease)
    gross = tuple(replace(g, cap=g.cap + ease) if g.name == name else g for g in question.gross)
    tails = tuple(replace(t, limit=t.limit + ease) if t.name == name else t for t in question.tails)
    return replace(question, gross=gross, tails=tails)


@settings(max_examples=3)
@given(SEEDS)
def test_price_of_a_limit_bounds_what_easing_it_earns_and_tightening_it_costs(seed: int) -> None:
    """The optimum is concave in its limits, and a price is a supergradient."""
    question, step = random_question(seed), 1e-2
    now = solve_reference(question)
    names = [g.name for g in question.gross] + [t.name for t in question.tails] + ["turnover"]
    name = max(names, key=lambda n: now.prices.get(n, 0.0))
    for change in (step, -step):
        other = solve_reference(change_of(question, name, change))
        assert other.objective - now.objective <= now.prices[name] * change + 5 * AGREED


@settings(max_examples=2)
@given(SEEDS)
def test_dollar_value_bounds_what_one_more_unit_at_a_node_earns(seed: int) -> None:
    question, step = random_question(seed), 1e-2
    now = solve_reference(question)
    node = int(np.abs(now.dollar_value).argmax())
    for change in (step, -step):
        amount = question.nodes.amount.copy()
        amount[node] += change
        other = solve_reference(replace(question, nodes=replace(question.nodes, amount=amount)))
        earned = other.objective - now.objective
        assert earned <= now.dollar_value[node] * change + 5 * AGREED


def test_trade_against_impact_is_where_its_marginal_cost_is_its_carry() -> None:
    """Gain y c x - f x - i x^1.5 is largest at x = ((y c - f) / (1.5 i))^2 = (0.009 / 0.03)^2."""
    question = one_coin(impact=0.02)
    answer = solve_reference(question)
    assert answer.size[0, 0] == pytest.approx(0.09, abs=1e-5)
    assert answer.objective == pytest.approx(0.009 * 0.09 - 0.02 * 0.09**1.5, abs=1e-8)


def test_size_under_a_tail_is_the_money_over_the_move_and_the_price_is_the_gain_per_money() -> None:
    """0.1 x + 0.02 x + cost x <= 0.5: x = 0.5 / 0.121, earning 0.009 / 0.121 per unit of money."""
    answer = solve_reference(one_coin(move=0.1, maintenance=0.02, amount=0.5), "HIGHS")
    assert answer.size[0, 0] == pytest.approx(0.5 / 0.121)
    assert answer.prices["solvency at v0"] == pytest.approx(0.009 / 0.121)
    # One unit more is margin and, as it stays there, neither lent nor charged.
    assert answer.dollar_value[0] == pytest.approx(0.009 / 0.121)


def test_two_edges_with_independent_errors_share_the_cap_alike() -> None:
    question = one_coin(coins=2, error=0.05, gross=1.0, shrinkage=1.0)
    answer = solve_reference(question)
    assert answer.size[0] == pytest.approx([0.5, 0.5], abs=1e-5)
    expected = 0.009 - 0.1 * 0.05 * np.sqrt(0.5)
    assert answer.objective == pytest.approx(expected, abs=1e-7)


def test_mass_of_one_and_a_half_scenarios_is_the_worst_and_half_of_the_next() -> None:
    """Losses x times (0.3, 0.1, 0): CVaR (0.3 + 0.05) / 1.5 x."""
    moves = np.array([-0.3, -0.1, 0.0])
    question = one_coin(moves=moves, mass=1.5, amount=0.5, cost=0.0)
    answer = solve_reference(question, "HIGHS")
    assert answer.size[0, 0] == pytest.approx(0.5 / (0.35 / 1.5))


def test_question_that_no_book_meets_raises() -> None:
    question = one_coin()
    boxes = replace(
        question.boxes,
        names=("delta",),
        rows=np.ones((1, 1)),
        lower=np.array([2.0]),
        upper=np.array([1.0]),
        penalty=np.array([np.inf]),
    )
    for solver in OPTIONS:
        with pytest.raises(SolveError, match=solver):
            solve_reference(replace(question, boxes=boxes), solver)


def test_limit_that_only_destroyed_money_meets_is_refused_and_says_so() -> None:
    """Equity at a venue counts against its cap and no way leads out: paying more impact than there
    is would meet it, which the relaxation allows and no exchange does."""
    question = one_coin(impact=0.02, amount=0.5, claim_cap=0.4, gross=0.05)
    with pytest.raises(SolveError, match="destroying"):
        solve_reference(question)


class Convex(Term):
    """A gain that is convex, which no maximum has."""

    def gain(self, book: Book) -> Expression:
        return cp.sum_squares(book.size)


class NotConvex(Term):
    """A rule whose points are no convex set."""

    def rules(self, book: Book) -> list[Rule]:
        return [Rule("ring", cp.norm2(book.size[0]) >= 1.0)]


@pytest.mark.parametrize("term", [Convex(), NotConvex()])
def test_term_that_is_not_convex_stops_the_programme_by_its_name(term: Term) -> None:
    terms = Carry() + term
    with pytest.raises(InvariantError, match=type(term).__name__):
        terms.assemble(book_of(one_coin()))


def test_terms_add_in_any_grouping() -> None:
    first, second, third = Carry(), Convex(), NotConvex()
    left, right = (first + second) + third, first + (second + third)
    assert isinstance(left, Terms)
    assert left.parts == right.parts == (first, second, third)


@settings(max_examples=5)
@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=6, unique=True))
def test_margin_is_met_by_the_cheapest_collateral_per_haircut_first(prices: list[int]) -> None:
    """With linear costs and no caps but what each node has, the optimum is the order of cost per
    unit of margin (cheapest to deliver), the last in part."""
    question = with_prices(np.array(prices) * 1e-5)
    answer = solve_reference(question, "HIGHS")
    sent = answer.flow[0]
    worth = question.tails[0].worth[0, 0, 1:] * (1.0 - question.edges.cost_rate)
    need, expected = 0.3, np.zeros(len(prices))
    for edge in np.argsort(question.edges.cost_rate / worth):
        expected[edge] = min(0.2, need / worth[edge])
        need -= expected[edge] * worth[edge]
    assert need <= 1e-12
    assert sent == pytest.approx(expected, abs=1e-7)


def names_of(answer: Answer) -> set[str]:
    return set(answer.prices)


def test_prices_are_named_by_the_limits_and_not_by_definitions() -> None:
    question = random_question(3)
    names = names_of(solve_reference(question))
    assert {t.name for t in question.tails} | {g.name for g in question.gross} <= names
    assert set(question.boxes.names) | {"turnover", "withdrawals", "bounds"} <= names
    assert "" not in names


def test_money_under_way_counts_at_neither_end_until_it_lands() -> None:
    """Half of the money is elsewhere, a step away: a unit of size needs 0.1 and its cost 0.001.

    In the first step 0.5 carries 0.5 / 0.101. In the second, 0.5 less that cost carries the same
    once more, and what lands within the step adds to it only where the tail's point counts it.
    """
    answer = solve_reference(a_step_away(landed=False), "HIGHS")
    carried, left = 0.5 / 0.101, 0.5 - 0.001 * 0.5 / 0.101
    assert answer.flow[0] == pytest.approx([0.5])
    assert answer.size[:, 0] == pytest.approx([carried, carried])
    assert answer.collateral[:, 0] == pytest.approx([left, left + 0.5])
    early = solve_reference(a_step_away(landed=True), "HIGHS")
    traded = early.size[1, 0] - early.size[0, 0]
    assert 0.1 * early.size[1, 0] + 0.001 * traded == pytest.approx(left + 0.5)


@pytest.mark.parametrize(("withdrawable", "sent"), [(0.5, 0.5), (0.2, 0.2), (0.0, 0.0)])
def test_no_more_leaves_a_venue_than_may_be_withdrawn(withdrawable: float, sent: float) -> None:
    question = a_step_away(landed=True)
    nodes = replace(question.nodes, withdrawable=np.array([0.0, withdrawable]))
    answer = solve_reference(replace(question, nodes=nodes), "HIGHS")
    assert answer.flow.sum() == pytest.approx(sent)
