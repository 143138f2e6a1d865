# SPDX-License-Identifier: Apache-2.0
"""Levels of collateral and the distance to the next trigger, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tidegate.engine.plan.document import PlanDocument, WatchLine

NONE = "none seen"
HOUR_S = 3600.0


def levels_table(found: PlanDocument) -> Table:
    """Least collateral and what is filled to, by account."""
    heads = ("collateral", "health", "least (s)", "fill to (S)", "idle from", "set by", "lands in")
    rows = [
        (
            each.venue,
            _usd(each.health_usd),
            _usd(each.least_usd),
            _usd(each.fill_usd),
            _usd(each.top_usd),
            each.set_by,
            "no route" if each.lead_s is None else f"{each.lead_s / HOUR_S:,.1f} h",
        )
        for each in found.levels
    ]
    return _table(heads, rows)


def watches_table(found: PlanDocument) -> Table:
    """What is watched, where it triggers, and how far that is."""
    heads = ("next trigger", "where", "coin", "now", "at", "room")
    rows = [
        (each.kind, each.where, each.coin, _now(each), _in(each, each.at), _room(each))
        for each in found.watches
    ]
    return _table(heads, rows)


def _in(each: WatchLine, value: float | None) -> str:
    if value is None:
        return NONE
    if each.unit == "USD":
        return _usd(value)
    if each.unit == "s":
        return f"{value / HOUR_S:,.1f} h"
    return f"{value:+.2%} {each.unit}"


def _now(each: WatchLine) -> str:
    """Nothing, of what is counted from now."""
    return _in(each, each.now) if each.now or each.unit == "USD" else ""


def _room(each: WatchLine) -> str:
    return NONE if each.room is None else _in(each, each.room)


def _usd(value: float | None) -> str:
    if value is None:
        return "none"
    return f"-${-value:,.0f}" if value <= -0.5 else f"${abs(value):,.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table
