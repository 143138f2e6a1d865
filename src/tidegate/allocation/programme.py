# SPDX-License-Identifier: Apache-2.0
"""The programme: positions, collateral and transfers as joint variables under venue margin.

    maximise   T sum_i carry_i q_i - costs'(b + s) - impact(b + s) - route costs'x - roll costs'y
               - penalties'(shortfalls) + value x spare
    subject to q = held + b - s,  a >= |q|,  sum a <= gross,  |sum_i in coin q| <= tolerance
               outflow_v <= withdrawable_v + y_v,  y_v <= realisable_v,  inflow_v <= room_v
               inflow_v - outflow_v + sum_i claim move_i a_i <= room_v + excess_v   (if asked for)
               for each venue, outer stress (money landed) and inner stress (not landed), each
               position at its own adverse side as the exchange and the gate judge it:
                 equity_v - outflow_v - costs_v + [landed] inflow_v - sum_i move_i a_i
                   >= maintenance_v(1 + move) - shortfall_v     (outer: at least spare as well)
               and CVaR over joint scenario paths before and after landing of
                 equity_v - outflow_v - costs_v + [landed] inflow_v + sum_i (ratio - 1) q_i
                   >= maintenance_v(ratio) - shortfall_v

`spare` is the outer health of the venue that has least of it, worth twice what it costs to send; so
money that moves goes to the middle and not just to the limit, and nothing else gives way to it.

Maintenance at a ratio is the chord between its epigraphs on a grid {lowest, 1, highest} that spans
all scenarios: M(rho q) is convex in rho, so the chord is a bound from above. Source: the core
programme is the scenario-path solvency problem of Rockafellar and Uryasev 2000 (eq. 17, CVaR as a
linear programme) with Boyd et al. 2017 (costs and holding terms).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tidegate.allocation.linear_programme import Builder, StandardForm, with_rows
from tidegate.allocation.question import Answer, Claims, Question
from tidegate.allocation.shadow_prices import binding_limits, dollar_value
from tidegate.allocation.solve import Solution, solve

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# A position below this share of equity uses no venue.
SMALL = 1e-6
OUTER_PENALTY = 1.0
INNER_PENALTY = 20.0
TAIL_PENALTY = 20.0
_DEFINITIONS = ("spare ", "margin ", "impact ", "gross long", "gross short")


@dataclass(frozen=True, slots=True)
class Grid:
    """Price ratios per coin at which maintenance has epigraphs: lowest, one, highest."""

    lowest: FloatArray
    highest: FloatArray

    def weights(self, ratio: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Chord weights (low, one, high) of ratios with coins in the last axis."""
        low = np.clip((1 - ratio) / (1 - self.lowest), 0, None)
        high = np.clip((ratio - 1) / (self.highest - 1), 0, None)
        return low, 1 - low - high, high


def grid_of(question: Question) -> Grid:
    """The smallest grid that spans the stresses and all scenarios."""
    stakes, paths = question.stakes, question.scenarios
    lowest = np.minimum(1 - stakes.outer, 1 - stakes.inner)
    highest = np.maximum(1 + stakes.outer, 1 + stakes.inner)
    if paths.count:
        lowest = np.minimum(lowest, paths.low_after.min(axis=0))
        highest = np.maximum(highest, paths.high_after.max(axis=0))
    return Grid(lowest, highest)


def formulate(question: Question) -> StandardForm:
    """The programme as a linear programme (minimisation)."""
    builder = Builder()
    _declare(builder, question)
    _positions(builder, question)
    _maintenance(builder, question, grid_of(question))
    _money(builder, question)
    _stresses(builder, question)
    _tails(builder, question)
    if question.stakes.claims is not None:
        _claims(builder, question, question.stakes.claims)
    return builder.assemble()


def allocate(question: Question) -> Answer:
    """Solve, prove and read the answer; raises `SolveError` where it is not proved."""
    return _read(question, *_solved(question))


def regret(question: Question, answer: Answer, slack: float) -> float:
    """How much dearer, in units of equity, an answer's book is than the best one: the optimum with
    its targets, transfers and realised profit held to within `slack`, less the optimum itself.

    Raises: `SolveError` where no allowed book is that near to the answer, or nothing is proved.
    """
    form, best = _solved(question)
    eye, change = np.eye(question.legs.held.size), answer.target - question.legs.held
    near = with_rows(form, {"buy": eye, "sell": -eye}, change - slack, change + slack)
    for name, values in (("transfer", answer.transfer), ("realise", answer.realise)):
        near = with_rows(near, {name: np.eye(values.size)}, values - slack, values + slack)
    return solve(near).objective - best.objective


def _solved(question: Question) -> tuple[StandardForm, Solution]:
    """The programme that is answered, and its optimum.

    Spare money belongs where positions are, and as much of it as they are large, so that all
    accounts stand the same further move; where they are is the answer itself. So a second solve
    evens it out in proportion to what each venue carries in the first.
    """
    form = formulate(question)
    first = solve(form)
    shares = spare_shares(question, _target(question, form, first))
    if not shares.any():
        return form, first
    form = _sparing(form, question, shares)
    return form, solve(form, first.basis)


def _target(question: Question, form: StandardForm, solution: Solution) -> FloatArray:
    buys, sells = (solution.x[form.blocks[name]] for name in ("buy", "sell"))
    return np.asarray(question.legs.held + buys - sells)


def spare_shares(question: Question, target: FloatArray) -> FloatArray:
    """How much of the spare money each venue (v) asks for: what it carries of a target over the
    mean of those that carry anything and lend margin; 0 elsewhere."""
    venues = question.wallets.equity.size
    carried = np.bincount(question.legs.venue, np.abs(target), venues)
    carries = question.wallets.margined & (carried > SMALL)
    if not carries.any():
        return np.zeros(venues)
    return np.asarray(np.where(carries, carried, 0.0) / carried[carries].mean())


def _sparing(form: StandardForm, question: Question, shares: FloatArray) -> StandardForm:
    """The same programme with spare money asked for by shares (v), not at all where it is 0."""
    lower, data = form.row_lower.copy(), form.matrix.data.copy()
    column = form.blocks["spare"].start
    entries = slice(*form.matrix.indptr[column : column + 2])
    asked = {
        form.rows[f"spare at {name}"].start: shares[venue]
        for venue, name in enumerate(question.wallets.names)
        if question.wallets.margined[venue]
    }
    data[entries] = [-asked[row] for row in form.matrix.indices[entries]]
    lower[[row for row, share in asked.items() if share == 0]] = -np.inf
    parts = (data, form.matrix.indices, form.matrix.indptr)
    matrix = sparse.csc_array(parts, shape=form.matrix.shape)
    return replace(form, matrix=matrix, row_lower=lower)


def _declare(builder: Builder, question: Question) -> None:
    legs, wallets, edges, stakes = (
        question.legs,
        question.wallets,
        question.edges,
        question.stakes,
    )
    size, venues = len(legs.names), len(wallets.names)
    carry = stakes.payback_years * legs.carry_annual
    buys, sells = _trade_bounds(question)
    builder.variables("buy", size, legs.cost_rate - carry, 0.0, buys)
    builder.variables("sell", size, legs.cost_rate + carry, 0.0, sells)
    builder.variables("impact", size, 1.0)
    builder.variables("gross", size)
    for point in ("low", "one", "high"):
        builder.variables(f"margin {point}", size)
    open_edges = np.where(edges.open, np.inf, 0.0)
    builder.variables("transfer", edges.source.size, edges.cost_rate, 0.0, open_edges)
    builder.variables("realise", venues, wallets.realise_cost_rate, 0.0, wallets.realisable)
    builder.variables("outer shortfall", venues, OUTER_PENALTY)
    builder.variables("inner shortfall", venues, INNER_PENALTY)
    builder.variables("tail shortfall", venues, TAIL_PENALTY)
    builder.variables("tail level", venues, 0.0, -np.inf)
    builder.variables("spare", 1, -spare_value(question), 0.0, float(wallets.equity.sum()))
    if question.scenarios.count:
        builder.variables("tail excess", venues * question.scenarios.count)


def _trade_bounds(question: Question) -> tuple[FloatArray, FloatArray]:
    """Bounds on buys and sells: without leave to grow, only toward zero."""
    held, legs = question.legs.held, question.legs
    cap = legs.trade_cap
    if question.stakes.may_grow:
        sells = np.where(legs.margined, cap, np.minimum(cap, np.maximum(held, 0.0)))
        return cap, sells
    return np.maximum(-held, 0.0), np.maximum(held, 0.0)


def _positions(builder: Builder, question: Question) -> None:
    legs, stakes = question.legs, question.stakes
    size = len(legs.names)
    eye = np.eye(size)
    for sign in (1.0, -1.0):
        builder.constrain(
            f"gross {'long' if sign > 0 else 'short'}",
            {"gross": eye, "buy": -sign * eye, "sell": sign * eye},
            sign * legs.held,
            np.inf,
        )
    gross_now = float(np.abs(legs.held[legs.margined]).sum())
    limit = stakes.gross if stakes.may_grow else max(stakes.gross, gross_now)
    builder.constrain("gross leverage", {"gross": legs.margined.astype(float)}, -np.inf, limit)
    coins = np.equal.outer(np.unique(legs.coin), legs.coin).astype(float)
    tolerance = stakes.delta_tolerance + abs(stakes.target_delta)
    builder.constrain(
        "delta of coin",
        {"buy": coins, "sell": -coins},
        -tolerance - coins @ legs.held,
        tolerance - coins @ legs.held,
    )
    total = np.ones((1, size))
    slack = stakes.delta_tolerance
    builder.constrain(
        "delta of book",
        {"buy": total, "sell": -total},
        stakes.target_delta - slack - legs.held.sum(),
        stakes.target_delta + slack - legs.held.sum(),
    )
    pieces = legs.impact_slope.shape[1]
    for piece in range(pieces):
        slope = np.diag(legs.impact_slope[:, piece])
        builder.constrain(
            f"impact {piece}",
            {"impact": eye, "buy": -slope, "sell": -slope},
            -legs.impact_intercept[:, piece],
            np.inf,
        )


def _maintenance(builder: Builder, question: Question, grid: Grid) -> None:
    legs = question.legs
    eye = np.eye(len(legs.names))
    ratios = {"low": grid.lowest, "one": np.ones_like(grid.lowest), "high": grid.highest}
    for point, ratio in ratios.items():
        for tier in range(legs.margin_rate.shape[1]):
            rate = legs.margin_rate[:, tier] * ratio[legs.coin]
            builder.constrain(
                f"margin {point} tier {tier}",
                {f"margin {point}": eye, "gross": -np.diag(rate)},
                -legs.margin_deduction[:, tier],
                np.inf,
            )


def _money(builder: Builder, question: Question) -> None:
    wallets, edges, legs = question.wallets, question.edges, question.legs
    venues = np.arange(len(wallets.names))
    leaves = np.equal.outer(venues, edges.source).astype(float)
    arrives = np.equal.outer(venues, edges.destination).astype(float)
    eye = np.eye(venues.size)
    if edges.source.size:
        margined = wallets.margined
        builder.constrain(
            "withdrawable",
            {"transfer": leaves[margined], "realise": -eye[margined]},
            -np.inf,
            wallets.withdrawable[margined],
        )
        room = np.maximum(wallets.room, 0.0)
        builder.constrain("claim cap", {"transfer": arrives}, -np.inf, room)
    at = np.equal.outer(venues, legs.venue).astype(float)
    spot = at * ~legs.margined
    outright = ~wallets.margined
    if outright.any():
        builder.constrain(
            "dollars for coins",
            {
                "transfer": (leaves - arrives)[outright],
                "buy": (spot * (1 + legs.cost_rate))[outright],
                "sell": (-spot * (1 - legs.cost_rate))[outright],
                "impact": spot[outright],
            },
            -np.inf,
            (wallets.dollars + wallets.landing)[outright],
        )
    spending = at * legs.cost_rate
    builder.constrain(
        "initial margin",
        {
            "transfer": leaves[wallets.margined],
            "gross": (at * legs.initial_rate)[wallets.margined],
            "buy": spending[wallets.margined],
            "sell": spending[wallets.margined],
            "impact": at[wallets.margined],
            "inner shortfall": -eye[wallets.margined],
        },
        -np.inf,
        wallets.equity[wallets.margined],
    )


def solvency(
    question: Question, venue: int, ratio: FloatArray, landed: float
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Coefficients (k, block) and constant (k) of health at a venue for price ratios (k, coins).

    Health = constant + coefficients x variables; `landed` counts money under way as there.
    """
    legs, wallets, edges = question.legs, question.wallets, question.edges
    here = (legs.venue == venue).astype(float)
    gain = (ratio[:, legs.coin] - 1) * here
    low, one, high = grid_of(question).weights(ratio)
    rows = ratio.shape[0]
    flow = landed * (edges.destination == venue) * (1 - edges.cost_rate) - (edges.source == venue)
    spending = np.broadcast_to(here * legs.cost_rate, gain.shape)
    realise = np.zeros((rows, len(wallets.names)))
    realise[:, venue] = -wallets.realise_cost_rate[venue]
    coefficients = {
        "buy": gain - spending,
        "sell": -gain - spending,
        "impact": np.broadcast_to(-here, gain.shape),
        "margin low": -low[:, legs.coin] * here,
        "margin one": -one[:, legs.coin] * here,
        "margin high": -high[:, legs.coin] * here,
        "realise": realise,
        "transfer": np.broadcast_to(flow, (rows, edges.source.size)),
    }
    constant = wallets.equity[venue] + landed * wallets.landing[venue] + gain @ legs.held
    return coefficients, np.asarray(constant)


def spare_value(question: Question) -> float:
    """What a unit of spare health is worth: twice what the dearest open route costs, and never so
    much that a shortfall would be taken for it."""
    costs = question.edges.cost_rate[question.edges.open]
    return min(2 * float(costs.max(initial=0.0)), OUTER_PENALTY / 2)


def adverse(
    question: Question, venue: int, moves: FloatArray, landed: float
) -> tuple[dict[str, FloatArray], float]:
    """Coefficients (1, block) and constant of health when every position moves against us."""
    legs, wallets = question.legs, question.wallets
    here = (legs.venue == venue).astype(float)
    flat = np.ones((1, moves.size))
    coefficients, _ = solvency(question, venue, flat, landed)
    low, one, high = grid_of(question).weights(1 + moves)
    coefficients |= {
        "gross": -(moves[legs.coin] * here)[None, :],
        "margin low": -(low[legs.coin] * here)[None, :],
        "margin one": -(one[legs.coin] * here)[None, :],
        "margin high": -(high[legs.coin] * here)[None, :],
    }
    return coefficients, float(wallets.equity[venue] + landed * wallets.landing[venue])


def _stresses(builder: Builder, question: Question) -> None:
    stakes, wallets = question.stakes, question.wallets
    for level, moves, landed in (("outer", stakes.outer, 1.0), ("inner", stakes.inner, 0.0)):
        for venue in np.flatnonzero(wallets.margined):
            coefficients, constant = adverse(question, int(venue), moves, landed)
            shortfall = np.zeros((1, len(wallets.names)))
            shortfall[:, venue] = 1.0
            survives = {**coefficients, f"{level} shortfall": shortfall}
            name = wallets.names[venue]
            builder.constrain(f"{level} stress at {name}", survives, -constant, np.inf)
            if level == "outer":
                spare = {**survives, "spare": -np.ones((1, 1))}
                builder.constrain(f"spare at {name}", spare, -constant, np.inf)


def _claims(builder: Builder, question: Question, claims: Claims) -> None:
    """Claims with the profit of the outer moves, each position at its favourable side:
    inflow_v - outflow_v + sum_i move_i a_i <= room_v + excess_v."""
    wallets, edges, legs = question.wallets, question.edges, question.legs
    venues = np.arange(len(wallets.names))
    builder.variables("claim excess", venues.size, OUTER_PENALTY)
    flow = np.equal.outer(venues, edges.destination) * 1.0
    flow -= np.equal.outer(venues, edges.source)
    terms = {
        "transfer": flow,
        "gross": np.equal.outer(venues, legs.venue) * claims.outer,
        "claim excess": -np.eye(venues.size),
    }
    builder.constrain("claim after a move", terms, -np.inf, wallets.room)


def _tails(builder: Builder, question: Question) -> None:
    """CVaR of the worst point of each path: level + sum excess / tail <= shortfall.

    A tail of more windows than there are scenarios is judged by the mean of all scenarios, which
    are the worst windows; dividing by more would leave the level unbounded and the row void.
    """
    paths, wallets = question.scenarios, question.wallets
    count, venues = paths.count, len(wallets.names)
    if not count:
        return
    tail = min(max(1.0, question.stakes.tail_windows), count)
    points = (
        (paths.low_before, 0.0),
        (paths.high_before, 0.0),
        (paths.low_after, 1.0),
        (paths.high_after, 1.0),
    )
    for venue in np.flatnonzero(wallets.margined):
        own = np.zeros((count, venues))
        own[:, venue] = 1.0
        excess = np.zeros((count, venues * count))
        excess[:, venue * count : (venue + 1) * count] = np.eye(count)
        for index, (ratio, landed) in enumerate(points):
            coefficients, constant = solvency(question, int(venue), ratio, landed)
            builder.constrain(
                f"tail path {index} at {wallets.names[venue]}",
                {**coefficients, "tail level": own, "tail excess": excess},
                -constant,
                np.inf,
            )
        total = excess.sum(axis=0, keepdims=True) / tail
        builder.constrain(
            f"tail at {wallets.names[venue]}",
            {"tail level": own[:1], "tail excess": total, "tail shortfall": -own[:1]},
            -np.inf,
            0.0,
        )


def _read(question: Question, form: StandardForm, solution: Solution) -> Answer:
    def block(name: str) -> FloatArray:
        return solution.x[form.blocks[name]]

    return Answer(
        _target(question, form, solution),
        block("transfer"),
        block("realise"),
        block("outer shortfall"),
        np.maximum(block("inner shortfall"), block("tail shortfall")),
        solution.objective,
        dollar_value(form, solution, question.wallets.names),
        binding_limits(form, solution, _DEFINITIONS),
        solution.bound,
    )
