# SPDX-License-Identifier: Apache-2.0
"""The demonstration in words and as a document: at each act where the money is, and its limits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tidegate.live.vault.operator import ASSET, Sending
from tidegate.live.vault.setting import USDC
from tidegate.live.vault.story import Act, Refusal
from tidegate.model.times import SECOND_MS, format_time
from tidegate.venues.vault.state import BPS, MICRO, VaultState, VenueState

WIDTH = 100
COLUMNS = ("of the book", "most", "may be added", "health", "at least")


def show(console: Console, number: int, act: Act) -> None:
    """One act."""
    state = act.state
    at = format_time(state.ts_s * SECOND_MS)
    console.print(f"[bold]{number}. {act.title}[/] ({at}, block {state.block_number})")
    for line in act.said:
        console.print(f"   {line}", highlight=False, markup=False)
    console.print(table(state, ASSET), end="")
    total = state.total_quanta / USDC
    claims = f", {state.set_aside_quanta / USDC:,.2f} set aside" if state.set_aside_quanta else ""
    price = f"   A share is worth {act.share_price:.6f} {ASSET}; the book {total:,.2f}{claims}.\n"
    console.print(price, highlight=False)


def document(act: Act) -> dict[str, Any]:
    """One act as plain values; amounts in quanta of the asset."""
    state = act.state
    kept = ("block_number", "ts_s", "total_quanta", "idle_quanta", "set_aside_quanta", "nonce")
    return {
        "act": act.title,
        "said": list(act.said),
        "share_price": act.share_price,
        **{name: getattr(state, name) for name in kept},
        "anchor_head": state.anchor_head,
        "venues": [asdict(venue) for venue in state.venues],
    }


def sending_of(sent: Sending) -> dict[str, Any]:
    """A transfer of the engine as plain values."""
    return asdict(sent)


def refusal_of(refusal: Refusal) -> dict[str, Any]:
    """An illegal order and the transaction that the vault reverted, as plain values."""
    return {"what": refusal.what, "sender": refusal.sender, **asdict(refusal.sent)}


def table(state: VaultState, asset: str) -> Table:
    """Where the money is, in whole coins of the asset, with limits and headroom."""
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 1))
    for column in ("where", asset, *COLUMNS):
        justify: Literal["left", "right"] = "left" if column == "where" else "right"
        drawn.add_column(column, justify=justify, no_wrap=True)
    least = state.limits.idle_min_bps / BPS if state.limits is not None else 0.0
    idle = _share(state.idle_quanta, state)
    drawn.add_row("idle", _coins(state.idle_quanta, state), idle, "", "", "", f"{least:.0%}")
    for venue in state.venues:
        drawn.add_row(*_row(venue, state))
    return drawn


def _row(venue: VenueState, state: VaultState) -> tuple[str, ...]:
    name = venue.name if len(venue.name) < 42 else f"{venue.name[:8]}..{venue.name[-6:]}"
    if not venue.is_known:
        return (name, "unknown", "", "", "", "", "")
    owes = venue.health_micro is not None
    return (
        name,
        _coins(venue.value_quanta, state),
        _share(venue.value_quanta, state),
        _coins(venue.cap_quanta, state),
        _coins(venue.headroom_quanta, state),
        f"{(venue.health_micro or 0) / MICRO:.2f}" if owes else "",
        f"{venue.health_min_micro / MICRO:.2f}" if venue.health_min_micro else "",
    )


def _coins(quanta: int, state: VaultState) -> str:
    return f"{quanta / 10**state.decimals:,.0f}"


def _share(quanta: int, state: VaultState) -> str:
    return f"{quanta / state.total_quanta:.1%}" if state.total_quanta else ""
