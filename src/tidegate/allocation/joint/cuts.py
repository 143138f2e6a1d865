# SPDX-License-Identifier: Apache-2.0
"""Planes that support the convex functions of the joint programme, where a master is below them.

A convex function lies above each of its tangents, so a plane never cuts off a book that the
programme allows. None depends on what is held or on what nodes hold today, which are bounds of the
master: so planes stay valid when returns or the book change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.layout import Layout
from tidegate.allocation.joint.question import FloatArray, IntArray, Question
from tidegate.allocation.joint.replay import Replay
from tidegate.allocation.joint.rows import Block, Sheet
from tidegate.allocation.joint.tails import TailMatrix

# A function this far above its column is cut.
LEAST = 1e-9
# Sizes of a trade at which impact has tangents from the start, in shares of equity, and the ratios
# of one factor's error to all of it at which the norm has.
TRADE_SEEDS = (1e-3, 1e-2, 5e-2, 0.25, 1.0)
RATIO_SEEDS = (-1.0, -0.5, 0.5, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Where the quantities of one tail stand in one step: the master's `columns`, and for each
    entry of the plane its slot among them, which coefficient it takes and with what sign."""

    columns: IntArray
    slot: IntArray
    take: IntArray
    sign: FloatArray
    own: FloatArray

    def row(self, plane: FloatArray) -> FloatArray:
        """Coefficients of the columns."""
        weights = self.sign * plane[self.take]
        row: FloatArray = self.own + np.bincount(self.slot, weights, self.columns.size)
        return row


def column(question: Question, layout: Layout, matrix: TailMatrix, step: int) -> Column:
    """The columns of tail `matrix` in a step."""
    tail = matrix.tail
    number = [each.name for each in question.tails].index(tail.name)
    parts = (
        layout.size[step, tail.columns],
        layout.function[step, tail.functions],
        layout.money[step, tail.nodes],
    )
    sent = step - question.edges.lag[matrix.edges]
    landed = np.flatnonzero(sent >= 0)
    arriving = layout.flow[sent[landed], matrix.edges[landed]]
    place, edge = matrix.leaving
    width = tail.columns.size + tail.functions.size
    straight = sum(part.size for part in parts)
    take = np.concatenate([np.arange(straight), straight + landed, width + place])
    sign = np.concatenate([np.ones(straight + landed.size), -np.ones(place.size)])
    own = np.append(layout.spend[step, matrix.spending], layout.tail_shortfall[step, number])
    at = np.concatenate([*parts, arriving, layout.flow[step, edge]])
    columns, slot = np.unique(np.concatenate([at, own]), return_inverse=True)
    weights = np.zeros(columns.size)
    weights[slot[at.size :]] = np.append(np.ones(matrix.spending.size), -1.0)
    return Column(columns, slot[: at.size], take, sign, weights)


def seeds(question: Question, layout: Layout) -> Block:
    """Tangents that a master begins with."""
    sheet = Sheet()
    shape = layout.charge.shape
    for size in TRADE_SEEDS:
        step, place = np.nonzero(np.ones(shape, dtype=bool))
        _impact(question, layout, sheet, (step, place, np.full(step.size, size)))
    for ratio in RATIO_SEEDS:
        step, factor = np.nonzero(np.ones(layout.share.shape, dtype=bool))
        _norm(layout, sheet, (step, factor, np.full(step.size, ratio)))
    return sheet.block()


def cut(
    question: Question,
    layout: Layout,
    columns: tuple[tuple[Column, ...], ...],
    found: tuple[tuple[TailMatrix, ...], Replay, FloatArray],
) -> tuple[Block, IntArray]:
    """Planes at a replayed book where master's x is below them, and the tail of each row or -1."""
    matrices, book, x = found
    sheet = Sheet()
    traded = x[layout.buy] + x[layout.sell]
    short = book.impact[:, layout.charged] - x[layout.charge]
    step, place = np.nonzero(short > LEAST)
    _impact(question, layout, sheet, (step, place, traded[:, layout.charged][step, place]))
    if layout.share.size:
        _cut_norm(layout, sheet, x)
    owner = [np.full(sheet.height, -1)]
    for number, (matrix, steps) in enumerate(zip(matrices, columns, strict=True)):
        for k, where in enumerate(steps):
            worst = book.worst[number][k]
            if worst.excess - x[layout.tail_shortfall[k, number]] > LEAST:
                plane, constant = matrix.plane(worst.rows, worst.weights)
                row = sheet.open("tail", -np.inf, matrix.tail.limit - constant)
                sheet.put(row, where.columns, where.row(plane))
                owner.append(np.array([number]))
    return sheet.block(), np.concatenate(owner)


Places = tuple[IntArray, IntArray, FloatArray]


def _impact(question: Question, layout: Layout, sheet: Sheet, at: Places) -> None:
    """Tangent of impact d^1.5 at d = size: charge >= impact (1.5 size^.5 d - .5 size^1.5)."""
    step, place, size = at
    position = layout.charged[place]
    impact = question.positions.impact[position]
    rows = sheet.open("impact", -0.5 * impact * size**1.5, np.inf)
    sheet.put(rows, layout.charge[step, place], 1.0)
    for side in (layout.buy, layout.sell):
        sheet.put(rows, side[step, position], -1.5 * impact * np.sqrt(size))


def _cut_norm(layout: Layout, sheet: Sheet, x: FloatArray) -> None:
    factor, error = x[layout.factor], np.sqrt((x[layout.factor] ** 2).sum(axis=1))
    low = error - x[layout.error[:, 0]] > LEAST
    # Ratios are those of the book's own error: at them the shares add up to all of it.
    ratio = factor / np.where(error > 0.0, error, 1.0)[:, np.newaxis]
    value = np.maximum(x[layout.error], 0.0)
    below = 2.0 * ratio * factor - ratio**2 * value - x[layout.share]
    step, place = np.nonzero((below > LEAST / max(1, factor.shape[1])) & low[:, np.newaxis])
    _norm(layout, sheet, (step, place, ratio[step, place]))


def _norm(layout: Layout, sheet: Sheet, at: Places) -> None:
    """Tangent of g^2 / error at ratio r = g / error: share >= 2 r g - r^2 error."""
    step, place, ratio = at
    rows = sheet.open("norm", np.zeros(step.size), np.inf)
    sheet.put(rows, layout.share[step, place], 1.0)
    sheet.put(rows, layout.factor[step, place], -2.0 * ratio)
    sheet.put(rows, layout.error[step, 0], ratio**2)
