# SPDX-License-Identifier: Apache-2.0
"""What one account holds, in floats: positions, collateral and working orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.model.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Holding:
    """A signed position (long +): `size` in base coins, of inverse contracts in dollars of face;
    `entry` is the price in quote currency since which profit is not yet in the collateral: the
    average, or the last daily settlement's where a venue settles; of options the premium paid per
    coin in the settlement asset; `funding` is what is accrued and not yet paid (+ received), in
    the settlement asset."""

    instrument: Instrument
    size: float
    entry: float
    funding: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that rests: signed size as of `Holding`, limit price as of `Holding.entry`."""

    instrument: Instrument
    size: float
    price: float
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Holdings:
    """One account: positions, one an instrument; `collateral` in whole coins per asset, negative
    where borrowed; working orders.

    Premiums of options have left `collateral` when they were paid. `realised` is profit since the
    venue's last settlement that is not in `collateral` yet, by asset (Deribit's session)."""

    positions: tuple[Holding, ...] = ()
    collateral: Mapping[str, float] = field(default_factory=dict)
    orders: tuple[WorkingOrder, ...] = ()
    realised: Mapping[str, float] = field(default_factory=dict)
