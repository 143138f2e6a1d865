# SPDX-License-Identifier: Apache-2.0
"""What a gateway asks for each call, when it gives up, and what it makes of each good reply."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec
import pytest

from tests.venues.drill import FAST, NOW, TRADE, house, slow, transfer
from tests.venues.test_wire import STATEMENT, VENUES, http_reply
from tidegate.model.replies import Armed, Device, NotTaken, OrderStatus, Statement, Swept, Unclear
from tidegate.venues import wire
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import WORDS_BYTES, RemoteGateway

ORDER, SENDING = slow(1)[0], transfer(5_000)
CALLS: list[tuple[str, Sequence[object], wire.Request]] = [
    ("place", (ORDER,), wire.Place(ORDER)),
    ("send", (SENDING,), wire.Send(SENDING)),
    ("cancel", ("beta", "o"), wire.Cancel("beta", "o")),
    ("cancel_all", ("beta",), wire.CancelAll("beta")),
    ("order", ("beta", "o"), wire.AskOrder("beta", "o")),
    ("shipment", ("beta", "t"), wire.AskShipment("beta", "t")),
    ("pushed", (), wire.AskPushed()),
    ("entries", ("beta", 7), wire.AskEntries("beta", 7)),
    ("statement", ("beta",), wire.AskStatement("beta")),
    ("device", ("beta",), wire.AskDevice("beta")),
    ("arm", ("beta", 9), wire.Arm("beta", 9)),
    ("advance", (NOW,), wire.Advance(NOW)),
    ("adl_rank", (FAST,), wire.AskRank(FAST)),
    ("frozen_venues", (), wire.AskNews()),
    ("out_venues", (), wire.AskNews()),
    ("stable_micro", (), wire.AskNews()),
    ("now_ms", (), wire.AskNews()),
]
SILENT = {"pushed": (), "device": None, "adl_rank": None, "frozen_venues": VENUES,
          "out_venues": VENUES, "stable_micro": {}, "now_ms": None}  # fmt: skip
REASON = "status 503"


class Heard(RemoteGateway):
    """A gateway whose requests end here, with a status and a reply that are given."""

    def __init__(self, status: int, reply: object) -> None:
        super().__init__(1, TRADE, VENUES, 1.0)
        self.heard: list[tuple[wire.Request, bool]] = []
        self._status, self._said = status, msgspec.json.encode(reply)

    def _exchange(self, body: bytes, sends: bool) -> tuple[int, bytes]:
        self.heard.append((msgspec.json.decode(body, type=wire.Request), sends))
        return self._status, self._said


@pytest.mark.parametrize(("name", "words", "request_"), CALLS, ids=lambda x: str(x)[:20])
def test_each_call_is_its_own_request_and_only_sending_needs_leave(
    name: str, words: Sequence[object], request_: wire.Request
) -> None:
    gateway = Heard(503, {})
    assert getattr(gateway, name)(*words) == SILENT.get(name, Unclear(REASON))
    assert gateway.heard == [(request_, name in ("place", "send"))]


NEWS = wire.News(NOW + 5, ("alpha",), ("beta",), {"USDT": 990_000})


@pytest.mark.parametrize(
    ("name", "words", "reply", "expected"),
    [
        ("frozen_venues", (), NEWS, ("alpha",)),
        ("out_venues", (), NEWS, ("beta",)),
        ("stable_micro", (), NEWS, {"USDT": 990_000}),
        ("now_ms", (), NEWS, NOW + 5),
        ("advance", (NOW,), NEWS, None),
        ("advance", (NOW,), NotTaken("no"), NotTaken("no")),
        ("adl_rank", (FAST,), wire.Rank(0.25), 0.25),
        ("device", ("beta",), Device("beta", 5, 9, False), Device("beta", 5, 9, False)),
        ("arm", ("beta", 9), Armed("beta", NOW, NOW), Armed("beta", NOW, NOW)),
        ("cancel_all", ("beta",), Swept("beta", ("o",), NOW), Swept("beta", ("o",), NOW)),
        ("entries", ("beta", 0), NotTaken("why"), Unclear("why")),
        ("statement", ("beta",), NotTaken("why"), Unclear("why")),
    ],
)
def test_each_call_gives_back_what_the_reply_says_of_it(
    name: str, words: Sequence[object], reply: object, expected: object
) -> None:
    assert getattr(Heard(200, reply), name)(*words) == expected


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_only_a_plain_success_is_the_venues_word(status: int) -> None:
    gateway = Heard(status, OrderStatus("o", "working", 0, NOW))
    assert gateway.order("alpha", "o") == Unclear(f"status {status}")


def test_of_a_page_that_refuses_no_more_than_its_first_words_are_kept() -> None:
    refused = Heard(403, "x" * 5_000).place(ORDER)
    assert isinstance(refused, NotTaken)
    assert refused.reason.count("x") == WORDS_BYTES - 1


@contextmanager
def answering(reply: bytes, parts: int = 1, pause_s: float = 0.0) -> Iterator[int]:
    """A server that reads one request whole and says a reply part by part; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, peer.makefile("rb") as asked:
                head = iter(asked.readline, b"\r\n")
                sizes = [line.split()[1] for line in head if line.startswith(b"Content-Length:")]
                asked.read(int(sizes[0]))
                size = -(-len(reply) // parts)
                with suppress(OSError):
                    for start in range(0, len(reply), size):
                        peer.sendall(reply[start : start + size])
                        time.sleep(pause_s)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def patient(port: int, timeout_s: float = 10.0) -> RemoteGateway:
    return RemoteGateway(port, TRADE, VENUES, timeout_s)


def test_reply_in_drops_is_given_up_at_the_deadline_of_the_whole_exchange() -> None:
    """Each part comes well within the time; all of them take half a second longer."""
    with answering(http_reply("200 OK", STATEMENT), 16, 0.05) as port:
        assert patient(port, 0.3).statement("alpha") == Unclear("TimeoutError")
    with answering(http_reply("200 OK", STATEMENT), 3, 0.001) as port:
        assert isinstance(patient(port).statement("alpha"), Statement)


@pytest.mark.parametrize(("spare", "good"), [(0, True), (-1, False)])
def test_reply_beyond_the_largest_size_is_none(
    spare: int, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "REPLY_BYTES_MAX", len(STATEMENT) + spare)
    with answering(http_reply("200 OK", STATEMENT)) as port:
        assert isinstance(patient(port).statement("alpha"), Statement) == good


def test_reply_in_chunks_is_none_since_its_length_is_unknown() -> None:
    body = f"{len(STATEMENT):x}\r\n".encode() + STATEMENT + b"\r\n0\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with answering(chunked) as port:
        assert patient(port).statement("alpha") == Unclear("HTTPException")


def test_order_that_nobody_could_hear_is_unclear_and_leave_is_asked_once_before_each_sending() -> (
    None
):
    asked: list[str] = []

    def leave() -> bool:
        asked.append("leave")
        return True

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    nobody = RemoteGateway(port, TRADE, VENUES, 0.2, leave)
    assert isinstance(nobody.place(ORDER), Unclear)
    assert isinstance(nobody.send(SENDING), Unclear)
    assert asked == []
    venues = house()
    with PaperServer(venues, Access(TRADE), clock=None) as server:
        gateway = RemoteGateway(server.port, TRADE, VENUES, 2.0, leave)
        assert isinstance(gateway.statement("alpha"), Statement)
        assert gateway.place(ORDER) == venues.order("alpha", ORDER.action.id)
        assert asked == ["leave"]


def test_number_below_zero_is_no_line_of_a_log() -> None:
    body = b'{"type":"AskEntries","venue":"alpha","after":-1}'
    with PaperServer(house(), Access(TRADE), clock=None) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2.0)
        bearer = {"Authorization": f"Bearer {TRADE.hex()}"}
        connection.request("POST", wire.PATH, body, bearer)
        assert connection.getresponse().status == 400
        connection.close()
