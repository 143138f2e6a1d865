# SPDX-License-Identifier: Apache-2.0
"""The programme against a second formulation, its own rows, other units, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocation.oracle import Oracle
from tests.allocation.questions import calm_scenarios, random_question, two_venues
from tidegate.allocation import programme
from tidegate.allocation.programme import allocate, formulate, grid_of
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError, row_violation, solve
from tidegate.risk.scenarios import BarBlock, PathTables, Scenarios, filtered, path_tables

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=4)
@given(SEEDS)
def test_optimum_agrees_with_the_same_mathematics_in_cvxpy(seed: int) -> None:
    """Solved once to see what each venue carries, and again to even out money by that."""
    question = random_question(seed)
    answer, form = allocate(question), formulate(question)
    first = solve(form)
    assert first.objective == pytest.approx(Oracle(question).optimum(), abs=1e-6)
    target = question.legs.held + first.x[form.blocks["buy"]] - first.x[form.blocks["sell"]]
    again = Oracle(question, shares_by_hand(question, target)).optimum()
    assert answer.objective == pytest.approx(again, abs=1e-6)
    assert answer.bound == pytest.approx(answer.objective, abs=1e-6)


def shares_by_hand(question: Question, target: np.ndarray) -> np.ndarray:
    """What each venue that lends margin carries, over the mean of those that carry anything."""
    legs, wallets = question.legs, question.wallets
    size = [
        abs(target[legs.venue == v]).sum() * wallets.margined[v] for v in range(len(wallets.names))
    ]
    carrying = [s for s in size if s > 1e-6]
    if not carrying:
        return wallets.margined.astype(float)
    mean = sum(carrying) / len(carrying)
    return np.array([s / mean if s > 1e-6 else 0.0 for s in size])


def exact_health(question: Question, answer: Answer, venue: int, ratio: np.ndarray) -> float:
    """Health at a venue without money under way, by the tiers themselves, leg by leg."""
    legs, wallets, edges = question.legs, question.wallets, question.edges
    health = float(wallets.equity[venue] - answer.transfer[edges.source == venue].sum())
    health -= float(wallets.realise_cost_rate[venue] * answer.realise[venue])
    for leg in np.flatnonzero(legs.venue == venue):
        target, moved = answer.target[leg], ratio[legs.coin[leg]]
        traded = abs(target - legs.held[leg])
        impact = max(0.0, *(legs.impact_slope[leg] * traded - legs.impact_intercept[leg]))
        size = abs(target) * moved
        maintenance = max(0.0, *(legs.margin_rate[leg] * size - legs.margin_deduction[leg]))
        health += (moved - 1) * target - legs.cost_rate[leg] * traded - impact - maintenance
    return health


def adverse_health(
    question: Question, answer: Answer, venue: int, moves: np.ndarray, landed: bool
) -> float:
    """Health when every position of a venue moves against us at once, by the tiers themselves."""
    legs, wallets, edges = question.legs, question.wallets, question.edges
    health = exact_health(question, answer, venue, np.ones(moves.size))
    for leg in np.flatnonzero(legs.venue == venue):
        size, move = abs(answer.target[leg]), moves[legs.coin[leg]]
        rates, deductions = legs.margin_rate[leg], legs.margin_deduction[leg]
        now, then = (max(0.0, *(rates * size * ratio - deductions)) for ratio in (1, 1 + move))
        health -= size * move + then - now
    if landed:
        here = edges.destination == venue
        arriving = answer.transfer[here] @ (1 - edges.cost_rate[here])
        health += float(arriving + wallets.landing[venue])
    return health


@settings(max_examples=40)
@given(SEEDS)
def test_answer_keeps_every_rule_in_plain_arithmetic(seed: int) -> None:
    question = random_question(seed)
    answer, legs, stakes = allocate(question), question.legs, question.stakes
    wallets, edges, paths = question.wallets, question.edges, question.scenarios
    for venue in np.flatnonzero(wallets.margined):
        sent = answer.transfer[edges.source == venue].sum()
        assert sent <= wallets.withdrawable[venue] + answer.realise[venue] + 1e-7
        short = answer.inner_shortfall[venue]
        assert adverse_health(question, answer, int(venue), stakes.inner, False) >= -short - 1e-7
        outer = adverse_health(question, answer, int(venue), stakes.outer, True)
        assert outer >= -answer.outer_shortfall[venue] - 1e-7
        for side in (-1, 1):
            health = exact_health(question, answer, int(venue), 1 + side * stakes.inner)
            assert health >= -short - 1e-7
        losses = [
            max(-exact_health(question, answer, int(venue), p[w]) for p in (low, high))
            for low, high in ((paths.low_before, paths.high_before),)
            for w in range(paths.count)
        ]
        worst = np.sort(losses)[-int(stakes.tail_windows) :]
        assert worst.mean() <= short + 1e-7
    assert (answer.transfer[~edges.open] == 0).all()
    assert (answer.realise <= wallets.realisable + 1e-7).all()
    assert abs(answer.target.sum() - stakes.target_delta) <= stakes.delta_tolerance + 1e-7
    if not stakes.may_grow:
        assert (np.abs(answer.target) <= np.abs(legs.held) + 1e-7).all()
        assert (answer.target * legs.held >= -1e-7).all()


@given(SEEDS)
@settings(max_examples=15)
def test_rows_scaled_by_ten_keep_the_optimum(seed: int) -> None:
    """Homogeneous in money, within what a proof reaches: ten times all amounts give ten times the
    optimum."""
    question = random_question(seed)
    assert allocate(in_dollars(question, 10.0)).objective == pytest.approx(
        10 * allocate(question).objective, rel=1e-6, abs=1e-5
    )


@settings(max_examples=15)
@given(SEEDS)
def test_rows_in_dollars_are_beyond_what_a_proof_reaches(seed: int) -> None:
    """A book is a few times its equity; a question in other units than equity is refused."""
    question = random_question(seed)
    with pytest.raises(SolveError, match="is not proved"):
        allocate(in_dollars(question, 1e6))


def in_dollars(question: Question, factor: float) -> Question:
    legs, wallets, stakes = question.legs, question.wallets, question.stakes
    return replace(
        question,
        legs=replace(
            legs,
            held=legs.held * factor,
            impact_intercept=legs.impact_intercept * factor,
            margin_deduction=legs.margin_deduction * factor,
            trade_cap=legs.trade_cap * factor,
        ),
        wallets=replace(
            wallets,
            **{
                name: getattr(wallets, name) * factor
                for name in "equity dollars withdrawable realisable landing room".split()
            },
        ),
        stakes=replace(
            stakes,
            gross=stakes.gross * factor,
            target_delta=stakes.target_delta * factor,
            delta_tolerance=stakes.delta_tolerance * factor,
        ),
    )


def test_latency_awareness_decides_when_money_would_land_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below the inner stress a transfer cannot save the short; were it there at once, it would."""
    question = two_venues(inner=np.array([0.3]), outer=np.array([0.35]))
    aware = allocate(question)
    true_solvency = programme.solvency
    monkeypatch.setattr(
        programme, "solvency", lambda q, venue, ratio, _: true_solvency(q, venue, ratio, 1.0)
    )
    blind = allocate(question)
    assert abs(aware.target[0]) < 0.9
    assert blind.target[0] == pytest.approx(-1.0, abs=2e-3)
    assert blind.transfer[0] > 0.05


def short_beside_long(**changes: object) -> Question:
    """Two coins at two venues, long the one and short the other at each."""
    question = two_venues(**changes)
    legs = question.legs
    doubled = {
        field: np.concatenate([getattr(legs, field)] * 2)
        for field in legs.__dataclass_fields__
        if field not in {"names", "coin", "held", "carry_annual"}
    }
    held, carry = np.array([-1.0, 1.0, 1.0, -1.0]), np.array([-0.1, 0.1, 0.1, -0.1])
    names = ("v0:c", "v1:c", "v0:d", "v1:d")
    legs = replace(
        legs, names=names, coin=np.array([0, 0, 1, 1]), held=held, carry_annual=carry, **doubled
    )
    stakes = replace(
        question.stakes,
        outer=question.stakes.outer.repeat(2),
        inner=question.stakes.inner.repeat(2),
    )
    return replace(question, legs=legs, stakes=stakes, scenarios=calm_scenarios(2))


def test_coins_of_one_venue_do_not_stand_for_each_other_under_stress() -> None:
    """A short that rises and a long that falls: netted they would lose nothing at all."""
    question = short_beside_long(outer=np.array([0.25]), inner=np.array([0.2]))
    answer = allocate(question)
    size = float(np.abs(answer.target[:2]).max() + np.abs(answer.target[2:]).max())
    # At the inner level a unit of gross loses 0.2 and asks 0.05 x 1.2; venue 0 has 0.3 less costs.
    assert size == pytest.approx(0.3 / (0.2 + 0.05 * 1.2), rel=0.01)
    assert answer.inner_shortfall == pytest.approx([0, 0], abs=1e-9)


CALM = {"outer": np.array([0.15]), "inner": np.array([0.1]), "trade_cap": np.full(2, 9.0)}


@pytest.mark.parametrize("cost", [1e-6, 1e-4, 1e-3])
def test_spare_moves_money_to_the_middle_where_nothing_else_asks_for_it(
    cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = two_venues(**CALM, cost_rate=np.full(2, 5e-4))
    question = replace(question, edges=replace(question.edges, cost_rate=np.array([cost])))
    answer = allocate(question)
    healths = [adverse_health(question, answer, v, question.stakes.outer, True) for v in (0, 1)]
    assert healths[0] == pytest.approx(healths[1], abs=1e-7)
    assert answer.transfer[0] == pytest.approx(0.4 / (2 - cost), abs=1e-6)
    monkeypatch.setattr(programme, "spare_value", lambda _: 0.0)
    idle = allocate(question)
    assert idle.transfer[0] == 0
    np.testing.assert_allclose(answer.target, idle.target, atol=1e-7)


@pytest.mark.parametrize("cost", [1e-6, 1e-4, 1e-3])
@pytest.mark.parametrize("carry", [0.05, 0.1, 0.3])
def test_spare_does_not_deter_growth(
    cost: float, carry: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing held, with a carry that pays its costs, the book is as large as without it."""
    question = two_venues(
        **CALM, held=np.zeros(2), carry_annual=np.array([-carry, carry]), may_grow=True, gross=2.4
    )
    question = replace(question, edges=replace(question.edges, cost_rate=np.array([cost])))
    answer = allocate(question)
    monkeypatch.setattr(programme, "spare_value", lambda _: 0.0)
    without = allocate(question)
    assert np.abs(without.target).sum() > 1.9
    np.testing.assert_allclose(np.abs(answer.target), np.abs(without.target), atol=2e-4)


@settings(max_examples=25)
@given(SEEDS)
def test_spare_is_worth_twice_the_dearest_open_route_and_takes_no_closed_one(seed: int) -> None:
    question = random_question(seed)
    worth = programme.spare_value(question)
    assert worth == 2 * max([*question.edges.cost_rate[question.edges.open], 0.0])
    answer = allocate(question)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(programme, "spare_value", lambda _: 0.0)
        without = allocate(question)
    gain = without.objective - answer.objective
    assert -1e-7 <= gain <= worth * question.wallets.equity.sum() + 1e-7
    assert (answer.transfer[~question.edges.open] == 0).all()


def test_spare_is_never_bought_with_a_shortfall_however_dear_the_routes() -> None:
    """A tiny book pays more than half of a hundredth of itself in fees for a transfer."""
    question = two_venues(**CALM)
    dear = replace(question, edges=replace(question.edges, cost_rate=np.array([0.7])))
    assert allocate(dear).outer_shortfall == pytest.approx([0, 0], abs=1e-9)


def with_a_third_venue(question: Question) -> Question:
    """The same, and another venue with money and no reason to hold anything there."""
    wallets, edges = question.wallets, question.edges
    richer = {
        name: np.append(getattr(wallets, name), 0.5)
        for name in ("equity", "dollars", "withdrawable", "room")
    }
    nothing = {
        name: np.append(getattr(wallets, name), 0.0)
        for name in ("realisable", "realise_cost_rate", "landing")
    }
    wallets = replace(
        wallets,
        names=(*wallets.names, "v2"),
        margined=np.append(wallets.margined, True),
        **richer,
        **nothing,
    )
    edges = replace(
        edges,
        source=np.append(edges.source, [2, 1]),
        destination=np.append(edges.destination, [0, 2]),
        cost_rate=np.append(edges.cost_rate, [2e-4, 1e-4]),
        open=np.append(edges.open, [True, True]),
    )
    return replace(question, wallets=wallets, edges=edges)


def test_spare_money_is_evened_out_among_the_venues_that_are_used_and_sent_to_no_other() -> None:
    """At the first solve the idle venue, poor and flat, would be topped up as well."""
    poor = with_a_third_venue(two_venues(**CALM))
    wallets = poor.wallets
    equity = np.array([0.3, 0.7, 0.0])
    poor = replace(poor, wallets=replace(wallets, equity=equity, withdrawable=equity))
    answer = allocate(poor)
    assert answer.target.tolist() == pytest.approx([-1.0, 1.0], abs=2e-3)
    assert answer.transfer[2] == 0
    healths = [adverse_health(poor, answer, v, poor.stakes.outer, True) for v in (0, 1)]
    assert healths[0] == pytest.approx(healths[1], abs=1e-7)


def test_money_at_a_venue_that_is_not_used_is_spare_for_those_that_are() -> None:
    rich = with_a_third_venue(two_venues(**CALM))
    answer = allocate(rich)
    healths = [adverse_health(rich, answer, v, rich.stakes.outer, True) for v in (0, 1)]
    assert healths[0] == pytest.approx(healths[1], abs=1e-7)
    assert answer.transfer == pytest.approx([0.0, 0.4, 0.0], abs=1e-3)


def bars_that_dip_and_recover() -> BarBlock:
    """Prices rise by a third within a window and are back at its end, again and again."""
    close = np.ones((60, 1))
    high = close.copy()
    high[::6] = 4 / 3
    return BarBlock(high, close.copy(), close, np.full((60, 1), 0.05))


def at_the_last_point(block: BarBlock, bars: int) -> PathTables:
    """Tables that look only at where each window ends."""
    change = np.log(block.close[bars:] / block.close[:-bars]) / block.vol_daily[:-bars]
    return PathTables((bars,), np.maximum(-change, 0.0)[None], np.maximum(change, 0.0)[None])


def seen(tables: PathTables) -> Scenarios:
    starts = np.arange(10)
    return filtered(tables, starts, np.array([0.05]), np.full(10, 6.0))


def test_path_maximum_decides_when_the_price_comes_back() -> None:
    block = bars_that_dip_and_recover()
    whole = allocate(two_venues(scenarios=seen(path_tables(block, (6,)))))
    ends = allocate(two_venues(scenarios=seen(at_the_last_point(block, 6))))
    assert ends.target[0] == pytest.approx(-1.0, abs=2e-3)
    assert abs(whole.target[0]) < 0.9


def test_transfers_decide_where_money_can_come_in_time_for_the_outer_stress() -> None:
    """The outer level is cured by money; with every route closed its shortfall stays."""
    question = two_venues(outer=np.array([0.35]), inner=np.array([0.1]))
    free = allocate(question)
    closed = allocate(two_venues(outer=np.array([0.35]), open=np.array([False])))
    assert free.transfer[0] > 0.05
    assert free.target[0] == pytest.approx(-1.0, abs=2e-3)
    assert closed.transfer[0] == 0
    assert abs(closed.target[0]) < 0.9


def test_realising_profit_decides_where_the_wallet_alone_cannot_pay() -> None:
    changes = {
        "outer": np.array([0.35]),
        "withdrawable": np.zeros(2),
        "realise_cost_rate": np.full(2, 0.002),
    }
    rolls = allocate(two_venues(**changes, realisable=np.array([0.0, 0.3])))
    cannot = allocate(two_venues(**changes, realisable=np.zeros(2)))
    assert rolls.realise[1] > 0.05
    assert rolls.target[0] == pytest.approx(-1.0, abs=2e-3)
    assert abs(cannot.target[0]) < 0.9


@pytest.mark.parametrize("windows", [1.0, 10.0, 11.0, 200.0, 1e6])
def test_tail_of_more_windows_than_scenarios_still_binds(windows: float) -> None:
    """A tail that outgrows its scenarios must not become no tail."""
    wild = calm_scenarios(1, move=0.3, count=10)
    answer = allocate(two_venues(scenarios=wild, tail_windows=windows))
    ratio = np.array([1.3])
    assert exact_health(two_venues(scenarios=wild), answer, 0, ratio) >= -1e-7
    assert abs(answer.target[0]) < 0.9


@given(SEEDS, st.data())
def test_chord_of_maintenance_is_a_bound_and_exact_on_the_grid(
    seed: int, data: st.DataObject
) -> None:
    question = random_question(seed)
    grid, legs = grid_of(question), question.legs
    leg = data.draw(st.sampled_from(np.flatnonzero(legs.margined).tolist()))
    size = data.draw(st.floats(0, 5))
    coin = legs.coin[leg]
    points = grid.lowest[coin], 1.0, grid.highest[coin]
    share = data.draw(st.floats(0, 1))

    def exact(ratio: float) -> float:
        return float((legs.margin_rate[leg] * ratio * size - legs.margin_deduction[leg]).max())

    def chord(ratio: float) -> float:
        ratios = np.ones(grid.lowest.size)
        ratios[coin] = ratio
        weights = [w[coin] for w in grid.weights(ratios)]
        assert min(weights) >= -1e-12
        assert sum(weights) == pytest.approx(1.0)
        return float(sum(w * exact(p) for w, p in zip(weights, points, strict=True)))

    ratio = points[0] + share * (points[2] - points[0])
    assert chord(ratio) >= exact(ratio) - 1e-12
    for point in points:
        assert chord(point) == pytest.approx(exact(point), abs=1e-12)


def test_solved_rows_hold_for_the_programme_as_assembled() -> None:
    for seed in range(5):
        form = formulate(random_question(seed))
        assert row_violation(form, solve(form).x) <= 1e-7
