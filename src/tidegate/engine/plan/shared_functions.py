# SPDX-License-Identifier: Apache-2.0
"""Functions of many accounts and markets in units of equity, each kept once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Functions
from tidegate.engine.plan.pieces import Function, Row

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DIGITS = 12


class Scale:
    """From sizes traded to notionals in units of equity: d = (x - held) equity / per_size, for the
    instruments at `columns` of a book of `total`."""

    def __init__(
        self, columns: IntArray, per_size: FloatArray, held: FloatArray, equity_usd: float
    ) -> None:
        self.columns = columns
        self.per_size, self.held, self.equity_usd = per_size, held, equity_usd

    def row(self, row: Row) -> tuple[FloatArray, float]:
        """A row in USD of sizes traded as slopes of x (n') and a constant, in units of equity."""
        slopes = row.slopes / self.per_size
        return slopes, row.constant / self.equity_usd - float(slopes @ self.held)


class SharedFunctions:
    """Collects functions; equal ones up to a factor are one, and the factor is in the weight."""

    def __init__(self, positions: int) -> None:
        self.positions = positions
        self._index: dict[tuple[bytes, bytes, bytes], int] = {}
        self._rows: list[tuple[FloatArray, FloatArray, FloatArray]] = []

    def add(self, function: Function, scale: Scale) -> tuple[int, float] | None:
        """Place and weight of a function of sizes traded; None for one that is nowhere above 0."""
        local = function.net / scale.per_size
        size = float(np.abs(local).max(initial=0.0))
        if size == 0.0 or function.weight == 0.0:
            return None
        slopes = function.slopes * size
        offsets = function.slopes * float(local @ scale.held)
        offsets = offsets + function.offsets / scale.equity_usd
        steep = float(np.abs(slopes).max())
        if steep == 0.0:
            return None
        net = np.zeros(self.positions)
        net[scale.columns] = local / size
        return self._place(net, slopes / steep, offsets / steep), function.weight * steep

    def scaled(self, net: FloatArray, slopes: FloatArray, offsets: FloatArray) -> tuple[int, float]:
        """Place of max_j (slope_j net'x - offset_j) over all positions, in units of equity, and by
        what it was divided. Raises `ValueError` for one that no position changes."""
        size = float(np.abs(net).max())
        steep = float(np.abs(slopes).max()) * size
        if not steep > 0.0:
            raise ValueError("expected a function of a position")
        return self._place(net / size, slopes * size / steep, offsets / steep), steep

    def _place(self, net: FloatArray, slopes: FloatArray, offsets: FloatArray) -> int:
        if net[np.flatnonzero(net)[0]] < 0.0:
            net, slopes = -net, -slopes
        pieces = np.stack([slopes, offsets], axis=1)
        # Of a few rows this is several times as fast as numpy's unique, and the same.
        rows = np.array(sorted(set(map(tuple, np.round(pieces, DIGITS).tolist()))))
        key = (np.round(net, DIGITS).tobytes(), rows[:, 0].tobytes(), rows[:, 1].tobytes())
        if key not in self._index:
            self._index[key] = len(self._rows)
            self._rows.append((net, rows[:, 0], rows[:, 1]))
        return self._index[key]

    def absolute(self, place: int) -> int:
        """The function |x| of one position."""
        net = np.zeros(self.positions)
        net[place] = 1.0
        return self._place(net, np.array([1.0, -1.0]), np.zeros(2))

    def __len__(self) -> int:
        return len(self._rows)

    def arrays(self) -> Functions:
        """All functions, with pieces repeated to one length."""
        pieces = max((len(slopes) for _, slopes, _ in self._rows), default=1)
        net = np.array([row[0] for row in self._rows]).reshape(len(self._rows), self.positions)
        slopes = [np.pad(row[1], (0, pieces - len(row[1])), mode="edge") for row in self._rows]
        offsets = [np.pad(row[2], (0, pieces - len(row[2])), mode="edge") for row in self._rows]
        shape = (len(self._rows), pieces)
        return Functions(net, np.array(slopes).reshape(shape), np.array(offsets).reshape(shape))
