# SPDX-License-Identifier: Apache-2.0
"""Every parser that meets bytes from outside: valid inputs of it, and how it is fed."""

from __future__ import annotations

import http.client
import socket
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from tests.audit.made_logs import SIGNER, chained, entries, signed
from tests.conftest import REPOSITORY
from tests.fuzz.latches import LATCH_FILES, latch_with
from tests.fuzz.venue_feeds import VENUE_FEEDS
from tests.venues.drill import FAST, GATE, NOW, TRADE, house, pairs, transfer
from tidegate.audit import verify
from tidegate.audit.anchor import read_anchor
from tidegate.audit.checkpoint import parse, public_key, read_key
from tidegate.engine.book_file import read_book
from tidegate.execution.operators import read_operators
from tidegate.execution.secret_file import read_secret
from tidegate.journal.frames import FrameError, decode_frame
from tidegate.journal.reader import read_content, read_frames, recover, whole
from tidegate.model.errors import InputError
from tidegate.model.mandate import read_mandate
from tidegate.model.replies import NotTaken, Statement, Unclear
from tidegate.venues import wire
from tidegate.venues.paper_market import paper_house, read_paper_file
from tidegate.venues.paper_server import Access, PaperServer, Refused
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.watchdog_file import read_watchdog_file

EXAMPLES = REPOSITORY / "examples"


@dataclass(frozen=True, slots=True)
class Parser:
    """Valid inputs, what is done with an input, and the errors that a bad one may end in."""

    seeds: tuple[bytes, ...]
    feed: Callable[[bytes, Path], object]
    refusals: tuple[type[Exception], ...] = (InputError,)
    weight: int = 5  # its part of all inputs; less where each one is forced to disk or is signed


def _at(read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Feed a reader of files."""

    def feed(content: bytes, folder: Path) -> object:
        path = folder / "input"
        path.write_bytes(content)
        path.chmod(0o600)
        return read(path)

    return feed


def _read(*names: str) -> tuple[bytes, ...]:
    return tuple((EXAMPLES / name).read_bytes() for name in names)


_REQUESTS = (
    *(wire.Place(approval) for approval in pairs(1)),
    *(wire.Send(transfer(5_000)), wire.Advance(NOW + 60_000), wire.AskPushed(), wire.AskNews()),
    wire.AskHeard(3, 0.0),
    *(wire.Cancel("alpha", "1.0.slow"), wire.CancelAll("beta"), wire.Arm("alpha", 60)),
    *(wire.AskOrder("alpha", "1.0.slow"), wire.AskShipment("alpha", "1.send")),
    *(wire.AskEntries("alpha", 0), wire.AskStatement("beta"), wire.AskDevice("alpha")),
    wire.AskRank(FAST),
)
REQUESTS = tuple(msgspec.json.encode(request) for request in _REQUESTS)


@cache
def _server() -> PaperServer:
    made = PaperServer(house(), Access(TRADE), clock=None)
    made._http.server_close()
    return made


REPLIES = tuple(_server().answer(TRADE.hex(), request) for request in REQUESTS)


def _answered(body: bytes) -> None:
    """Served whole: parsed, carried out, and its reply encoded."""
    _server().answer(TRADE.hex(), body)


def _head(body: bytes) -> bytes:
    token = TRADE.hex().encode()
    head = b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n" % token
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def _connected(content: bytes) -> None:
    """Sent over a connection that is then half closed, and handled as the server handles it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with near, far:
        near.sendall(content[:50_000])
        near.shutdown(socket.SHUT_WR)
        server = _server()
        server._http.RequestHandlerClass(far, ("127.0.0.1", 1), server._http)


class _Said:
    """A connection on which a reply has already come."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self._reply)

    def sendall(self, _content: bytes) -> None:
        return None

    def close(self) -> None:
        return None


def _gateway(reply: bytes) -> None:
    """Every kind of question, to which this is the reply; each has its own type of answer."""
    said: Any = _Said(reply)
    gateway = RemoteGateway(1, TRADE, ("alpha",), 1.0)
    with (
        patch.object(http.client.HTTPConnection, "connect", lambda c: setattr(c, "sock", said)),
        patch("tidegate.venues.remote.with_deadline", lambda connection, _: connection),
    ):
        assert isinstance(gateway.statement("alpha"), Statement | Unclear)
        assert isinstance(gateway.entries("alpha", 0), tuple | Unclear)
        assert isinstance(gateway.advance(NOW), NotTaken | Unclear | None)
        gateway.place(pairs(1)[0])
        gateway.pushed()


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _replied(body: bytes) -> None:
    _gateway(_http(body))


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
REFUSAL = b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}"
FRAMES = chained(entries(12))
JOURNAL = b"".join(FRAMES)
GOLDEN = (REPOSITORY / "tests/journal/golden/format-1.journal").read_bytes()
NOTES = signed(FRAMES, 3, 7, len(FRAMES)).encode()
KEY = str(SIGNER.public)
_SECRET = b64encode(b"\x01" + bytes(range(32))).decode()
PRIVATE = f"PRIVATE+KEY+{SIGNER.public.name}+{SIGNER.public.number.hex()}+{_SECRET}\n".encode()


def _frames(content: bytes) -> None:
    for frame in read_content(content):
        frame.value()


def _framed(body: bytes) -> None:
    """A frame whose checksum and links are right, whatever its payload: what a forger can write."""
    from tidegate.journal.frames import ORIGIN, encode_frame, kind_tag

    frame, _ = encode_frame(0, ORIGIN, kind_tag("header"), body)
    for read in read_content(frame):
        read.value()
    verify(frame)


def _verified(content: bytes) -> None:
    checks = verify(content)
    assert len({check.name for check in checks}) == len(checks) > 10
    assert content in (JOURNAL, GOLDEN) or not all(check.passed for check in checks)


def _secret_key(path: Path) -> None:
    read_key(str(path))


PARSERS: dict[str, Parser] = {
    "request": Parser(REQUESTS, lambda body, _: _answered(body), (Refused,), weight=15),
    "connection": Parser(
        tuple(map(_head, REQUESTS)), lambda content, _: _connected(content), (), weight=10
    ),
    "reply body": Parser(REPLIES, lambda body, _: _replied(body), (), weight=15),
    "reply": Parser(
        (*map(_http, REPLIES), CHUNKS, REFUSAL), lambda content, _: _gateway(content), (), weight=15
    ),
    "frame": Parser(
        tuple(frame[4:] for frame in FRAMES), lambda body, _: decode_frame(body, 0), (FrameError,)
    ),
    "payload": Parser(
        tuple(frame[4 + 45 + frame[48] :] for frame in FRAMES),
        lambda body, _: _framed(body),
        (InputError, FrameError),
    ),
    "journal": Parser((JOURNAL, GOLDEN), lambda content, _: _frames(content), (InputError,)),
    "torn journal": Parser((JOURNAL, JOURNAL[:-1]), lambda content, _: whole(content)),
    "recovered journal": Parser((JOURNAL, JOURNAL[:-1]), _at(recover)),
    "journal file": Parser((JOURNAL,), _at(lambda path: list(read_frames(path)))),
    "verifier": Parser((JOURNAL, GOLDEN), lambda content, _: _verified(content), ()),
    "verifier's notes": Parser(
        (NOTES,),
        lambda content, _: verify(JOURNAL, None, KEY, content.decode("utf-8", "replace")),
        (),
        weight=1,
    ),
    "notes": Parser(
        (NOTES,),
        lambda content, _: parse(content.decode("utf-8", "replace"), SIGNER.public, "notes"),
    ),
    "anchor": Parser((NOTES,), _at(lambda path: read_anchor(str(path)))),
    "public key": Parser((KEY.encode(),), _at(lambda path: public_key(str(path)))),
    "private key": Parser((PRIVATE,), _at(_secret_key)),
    "secret": Parser((b"ab" * 32 + b"\n",), _at(read_secret)),
    "operators": Parser((LATCH_FILES["operators.toml"],), _at(read_operators)),
    "book": Parser(_read("book.json"), _at(read_book)),
    "mandate": Parser(
        _read("carry.toml", "basis.toml"),
        lambda content, _: read_mandate(content.decode("utf-8", "replace"), "mandate"),
    ),
    "paper settings": Parser(
        _read("drill/paper.toml"),
        _at(lambda path: paper_house(read_paper_file(path), GATE, NOW, "paper")),
    ),
    "watchdog settings": Parser(_read("drill/watchdog.toml"), _at(read_watchdog_file)),
    **{
        f"latch {name}": Parser(
            (content,),
            lambda given, folder, name=name: latch_with(folder, name, given),  # type: ignore[misc]
            weight=1,
        )
        for name, content in LATCH_FILES.items()
    },
    **{name: Parser(seeds, feed) for name, (seeds, feed) in VENUE_FEEDS.items()},
}
