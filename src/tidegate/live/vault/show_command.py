# SPDX-License-Identifier: Apache-2.0
"""What `tidegate vault show` does: read one vault on a chain, and say what its holders ask.

It reads by the edge's own reader, so the logs have been held against the contracts. It has no key.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from tidegate.backtest.narrow import console_of
from tidegate.live.vault.demo_command import check_extra
from tidegate.live.vault.told import WIDTH, table
from tidegate.model.errors import InputError
from tidegate.model.times import SECOND_MS, format_time
from tidegate.venues.vault.logs import Disagreement
from tidegate.venues.vault.node import ChainNode, NodeError, Reverted, connect
from tidegate.venues.vault.reading import Moved, Place, Reader
from tidegate.venues.vault.state import PPB, VaultState

COMMAND = "tidegate vault show"
TRIES = 3
VIRTUAL_DECIMALS = 6  # more than the asset's, as `pricing.vy` has it


@dataclass(frozen=True, slots=True)
class Asked:
    """Which vault, by which node, how far behind its head; `first_block` of None is looked for."""

    rpc: str
    vault: str
    depth_blocks: int = 0
    first_block: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A vault, its asset's symbol, who waits for fulfilment (shares), and who may collect."""

    state: VaultState
    symbol: str
    waiting_shares: Mapping[str, int]
    claims_quanta: Mapping[str, int]

    @property
    def share_price(self) -> float:
        """What one share is worth in the asset, at liquidation values, gains unlocked so far."""
        one = 10 ** (self.state.decimals + VIRTUAL_DECIMALS)
        return float(self.state.price_quanta(one) / 10**self.state.decimals)


def run_show(asked: Asked, *, as_json: bool) -> bool:
    """Print the vault; False, with one line, where its logs and contracts differ.

    Raises `InputError` where the extra, the node or the vault is missing.
    """
    check_extra()
    try:
        shown = asyncio.run(_read(asked))
    except Disagreement as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return False
    except (NodeError, Reverted) as error:
        raise InputError(COMMAND, "--rpc", str(error)) from None
    if as_json:
        print(json.dumps(document(shown), sort_keys=True))
    else:
        _print(console_of(WIDTH), shown)
    return True


async def _read(asked: Asked) -> Shown:
    node = connect(asked.rpc)
    try:
        return await read(node, asked)
    finally:
        await node.close()


async def read(node: ChainNode, asked: Asked) -> Shown:
    """The vault over a node; raises as `Reader.state`, and `Disagreement` where the chain does not
    rest."""
    vault = _address(asked.vault)
    first = asked.first_block
    if first is None:
        first = await _made_at(node, vault)
    reader = Reader(node, Place(vault, first, {}), asked.depth_blocks)
    for _ in range(TRIES):
        try:
            state = await reader.state()
        except Moved:
            continue
        symbol = await node.view("TestToken", state.asset, "symbol", at=state.block_number)
        return Shown(state, str(symbol), reader.ledger.escrow, reader.ledger.claims)
    raise Disagreement("chain", "one block", f"another at each of {TRIES} looks")


def _address(text: str) -> str:
    from eth_utils.address import to_checksum_address

    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise InputError(COMMAND, "--vault", "expected an address: 0x and 40 hexadecimal digits")
    return str(to_checksum_address(text))


async def _made_at(node: ChainNode, vault: str) -> int:
    """The first block at which the vault stands, found by halving."""
    low, high = 0, (await node.block()).number
    if not await node.has_code(vault, high):
        raise InputError(COMMAND, "--vault", f"expected a vault there, found nothing at {vault}")
    while low < high:
        middle = (low + high) // 2
        if await node.has_code(vault, middle):
            high = middle
        else:
            low = middle + 1
    return low


def document(shown: Shown) -> dict[str, Any]:
    """All of it as plain values; amounts in quanta of the asset and of the share."""
    return {
        **asdict(shown.state),
        "symbol": shown.symbol,
        "share_price": shown.share_price,
        "waiting_shares": dict(shown.waiting_shares),
        "claims_quanta": dict(shown.claims_quanta),
    }


def _print(console: Console, shown: Shown) -> None:
    state = shown.state
    at = format_time(state.ts_s * SECOND_MS)
    console.print(f"Vault {state.vault}, chain {state.chain_id}, block {state.block_number} ({at})")
    console.print(table(state, shown.symbol), end="")
    for line in _lines(shown):
        console.print(f"   {line}", highlight=False, markup=False, soft_wrap=True)


def _lines(shown: Shown) -> list[str]:
    state, symbol = shown.state, shown.symbol
    closed = [name for name in ("paused", "shutdown") if getattr(state, name)]
    share = 10 ** (state.decimals + VIRTUAL_DECIMALS)
    return [
        f"A share is worth {shown.share_price:.6f} {symbol} at liquidation values; the book "
        f"{_coins(state.total_quanta, state)}.",
        *_limits(state),
        *[
            f"{who} waits to leave with {shares / share:,.2f} shares."
            for who, shares in shown.waiting_shares.items()
        ],
        *[
            f"{who} may collect {_coins(quanta, state)} {symbol}."
            for who, quanta in shown.claims_quanta.items()
        ],
        *[f"The vault is {word}." for word in closed],
        f"{state.nonce} orders; {state.anchor_count} roots anchored, their head "
        f"{state.anchor_head}.",
    ]


def _limits(state: VaultState) -> list[str]:
    limits = state.limits
    if limits is None:
        return ["It has no policy: nothing may be sent to a venue."]
    sendable = _coins(limits.sendable_quanta(state.total_quanta), state)
    lost, budget = limits.loss_ppb / PPB, limits.loss_budget_bps / 10_000
    return [
        f"May still be sent to venues today: {sendable}.",
        f"Lost by orders of late: {lost:.3%} of the book, of {budget:.2%} that are allowed.",
    ]


def _coins(quanta: int, state: VaultState) -> str:
    return f"{quanta / 10**state.decimals:,.2f}"
