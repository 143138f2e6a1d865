# SPDX-License-Identifier: Apache-2.0
"""From a grid to its runs, in its own order, each once, with the digests of what each reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from tidegate.backtest.arrangement import arrange
from tidegate.backtest.experiment import Spec
from tidegate.backtest.market import market_digest
from tidegate.backtest.run_id import RunKey, Strain, code_digest
from tidegate.backtest.sweep.grid import Grid, Point, labels, tables_at
from tidegate.backtest.sweep.task import Result, Task, asked_of_market, failed
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of the grid: where it stands there, its key, and its task, or the result that it has
    without being run, because its mandate or its data cannot be read."""

    point: Point
    label: str
    key: RunKey
    task: Task | None
    refused: Result | None


def cells_of(grid: Grid, data: Path) -> tuple[Cell, ...]:
    """Every run of a grid: windows, points, policies, seeds, strains; equal ones once."""
    known = _Known(grid, data)
    cells = {cell.key.id: cell for cell in reversed(list(_cells(grid, known)))}
    return tuple(reversed(cells.values()))


def _cells(grid: Grid, known: _Known) -> Iterator[Cell]:
    for window in grid.windows:
        for point, label in zip(grid.points, labels(grid.points), strict=True):
            for spec in grid.specs:
                for seed in grid.seeds:
                    for strain in grid.strains:
                        yield known.cell((point, label), window, spec, seed, strain)


class _Known:
    """What points and data were found to be; each file is read once for its digest."""

    def __init__(self, grid: Grid, data: Path) -> None:
        self._grid, self._data, self._code = grid, data, code_digest()
        self._mandates: dict[bytes, Mandate | InputError] = {}
        self._digests: dict[object, str | InputError] = {}

    def cell(
        self, place: tuple[Point, str], window: Window, spec: Spec, seed: int, strain: Strain
    ) -> Cell:
        """The cell of a place in the grid."""
        point, label = place
        mandate = self._mandate(point)
        digest = self._digest(mandate, window) if isinstance(mandate, Mandate) else mandate
        version = mandate.version if isinstance(mandate, Mandate) else self._unread(point)
        said = digest if isinstance(digest, str) else "unread"
        key = RunKey(version, said, self._code, window, self._grid.freezes, spec, seed, strain)
        if isinstance(mandate, Mandate) and isinstance(digest, str):
            return Cell(point, label, key, self._task(key, mandate), None)
        assert isinstance(digest, InputError)
        return Cell(point, label, key, None, failed(key.id, digest))

    def _task(self, key: RunKey, mandate: Mandate) -> Task:
        return Task(key, mandate, self._grid.where, str(self._data.resolve()))

    def _mandate(self, point: Point) -> Mandate | InputError:
        name = _encoder.encode(point)
        if name not in self._mandates:
            try:
                self._mandates[name] = self._grid.mandate_at(point)
            except InputError as error:
                self._mandates[name] = error
        return self._mandates[name]

    def _digest(self, mandate: Mandate, window: Window) -> str | InputError:
        """Of the files that a mandate reads over a window; a point may have any terms, and so
        each is arranged."""
        place = (mandate.version, window)
        if place not in self._digests:
            try:
                plain = arrange(mandate, VenueTables(self._data), window, self._grid.where)
                files = asked_of_market(mandate)
                if files not in self._digests:
                    self._digests[files] = market_digest(self._data, plain)
                self._digests[place] = self._digests[files]
            except InputError as error:
                self._digests[place] = error
        return self._digests[place]

    def _unread(self, point: Point) -> str:
        tables = _encoder.encode(tables_at(self._grid.tables, point))
        return f"unread {sha256(tables).hexdigest()[:16]}"
