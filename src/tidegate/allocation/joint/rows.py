# SPDX-License-Identifier: Apache-2.0
"""The rows of the joint programme that are linear as they stand; `question` has the equations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tidegate.allocation.joint.layout import Layout
from tidegate.allocation.joint.question import FloatArray, IntArray, Question

TRADES = "trades"
WITHDRAWALS = "withdrawals"
TURNOVER = "turnover"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows lower <= A x <= upper, A by entries: row from nought, column, value (entries)."""

    row: IntArray
    column: IntArray
    value: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(slots=True)
class Sheet:
    """Collects rows by name; rows of one name stand together in the order in which they came."""

    _row: list[IntArray] = field(default_factory=list)
    _column: list[IntArray] = field(default_factory=list)
    _value: list[FloatArray] = field(default_factory=list)
    _lower: list[FloatArray] = field(default_factory=list)
    _upper: list[FloatArray] = field(default_factory=list)
    names: dict[str, list[IntArray]] = field(default_factory=dict)
    height: int = 0

    def open(self, name: str, lower: ArrayLike, upper: ArrayLike) -> IntArray:
        """Rows with these bounds; returns their numbers, in the shape of the bounds."""
        low, high = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
        rows = self.height + np.arange(low.size).reshape(low.shape)
        self.height += low.size
        self._lower.append(low.ravel())
        self._upper.append(high.ravel())
        self.names.setdefault(name, []).append(rows)
        return rows

    def put(self, rows: IntArray, columns: IntArray, values: ArrayLike) -> None:
        """Entries, broadcast against each other; those that are nought are left out."""
        row, column, value = np.broadcast_arrays(rows, columns, np.asarray(values, float))
        kept = value != 0.0
        self._row.append(row[kept])
        self._column.append(column[kept])
        self._value.append(value[kept])

    def block(self) -> Block:
        """All rows, an entry that was put twice once, as the sum."""
        row, column = np.concatenate(self._row), np.concatenate(self._column)
        value = np.concatenate(self._value)
        order = np.lexsort((column, row))
        row, column, value = row[order], column[order], value[order]
        first = np.ones(row.size, dtype=bool)
        first[1:] = (np.diff(row) != 0) | (np.diff(column) != 0)
        total = np.add.reduceat(value, np.flatnonzero(first)) if row.size else value
        lower, upper = np.concatenate(self._lower), np.concatenate(self._upper)
        return Block(row[first], column[first], total, lower, upper)


def linear_rows(question: Question, layout: Layout) -> tuple[Block, dict[str, IntArray]]:
    """The rows, and which of them belong to a name."""
    sheet = Sheet()
    _trades(question, layout, sheet)
    _spends(question, layout, sheet)
    _balances(question, layout, sheet)
    _withdrawals(question, layout, sheet)
    _boxes(question, layout, sheet)
    _gross(question, layout, sheet)
    _errors(question, layout, sheet)
    _tails(question, layout, sheet)
    names = {name: np.concatenate([r.ravel() for r in rows]) for name, rows in sheet.names.items()}
    return sheet.block(), names


def _trades(question: Question, layout: Layout, sheet: Sheet) -> None:
    start = np.zeros(layout.size.shape)
    start[0] = question.positions.held
    rows = sheet.open(TRADES, start, start)
    sheet.put(rows, layout.size, 1.0)
    sheet.put(rows[1:], layout.size[:-1], -1.0)
    sheet.put(rows, layout.buy, -1.0)
    sheet.put(rows, layout.sell, 1.0)
    if np.isfinite(question.turnover):
        row = sheet.open(TURNOVER, -np.inf, question.turnover)
        sheet.put(row, layout.buy, 1.0)
        sheet.put(row, layout.sell, 1.0)


def _spends(question: Question, layout: Layout, sheet: Sheet) -> None:
    rows = sheet.open("spends", np.zeros(layout.spend.shape), 0.0)
    sheet.put(rows, layout.spend, 1.0)
    venue = question.positions.venue
    for side in (layout.buy, layout.sell):
        sheet.put(rows[:, venue], side, -question.positions.cost_rate)
    sheet.put(rows[:, venue[layout.charged]], layout.charge, -1.0)


def _balances(question: Question, layout: Layout, sheet: Sheet) -> None:
    nodes, edges = question.nodes, question.edges
    rows = sheet.open("balances", np.zeros(layout.money[1:].shape), 0.0)
    sheet.put(rows, layout.money[1:], 1.0)
    sheet.put(rows, layout.money[:-1], -1.0)
    sheet.put(rows[:, edges.source], layout.flow, 1.0)
    for edge, lag in enumerate(edges.lag):
        arrived = rows[lag:, edges.destination[edge]]
        sent = layout.flow[: arrived.shape[0], edge]
        sheet.put(arrived, sent, edges.cost_rate[edge] - 1.0)
    paying = np.flatnonzero(nodes.pays_costs)
    sheet.put(rows[:, paying], layout.spend[:, nodes.venue[paying]], 1.0)


def _withdrawals(question: Question, layout: Layout, sheet: Sheet) -> None:
    nodes, edges = question.nodes, question.edges
    limit = np.broadcast_to(nodes.withdrawable, (question.steps, nodes.withdrawable.size))
    rows = sheet.open(WITHDRAWALS, -np.inf, limit)
    away = nodes.venue[edges.source] != nodes.venue[edges.destination]
    for step in range(question.steps):
        row = rows[step]
        sent = layout.flow[: step + 1, away]
        sheet.put(row[edges.source[away]], sent, 1.0)
        for edge, lag in enumerate(edges.lag):
            landed = layout.flow[: max(0, step - lag), edge]
            sheet.put(row[edges.destination[edge]], landed, edges.cost_rate[edge] - 1.0)


def _boxes(question: Question, layout: Layout, sheet: Sheet) -> None:
    boxes = question.boxes
    for number, name in enumerate(boxes.names):
        held = np.flatnonzero(boxes.rows[number])
        low, high = np.full(question.steps, boxes.lower[number]), boxes.upper[number]
        short = layout.box_shortfall[:, number]
        for lower, upper, sign in ((low, np.inf, 1.0), (-np.inf, low * 0.0 + high, -1.0)):
            rows = sheet.open(name, lower, upper)
            sheet.put(rows[:, np.newaxis], layout.size[:, held], boxes.rows[number, held])
            sheet.put(rows, short, sign)


def _gross(question: Question, layout: Layout, sheet: Sheet) -> None:
    for number, limit in enumerate(question.gross):
        cap = np.full(question.steps, limit.cap - limit.constant)
        rows = sheet.open(limit.name, -np.inf, cap)
        sheet.put(rows[:, np.newaxis], layout.magnitude, limit.weights[layout.sized])
        sheet.put(rows[:, np.newaxis], layout.money[1:], limit.claim)
        sheet.put(rows, layout.gross_shortfall[:, number], -1.0)


def _errors(question: Question, layout: Layout, sheet: Sheet) -> None:
    if not layout.error.size:
        return
    rows = sheet.open("factors", np.zeros(layout.factor.shape), 0.0)
    sheet.put(rows, layout.factor, 1.0)
    for factor, loading in enumerate(question.positions.error_factor.T):
        held = np.flatnonzero(loading)
        sheet.put(rows[:, factor, np.newaxis], layout.size[:, held], -loading[held])
    total = sheet.open("errors", np.zeros(question.steps), np.inf)
    sheet.put(total, layout.error[:, 0], 1.0)
    sheet.put(total[:, np.newaxis], layout.share, -1.0)


def _tails(question: Question, layout: Layout, sheet: Sheet) -> None:
    for number, tail in enumerate(question.tails):
        rows = sheet.open(tail.name, -np.inf, np.full(question.steps, tail.limit))
        sheet.put(rows, layout.quantile[:, number], 1.0)
        sheet.put(rows, layout.tail_shortfall[:, number], -1.0)
        if tail.spends:
            paid = layout.spend if tail.venue < 0 else layout.spend[:, [tail.venue]]
            sheet.put(rows[:, np.newaxis], paid, 1.0)
