# SPDX-License-Identifier: Apache-2.0
"""What a session with one venue can do, whichever venue it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from tidegate.model.account import Account, Position
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event
from tidegate.model.instruments import Contract
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    TransferReply,
    Unclear,
)
from tidegate.venues.streams.talk import Talk


class News(msgspec.Struct, frozen=True):
    """Something that happened to our account, under the venue's own name for it."""

    source: str
    event: Event


class Held(NamedTuple):
    """What a venue says that we hold at a time: signed lots by symbol, cash in quanta (equity less
    the value of all positions at their marks), and what it calls the orders that work."""

    ts_ms: int
    lots: Mapping[str, int]
    cash_quanta: int
    working: tuple[str, ...]


class Venue(NamedTuple):
    """What a session is told: the venue's name, collateral, and contracts by its own symbols."""

    name: str
    collateral: str
    contracts: Mapping[str, Contract]


class OffTheGrid(Exception):
    """A venue's price or size is no whole number of the steps that the settings name."""


def whole(value: Decimal, step: Decimal) -> int:
    """How many steps a value is; raises `OffTheGrid`, since cutting it would falsify the ledger."""
    steps = value / step
    if steps != steps.to_integral_value():
        raise OffTheGrid(f"{value} is no whole number of steps of {step}: mend the settings")
    return int(steps)


class Session(Protocol):
    """One venue's words. A reply that cannot be told from none is `Unclear`.

    An order's id is that of ours; what the venue calls it stays inside.
    """

    venue: Venue

    def now_ms(self) -> int | Unclear:
        """The venue's time."""

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""

    def place(self, order: Order, limit: Decimal, expires_ms: int) -> OrderReply:
        """Fill at once what can be at no worse than `limit`, unless it comes after its expiry."""

    def cancel(self, order: str, symbol: str) -> OrderReply:
        """Ask that an order be cancelled; its state thereafter."""

    def order(self, order: str, symbol: str) -> OrderReply:
        """Ask for the state of an order."""

    def ticket(self) -> str | None:
        """A new id for a withdrawal, under which the venue does nothing twice; None where it has
        none, and then nothing is withdrawn: an unanswered one could not be told from none."""

    def send(self, transfer: Transfer, address: str, ticket: str) -> TransferReply:
        """Withdraw to an address under a ticket."""

    def news(
        self, since_ms: int, ours: Mapping[str, str], known: Sequence[Entry] = ()
    ) -> tuple[News, ...] | Unclear:
        """What happened from a time on, oldest first; `ours` are our ids by the venue's, `known`
        the lines of the account's log so far, which begins with what was there."""

    def held(self) -> Held | Unclear:
        """What the venue says that we hold now. Cash needs no entry price, which venues round."""

    def device(self) -> Device | None:
        """Its dead-man's switch."""

    def arm(self, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""

    def talk(self) -> Talk | None:
        """How its stream of our account is talked to; None where it is not listened to."""


def after_acting(reply: OrderReply) -> OrderReply:
    """The answer to a question about an order that was sent: where it was not taken, the question
    was not, and of the order nothing is known."""
    return Unclear(reply.reason) if isinstance(reply, NotTaken) else reply


def account_of(venue: Venue, held: Held, costs: Mapping[str, int]) -> Account:
    """The account as the ledger counts it, from positions' costs in our own fold of its log.

    The wallet is what cash would be had the positions cost nothing: `cash + sum of costs`.
    """
    positions = {
        f"{venue.name}:{symbol}": Position(lots, costs.get(symbol, 0))
        for symbol, lots in held.lots.items()
        if lots
    }
    wallet = held.cash_quanta + sum(position.cost for position in positions.values())
    return Account(venue.name, {venue.collateral: wallet}, positions)
