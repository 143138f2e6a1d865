# SPDX-License-Identifier: Apache-2.0
"""Venues as a server on this machine, simulated or real: JSON over HTTP/1.1, loopback only.

Whoever asks shows a token that stands in a file of mode 0600. There are two: one trades, the other
may only look and cancel, which is all that a watchdog needs. One request is served at a time, in
the order in which they come, and a connection carries one. Time is either that of a clock, and
then passes before each request, or goes where the trading session says.
"""

from __future__ import annotations

import hmac
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec

from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.model.replies import NotTaken, Unclear
from tidegate.model.times import SECOND_MS
from tidegate.venues import wire
from tidegate.venues.house import House
from tidegate.venues.lease import Lease, NotHeld
from tidegate.venues.remote import with_deadline

LOOPBACK = "127.0.0.1"
CONNECTIONS_MAX = 32
REQUEST_TIMEOUT_S = 5.0
Hears = Callable[[int, float], wire.Heard]
_decoder = msgspec.json.Decoder(wire.Request)


class Refused(Exception):
    """A request that is not served, with the status that says so."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Tokens of the session that trades and of the one that looks and cancels (None: there is
    none), how many orders a second the venues take together (0: any), and the lease without which
    the first token trades nothing (None: it needs none)."""

    trading: bytes
    watching: bytes | None = None
    orders_per_s: int = 0
    lease: Lease | None = None


class PaperServer:
    """Serves a house until it is closed; `clock` gives the venues' time, or None is said.

    Use it as a context; `port` is the one that the system chose, `command` whose lines it writes,
    and `hears` waits until venues have said something of our accounts.
    """

    def __init__(
        self,
        house: House,
        access: Access,
        clock: Callable[[], int] | None,
        port: int = 0,
        command: str = "tidegate paper",
        hears: Hears | None = None,
    ) -> None:
        self._house, self._access, self._clock, self._hears = house, access, clock, hears
        self._one_at_a_time = threading.Lock()
        self._taken_ms: deque[int] = deque()
        try:
            self._http = _LoopbackServer((LOOPBACK, port), _handler(self.answer), command)
        except OSError as error:
            expected = f"expected a port that is free ({error.strerror})"
            raise InputError("server", f"port {port}", expected) from None
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._http.server_port

    def __enter__(self) -> PaperServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, token: str, body: bytes) -> bytes:
        """The reply to one request; raises `Refused`."""
        trades = self._may_trade(token)
        try:
            request = _decoder.decode(body)
        except UNREADABLE_JSON as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        if isinstance(request, wire.TRADING) and not trades:
            raise Refused(HTTPStatus.FORBIDDEN, "this token may look and cancel")
        if isinstance(request, wire.AskHeard):
            # Whoever waits holds nobody up.
            return msgspec.json.encode(self._heard(request))
        with self._one_at_a_time:
            if isinstance(request, wire.LEASED):
                self._use_lease(request.lease)
            if self._clock is not None:
                self._house.advance(min(self._clock(), self._house.end_ms))
            return msgspec.json.encode(self._serve(request))

    def _may_trade(self, token: str) -> bool:
        """Whether a token trades; raises `Refused` for one that is nobody's."""
        shown = token.encode()
        if hmac.compare_digest(shown, self._access.trading.hex().encode()):
            return True
        watching = self._access.watching
        if watching is not None and hmac.compare_digest(shown, watching.hex().encode()):
            return False
        raise Refused(HTTPStatus.UNAUTHORIZED, "expected a token")

    def _serve(self, request: wire.Request) -> wire.Reply:
        house = self._house
        if (venue := getattr(request, "venue", None)) is not None and not house.has(venue):
            raise Refused(HTTPStatus.NOT_FOUND, "no such venue")
        match request:
            case wire.Hold(holder, takes):
                return self._hold(holder, takes)
            case wire.Place(approval):
                self._count_order()
                return house.place(approval)
            case wire.Send(approval):
                return house.send(approval)
            case wire.Advance(until_ms):
                return self._advance(until_ms)
            case wire.Cancel(venue, order):
                return house.cancel(venue, order)
            case wire.CancelAll(venue):
                return house.cancel_all(venue)
            case wire.Arm(venue, seconds):
                return house.arm(venue, seconds)
            case _:
                return self._tell(request)

    def _use_lease(self, number: int) -> None:
        try:
            if self._access.lease is not None:
                self._access.lease.use(number)
        except NotHeld as error:
            raise Refused(HTTPStatus.LOCKED, str(error)) from None

    def _hold(self, holder: str, takes: bool) -> wire.Reply:
        if self._access.lease is None:
            return NotTaken("no lease is needed here")
        try:
            return self._access.lease.hold(holder, takes)
        except NotHeld as error:
            raise Refused(HTTPStatus.LOCKED, str(error)) from None

    def _tell(self, request: wire.Request) -> wire.Reply:
        house = self._house
        match request:
            case wire.AskOrder(venue, order):
                return house.order(venue, order)
            case wire.AskShipment(venue, transfer):
                return house.shipment(venue, transfer)
            case wire.AskPushed():
                return wire.PushedList(house.pushed())
            case wire.AskEntries(venue, after):
                found = house.entries(venue, after)
                return found if isinstance(found, Unclear) else wire.EntryList(found)
            case wire.AskStatement(venue):
                return house.statement(venue)
            case wire.AskDevice(venue):
                return house.device(venue) or wire.NoDevice()
            case wire.AskRank(instrument):
                if not house.trades(instrument):
                    raise Refused(HTTPStatus.NOT_FOUND, "no such instrument")
                return wire.Rank(house.adl_rank(instrument))
            case _:
                return self._news()

    def _news(self) -> wire.News:
        house = self._house
        out, stable = house.out_venues(), house.stable_micro()
        return wire.News(house.now_ms, house.frozen_venues(), out, stable)

    def _heard(self, request: wire.AskHeard) -> wire.Reply:
        if self._hears is None:
            return NotTaken("no account's stream is heard here")
        return self._hears(request.known, request.longest_s)

    def _advance(self, until_ms: int) -> wire.Reply:
        if self._clock is not None:
            return NotTaken("time passes by itself here")
        if not self._house.now_ms <= until_ms <= self._house.end_ms:
            return NotTaken("expected a time from now to the end")
        self._house.advance(until_ms)
        return self._news()

    def _count_order(self) -> None:
        limit, now_ms = self._access.orders_per_s, self._house.now_ms
        while self._taken_ms and self._taken_ms[0] <= now_ms - SECOND_MS:
            self._taken_ms.popleft()
        if 0 < limit <= len(self._taken_ms):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, f"at most {limit} orders a second")
        self._taken_ms.append(now_ms)


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], command: str
    ) -> None:
        self._free, self._command = threading.Semaphore(CONNECTIONS_MAX), command
        super().__init__(address, handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return bool(client_address[0] == LOOPBACK) and self._free.acquire(timeout=1.0)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is its caller's matter; a fault of ours is named, with its words
        where they are ours too: those of a library may quote a key."""
        error = sys.exception()
        if isinstance(error, OSError):
            return
        own = type(error).__module__.partition(".")[0] == __name__.partition(".")[0]
        words = f": {error}" if own else ""
        tell(self._command, f"{type(error).__name__} in a request{words}")


def tell(command: str, words: str) -> None:
    """One line on standard error, whatever a venue's words hold, if anybody is there to read."""
    line = "".join(letter if letter.isprintable() else " " for letter in words)
    with suppress(OSError):
        print(f"{command}: {line}", file=sys.stderr, flush=True)


def _handler(answer: Callable[[str, bytes], bytes]) -> type[BaseHTTPRequestHandler]:
    """A handler class, as the library below wants one, around a function."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = REQUEST_TIMEOUT_S
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            self.request = with_deadline(self.request, time.monotonic() + REQUEST_TIMEOUT_S)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def do_POST(self) -> None:
            try:
                body = self._body()
                status, reply = HTTPStatus.OK, answer(self._token(), body)
            except Refused as error:
                status, reply = error.status, msgspec.json.encode({"error": str(error)})
            self._reply(status, reply)

        def _token(self) -> str:
            # A page in a browser may reach loopback by another name; it is not served.
            if self.headers.get("Host", "").partition(":")[0] != LOOPBACK:
                raise Refused(HTTPStatus.FORBIDDEN, f"expected the host {LOOPBACK}")
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            return token if scheme == "Bearer" else ""

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "")
            if self.path != wire.PATH:
                raise Refused(HTTPStatus.NOT_FOUND, f"expected {wire.PATH}")
            if not (length.isascii() and length.isdigit()):
                raise Refused(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
            if len(length) > 9 or int(length) > wire.BODY_BYTES_MAX:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "expected a smaller body")
            try:
                return self.rfile.read(int(length))
            except TimeoutError:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, "expected the body in time") from None

        def _reply(self, status: HTTPStatus, reply: bytes) -> None:
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: a line of a request may hold what somebody sent by mistake."""

    return Handler
