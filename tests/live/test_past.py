# SPDX-License-Identifier: Apache-2.0
"""The past of running venues while it does not come."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tidegate.history.intake.venue_answers import Busy
from tidegate.history.intake.venue_sources import Ask
from tidegate.live.past import Past
from tidegate.model.instruments import Perpetual
from tidegate.model.times import DAY_MS

# 30 November 2026.
NOW_MS = 20_787 * DAY_MS
COIN = Perpetual("hyperliquid", "BTC", "BTC", "USDC", Decimal(1), Decimal("0.00001"))


def test_venue_that_told_no_bars_yet_has_an_empty_past_and_no_volatility() -> None:
    def busy(_: Ask) -> bytes:
        raise Busy("status 429")

    past = Past({COIN.id: COIN}, {"hyperliquid": None}, busy, NOW_MS, lambda _: None)
    past.refresh(NOW_MS)
    assert past.late == past.unknown == (COIN.id,)
    bars = past.bars(("BTC",), NOW_MS, 30)
    assert bars.close.shape == (0, 1)
    assert np.array_equal(bars.high, bars.low)
    assert past.vol_daily(COIN.id, NOW_MS) is None
    assert past.prints(COIN.id, NOW_MS) is None
