# SPDX-License-Identifier: Apache-2.0
"""What presses on a book in distress, as the deleveraging programme is told it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.deleveraging import Threat
from tidegate.allocation.question import Question
from tidegate.engine.alarm import blocked_venues, cutting_moves, naked_coins
from tidegate.risk.plan import Situation, Terms

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Money counts as landed in time only where one transfer in a hundred is later than the next look.
CERTAIN = 0.99
# Of the price at which cutting would cure the outer level, what is offered for it: money is sent
# for less, and positions stay.
BELOW_CUTTING = 0.5
# What a unit of inner shortfall is expected to lose before the next look: one chance in four that
# the inner move comes, times the account. Cutting at a venue that stands 3 % off the others costs
# twice that, and the price comes back within minutes: such cuts wait.
INNER_PRICE = 0.25


def threat(terms: Terms, situation: Situation, question: Question, *, reduces: bool) -> Threat:
    """Everything that presses now; without leave to reduce only broken hedges are mended."""
    legs, snapshot = question.legs, situation.snapshot
    out = np.array([terms.instruments[n].venue in snapshot.out_venues for n in legs.names])
    held_out = bool((out & (legs.held != 0.0)).any())
    naked = _is_naked(terms, situation, question)
    # An orphan is not kept for its carry, which it earned with its partner.
    keep = np.where(naked, 0.0, _keep_rate(question) + _taken_back(terms, situation, question))
    limits = terms.mandate.limits
    return Threat(
        tradable=~out & (reduces | naked),
        adl_cost_rate=_adl_cost_rate(terms, situation, question),
        keep_rate=keep,
        in_time=_in_time(terms),
        outer_penalty=_outer_penalty(question, keep),
        inner_penalty=INNER_PRICE,
        naked=limits.naked_usd / question.equity_usd if held_out else 0.0,
        blocked_moves=_blocked_moves(terms, situation, question),
    )


def _blocked_moves(terms: Terms, situation: Situation, question: Question) -> FloatArray:
    blocked = blocked_venues(terms, situation)
    moves = cutting_moves(terms, situation, blocked=True)
    contracts = [terms.instruments[name] for name in question.legs.names]
    return np.array([moves[c.base] if c.venue in blocked else 0.0 for c in contracts])


def _is_naked(terms: Terms, situation: Situation, question: Question) -> BoolArray:
    naked = naked_coins(terms, situation)
    return np.array([terms.instruments[name].base in naked for name in question.legs.names])


def _keep_rate(question: Question) -> FloatArray:
    """Carry that a cut gives up over the payback time, and what coming back would cost."""
    legs = question.legs
    carry = np.sign(legs.held) * legs.carry_annual * question.stakes.payback_years
    return np.asarray(np.maximum(carry, 0.0) + legs.cost_rate)


def _taken_back(terms: Terms, situation: Situation, question: Question) -> FloatArray:
    """What a leg at a dislocated venue is expected to get back: as far as its price stands against
    us from the middle of the coin's venues. A cut now would make that loss a fact."""
    prices = np.array([terms.instruments[n].price(situation.marks[n]) for n in question.legs.names])
    coin = question.legs.coin
    middle = np.array([np.median(prices[coin == index]) for index in coin])
    return np.asarray(np.maximum(np.sign(question.legs.held) * (middle / prices - 1), 0.0))


def _adl_cost_rate(terms: Terms, situation: Situation, question: Question) -> FloatArray:
    """Of winners: the share that a venue may close, by the place in its queue (unknown counts as
    first), times what the orphan may lose in one look and its hedging."""
    legs, stakes = question.legs, question.stakes
    share = terms.mandate.stress.adl_fraction
    rank = np.array([_rank(terms, situation, name) for name in legs.names])
    return np.asarray(share * rank * (stakes.inner[legs.coin] / 2 + legs.cost_rate))


def _rank(terms: Terms, situation: Situation, name: str) -> float:
    instrument = terms.instruments[name]
    position = situation.portfolio.accounts[instrument.venue].positions.get(name)
    if position is None:
        return 0.0
    won = instrument.value(position.lots, situation.marks[name]) > position.cost
    rank = situation.adl_ranks.get(name)
    return 0.0 if not won else 1.0 if rank is None else rank


def _in_time(terms: Terms) -> BoolArray:
    look_s = min(terms.mandate.mandate.decision_interval_s, terms.mandate.mandate.watch_interval_s)
    laws = [p.latency_quantile_s(CERTAIN) <= look_s for p in terms.passages.values()]
    return np.array(laws, dtype=bool)


def _outer_penalty(question: Question, keep: FloatArray) -> float:
    """More than the dearest open route costs, and less than cutting would for the same health."""
    legs, edges, stakes = question.legs, question.edges, question.stakes
    routes = float(edges.cost_rate[edges.open].max(initial=0.0))
    relief = stakes.outer[legs.coin] + legs.margin_rate.max(axis=1)
    cutting = float((2 * (legs.cost_rate + keep) / relief).min(initial=1.0))
    return max(2 * routes, BELOW_CUTTING * cutting)
