# SPDX-License-Identifier: Apache-2.0
"""What the vault's logs mean for a book in which idle money and each adapter are venues.

    Deposit                 capital comes to the idle money
    Fulfilled               capital leaves it: what is set aside for a holder is not the book's
    VenueMoved, Rebalanced  with a snapshot of ours: the transfer leaves and lands in one moment
    VenueMoved otherwise    somebody else moved money (a keeper, the sentinel, a holder who leaves):
                            capital leaves one venue and comes to the other

What an adapter is worth beyond what moved there is its yield, a loss a negative one. It is told by
`marked`, once for each look. A homeward move that brings less than was asked lost it on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.model.actions import Transfer
from tidegate.model.events import Deposited, Event, TransferLanded, TransferSent, YieldAccrued
from tidegate.model.times import SECOND_MS
from tidegate.venues.vault.logs import Log

VAULT = "vault"
MARK = "mark "


@dataclass(frozen=True, slots=True)
class Names:
    """What the venues are called: of each adapter, and the vault's asset in the ledger."""

    venues: Mapping[str, str]
    asset: str

    def adapter(self, venue: str) -> str:
        """The adapter of a venue; raises `KeyError`."""
        return {name: adapter for adapter, name in self.venues.items()}[venue]


@dataclass(frozen=True, slots=True)
class Line:
    """One event for the log of a venue; `source` tells it from all others for good."""

    venue: str
    source: str
    event: Event


def lines(
    logs: Iterable[Log],
    at_s: Mapping[int, int],
    transfers: Mapping[str, Transfer],
    names: Names,
) -> Iterator[Line]:
    """The lines of some blocks' logs, whole blocks in order; `at_s` says when each block was, and
    `transfers` are ours by the snapshot root that their orders bear, as `0x` text."""
    moves: list[Log] = []
    for log in logs:
        ts_ms = at_s[log.block_number] * SECOND_MS
        if log.name == "VenueMoved":
            moves.append(log)
        elif log.name == "Rebalanced" and (ours := transfers.get(log.args["snapshot"])):
            count = len({ours.source, ours.destination} - {VAULT})
            yield from _foreign(moves[:-count], at_s, names)
            yield from _ours(ours, moves[-count:], ts_ms)
            moves = []
        elif log.name in ("Deposit", "Fulfilled"):
            yield from _foreign(moves, at_s, names)
            moves = []
            assets = log.args["assets"] if log.name == "Deposit" else -log.args["assets"]
            yield Line(VAULT, _place(log), Deposited(ts_ms, VAULT, names.asset, assets))
    yield from _foreign(moves, at_s, names)


def marked(venue: str, block: tuple[int, int], gain: int, asset: str) -> Line:
    """What an adapter is worth more than its log says at a block (number, second)."""
    number, ts_s = block
    event = YieldAccrued(ts_s * SECOND_MS, venue, asset, gain)
    return Line(venue, f"{MARK}{number}", event)


def change(event: Event, venue: str) -> int:
    """By how many quanta an event changes what a venue holds."""
    match event:
        case Deposited() | YieldAccrued():
            return event.quanta
        case TransferSent() if event.source == venue:
            return -event.quanta
        case TransferLanded() if event.destination == venue:
            return event.quanta
        case _:
            return 0


def _ours(transfer: Transfer, moves: list[Log], ts_ms: int) -> Iterator[Line]:
    """A transfer of ours: what left is what was asked for, what came is what came."""
    asset, sent, place = transfer.asset, transfer.quanta, _place(moves[0])
    home = [-move.args["delta"] for move in moves if move.args["delta"] < 0]
    came = min(sent, home[0]) if home else sent
    if home and transfer.destination != VAULT:
        came = min(came, moves[-1].args["delta"])
    ends = transfer.source, transfer.destination
    yield Line(ends[0], place, TransferSent(ts_ms, transfer.id, *ends, asset, sent, 0))
    landed = TransferLanded(ts_ms, transfer.id, ends[1], asset, sent, asset, came, 0)
    yield Line(ends[1], place, landed)


def _foreign(moves: list[Log], at_s: Mapping[int, int], names: Names) -> Iterator[Line]:
    for move in moves:
        delta: Any = move.args["delta"]
        ts_ms, place = at_s[move.block_number] * SECOND_MS, _place(move)
        venue = names.venues[move.args["adapter"]]
        yield Line(venue, place, Deposited(ts_ms, venue, names.asset, delta))
        yield Line(VAULT, place, Deposited(ts_ms, VAULT, names.asset, -delta))


def _place(log: Log) -> str:
    return f"{log.block_number}.{log.index}"
