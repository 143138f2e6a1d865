# SPDX-License-Identifier: Apache-2.0
"""What may value a coin that is held outright."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tidegate.ledger.book import Ledger
from tidegate.model.errors import InputError
from tidegate.model.instruments import Perpetual


def test_coin_valued_by_a_coin_settled_contract_is_refused_in_one_line() -> None:
    """An inverse contract's mark is not in dollars that the ledger has a price for."""
    inverse = Perpetual(
        "binance-coin", "BTCUSD", "BTC", "BTC", Decimal("0.1"), Decimal(1), Decimal(100)
    )
    with pytest.raises(InputError, match="BTC: expected a mark in dollars"):
        Ledger({inverse.id: inverse}, {"USDT": 1_000_000}, {"BTC": inverse.id})
