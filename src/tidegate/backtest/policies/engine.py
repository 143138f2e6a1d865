# SPDX-License-Identifier: Apache-2.0
"""Tidegate itself, as one policy among those that are compared."""

from __future__ import annotations

from tidegate.engine.cycle import Cycle


class EnginePolicy:
    """Tidegate: the engine's own cycle; events it causes are already recorded by it."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle

    def act(self, ts_ms: int) -> None:
        """One step of the engine."""
        self._cycle.step(ts_ms)
