# SPDX-License-Identifier: Apache-2.0
"""Planes that support the convex functions of the joint programme, where a master is below them.

A convex function lies above each of its tangents, so a plane never cuts off a book that the
programme allows. None depends on what is held or on what nodes hold today, which are bounds of the
master: so planes stay valid when returns or the book change. Tails are in `excesses`.
"""

from __future__ import annotations

import numpy as np

from tidegate.allocation.joint.layout import Layout
from tidegate.allocation.joint.question import FloatArray, IntArray, Question
from tidegate.allocation.joint.replay import Replay
from tidegate.allocation.joint.rows import Block, Sheet

# A function this far above its column is cut.
LEAST = 1e-9
# Sizes of a trade at which impact has tangents from the start, in shares of equity, and the ratios
# of one factor's error to all of it at which the norm has.
TRADE_SEEDS = (1e-3, 1e-2, 5e-2, 0.25, 1.0)
RATIO_SEEDS = (-1.0, -0.5, 0.5, 1.0)
# A curve is touched on either side of the master's point as well, at this share of the distance
# whose tangent would meet the gap seen: so the next point lies in a span much shorter than half.
SPREAD = 0.7
_SIDES = (-1.0, 0.0, 1.0)
Places = tuple[IntArray, IntArray, FloatArray]


def seeds(question: Question, layout: Layout) -> Block:
    """Planes that a master begins with: those of the present book, and tangents at some sizes."""
    sheet = Sheet()
    held = np.broadcast_to(question.positions.held, layout.size.shape)
    _functions(question, layout, sheet, (held, np.full(layout.function.shape, -np.inf)))
    _magnitudes(layout, sheet, (held, np.full(layout.magnitude.shape, -np.inf)))
    for size in TRADE_SEEDS:
        step, place = np.indices(layout.charge.shape).reshape(2, -1)
        _impact(question, layout, sheet, (step, place, np.full(step.size, size)))
    for ratio in RATIO_SEEDS if layout.error.size else ():
        step, factor = np.indices(layout.share.shape).reshape(2, -1)
        _norm(layout, sheet, (step, factor, np.full(step.size, ratio)))
    return sheet.block()


def cut(question: Question, layout: Layout, book: Replay, x: FloatArray) -> Block:
    """Planes at the replayed book of master's `x`, where x is below a function."""
    sheet = Sheet()
    _functions(question, layout, sheet, (book.size, x[layout.function]))
    _magnitudes(layout, sheet, (book.size, x[layout.magnitude]))
    _cut_impact(question, layout, sheet, (book, x))
    if layout.error.size:
        _cut_norm(layout, sheet, x)
    return sheet.block()


def _functions(
    question: Question, layout: Layout, sheet: Sheet, at: tuple[FloatArray, FloatArray]
) -> None:
    """The piece that makes u at a book, where the column is below it."""
    functions, (size, column) = question.functions, at
    if not column.size:
        return
    value = (size @ functions.net.T)[:, :, np.newaxis] * functions.slope - functions.offset
    step, number = np.nonzero(value.max(axis=2) - column > LEAST)
    chosen = value.argmax(axis=2)[step, number]
    rows = sheet.open("functions", -functions.offset[number, chosen], np.inf)
    sheet.put(rows, layout.function[step, number], 1.0)
    slope = functions.slope[number, chosen, np.newaxis] * functions.net[number]
    sheet.put(rows[:, np.newaxis], layout.size[step], -slope)


def _magnitudes(layout: Layout, sheet: Sheet, at: tuple[FloatArray, FloatArray]) -> None:
    """|x| >= x or -x, whichever the column is below."""
    size, column = at[0][:, layout.sized], at[1]
    step, place = np.nonzero(np.abs(size) - column > LEAST)
    rows = sheet.open("magnitudes", np.zeros(step.size), np.inf)
    sheet.put(rows, layout.magnitude[step, place], 1.0)
    sheet.put(rows, layout.size[step, layout.sized[place]], -np.sign(size[step, place]))


def _cut_impact(
    question: Question, layout: Layout, sheet: Sheet, found: tuple[Replay, FloatArray]
) -> None:
    book, x = found
    short = book.impact[:, layout.charged] - x[layout.charge]
    step, place = np.nonzero(short > LEAST)
    traded = (x[layout.buy] + x[layout.sell])[:, layout.charged][step, place]
    # Half the second derivative of impact d^1.5 is (3 / 8) impact / d^.5.
    bend = 0.375 * question.positions.impact[layout.charged[place]] / np.sqrt(traded)
    spread = SPREAD * np.sqrt(0.5 * short[step, place] / bend)
    for side in _SIDES:
        size = np.maximum(traded + side * spread, 0.3 * traded)
        _impact(question, layout, sheet, (step, place, size))


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
    step, place = np.nonzero((below > LEAST / factor.shape[1]) & low[:, np.newaxis])
    spread = SPREAD * np.sqrt(0.5 * below[step, place] / np.maximum(error[step], LEAST))
    for side in _SIDES:
        near = np.clip(ratio[step, place] + side * spread, -1.0, 1.0)
        _norm(layout, sheet, (step, place, near))


def _norm(layout: Layout, sheet: Sheet, at: Places) -> None:
    """Tangent of g^2 / error at ratio r = g / error: share >= 2 r g - r^2 error."""
    step, place, ratio = at
    rows = sheet.open("norm", np.zeros(step.size), np.inf)
    sheet.put(rows, layout.share[step, place], 1.0)
    sheet.put(rows, layout.factor[step, place], -2.0 * ratio)
    sheet.put(rows, layout.error[step, 0], ratio**2)
