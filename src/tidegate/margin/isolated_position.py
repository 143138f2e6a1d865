# SPDX-License-Identifier: Apache-2.0
"""One position with margin of its own: an account of exactly one contract in one asset."""

from __future__ import annotations

from tidegate.margin.holding_values import WHERE, contract, settled
from tidegate.margin.holdings import Holding, Holdings
from tidegate.model.errors import InputError


def isolated(holdings: Holdings) -> tuple[Holding, float]:
    """The position and its margin in the settlement asset, negative balances included; raises
    `InputError` for more than one position, another asset, or working orders."""
    if len(holdings.positions) != 1:
        found = len(holdings.positions)
        raise InputError(WHERE, "positions", f"expected the one isolated position, got {found}")
    holding = contract(holdings.positions[0])
    settle = holding.instrument.settle
    for asset, balance in settled(holdings).items():
        if asset != settle and balance != 0.0:
            raise InputError(WHERE, asset, f"expected isolated margin in {settle} alone")
    if holdings.orders:
        raise InputError(WHERE, "orders", "expected none: they are margined outside the position")
    return holding, holdings.collateral.get(settle, 0.0)
