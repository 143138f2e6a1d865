# SPDX-License-Identifier: Apache-2.0
"""Sections of a mandate that only the engine reads: how it looks for a book, and how it trades."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]

# What the engine plays and a joint plan can certify; coins in a wallet are left as they are.
JOINT_RULES = ("hyperliquid_cross", "binance_usdm", "dydx_cross", "spot")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Allocation(_Strict, frozen=True):
    """What a review asks for a better book: the engine's linear programme, or the joint plan over
    whole accounts with its certificate, as `tidegate plan` makes it."""

    programme: Literal["linear", "joint"] = "linear"


class Pacing(_Strict, frozen=True):
    """How what raises is spread over time: within `horizon_s` (0: at once), slices at least
    `interval_s` apart, which is how long an order's impact is taken to last; `aversion_per_usd` is
    what a squared dollar of deviation is worth in dollars (0: even slices), `basis_vol_annual` the
    relative volatility between the legs of a pair, which is what waiting risks."""

    horizon_s: NonNegative = 0.0
    interval_s: Positive = 30.0
    aversion_per_usd: NonNegative = 0.0
    basis_vol_annual: NonNegative = 0.02
