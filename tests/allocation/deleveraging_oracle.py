# SPDX-License-Identifier: Apache-2.0
"""Books in trouble, and deleveraging written a second time.

What a plan costs is summed leg by leg by the tiers themselves, and the optimum is found by cvxpy;
nothing here comes from the programme under test.
"""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np

from tests.allocation.questions import random_question
from tidegate.allocation.deleveraging import Threat
from tidegate.allocation.question import Answer, Question

INNER_PENALTY = 20.0


def threat_to(question: Question, **changes: object) -> Threat:
    """Everything trades, nothing is certain to land in time, and keeping is worth a fee."""
    legs, routes = len(question.legs.names), question.edges.source.size
    calm = Threat(
        np.ones(legs, dtype=bool),
        np.zeros(legs),
        np.full(legs, 5e-4),
        np.zeros(routes, dtype=bool),
        0.002,
    )
    return replace(calm, **changes)


def pressed(seed: int) -> tuple[Question, Threat]:
    """A book of every size of trouble: orphans, venues out, queues, money in time or not."""
    question = random_question(seed)
    rng = np.random.default_rng(seed)
    legs, edges = question.legs, question.edges
    held = legs.held * rng.uniform(0.5, 4.0)
    if rng.random() < 0.4:
        held = held * np.where(rng.random(held.size) < 0.3, rng.uniform(0.0, 1.0), 1.0)
    out = rng.random(len(question.wallets.names)) < 0.15
    threat = Threat(
        ~out[legs.venue],
        rng.choice([0.0, 0.0, 1e-3, 4e-3], held.size),
        rng.uniform(-5e-4, 1e-3, held.size),
        rng.random(edges.source.size) < 0.5,
        float(rng.uniform(1e-3, 5e-3)),
        float(rng.choice([0.0, 0.0, 0.1])),
        float(rng.choice([0.0, 0.1, 0.3])),
        blocked_moves=rng.choice([0.0, 0.0, 0.08, 0.3], out.size)[legs.venue],
    )
    # Sometimes the smallest sizes ask for nothing at all.
    free = 0.05 * (rng.random(2) < 0.3)
    legs = replace(
        legs,
        held=held,
        impact_intercept=legs.impact_intercept + free[0] * legs.impact_slope[:, :1],
        margin_deduction=legs.margin_deduction + free[1] * legs.margin_rate[:, :1],
    )
    return replace(question, legs=legs), threat


def alarmed(question: Question, threat: Threat) -> np.ndarray:
    """Per leg, the move below which its account is cut."""
    blocked = np.broadcast_to(threat.blocked_moves, question.legs.coin.shape)
    inner = [question.stakes.inner[coin] for coin in question.legs.coin]
    return np.array([max(pair) for pair in zip(inner, blocked, strict=True)])


def restored(question: Question, threat: Threat) -> np.ndarray:
    inner, outer = alarmed(question, threat), question.stakes.outer[question.legs.coin]
    return np.minimum(inner * (1 + threat.inner_margin), np.maximum(inner, outer))


def impact(question: Question, leg: int, traded: float) -> float:
    legs = question.legs
    return max(0.0, *(legs.impact_slope[leg] * traded - legs.impact_intercept[leg]))


def ratio_against(question: Question, leg: int, moves: np.ndarray) -> float:
    move = moves[leg]
    return float(1 - move if question.legs.held[leg] > 0 else 1 + move)


class Plan:
    """Targets, money sent and profit rolled, judged by the tiers themselves, leg by leg."""

    def __init__(
        self, question: Question, target: np.ndarray, sent: np.ndarray, rolled: np.ndarray
    ) -> None:
        self.question, self.target, self.sent, self.rolled = question, target, sent, rolled

    def costs(self, leg: int) -> float:
        traded = abs(self.target[leg] - self.question.legs.held[leg])
        cost = self.question.legs.cost_rate[leg] * traded
        return float(cost + impact(self.question, leg, traded))

    def health(self, venue: int, moves: np.ndarray, lands: np.ndarray) -> float:
        """Health when each position has moved against us; `lands` tells which routes count."""
        legs, wallets, edges = self.question.legs, self.question.wallets, self.question.edges
        health = wallets.equity[venue] - self.sent[edges.source == venue].sum()
        health -= wallets.realise_cost_rate[venue] * self.rolled[venue]
        here = (edges.destination == venue) & lands
        health += self.sent[here] @ (1 - edges.cost_rate[here])
        for leg in np.flatnonzero(legs.venue == venue):
            size = abs(self.target[leg])
            then = size * ratio_against(self.question, leg, moves)
            required = max(0.0, *(legs.margin_rate[leg] * then - legs.margin_deduction[leg]))
            health -= size * moves[leg] + required + self.costs(leg)
        return float(health)

    def outer(self, venue: int) -> float:
        outer = self.question.stakes.outer[self.question.legs.coin]
        health = self.health(venue, outer, self.question.edges.open)
        return health + float(self.question.wallets.landing[venue])

    def inner(self, venue: int, threat: Threat) -> float:
        return self.health(venue, restored(self.question, threat), threat.in_time)

    def net(self, coin: int) -> float:
        return float(self.target[self.question.legs.coin == coin].sum())

    def bill(self, threat: Threat) -> float:
        """What the plan costs: trades, what is given up, what remains at risk, what is short."""
        question, cut = self.question, np.abs(self.question.legs.held - self.target)
        bill = sum(self.costs(leg) for leg in range(cut.size)) + float(threat.keep_rate @ cut)
        bill += float(threat.adl_cost_rate @ np.abs(self.target))
        bill += float(question.edges.cost_rate @ self.sent)
        bill += float(question.wallets.realise_cost_rate @ self.rolled)
        for venue in np.flatnonzero(question.wallets.margined):
            bill += threat.outer_penalty * max(0.0, -self.outer(venue))
            excuse = excused(question, threat, venue)
            bill += INNER_PENALTY * max(0.0, -self.inner(venue, threat) - excuse)
        price = naked_price(question, threat)
        for coin in range(question.stakes.inner.size):
            bill += price * max(0.0, abs(self.net(coin)) - naked_limit(question, threat, coin))
        return bill


def untouched(question: Question) -> Plan:
    routes, venues = question.edges.source.size, len(question.wallets.names)
    return Plan(question, question.legs.held.copy(), np.zeros(routes), np.zeros(venues))


def plan_of(question: Question, answer: Answer) -> Plan:
    return Plan(question, answer.target, answer.transfer, answer.realise)


def excused(question: Question, threat: Threat, venue: int) -> float:
    """What a venue that is above the inner level lacks of the restored one is not asked of it."""
    now, none = untouched(question), np.zeros(question.edges.source.size, dtype=bool)
    if now.health(venue, alarmed(question, threat), none) <= 1e-6:
        return 0.0
    return max(0.0, -now.health(venue, restored(question, threat), none))


def naked_limit(question: Question, threat: Threat, coin: int) -> float:
    held, stakes = question.legs.held[question.legs.coin == coin], question.stakes
    hedged = (held > 0).any() and (held < 0).any()
    return max(threat.naked, abs(stakes.target_delta) + stakes.delta_tolerance * hedged)


def naked_price(question: Question, threat: Threat) -> float:
    """Twice the dearest last unit of a cut, and at most half of the least relief's worth."""
    legs, dearest, least = question.legs, 0.0, 1.0
    for leg in np.flatnonzero((legs.held != 0) & threat.tradable):
        last = impact(question, leg, abs(legs.held[leg]))
        last -= impact(question, leg, abs(legs.held[leg]) * (1 - 1e-7))
        rate = legs.cost_rate[leg] + last / (abs(legs.held[leg]) * 1e-7)
        keep, queue = abs(threat.keep_rate[leg]), threat.adl_cost_rate[leg]
        dearest = max(dearest, rate + keep + queue)
        if question.wallets.margined[legs.venue[leg]]:
            moves = restored(question, threat)
            ratio = ratio_against(question, leg, moves)
            least = min(least, moves[leg] + legs.margin_rate[leg].min() * ratio)
    return min(2 * dearest, INNER_PENALTY * least / 2)


def allowed(plan: Plan, threat: Threat) -> bool:
    """Whether a plan keeps what cannot be bought off with a penalty."""
    question, sent = plan.question, plan.sent
    legs, wallets, edges = question.legs, question.wallets, question.edges
    cut = np.abs(legs.held) - np.abs(plan.target)
    rules = [
        (plan.target * legs.held >= -1e-12).all() and (cut >= -1e-9).all(),
        (np.abs(cut[~threat.tradable]) == 0).all(),
        (sent >= 0).all() and (sent[~edges.open] == 0).all(),
        (plan.rolled >= 0).all() and (plan.rolled <= wallets.realisable + 1e-9).all(),
    ]
    for venue, lends in enumerate(wallets.margined):
        out, into = sent[edges.source == venue].sum(), sent[edges.destination == venue].sum()
        own = np.flatnonzero(legs.venue == venue)
        sold = float((legs.held - plan.target)[own].sum()) - sum(plan.costs(i) for i in own)
        free = wallets.withdrawable[venue] + plan.rolled[venue]
        rules += [out <= (free if lends else wallets.dollars[venue] + sold) + 1e-9]
        rules += [into <= wallets.room[venue] + 1e-9]
        stuck = not threat.tradable[own].all()
        rules += [not stuck or plan.rolled[venue] == 0]
    return all(rules)


def second_formulation(question: Question, threat: Threat) -> float:
    """The optimum by cvxpy: absolute values and maxima, nothing in pieces."""
    legs, wallets, edges = question.legs, question.wallets, question.edges
    kept = cp.Variable(legs.held.size, nonneg=True)
    sent = cp.Variable(edges.source.size, nonneg=True)
    rolled = cp.Variable(len(wallets.names), nonneg=True)
    size, side = np.abs(legs.held), np.sign(legs.held)
    cut = size - kept
    pieces = zip(legs.impact_slope.T, legs.impact_intercept.T, strict=True)
    lines = [cp.multiply(s, cut) - i for s, i in pieces]
    paid = cp.multiply(legs.cost_rate, cut) + cp.pos(cp.maximum(*lines))
    bill = cp.sum(paid) + threat.keep_rate @ cut + threat.adl_cost_rate @ kept
    bill += edges.cost_rate @ sent + wallets.realise_cost_rate @ rolled
    fixed = np.flatnonzero(~threat.tradable)
    rules = [kept <= size, cut[fixed] == 0, rolled <= wallets.realisable]
    rules += [sent[np.flatnonzero(~edges.open)] == 0]
    for venue, lends in enumerate(wallets.margined):
        own = np.flatnonzero(legs.venue == venue)
        out = cp.sum(sent[np.flatnonzero(edges.source == venue)])
        rules += [cp.sum(sent[np.flatnonzero(edges.destination == venue)]) <= wallets.room[venue]]
        if not threat.tradable[own].all():
            rules += [rolled[venue] == 0]
        if not lends:
            earned = side[own] @ cut[own] - cp.sum(paid[own])
            rules += [out <= wallets.dollars[venue] + earned]
            continue
        rules += [out <= wallets.withdrawable[venue] + rolled[venue]]
        outer, inner = question.stakes.outer[legs.coin], restored(question, threat)
        forgiven = excused(question, threat, venue)
        levels = (
            (outer, edges.open, wallets.landing[venue], threat.outer_penalty),
            (inner, threat.in_time & edges.open, forgiven, INNER_PENALTY),
        )
        for moves, lands, more, price in levels:
            here = np.flatnonzero((edges.destination == venue) & lands)
            health = wallets.equity[venue] - out - cp.sum(paid[own]) + more
            health += (1 - edges.cost_rate[here]) @ sent[here]
            health -= wallets.realise_cost_rate[venue] * rolled[venue]
            for leg in own:
                then = kept[leg] * ratio_against(question, leg, moves)
                tiers = zip(legs.margin_rate[leg], legs.margin_deduction[leg], strict=True)
                health -= cp.pos(cp.maximum(*[rate * then - less for rate, less in tiers]))
                health -= moves[leg] * kept[leg]
            bill += price * cp.pos(-health)
    for coin in range(question.stakes.inner.size):
        net = (side * (legs.coin == coin)) @ kept
        bill += naked_price(question, threat) * cp.pos(
            cp.abs(net) - naked_limit(question, threat, coin)
        )
    problem = cp.Problem(cp.Minimize(bill), rules)
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status == cp.OPTIMAL
    return float(problem.value)
