# SPDX-License-Identifier: Apache-2.0
"""Deleveraging: the cheapest reductions and top-ups that restore every account's health.

    minimise   sum_i (cost_i + keep_i) c_i + impact_i(c_i) + adl_i |q_i| + sum_e cost_e x_e
               + sum_v roll cost_v y_v + inner penalty sum_v inner shortfall_v
               + outer penalty sum_v outer shortfall_v + naked price sum_coin excess_coin
    subject to q = held - sign(held) c,  0 <= c <= |held|,  c = 0 where nothing trades
               |sum_i in coin q_i| <= max(naked, target + tolerance) + excess_coin
               outflow_v <= withdrawable_v + y_v,  y_v <= realisable_v,  inflow_v <= room_v
               for each venue, outer stress (all money landed) and inner stress (only what is
               certain to land in time), each position at its own adverse side:
                 equity_v - outflow_v - costs_v - roll costs_v + inflow_v
                   - sum_i (move_i |q_i| + M_i(adverse ratio_i |q_i|)) >= -shortfall_v

A position that may only shrink keeps its side, so the loss under stress and the impact are both
convex in the cut c alone. Each leg is therefore cut in pieces that end where a tier or a line of
impact ends: on a piece all is linear, and since pieces grow dearer and relieve less from the first
on, none is taken before those that precede it. That is exact, and needs no variables or rows for
margin or impact. Any book has an answer, if only to do nothing: every limit that could fail has a
shortfall or an excess.

Two levels and a band keep a book from churning. A venue below the inner level is restored a little
beyond it; one that is above it is not cut to get there, but is not worsened inside that band. Where
no money can come, the inner level is higher: there a cut is the only cure, so it comes earlier.

Source: our formulation; the convexity of tiers is that of `programme`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.linear_programme import Builder, StandardForm, with_rows
from tidegate.allocation.programme import INNER_PENALTY
from tidegate.allocation.question import Answer, Claims, Legs, Question
from tidegate.allocation.shadow_prices import binding_limits, dollar_value
from tidegate.allocation.solve import Solution, solve
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Positions below this share of equity are not worth a variable; it is a dollar on a billion.
DUST = 1e-9
# A price has no side below nought; the exact rule leaves a position this much of its price.
LEAST_RATIO = 1e-6
# Health this far above the inner level still counts as below it: the alarm rings by the exact
# rule, and the float twin may stand on the other side of it by rounding.
NEAR = 1e-6
# A dollar that a venue owes beyond its cap counts as lost.
CLAIM_PENALTY = 1.0
_NEVER_NEGATIVE = (
    "adl_cost_rate",
    "outer_penalty",
    "naked",
    "inner_margin",
    "inner_penalty",
    "blocked_moves",
)


@dataclass(frozen=True, slots=True)
class Threat:
    """What presses now, beside the book itself.

    Args:
        tradable: bool (i), False where nothing can be traded in that leg now.
        adl_cost_rate: float64 (i), expected cost per unit of remaining notional of keeping a leg
            that its venue may close first: probability times what the orphaned partner costs until
            it is hedged again; 0 without such a risk.
        keep_rate: float64 (i), value of keeping a unit of notional: the carry that a cut gives up
            and what it costs to come back.
        in_time: bool (e), True only where money sent now is certain to land before the next look.
        outer_penalty: price per unit of outer shortfall. Above the cost of a transfer and below
            what a unit of health costs by cutting, so that below the outer level money is sent and
            only below the inner level positions are cut.
        naked: how far a coin may be from hedged, in units of equity; 0 in normal times.
        inner_margin: how far beyond the inner level a venue below it is restored, as a share of
            its moves, but never beyond the outer level. With inner moves of 10 % and looks five
            minutes apart, on random walks of 150 % a year: at 0 half of the restored accounts ring
            again at the next look, at 0.05 one in six, at 0.1 one in forty. That costs 4 % of the
            position more over two hours without direction, and nothing more in a steady fall. It
            is also more than what rounding to lots takes back.
        inner_penalty: price per unit of inner shortfall: what an account that is short of health
            is expected to lose before the next look. Cuts that cost more are not made.
        blocked_moves: float64 (i), adverse moves that the account of a leg must stand because no
            money can come to it; 0 where money can, and there the inner level holds.

    Raises: `InputError` for a rate that is not a finite number, or is negative where it cannot be.
    """

    tradable: BoolArray
    adl_cost_rate: FloatArray
    keep_rate: FloatArray
    in_time: BoolArray
    outer_penalty: float
    naked: float = 0.0
    inner_margin: float = 0.1
    inner_penalty: float = INNER_PENALTY
    blocked_moves: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.keep_rate).all():
            raise InputError("threat", "keep_rate", "expected finite numbers")
        for name in _NEVER_NEGATIVE:
            value = np.asarray(getattr(self, name))
            if not (np.isfinite(value) & (value >= 0)).all():
                raise InputError("threat", name, f"expected finite numbers >= 0, got {value}")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Parts (k) of positions that may be cut: whose, how large, and per unit of notional cut the
    impact, and the loss under outer and inner stress that is no longer there."""

    leg: NDArray[np.intp]
    width: FloatArray
    impact_rate: FloatArray
    relief: Mapping[str, FloatArray]


def relieve(question: Question, threat: Threat) -> Answer:
    """The cheapest cuts and transfers that restore health.

    `question.scenarios` and `stakes.may_grow` are not looked at: nothing grows here. The answer's
    objective is the sum at the head of this file; `inner_shortfall` is against the restored level.

    Raises: `SolveError` when the answer is not proved, `InputError` for a threat of another size.
    """
    _same_size(question, threat)
    pieces = pieces_of(question, threat)
    form = formulate(question, threat, pieces)
    return _read(question, threat, pieces, form, solve(form))


def regret(question: Question, threat: Threat, answer: Answer, slack: float) -> float:
    """How much dearer, in units of equity, an answer's cuts and transfers are than the cheapest:
    as `programme.regret`, to which it is the twin.

    Raises: `SolveError` where nothing allowed is that near to the answer, or nothing is proved.
    """
    pieces = pieces_of(question, threat)
    form = formulate(question, threat, pieces)
    best = solve(form)
    legs = np.arange(question.legs.held.size)
    pinned = {
        "cut": (np.equal.outer(legs, pieces.leg), np.abs(question.legs.held - answer.target)),
        "transfer": (np.eye(answer.transfer.size), answer.transfer),
        "realise": (np.eye(answer.realise.size), answer.realise),
    }
    near = form
    for name, (rows, values) in pinned.items():
        near = with_rows(near, {name: rows}, values - slack, values + slack)
    return solve(near).objective - best.objective


def _same_size(question: Question, threat: Threat) -> None:
    legs, edges = question.legs.held.size, question.edges.source.size
    sizes = {"tradable": legs, "adl_cost_rate": legs, "keep_rate": legs, "in_time": edges}
    sizes |= {"blocked_moves": legs} if np.ndim(threat.blocked_moves) else {}
    for name, size in sizes.items():
        shape = np.shape(getattr(threat, name))
        if shape != (size,):
            raise InputError("threat", name, f"expected shape ({size},), got {shape}")


def inner_moves(question: Question, threat: Threat) -> FloatArray:
    """Adverse moves per leg below which its account is cut."""
    inner = question.stakes.inner[question.legs.coin]
    return np.asarray(np.maximum(inner, threat.blocked_moves))


def stress_moves(question: Question, threat: Threat) -> dict[str, FloatArray]:
    """Adverse moves per leg that are asked for: outer, and inner with its margin."""
    outer, inner = question.stakes.outer[question.legs.coin], inner_moves(question, threat)
    restored = np.minimum(inner * (1 + threat.inner_margin), np.maximum(inner, outer))
    return {"outer": outer, "inner": restored}


def _convex(size: FloatArray, rate: FloatArray, deduction: FloatArray) -> FloatArray:
    """max(0, max_j(rate_j size - deduction_j)) for sizes (i, b) and lines (i, j)."""
    lines = size[:, :, None] * rate[:, None, :] - deduction[:, None, :]
    return np.asarray(lines.max(axis=2, initial=0.0))


def _kinks(rate: FloatArray, deduction: FloatArray) -> FloatArray:
    """Sizes (i, j) at which each line overtakes the one before it, the first one nought."""
    steeper = np.diff(rate, axis=1, prepend=0.0)
    later = np.diff(deduction, axis=1, prepend=0.0)
    return np.divide(later, steeper, out=np.zeros_like(later), where=steeper > 0)


def _adverse_ratio(legs: Legs, moves: FloatArray) -> FloatArray:
    """Price ratio per leg when it moves against us: longs fall, shorts rise."""
    return np.where(legs.held > 0, np.maximum(1 - moves, LEAST_RATIO), 1 + moves)


def _stress_loss(legs: Legs, moves: FloatArray, size: FloatArray) -> FloatArray:
    """Loss and maintenance after an adverse move, for sizes (i, b) of each leg."""
    ratio = _adverse_ratio(legs, moves)[:, None]
    maintenance = _convex(size * ratio, legs.margin_rate, legs.margin_deduction)
    return size * moves[:, None] + maintenance


def pieces_of(question: Question, threat: Threat) -> Pieces:
    """Held legs in pieces on which impact and both stress losses are linear.

    Where a venue's lines are out of order a kink is missed, and the chord over it is a bound from
    above.
    """
    legs, levels = question.legs, stress_moves(question, threat)
    held = np.abs(legs.held)[:, None]
    tiers = _kinks(legs.margin_rate, legs.margin_deduction)
    ends = [np.zeros_like(held), held, _kinks(legs.impact_slope, legs.impact_intercept)]
    ends += [held - tiers / _adverse_ratio(legs, moves)[:, None] for moves in levels.values()]
    cut = np.sort(np.clip(np.concatenate(ends, axis=1), 0.0, held), axis=1)
    step = np.diff(cut, axis=1)
    leg, part = np.nonzero((step > DUST) & threat.tradable[:, None])
    width = step[leg, part]

    def rate(values: FloatArray) -> FloatArray:
        return np.diff(values, axis=1)[leg, part] / width

    relief = {name: -rate(_stress_loss(legs, m, held - cut)) for name, m in levels.items()}
    impact = rate(_convex(cut, legs.impact_slope, legs.impact_intercept))
    return Pieces(leg, width, impact, relief)


def naked_price(question: Question, threat: Threat, pieces: Pieces) -> float:
    """Price of a unit of coin beyond the naked limit: twice what the dearest cut could be worth
    avoiding, and never so much that health would be given up for a hedge."""
    legs, leg = question.legs, pieces.leg
    rates = legs.cost_rate + np.abs(threat.keep_rate) + threat.adl_cost_rate
    dearest = float((rates[leg] + pieces.impact_rate).max(initial=0.0))
    lends = question.wallets.margined[legs.venue[leg]]
    least_relief = float(pieces.relief["inner"][lends].min(initial=1.0))
    return min(2 * dearest, INNER_PENALTY * least_relief / 2)


def formulate(question: Question, threat: Threat, pieces: Pieces) -> StandardForm:
    """The programme as a linear programme (minimisation), less the constant adl'|held|."""
    builder = Builder()
    _declare(builder, question, threat, pieces)
    _hedges(builder, question, threat, pieces)
    _money(builder, question, pieces)
    for level in ("outer", "inner"):
        _stress(builder, question, threat, pieces, level)
    if question.stakes.claims is not None:
        _claims(builder, question, threat, pieces, question.stakes.claims)
    return builder.assemble()


def _declare(builder: Builder, question: Question, threat: Threat, pieces: Pieces) -> None:
    legs, wallets, edges = question.legs, question.wallets, question.edges
    venues, coins = len(wallets.names), question.stakes.inner.size
    rates = legs.cost_rate + threat.keep_rate - threat.adl_cost_rate
    costs = rates[pieces.leg] + pieces.impact_rate
    builder.variables("cut", pieces.leg.size, costs, 0.0, pieces.width)
    builder.variables(
        "transfer", edges.source.size, edges.cost_rate, 0.0, np.where(edges.open, np.inf, 0.0)
    )
    # A roll trades, so a venue with a leg that cannot be traded rolls nothing.
    stuck = np.bincount(legs.venue, ~threat.tradable, minlength=venues) > 0
    realisable = np.where(stuck, 0.0, wallets.realisable)
    builder.variables("realise", venues, wallets.realise_cost_rate, 0.0, realisable)
    builder.variables("outer shortfall", venues, threat.outer_penalty)
    builder.variables("inner shortfall", venues, threat.inner_penalty)
    builder.variables("excess", coins, naked_price(question, threat, pieces))


def _hedges(builder: Builder, question: Question, threat: Threat, pieces: Pieces) -> None:
    """Net of each coin within the limit, or its excess priced, on either side.

    The tolerance is for hedges that do not match to the lot; a coin without a hedge has none, so
    that an orphan is closed and leaves no dust.
    """
    legs, stakes = question.legs, question.stakes
    coins = np.arange(stakes.inner.size)
    net = np.bincount(legs.coin, legs.held, minlength=coins.size)
    gross = np.bincount(legs.coin, np.abs(legs.held), minlength=coins.size)
    tolerance = np.where(np.abs(net) < gross, stakes.delta_tolerance, 0.0)
    limit = np.maximum(threat.naked, abs(stakes.target_delta) + tolerance)
    sold = np.equal.outer(coins, legs.coin[pieces.leg]) * np.sign(legs.held[pieces.leg])
    for side, name in ((1.0, "long"), (-1.0, "short")):
        builder.constrain(
            f"net {name} of coin",
            {"cut": -side * sold, "excess": -np.eye(coins.size)},
            -np.inf,
            limit - side * net,
        )


def _money(builder: Builder, question: Question, pieces: Pieces) -> None:
    """What may leave: withdrawable and rolled profit; dollars and coins sold where none is lent.

    Money under way or sent now leaves nowhere: it may not be there when it is needed.
    """
    legs, wallets, edges = question.legs, question.wallets, question.edges
    venues, lends = np.arange(len(wallets.names)), wallets.margined
    leaves = np.equal.outer(venues, edges.source).astype(float)
    arrives = np.equal.outer(venues, edges.destination).astype(float)
    builder.constrain(
        "withdrawable",
        {"transfer": leaves[lends], "realise": -np.eye(venues.size)[lends]},
        -np.inf,
        np.maximum(wallets.withdrawable, 0.0)[lends],
    )
    builder.constrain("claim cap", {"transfer": arrives}, -np.inf, np.maximum(wallets.room, 0.0))
    leg = pieces.leg
    sold = np.equal.outer(venues, legs.venue[leg]) * ~legs.margined[leg]
    earned = np.sign(legs.held[leg]) - legs.cost_rate[leg] - pieces.impact_rate
    builder.constrain(
        "dollars for coins",
        {"transfer": leaves[~lends], "cut": -(sold * earned)[~lends]},
        -np.inf,
        np.maximum(wallets.dollars, 0.0)[~lends],
    )


def _stress(
    builder: Builder, question: Question, threat: Threat, pieces: Pieces, level: str
) -> None:
    legs, wallets, edges = question.legs, question.wallets, question.edges
    lands = (edges.open if level == "outer" else threat.in_time) * (1 - edges.cost_rate)
    health = health_now(question, stress_moves(question, threat)[level])
    owed = -health
    if level == "outer":
        owed -= wallets.landing
    else:
        calm = health_now(question, inner_moves(question, threat)) > NEAR
        owed = np.where(calm, np.minimum(owed, 0.0), owed)
    spent = legs.cost_rate[pieces.leg] + pieces.impact_rate
    for venue in np.flatnonzero(wallets.margined):
        own = (np.arange(len(wallets.names)) == venue).astype(float)
        flow = (edges.destination == venue) * lands - (edges.source == venue)
        builder.constrain(
            f"{level} stress at {wallets.names[venue]}",
            {
                "cut": (legs.venue[pieces.leg] == venue) * (pieces.relief[level] - spent),
                "transfer": flow,
                "realise": -own * wallets.realise_cost_rate,
                f"{level} shortfall": own,
            },
            owed[venue],
            np.inf,
        )


def _claims(
    builder: Builder, question: Question, threat: Threat, pieces: Pieces, claims: Claims
) -> None:
    """Claims with the profit of favourable moves: above the outer level money leaves, above the
    inner one positions are cut as well, and a little beyond it where a claim is above it now:
    inflow_v - outflow_v - sum_k move_k cut_k <= room_v - sum_i move_i |held_i| + excess_v."""
    legs, wallets, edges = question.legs, question.wallets, question.edges
    venues, held = np.arange(len(wallets.names)), np.abs(legs.held)

    def gains(moves: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(legs.venue, moves * held, minlength=venues.size) + 0.0)

    presses = wallets.room < gains(claims.inner)
    beyond = np.minimum(claims.inner * (1 + threat.inner_margin), claims.outer)
    restored = np.where(presses[legs.venue], np.maximum(claims.inner, beyond), claims.inner)
    flow = np.equal.outer(venues, edges.destination) * 1.0
    flow -= np.equal.outer(venues, edges.source)
    here = np.equal.outer(venues, legs.venue[pieces.leg])
    levels = (("outer", claims.outer, threat.outer_penalty), ("inner", restored, CLAIM_PENALTY))
    for level, moves, penalty in levels:
        builder.variables(f"{level} claim excess", venues.size, penalty)
        terms = {
            "transfer": flow,
            "cut": here * -moves[pieces.leg],
            f"{level} claim excess": -np.eye(venues.size),
        }
        builder.constrain(f"{level} claim", terms, -np.inf, wallets.room - gains(moves))


def health_now(question: Question, moves: FloatArray) -> FloatArray:
    """Health per venue (v) after adverse moves per leg, with nothing traded or landed."""
    legs, wallets = question.legs, question.wallets
    loss = _stress_loss(legs, moves, np.abs(legs.held)[:, None])[:, 0]
    return wallets.equity - np.bincount(legs.venue, loss, minlength=len(wallets.names))


def _read(
    question: Question, threat: Threat, pieces: Pieces, form: StandardForm, solution: Solution
) -> Answer:
    def block(name: str) -> FloatArray:
        return np.maximum(solution.x[form.blocks[name]], 0.0)

    held = question.legs.held
    cut = np.bincount(pieces.leg, block("cut"), minlength=held.size)
    kept = np.maximum(np.abs(held) - cut, 0.0)
    constant = float(threat.adl_cost_rate @ np.abs(held))
    return Answer(
        np.sign(held) * kept,
        block("transfer"),
        block("realise"),
        block("outer shortfall"),
        block("inner shortfall"),
        solution.objective + constant,
        dollar_value(form, solution, question.wallets.names),
        binding_limits(form, solution),
        solution.bound + constant,
    )
