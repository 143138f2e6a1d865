# SPDX-License-Identifier: Apache-2.0
"""Figures of an account in words, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.engine.margin_book.answer import Answer, Standing
from tidegate.engine.margin_book.closings import Closing
from tidegate.engine.margin_book.distances import Distance, Side
from tidegate.model.units import asset_decimals

UNKNOWN = "UNKNOWN"
AMOUNTS = ("equity", "initial", "maintenance", "health", "withdrawable")
DOLLAR_DECIMALS, COIN_PLACES = 6, 6


def side(said: Side) -> tuple[str, str]:
    """A direction as move and price."""
    if said.status == "dies":
        return f"{said.move or 0.0:+.2%}", price(said.price)
    if said.status == "never":
        return "never", ""
    return UNKNOWN, "" if said.searched_to is None else f"beyond {said.searched_to:+.0%}"


def why_unknown(distances: Sequence[Distance]) -> list[str]:
    """Why a distance is not known, once for each reason."""
    sides = [(each.coin, one.why) for each in distances for one in (each.below, each.above)]
    return list(dict.fromkeys(f"{coin} distance: {why}" for coin, why in sides if why))


def unknown_lines(said: Answer) -> list[str]:
    """Everything that is not known of the account, each with its reason."""
    lines = [f"{gap.where}: {gap.what}" for gap in said.unknown]
    if said.now.withdrawable is None:
        lines.append("withdrawable: no document pins it")
    lines += [f"{each.symbol} by itself: {each.why}" for each in said.positions if each.why]
    return lines + why_unknown(said.distances)


def closing_lines(closing: Closing) -> list[str]:
    """What the papers say, and the first step where the rule plays it."""
    lines = [closing.documented]
    if closing.stage:
        trades = ", ".join(f"{one.size:+,.10g} {one.symbol}" for one in closing.trades)
        lines.append(f"{closing.at}: {closing.stage} {trades}".rstrip())
    return lines


def amount(value: float | None, unit: str) -> str:
    """An amount in the account's unit."""
    if value is None:
        return UNKNOWN
    return f"{value + 0.0:,.{2 if asset_decimals(unit) == DOLLAR_DECIMALS else COIN_PLACES}f}"


def price(value: float | None, missing: str = UNKNOWN) -> str:
    """A price, or what stands for one that is missing."""
    return missing if value is None else f"{value:,.8g}"


def ratio(said: Standing) -> str:
    """Equity over maintenance."""
    return "–" if said.maintenance <= 0.0 else f"{said.equity / said.maintenance:.2f}"
