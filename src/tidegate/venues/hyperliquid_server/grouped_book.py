# SPDX-License-Identifier: Apache-2.0
"""A book whose levels are joined to fewer significant figures, bids down and asks up."""

from __future__ import annotations

from dataclasses import replace

from tidegate.venues.street.values import Ladder

Side = tuple[tuple[int, int], ...]


def grouped(ladder: Ladder, figures: int | None, mantissa: int | None) -> Ladder:
    """The book in steps of `mantissa` of the last of so many figures; None: as it is."""
    if figures is None:
        return ladder
    bids = _joined(ladder.bids, figures, mantissa or 1, up=False)
    return replace(ladder, bids=bids, asks=_joined(ladder.asks, figures, mantissa or 1, up=True))


def _joined(side: Side, figures: int, mantissa: int, up: bool) -> Side:
    found: dict[int, int] = {}
    for ticks, lots in side:
        step = mantissa * 10 ** max(0, len(str(ticks)) - figures)
        at = -(-ticks // step) * step if up else ticks // step * step
        if at > 0:
            found[at] = found.get(at, 0) + lots
    return tuple(found.items())
