# SPDX-License-Identifier: Apache-2.0
"""A gateway over loopback says what the venues say, and knows what each broken reply tells."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.drill import FAST, NOW, SLOW_MS, TRADE, WATCH, house, pairs, slow, transfer
from tidegate.model.replies import NotTaken, OrderStatus, Statement, Swept, Unclear
from tidegate.venues import wire
from tidegate.venues.paper_house import PaperHouse
from tidegate.venues.paper_server import Access, PaperServer, Refused
from tidegate.venues.remote import RemoteGateway

VENUES = ("alpha", "beta")


@contextmanager
def session(
    venues: PaperHouse, token: bytes = TRADE, orders_per_s: int = 0
) -> Iterator[RemoteGateway]:
    with PaperServer(venues, Access(TRADE, WATCH, orders_per_s), clock=None) as server:
        yield RemoteGateway(server.port, token, VENUES, timeout_s=2.0)


def test_every_request_over_the_wire_has_the_reply_of_the_house_itself() -> None:
    far, near = house(), house()
    rests, fast = pairs(1)
    with session(far) as gateway:
        assert gateway.place(rests) == near.place(rests)
        assert gateway.place(fast) == near.place(fast)
        assert gateway.order("beta", fast.action.id) == near.order("beta", fast.action.id)
        assert gateway.send(transfer(9)) == near.send(transfer(9))
        assert gateway.send(transfer(5_000, 2)) == near.send(transfer(5_000, 2))
        assert gateway.shipment("alpha", "2.send") == near.shipment("alpha", "2.send")
        assert gateway.device("alpha") == near.device("alpha")
        assert gateway.device("beta") is near.device("beta") is None
        assert gateway.arm("alpha", 60) == near.arm("alpha", 60)
        assert gateway.cancel("alpha", rests.action.id) == near.cancel("alpha", rests.action.id)
        assert gateway.place(slow(1, 3)[0]) == near.place(slow(1, 3)[0])
        assert gateway.cancel_all("alpha") == near.cancel_all("alpha")
        assert gateway.advance(NOW + SLOW_MS) is None
        near.advance(NOW + SLOW_MS)
        assert gateway.now_ms() == near.now_ms
        assert gateway.pushed() == near.pushed()
        for venue in VENUES:
            assert gateway.statement(venue) == near.statement(venue)
            assert gateway.entries(venue, 0) == near.entries(venue, 0)
        assert (gateway.frozen_venues(), gateway.out_venues()) == ((), ())
        assert gateway.adl_rank(FAST) is near.exchange.adl_rank(FAST) is None
        assert isinstance(gateway.advance(NOW), NotTaken)


def test_session_of_a_watchdog_may_look_and_cancel_and_nothing_else() -> None:
    venues, (rests, other) = house(), slow(2)
    venues.place(rests)
    with session(venues, WATCH) as gateway:
        for refused in (
            gateway.place(other),
            gateway.send(transfer(5_000)),
            gateway.arm("alpha", 60),
            gateway.advance(NOW + 1),
        ):
            assert isinstance(refused, NotTaken)
        assert gateway.pushed() == ()
        assert isinstance(gateway.statement("alpha"), Statement)
        assert gateway.cancel_all("alpha") == Swept("alpha", (rests.action.id,), NOW)
    assert venues.order("alpha", other.action.id).state == "absent"
    assert len(venues.pushed()) > 0


def test_session_without_a_good_token_does_nothing() -> None:
    venues = house()
    venues.place(slow(1)[0])
    with session(venues, b"x" * 32) as gateway:
        assert isinstance(gateway.cancel_all("alpha"), NotTaken)
        assert isinstance(gateway.statement("alpha"), Unclear)
    assert len(venues.statement("alpha").working) == 1


def test_session_whose_latch_is_set_sends_nothing_and_still_cancels() -> None:
    venues, (rests, other) = house(), slow(2)
    venues.place(rests)
    with PaperServer(venues, Access(TRADE), clock=None) as server:
        gateway = RemoteGateway(server.port, TRADE, VENUES, 2.0, may_send=lambda: False)
        assert gateway.place(other) == gateway.send(transfer(5_000)) == NotTaken("the latch is set")
        assert gateway.cancel_all("alpha") == Swept("alpha", (rests.action.id,), NOW)
    assert venues.order("alpha", other.action.id).state == "absent"
    assert venues.shipment("alpha", "1.send").state == "absent"


def test_latch_that_is_set_while_the_connection_is_made_stops_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of an engine that hung while it connected and woke after the kill."""
    venues, (order, _) = house(), slow(2)
    leave = [True]
    connect = http.client.HTTPConnection.connect

    def slowly(connection: http.client.HTTPConnection) -> None:
        connect(connection)
        leave[0] = False

    with PaperServer(venues, Access(TRADE), clock=None) as server:
        gateway = RemoteGateway(server.port, TRADE, VENUES, 2.0, may_send=lambda: leave[0])
        monkeypatch.setattr(http.client.HTTPConnection, "connect", slowly)
        assert gateway.place(order) == NotTaken("the latch is set")
    assert venues.order("alpha", order.action.id).state == "absent"


def test_venues_that_nobody_answers_for_are_frozen_since_no_money_can_be_counted_on() -> None:
    with session(house()) as gateway:
        assert gateway.frozen_venues() == ()
    assert gateway.frozen_venues() == VENUES


def test_orders_beyond_the_rate_are_not_taken_and_cancels_are() -> None:
    venues, orders = house(), slow(3)
    with session(venues, orders_per_s=2) as gateway:
        replies = [gateway.place(order) for order in orders]
        assert isinstance(replies[2], NotTaken)
        assert "429" in replies[2].reason
        assert gateway.cancel_all("alpha") == Swept("alpha", ("1.0.slow", "1.1.slow"), NOW)
        gateway.advance(NOW + 1_001)
        assert isinstance(gateway.place(orders[2]), OrderStatus)


@contextmanager
def answering(reply: bytes | None) -> Iterator[RemoteGateway]:
    """A server that says this to all, or nothing (None), and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopping = threading.Event()

        def serve() -> None:
            listener.settimeout(0.05)
            while not stopping.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.recv(wire.BODY_BYTES_MAX)
                    if reply is None:
                        stopping.wait(1.0)
                    else:
                        peer.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield RemoteGateway(port, TRADE, VENUES, timeout_s=0.2)
        finally:
            stopping.set()
            thread.join()


def http_reply(status: str, body: bytes, length: int | None = None) -> bytes:
    said = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {said}\r\n\r\n".encode() + body


STATEMENT = msgspec.json.encode(house().statement("alpha"))


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"garbage\r\n\r\n",
        http_reply("500 Broken", b"{}"),
        http_reply("503 Busy", b'{"type":"OrderStatus"}'),
        http_reply("302 Gone", b""),
        http_reply("408 Late", b"{}"),
        http_reply("200 OK", b'{"type":"OrderStatus"}'),
        http_reply("200 OK", b"\xff"),
        http_reply("200 OK", STATEMENT),
        http_reply("200 OK", b"{}", 1_000),
        http_reply("200 OK", b"[" * 50_000),
    ],
)
def test_reply_that_tells_nothing_is_unclear(reply: bytes | None) -> None:
    (order,) = slow(1)
    with answering(reply) as gateway:
        assert isinstance(gateway.place(order), Unclear)
        assert isinstance(gateway.entries("alpha", 0), Unclear)
        assert gateway.out_venues() == VENUES


@pytest.mark.parametrize("status", ["400 Bad", "403 No", "413 Large", "429 Slow down"])
def test_reply_that_the_request_was_refused_means_nothing_was_done(status: str) -> None:
    (order,) = slow(1)
    with answering(http_reply(status, b"{}")) as gateway:
        assert isinstance(gateway.place(order), NotTaken)


@pytest.mark.parametrize("status", ["403 No", "200 OK"])
def test_token_that_a_page_says_again_is_in_no_reply(status: str) -> None:
    (order,) = slow(1)
    for secret in (TRADE.hex(), TRADE.hex().upper()):
        body = b"x" * 170 + secret.encode() + b" again " + secret.encode()
        if status == "200 OK":
            body = msgspec.json.encode(NotTaken(body.decode()))
        with answering(http_reply(status, body)) as gateway:
            refused = gateway.place(order)
        assert isinstance(refused, NotTaken)
        assert "[token]" in refused.reason
        assert secret[:16] not in refused.reason


def test_port_where_nobody_listens_is_unclear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gateway = RemoteGateway(port, TRADE, VENUES, timeout_s=0.2)
    assert isinstance(gateway.statement("alpha"), Unclear)


def ask(port: int, body: bytes, **headers: str) -> int:
    """The status of one raw request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    given_headers = {"Authorization": f"Bearer {TRADE.hex()}", **headers}
    connection.request("POST", wire.PATH, body, given_headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_request_that_is_not_of_the_form_is_refused_and_the_server_goes_on() -> None:
    good = msgspec.json.encode(wire.AskStatement("alpha"))
    with PaperServer(house(), Access(TRADE), clock=None) as server:
        assert ask(server.port, b"{}") == 400
        assert ask(server.port, good[:-1] + b',"more":1}') == 400
        assert ask(server.port, msgspec.json.encode(wire.AskStatement("gamma"))) == 404
        assert ask(server.port, b" " * (wire.BODY_BYTES_MAX + 1)) == 413
        assert ask(server.port, good, Host="elsewhere.example") == 403
        assert ask(server.port, good, Authorization="Bearer é") == 401
        assert ask(server.port, good, **{"Content-Length": "-1"}) == 411
        assert ask(server.port, good) == 200


def test_server_listens_on_loopback_alone() -> None:
    with PaperServer(house(), Access(TRADE), clock=None) as server:
        address = server._http.socket.getsockname()[0]
    assert address == "127.0.0.1"


@pytest.fixture(scope="module")
def unserved() -> Iterator[PaperServer]:
    """A server that is asked directly, without its socket."""
    made = PaperServer(house(), Access(TRADE), clock=None)
    yield made
    made._http.server_close()


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_body_of_any_bytes_is_refused(unserved: PaperServer, body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        unserved.answer(TRADE.hex(), body)
    assert refused.value.status == 400


def test_time_passes_by_the_clock_and_never_back() -> None:
    venues, times = house(), [NOW + 5_000, NOW + 4_000, NOW + SLOW_MS, NOW + 10**12]
    rests = slow(1)[0]
    venues.place(rests)
    with PaperServer(venues, Access(TRADE), clock=lambda: times.pop(0)) as server:
        gateway = RemoteGateway(server.port, TRADE, VENUES, timeout_s=2.0)
        assert [gateway.now_ms(), gateway.now_ms()] == [NOW + 5_000, NOW + 5_000]
        status = gateway.order("alpha", rests.action.id)
        assert isinstance(status, OrderStatus)
        assert status.state == "filled"
        assert gateway.now_ms() == venues.end_ms
