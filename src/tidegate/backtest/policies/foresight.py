# SPDX-License-Identifier: Apache-2.0
"""A bound, not a rule: what a fixed book would earn if it were told when the crisis comes."""

from __future__ import annotations

from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.plain import FixedPolicy
from tidegate.backtest.run import Session


class ForesightPolicy(FixedPolicy):
    """Fixed leverage, flat from one step before `flat_ms` until `back_ms` (UTC). It knows what
    nobody can know, so nothing is compared with it but the distance to it."""

    def __init__(
        self, session: Session, pairs: Pairs, leverage: float, flat_ms: int, back_ms: int
    ) -> None:
        super().__init__(session, pairs, leverage)
        self._flat_ms, self._back_ms = flat_ms, back_ms
        self._before_ms = session.exchange.now_ms

    def act(self, ts_ms: int) -> None:
        """Be flat while the crisis is near or on, else act as the fixed rule does."""
        step_ms, self._before_ms = ts_ms - self._before_ms, ts_ms
        if self._flat_ms - step_ms <= ts_ms < self._back_ms:
            self._trader.flatten(self._pairs)
            self._opened = {}
            return
        super().act(ts_ms)
