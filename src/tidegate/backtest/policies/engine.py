# SPDX-License-Identifier: Apache-2.0
"""Tidegate itself, as one policy among those that are compared."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.backtest.run import Policy
from tidegate.engine.cycle import Cycle


class EnginePolicy:
    """Tidegate: the engine's own cycle; events it causes are already recorded by it."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle

    def act(self, ts_ms: int) -> None:
        """One step of the engine."""
        self._cycle.step(ts_ms)


class WatchedPolicy:
    """A policy with a witness that is told the time after each of its steps."""

    def __init__(self, policy: Policy, witness: Callable[[int], None]) -> None:
        self._policy, self._witness = policy, witness

    def act(self, ts_ms: int) -> None:
        """One step of the policy, then a look of the witness."""
        self._policy.act(ts_ms)
        self._witness(ts_ms)
