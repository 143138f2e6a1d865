# SPDX-License-Identifier: Apache-2.0
"""The limits of a joint question as a linear programme in which each limit can give way.

Every limit has one slack, by which it is eased in all steps alike. Impact, the one thing that is
not linear, is held from below by tangents that are added until they meet it (Kelley 1960); so what
is infeasible here is infeasible indeed, and what is feasible is so to `FEASIBILITY`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import highspy
import numpy as np

from tidegate.allocation.joint.evaluation import size_bounds
from tidegate.allocation.joint.question import FloatArray, Question, Tail
from tidegate.allocation.linear_programme import Builder, StandardForm, with_rows
from tidegate.allocation.solve import FEASIBILITY, Solution, SolveError, solve

TURNOVER = "turnover"
# Most that a limit is eased by, in its scale, and most of a bound that is open.
FAR = 1e2
# Most that a step trades of a position beyond twice the span of its bounds, so that none is bought
# and sold without end where its limits are free.
BEYOND = 3.0
ROUNDS = 50
# Trades at which impact has its first tangents, in shares of equity.
TANGENTS = (0.01, 0.1, 1.0)


class Elastic:
    """A question's limits with slacks, or some of them and no other limit; not for use by two
    threads."""

    def __init__(self, question: Question, names: Collection[str] | None = None) -> None:
        self.question = question if names is None else _with_limits(question, names)
        scales = _scales(self.question)
        self.scale = {n: s for n, s in scales.items() if names is None or n in names}
        self.names = tuple(self.scale)
        question = self.question
        self._form = _Rows(question, self.names).form()
        self._basis: highspy.HighsBasis | None = None

    def least(
        self, counted: Collection[str], free: Collection[str] = ()
    ) -> tuple[dict[str, float], Solution]:
        """Least sum of the slacks of `counted`, each over its scale, with those of `free` at no
        price and all others nought. Returns: slack by name of `counted`, and the solution.

        Raises: `SolveError` where the others cannot hold together, or nothing is proved.
        """
        price = np.array([1.0 / self.scale[n] if n in counted else 0.0 for n in self.names])
        given = np.array([n in counted or n in free for n in self.names])
        most = np.where(given, FAR * np.array(list(self.scale.values())), 0.0)
        columns = self._form.blocks["slack"]
        for _ in range(ROUNDS):
            cost, upper = self._form.cost.copy(), self._form.upper.copy()
            cost[columns], upper[columns] = price, most
            solution = self._solved(replace(self._form, cost=cost, upper=upper))
            self._basis = solution.basis
            if not self._tighten(solution.x):
                slack = dict(zip(self.names, solution.x[columns].tolist(), strict=True))
                return {name: slack[name] for name in counted}, solution
        raise SolveError("impact did not settle")

    def _solved(self, form: StandardForm) -> Solution:
        """From the last basis; from none where that leads to no proof."""
        if self._basis is not None:
            try:
                return solve(form, self._basis)
            except SolveError:
                self._basis = None
        return solve(form)

    def binding(self, solution: Solution) -> list[str]:
        """The limits whose rows have a price: those that the proof of a least sum rests on."""
        rows = self._form.rows
        return [
            name
            for name in self.names
            if name in rows and (np.abs(solution.row_duals[rows[name]]) > 1e-9).any()
        ]

    def _tighten(self, x: FloatArray) -> bool:
        """Add a tangent wherever the charge is below impact; whether there was one."""
        impact, added = self.question.positions.impact, False
        for step in range(self.question.steps):
            buy, sell, charge = (
                x[self._form.blocks[f"{name} {step}"]] for name in ("buy", "sell", "charge")
            )
            traded = np.maximum(buy + sell, 0.0)
            low = np.flatnonzero(charge < impact * traded**1.5 - 2 * FEASIBILITY)
            if low.size:
                self._form = with_rows(self._form, *_tangents(impact, step, low, traded[low]))
                self._basis, added = None, True
        return added


def _scales(question: Question) -> dict[str, float]:
    """Every limit that can give way, and what counts as one unit of it: equity, except for a box,
    whose unit is its largest coefficient."""
    found = {tail.name: 1.0 for tail in question.tails}
    for name, row in zip(question.boxes.names, question.boxes.rows, strict=True):
        found[name] = float(np.abs(row).max(initial=0.0)) or 1.0
    found |= {limit.name: 1.0 for limit in question.gross}
    if np.isfinite(question.turnover):
        found[TURNOVER] = 1.0
    found |= {bounds_name(name): 1.0 for name in question.positions.names}
    found |= {withdrawable_name(name): 1.0 for name in question.nodes.names}
    found |= {balance_name(name): 1.0 for name in question.nodes.names}
    return found | {cap_name(name): 1.0 for name in question.edges.names}


def _with_limits(question: Question, names: Collection[str]) -> Question:
    """The question without the tails, boxes and gross limits that are not named."""
    boxes = question.boxes
    kept = np.array([name in names for name in boxes.names], dtype=bool)
    few = replace(
        boxes,
        names=tuple(name for name in boxes.names if name in names),
        rows=boxes.rows[kept],
        lower=boxes.lower[kept],
        upper=boxes.upper[kept],
        penalty=boxes.penalty[kept],
    )
    return replace(
        question,
        tails=tuple(tail for tail in question.tails if tail.name in names),
        boxes=few,
        gross=tuple(limit for limit in question.gross if limit.name in names),
    )


def bounds_name(position: str) -> str:
    """The limit on a position's size."""
    return f"bounds of {position}"


def withdrawable_name(node: str) -> str:
    """The limit on what may leave a node for another venue."""
    return f"withdrawable of {node}"


def balance_name(node: str) -> str:
    """The limit that a node's money does not fall below nought."""
    return f"balance of {node}"


def cap_name(edge: str) -> str:
    """The limit on what an edge carries in a step."""
    return f"cap of {edge}"


def _tangents(
    impact: FloatArray, step: int, places: np.ndarray, traded: FloatArray
) -> tuple[dict[str, FloatArray], FloatArray, FloatArray]:
    """Rows charge - 1.5 i d^.5 (b + s) >= -0.5 i d^1.5, tangents of i d^1.5 at d = traded."""
    one = np.zeros((places.size, impact.size))
    slope = one.copy()
    every = np.arange(places.size)
    one[every, places] = 1.0
    slope[every, places] = -1.5 * impact[places] * np.sqrt(traded)
    lower = -0.5 * impact[places] * traded**1.5
    coefficients = {f"charge {step}": one, f"buy {step}": slope, f"sell {step}": slope}
    return coefficients, lower, np.full(places.size, np.inf)


class _Rows:
    """Builds the rows; blocks of variables are named by what they are and their step."""

    def __init__(self, question: Question, names: tuple[str, ...]) -> None:
        self._question, self._builder = question, Builder()
        self._place = {name: place for place, name in enumerate(names)}
        self._builder.variables("slack", len(names))

    def form(self) -> StandardForm:
        question = self._question
        self._declare()
        collected: dict[str, list[tuple[dict[str, FloatArray], FloatArray]]] = {}
        for step in range(question.steps):
            self._definitions(step)
            for name, coefficients, upper in (
                *self._tails(step),
                *self._boxes(step),
                *self._gross(step),
                *self._bounds(step),
                *self._withdrawals(step),
                *self._caps(step),
                *self._debts(step),
            ):
                collected.setdefault(name, []).append((coefficients, np.atleast_1d(upper)))
        collected[TURNOVER] = [self._turnover()]
        for name, parts in collected.items():
            if name in self._place:
                self._limit(name, parts)
        return self._builder.assemble()

    def _limit(self, name: str, parts: list[tuple[dict[str, FloatArray], FloatArray]]) -> None:
        """Rows of one limit, all steps together, each eased by its one slack."""
        heights = [upper.size for _, upper in parts]
        ends = np.cumsum(heights)
        total: dict[str, FloatArray] = {}
        for (coefficients, _), end, height in zip(parts, ends, heights, strict=True):
            for block, values in coefficients.items():
                rows = np.atleast_2d(values)
                whole = total.setdefault(block, np.zeros((int(ends[-1]), rows.shape[1])))
                whole[end - height : end] = rows
        slack = np.zeros((int(ends[-1]), len(self._place)))
        slack[:, self._place[name]] = -1.0
        upper = np.concatenate([upper for _, upper in parts])
        self._builder.constrain(name, {**total, "slack": slack}, -np.inf, upper)

    def _declare(self) -> None:
        question, variables = self._question, self._builder.variables
        size = len(question.positions.names)
        lower, upper = size_bounds(question)
        most = np.minimum(2.0 * (upper - lower) + BEYOND, FAR)
        for step in range(question.steps):
            variables(f"size {step}", size, 0.0, -np.inf)
            for name in ("buy", "sell"):
                variables(f"{name} {step}", size, 0.0, 0.0, most)
            for name in ("charge", "magnitude"):
                variables(f"{name} {step}", size)
            variables(f"function {step}", question.functions.net.shape[0], 0.0, -np.inf)
            variables(f"flow {step}", len(question.edges.names))
            variables(f"money {step + 1}", len(question.nodes.names), 0.0, -np.inf)
            for tail in question.tails:
                variables(f"level of {tail.name} {step}", 1, 0.0, -np.inf)
                variables(f"excess of {tail.name} {step}", tail.constant.shape[0])
        amount = question.nodes.amount
        variables("money 0", amount.size, 0.0, amount, amount)

    def _definitions(self, step: int) -> None:
        question, add = self._question, self._builder.constrain
        positions, functions = question.positions, question.functions
        eye = np.eye(len(positions.names))
        trade = {f"size {step}": eye, f"buy {step}": -eye, f"sell {step}": eye}
        start: FloatArray | float = positions.held if step == 0 else 0.0
        if step:
            trade[f"size {step - 1}"] = -eye
        add("", trade, start, start)
        for sign in (1.0, -1.0):
            above = {f"magnitude {step}": eye, f"size {step}": sign * eye}
            add("", above, np.zeros(len(eye)), np.inf)
        looked_at = [tail.functions for tail in question.tails]
        used = np.unique(np.concatenate(looked_at)) if looked_at else np.zeros(0, np.int64)
        one = np.eye(functions.net.shape[0])[used]
        for piece in range(functions.slope.shape[1] if used.size else 0):
            slope = (functions.slope[:, piece, None] * functions.net)[used]
            above = {f"function {step}": one, f"size {step}": -slope}
            add("", above, -functions.offset[used, piece], np.inf)
        every = np.flatnonzero(positions.impact)
        for at in TANGENTS if every.size else ():
            add("", *_tangents(positions.impact, step, every, np.full(every.size, at)))
        self._balances(step)

    def _balances(self, step: int) -> None:
        question = self._question
        nodes, positions = question.nodes, question.positions
        one = np.eye(nodes.amount.size)
        change: dict[str, FloatArray] = {f"money {step + 1}": one, f"money {step}": -one}
        paid = (nodes.venue[:, None] == positions.venue) * nodes.pays_costs[:, None]
        for name, rate in (("buy", positions.cost_rate), ("sell", positions.cost_rate)):
            change[f"{name} {step}"] = paid * rate
        change[f"charge {step}"] = paid.astype(float)
        self._flows(change, step, self._sources(), -self._landing())
        self._builder.constrain("", change, np.zeros(nodes.amount.size), 0.0)

    def _sources(self) -> FloatArray:
        nodes, edges = self._question.nodes, self._question.edges
        here = np.arange(nodes.amount.size)[:, None] == edges.source
        return np.asarray(here, dtype=np.float64)

    def _landing(self) -> FloatArray:
        nodes, edges = self._question.nodes, self._question.edges
        here = np.arange(nodes.amount.size)[:, None] == edges.destination
        return np.asarray(here * (1.0 - edges.cost_rate), dtype=np.float64)

    def _flows(
        self, coefficients: dict[str, FloatArray], step: int, out: FloatArray, landing: FloatArray
    ) -> None:
        """Add flows to rows: `out` (rows, e) of this step's, `landing` (rows, e) of those that land
        in it."""
        for sent in range(step + 1):
            arrives = self._question.edges.lag == step - sent
            part = landing * arrives + (out if sent == step else 0.0)
            name = f"flow {sent}"
            coefficients[name] = coefficients.get(name, np.zeros_like(part)) + part

    def _tails(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        found = []
        for tail in self._question.tails:
            self._losses(tail, step)
            level, excess = f"level of {tail.name} {step}", f"excess of {tail.name} {step}"
            scenarios = tail.constant.shape[0]
            value = {level: np.ones((1, 1)), excess: np.full((1, scenarios), 1.0 / tail.mass)}
            found.append((tail.name, value, tail.limit))
        return found

    def _losses(self, tail: Tail, step: int) -> None:
        """Rows loss - level - excess <= 0 of every scenario and point."""
        question = self._question
        positions, edges = question.positions, question.edges
        scenarios, points = tail.constant.shape
        height = scenarios * points
        loss = {
            f"size {step}": _spread(-tail.slopes, tail.columns, len(positions.names)),
            f"function {step}": _spread(
                tail.weights, tail.functions, question.functions.net.shape[0]
            ),
        }
        worth = _spread(tail.worth, tail.nodes, question.nodes.amount.size)
        loss[f"money {step}"] = -worth
        landed = tail.landed.reshape(height, -1) * worth[:, edges.destination]
        self._flows(loss, step, worth[:, edges.source], -landed * (1.0 - edges.cost_rate))
        if tail.spends:
            paid = (
                np.ones(positions.venue.size) if tail.venue < 0 else positions.venue == tail.venue
            )
            for name, rate in (("buy", positions.cost_rate), ("sell", positions.cost_rate)):
                loss[f"{name} {step}"] = np.tile(paid * rate, (height, 1))
            loss[f"charge {step}"] = np.tile(paid.astype(float), (height, 1))
        loss[f"level of {tail.name} {step}"] = -np.ones((height, 1))
        each: FloatArray = np.repeat(np.eye(scenarios), points, axis=0)
        loss[f"excess of {tail.name} {step}"] = -each
        self._builder.constrain("", loss, -np.inf, -tail.constant.ravel())

    def _boxes(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        boxes, found = self._question.boxes, []
        for name, row, low, high in zip(
            boxes.names, boxes.rows, boxes.lower, boxes.upper, strict=True
        ):
            if np.isfinite(high):
                found.append((name, {f"size {step}": row}, float(high)))
            if np.isfinite(low):
                found.append((name, {f"size {step}": -row}, float(-low)))
        return found

    def _gross(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        return [
            (
                limit.name,
                {f"magnitude {step}": limit.weights, f"money {step + 1}": limit.claim},
                limit.cap - limit.constant,
            )
            for limit in self._question.gross
            if np.isfinite(limit.cap)
        ]

    def _bounds(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        lower, upper = size_bounds(self._question)
        eye, found = np.eye(lower.size), []
        for number, position in enumerate(self._question.positions.names):
            name, row = bounds_name(position), eye[number]
            if np.isfinite(upper[number]):
                found.append((name, {f"size {step}": row}, float(upper[number])))
            if np.isfinite(lower[number]):
                found.append((name, {f"size {step}": -row}, float(-lower[number])))
        return found

    def _withdrawals(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        nodes, edges = self._question.nodes, self._question.edges
        away = nodes.venue[edges.source] != nodes.venue[edges.destination]
        out, landing, found = self._sources() * away, self._landing(), []
        for number, node in enumerate(nodes.names):
            if not (out[number].any() and np.isfinite(nodes.withdrawable[number])):
                continue
            row = {
                f"flow {sent}": out[number] - landing[number] * (edges.lag < step - sent)
                for sent in range(step + 1)
            }
            found.append((withdrawable_name(node), row, float(nodes.withdrawable[number])))
        return found

    def _caps(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        edges = self._question.edges
        eye = np.eye(len(edges.names))
        return [
            (cap_name(name), {f"flow {step}": eye[number]}, float(edges.cap[number]))
            for number, name in enumerate(edges.names)
            if np.isfinite(edges.cap[number])
        ]

    def _debts(self, step: int) -> list[tuple[str, dict[str, FloatArray], float]]:
        names = self._question.nodes.names
        eye = np.eye(len(names))
        return [
            (balance_name(name), {f"money {step + 1}": -eye[number]}, 0.0)
            for number, name in enumerate(names)
        ]

    def _turnover(self) -> tuple[dict[str, FloatArray], FloatArray]:
        ones = np.ones((1, len(self._question.positions.names)))
        steps = range(self._question.steps)
        row = {f"{side} {step}": ones for step in steps for side in ("buy", "sell")}
        return row, np.array([self._question.turnover])


def _spread(values: FloatArray, places: np.ndarray, width: int) -> FloatArray:
    """Values (W, P, q) as (W P, width), at their places."""
    whole = np.zeros((values.shape[0] * values.shape[1], width))
    whole[:, places] = values.reshape(whole.shape[0], -1)
    return whole
