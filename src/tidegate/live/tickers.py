# SPDX-License-Identifier: Apache-2.0
"""What tickers of streams say of a contract now: its mark, as of when, and a day's volume.

A price is as old as the venue says it is; one that is not told again grows old, and what is older
than the mandate's limit is no price. Sources, read 2026-11-30: docs.deribit.com (`ticker`);
hyperliquid.gitbook.io (`activeAssetCtx`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from tidegate.model.parsing import UNREADABLE_JSON


class Mark(NamedTuple):
    """A mark, when the venue saw it, and a day's volume in dollars."""

    price: Decimal
    as_of_ms: int
    volume_day_usd: float


class Ticker(NamedTuple):
    """One contract's mark, when the venue saw it, half its spread as a share where it has a book
    that is believed, and a day's volume in dollars."""

    mark: Decimal
    as_of_ms: int
    half_spread: float | None
    volume_day_usd: float


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    mark_px: Decimal
    day_ntl_vlm: Decimal


class _ContextData(msgspec.Struct, frozen=True):
    ctx: _Context


class _HyperliquidTicker(msgspec.Struct, frozen=True):
    data: _ContextData


class _Stats(msgspec.Struct, frozen=True):
    volume_usd: Decimal | None = None


class _DeribitTickerData(msgspec.Struct, frozen=True):
    mark_price: Decimal
    timestamp: int
    stats: _Stats


class _DeribitParams(msgspec.Struct, frozen=True):
    data: _DeribitTickerData


class _DeribitTicker(msgspec.Struct, frozen=True):
    params: _DeribitParams


_hyperliquid = msgspec.json.Decoder(_HyperliquidTicker)
_deribit = msgspec.json.Decoder(_DeribitTicker)


def hyperliquid_mark(content: bytes, book_ms: int) -> Mark | None:
    """A mark by `activeAssetCtx`; None where it cannot be read, or while no book has come.

    It bears no time of its own, so it is as of the contract's book before it, at `book_ms`.
    """
    try:
        context = _hyperliquid.decode(content).data.ctx
    except UNREADABLE_JSON:
        return None
    return _mark(context.mark_px, book_ms, context.day_ntl_vlm)


def deribit_mark(content: bytes, book_ms: int) -> Mark | None:
    """A mark by `ticker`; None where it cannot be read."""
    try:
        data = _deribit.decode(content).params.data
    except UNREADABLE_JSON:
        return None
    return _mark(data.mark_price, data.timestamp, data.stats.volume_usd or Decimal(0))


def _mark(price: Decimal, as_of_ms: int, volume: Decimal) -> Mark | None:
    sound = price.is_finite() and price > 0 and volume.is_finite() and volume >= 0
    return Mark(price, as_of_ms, float(volume)) if sound and as_of_ms > 0 else None
