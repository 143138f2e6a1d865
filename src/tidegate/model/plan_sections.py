# SPDX-License-Identifier: Apache-2.0
"""Sections of a mandate that only a plan over whole accounts reads, each with a safe default.

They are all optional. One that is not said is left out of a mandate's content, so that its version
is the same as before there were such sections; what then holds stands in `DEFAULTS` below.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rise = Annotated[float, msgspec.Meta(ge=0, le=10)]
Fall = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Hours = Annotated[float, msgspec.Meta(ge=0, le=720)]

BEYOND = "beyond"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class OptionTerms(_Strict, frozen=True):
    """What may be held in options; what is not said may be reduced and never raised.

    `vega_usd` by tenor ("30d": options of at most 30 days that no shorter tenor has, "beyond"), USD
    per vol point; `gamma_usd` by coin, USD of delta per 1 % of price; `short_wings_coins` by coin,
    how many more calls (or puts) may be sold than bought. Options that expire within
    `unwind_before_expiry_s` are closed.
    """

    vega_usd: dict[str, NonNegative] = {}
    gamma_usd: dict[str, NonNegative] = {}
    short_wings_coins: dict[str, NonNegative] = {}
    unwind_before_expiry_s: NonNegative = 7_200.0


class Sleeve(_Strict, frozen=True):
    """An isolated part of the book: the positions of `venues` and those named in `instruments`
    ("venue:SYMBOL"), with limits of their own as shares of the book's equity."""

    venues: list[str] = []
    instruments: list[str] = []
    gross_leverage: NonNegative | None = None
    loss_share: Share | None = None


class VolStress(_Strict, frozen=True):
    """How implied vols move beside prices: relative `up` and `down` at 30 days, times (30 days over
    the time to expiry)^`term`, at most doubled; `skew` vol points per unit of log moneyness."""

    up: Rise = 0.5
    down: Fall = 0.3
    skew: NonNegative = 0.1
    term: Share = 0.25


DEFAULTS: dict[str, object] = {
    "option": OptionTerms(),
    "sleeve": {},
    "stress.vol": VolStress(),
    "stress.venue_spread": 0.005,
    "stress.outage_hours": 6.0,
    "stable.cap": 1.0,
    "stable.shock": 0.05,
    "edge.payback_share": 0.5,
}
