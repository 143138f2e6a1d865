# SPDX-License-Identifier: Apache-2.0
"""Tails in the master: first by planes of their mean, then scenario by scenario.

A plane through the mean of the worst rows of a tail supports it at one book. It takes few of them
to come near, and many to arrive, since near the optimum CVaR is almost smooth. So a tail that was
cut some times is stated as Rockafellar and Uryasev 2000 do,

    q + sum_w excess_w / mass + spend <= limit + shortfall,   excess_w >= loss_wp - q,  excess >= 0

with q the master's `quantile`, for those scenarios and points only that were once among the worst:
a few in a hundred. Leaving the others out leaves the master a relaxation.
"""

from __future__ import annotations

import numpy as np

from tidegate.allocation.joint.layout import Layout
from tidegate.allocation.joint.master import Master
from tidegate.allocation.joint.question import FloatArray, IntArray
from tidegate.allocation.joint.replay import Replay, Worst
from tidegate.allocation.joint.rows import Block, Sheet
from tidegate.allocation.joint.tails import TailMatrix

# Planes through the mean that a tail gets in a step before it is stated by scenario.
PLANES_FIRST = 3
# A tail this far above its limit and shortfall is cut.
LEAST = 1e-9
NO_KEY = -1


class Excesses:
    """Which rows and excesses of which tail the master holds; it grows with the master.

    `totals` (tail, k) are the master's rows of the first inequality. A key names a step, tail, and
    row of its matrix.
    """

    def __init__(self, layout: Layout, tails: tuple[TailMatrix, ...], totals: IntArray) -> None:
        self._layout, self._tails, self._totals = layout, tails, totals
        heights = np.array([tail.constant.size for tail in tails], dtype=np.int64)
        steps = layout.quantile.shape[0]
        ends = np.cumsum(np.repeat(heights, steps)).reshape(len(tails), steps)
        self._first_key = ends - heights[:, np.newaxis]
        self._columns: dict[int, int] = {}
        self._present: set[int] = set()
        self._free: dict[int, list[int]] = {}
        self._cuts = np.zeros(ends.shape, dtype=np.int64)

    def forget(self, keys: IntArray) -> None:
        """Rows with these keys are no longer in the master.

        An excess without a row is free for any scenario of its tail and step, since all of them
        count alike in the total; so the master does not widen for ever.
        """
        self._present.difference_update(keys.tolist())
        firsts = self._first_key.ravel()
        at = np.searchsorted(firsts, keys, side="right") - 1
        for place, row in zip(at.tolist(), (keys - firsts[at]).tolist(), strict=True):
            points = self._tails[place // self._first_key.shape[1]].points
            first = int(firsts[place]) + row // points * points
            if not self._present.intersection(range(first, first + points)):
                column = self._columns.pop(first, None)
                if column is not None:
                    self._free.setdefault(place, []).append(column)

    def cut(
        self, master: Master, book: Replay, x: FloatArray
    ) -> tuple[Block, IntArray, IntArray] | None:
        """Rows that the master's x breaks, the tail of each whose price is its own, and keys.

        Columns are added to the master at once, rows are not.
        """
        sheet, owners, keys = Sheet(), [], []
        for number, steps in enumerate(book.worst):
            for step, worst in enumerate(steps):
                short = x[self._layout.tail_shortfall[step, number]]
                if worst.excess - short <= LEAST:
                    continue
                self._cuts[number, step] += 1
                if self._cuts[number, step] <= PLANES_FIRST:
                    self._mean(sheet, number, step, worst)
                    owners.append(np.array([number]))
                    keys.append(np.array([NO_KEY]))
                else:
                    added = self._scenarios((master, sheet), number, step, worst)
                    owners.append(np.full(added.size, -1))
                    keys.append(added)
        if not sheet.height:
            return None
        return sheet.block(), np.concatenate(owners), np.concatenate(keys)

    def _mean(self, sheet: Sheet, number: int, step: int, worst: Worst) -> None:
        tail, layout = self._tails[number], self._layout
        plane = worst.weights @ tail.matrix[worst.rows]
        constant = float(worst.weights @ tail.constant[worst.rows])
        row = sheet.open("", -np.inf, tail.tail.limit - constant)
        place = tail.places[step]
        sheet.put(row, place.columns, place.rows(plane[np.newaxis])[0])
        sheet.put(row, layout.spend[step, tail.spending], 1.0)
        sheet.put(row, layout.tail_shortfall[step, number], -1.0)

    def _scenarios(
        self, into: tuple[Master, Sheet], number: int, step: int, worst: Worst
    ) -> IntArray:
        tail, (master, sheet) = self._tails[number], into
        keys = self._first_key[number, step] + worst.rows
        new = np.array([key not in self._present for key in keys.tolist()], dtype=bool)
        chosen = worst.rows[new]
        excess = self._excesses(master, number, step, chosen // tail.points)
        rows = sheet.open("", tail.constant[chosen], np.inf)
        place = tail.places[step]
        sheet.put(rows, excess, 1.0)
        sheet.put(rows, self._layout.quantile[step, number], 1.0)
        sheet.put(rows[:, np.newaxis], place.columns, -place.rows(tail.matrix[chosen]))
        self._present.update(keys[new].tolist())
        return np.asarray(keys[new])

    def _excesses(self, master: Master, number: int, step: int, scenarios: IntArray) -> IntArray:
        """Columns of scenarios' excesses, made where there is none, by the first point's key."""
        tail = self._tails[number]
        names = (self._first_key[number, step] + scenarios * tail.points).tolist()
        missing = [name for name in dict.fromkeys(names) if name not in self._columns]
        free = self._free.get(number * self._first_key.shape[1] + step, [])
        while free and missing:
            self._columns[missing.pop()] = free.pop()
        if missing:
            total = np.full(len(missing), self._totals[number, step])
            made = master.add_columns(total, np.full(len(missing), 1.0 / tail.tail.mass))
            self._columns.update(zip(missing, made.tolist(), strict=True))
        return np.array([self._columns[name] for name in names], dtype=np.int64)
