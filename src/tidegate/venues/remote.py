# SPDX-License-Identifier: Apache-2.0
"""A gateway whose venues are another process on this machine.

What is known after each ending of a request: a reply that reads well is the venue's word; 4xx
means that nothing was done (`NotTaken`); anything else, a time-out, a broken connection, 5xx or a
reply that does not read, tells nothing (`Unclear`). Nothing is ever sent twice. One deadline holds
for a whole exchange, so that a reply in drops delays nobody for longer than silence does.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.model.replies import (
    Armed,
    ArmReply,
    Device,
    Entry,
    Leased,
    NotTaken,
    OrderReply,
    OrderStatus,
    Pushed,
    Statement,
    SweepReply,
    Swept,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.risk.gate import Approval
from tidegate.venues import wire

HOST = "127.0.0.1"
# Of a page that refuses: what is kept of it.
WORDS_BYTES = 200
_decoder: msgspec.json.Decoder[wire.Reply] = msgspec.json.Decoder(wire.Reply)
Wanted = TypeVar("Wanted")


class _Stopped(Exception):
    """Nothing may be sent any more, and nothing was."""


class DeadlineSocket(socket.socket):
    """A connected socket whose reads raise `TimeoutError` at `deadline_s` of the steady clock.

    A socket's own time-out starts anew with each byte, so that a peer who sends a byte at a time
    could hold its reader for ever.
    """

    deadline_s = 0.0

    def recv_into(self, *arguments: Any) -> int:
        """Read what there is, as of any socket, within the time that is left."""
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("not everything came in time")
        self.settimeout(left_s)
        return super().recv_into(*arguments)


def with_deadline(connection: socket.socket, deadline_s: float) -> DeadlineSocket:
    """The same connection with a deadline; the object that was given is of no more use."""
    timeout_s = connection.gettimeout()
    dated = DeadlineSocket(fileno=connection.detach())
    dated.settimeout(timeout_s)
    dated.deadline_s = deadline_s
    return dated


class RemoteGateway:
    """A session with venues behind a port of this machine; `token` says what it may do there.

    `may_send` is asked last of all before an order or a transfer goes out, when it has been
    journalled and the connection stands: an engine that hung before that sends nothing when it
    wakes. It may be used by several threads: each request has a connection of its own.
    """

    def __init__(
        self,
        port: int,
        token: bytes,
        venues: tuple[str, ...],
        timeout_s: float,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._port, self._token, self._timeout_s = port, token, timeout_s
        self._may_send = may_send
        # A page may say again what it was sent, and replies are journalled.
        self._secret = re.compile(re.escape(token.hex().encode()), re.IGNORECASE)
        self.venues = venues
        self._lease = 0

    def hold(self, holder: str, takes: bool = False) -> None:
        """Take the session's lease for the engine of a journal, whose number is shown from now on.

        Raises `InputError` where another engine has it and the operator has not said that this one
        `takes` it, and where the token does not trade; from now on every other call does so, once
        another engine has taken it.
        """
        reply = self._ask(wire.Hold(holder, takes), Leased)
        if not isinstance(reply, Leased):
            expected = f"expected leave to trade for the token of engine.token ({reply.reason})"
            raise InputError("session", "lease", expected)
        self._lease = reply.number

    def place(self, approval: Approval) -> OrderReply:
        """Send an approved order, if anything may be sent at this very moment."""
        return self._ask(wire.Place(approval, lease=self._lease), OrderStatus)

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Ask that an order be cancelled."""
        return self._ask(wire.Cancel(venue, order), OrderStatus)

    def cancel_all(self, venue: str) -> SweepReply:
        """Ask that every order be cancelled."""
        return self._ask(wire.CancelAll(venue), Swept)

    def order(self, venue: str, order: str) -> OrderReply:
        """Ask for an order's state."""
        return self._ask(wire.AskOrder(venue, order), OrderStatus)

    def send(self, approval: Approval) -> TransferReply:
        """Send an approved transfer, if anything may be sent at this very moment."""
        return self._ask(wire.Send(approval, lease=self._lease), TransferStatus)

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """Ask for a transfer's state."""
        return self._ask(wire.AskShipment(venue, transfer), TransferStatus)

    def pushed(self) -> tuple[Pushed, ...]:
        """What came of its own accord; nothing where nothing can be heard."""
        reply = self._ask(wire.AskPushed(lease=self._lease), wire.PushedList)
        return reply.items if isinstance(reply, wire.PushedList) else ()

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log beyond a number."""
        reply = self._ask(wire.AskEntries(venue, after), wire.EntryList)
        return reply.items if isinstance(reply, wire.EntryList) else Unclear(reply.reason)

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's account of us."""
        reply = self._ask(wire.AskStatement(venue), Statement)
        return reply if isinstance(reply, Statement) else Unclear(reply.reason)

    def device(self, venue: str) -> Device | None:
        """A venue's dead-man's switch; None also where nobody answers, since it cannot be armed."""
        reply = self._ask(wire.AskDevice(venue), Device)
        return reply if isinstance(reply, Device) else None

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""
        return self._ask(wire.Arm(venue, seconds, lease=self._lease), Armed)

    def advance(self, until_ms: int) -> NotTaken | Unclear | None:
        """Let the venues' time pass where it is ours to say; None when it did."""
        reply = self._ask(wire.Advance(until_ms, lease=self._lease), wire.News)
        return None if isinstance(reply, wire.News) else reply

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce a freeze; all where nobody answers."""
        news = self._news()
        return self.venues if news is None else news.frozen

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades; all where nobody answers."""
        news = self._news()
        return self.venues if news is None else news.out

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth, where somebody says."""
        news = self._news()
        return {} if news is None else news.stable_micro

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Our place in a deleveraging queue; None unknown."""
        reply = self._ask(wire.AskRank(instrument), wire.Rank)
        return reply.rank if isinstance(reply, wire.Rank) else None

    def now_ms(self) -> int | None:
        """The venues' time; None where nobody answers."""
        news = self._news()
        return None if news is None else news.ts_ms

    def news(self) -> wire.News | NotTaken | Unclear:
        """What venues announce, or why nothing was heard."""
        return self._ask(wire.AskNews(), wire.News)

    def heard(self, known: int, longest_s: float) -> wire.Heard | NotTaken | Unclear:
        """Wait, for less than a reply may take, until venues have said something of our accounts;
        never a reason to believe anything but that it is time to ask."""
        longest_s = min(longest_s, self._timeout_s / 2)
        return self._ask(wire.AskHeard(known, longest_s), wire.Heard)

    def _news(self) -> wire.News | None:
        reply = self.news()
        return reply if isinstance(reply, wire.News) else None

    def _ask(self, request: wire.Request, wanted: type[Wanted]) -> Wanted | NotTaken | Unclear:
        sends = isinstance(request, wire.Place | wire.Send)
        try:
            status, body = self._exchange(msgspec.json.encode(request), sends)
        except _Stopped:
            return NotTaken("the latch is set")
        except (OSError, http.client.HTTPException) as error:
            return Unclear(type(error).__name__)
        if status == HTTPStatus.LOCKED and (self._lease or isinstance(request, wire.Hold)):
            raise InputError("session", "lease", f"expected to hold it; {_words(body)}")
        if 400 <= status < 500 and status != 408:
            return NotTaken(f"status {status}: {_words(body)}")
        try:
            reply = _decoder.decode(body) if status == 200 else Unclear(f"status {status}")
        except UNREADABLE_JSON:
            return Unclear("a reply that does not read")
        if isinstance(reply, wanted):
            return reply
        if isinstance(reply, NotTaken | Unclear):
            return reply
        return Unclear(f"another reply: {type(reply).__name__}")

    def _exchange(self, body: bytes, sends: bool) -> tuple[int, bytes]:
        deadline_s = time.monotonic() + self._timeout_s
        connection = http.client.HTTPConnection(HOST, self._port, timeout=self._timeout_s)
        headers = {"Authorization": f"Bearer {self._token.hex()}", "Connection": "close"}
        try:
            connection.connect()
            connection.sock = with_deadline(connection.sock, deadline_s)
            if sends and not self._may_send():
                raise _Stopped
            connection.request("POST", wire.PATH, body, headers)
            response = connection.getresponse()
            if response.chunked:
                raise http.client.HTTPException("a reply in chunks")
            read = response.read(wire.REPLY_BYTES_MAX + 1)
        finally:
            connection.close()
        if len(read) > wire.REPLY_BYTES_MAX:
            raise http.client.HTTPException("a reply that is too long")
        return response.status, self._secret.sub(b"[token]", read)


def _words(body: bytes) -> str:
    """Why a request was refused: what our own server says, or the beginning of another page."""
    try:
        return msgspec.json.decode(body, type=dict[str, str])["error"][:WORDS_BYTES]
    except (*UNREADABLE_JSON, KeyError):
        return repr(body[:WORDS_BYTES])
