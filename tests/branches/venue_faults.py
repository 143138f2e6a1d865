# SPDX-License-Identifier: Apache-2.0
"""Faults of venues: what comes over the wire, and what their settings hold."""

from __future__ import annotations

import socket
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.branches.branches import untraced
from tests.branches.faults import Place, failing, provokes
from tests.conftest import REPOSITORY
from tests.risk.floor import exchange as market
from tests.risk.test_gate import FUNDS
from tests.venues.drill import GATE, NOW, TRADE, WATCH, house, pairs, transfer
from tests.venues.test_wire import VENUES, answering, ask, http_reply
from tidegate.execution.heartbeat import Heartbeat
from tidegate.execution.latch import Latch
from tidegate.execution.secret_file import write_private, write_secret
from tidegate.model.errors import InputError
from tidegate.model.replies import NotTaken, Unclear
from tidegate.risk.gate import ApprovalError
from tidegate.venues import both_command, kill_command, paper_arguments, paper_server, wire
from tidegate.venues.lease import Lease
from tidegate.venues.paper import PaperVenues
from tidegate.venues.paper_market import paper_house, read_paper_file
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway, with_deadline
from tidegate.venues.toml_file import read_toml
from tidegate.venues.watchdog_command import run_watchdog
from tidegate.venues.watchdog_file import WatchdogFile, read_watchdog_file

DRILL = REPOSITORY / "examples/drill"
ENOSPC, EACCES = 28, 13


@contextmanager
def served(orders_per_s: int = 0) -> Iterator[tuple[int, RemoteGateway]]:
    with PaperServer(house(), Access(TRADE, WATCH, orders_per_s), clock=None) as server:
        yield server.port, RemoteGateway(server.port, TRADE, VENUES, timeout_s=2.0)


@provokes("venues/remote.py", "_ask: except (OSError, http.client.HTTPException)")
def nobody_listens(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(RemoteGateway(port, TRADE, VENUES, 0.2).statement("alpha"), Unclear)


@provokes("venues/remote.py", "_ask: except UNREADABLE_JSON")
def reply_is_no_text_or_too_deep(place: Place) -> None:
    deep = b'{"type":"NotTaken","reason":"","x":' + b"[" * 100_000
    for body in (b'{"type":"NotTaken","reason":"\xff"}', deep, b'{"type":"Order'):
        with answering(http_reply("200 OK", body)) as gateway:
            assert gateway.place(pairs(1)[0]) == Unclear("a reply that does not read")


@provokes(
    "venues/remote.py",
    "_exchange: raise http.client.HTTPException",
    "_exchange: raise http.client.HTTPException 2",
)
def reply_is_in_chunks_or_too_long(place: Place) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}"
    endless = http_reply("200 OK", b"0" * 2_000)
    place.patch.setattr(wire, "REPLY_BYTES_MAX", 1_000)
    for reply in (chunks, endless):
        with answering(reply) as gateway:
            assert gateway.place(pairs(1)[0]) == Unclear("HTTPException")


@provokes("venues/remote.py", "_exchange: raise _Stopped", "_ask: except _Stopped")
def latch_is_set_while_the_order_is_on_its_way(place: Place) -> None:
    with served() as (port, _):
        gateway = RemoteGateway(port, TRADE, VENUES, 2.0, may_send=lambda: False)
        assert gateway.place(pairs(1)[0]) == NotTaken("the latch is set")


@provokes("venues/remote.py", "recv_into: raise TimeoutError")
def reply_comes_in_drops(place: Place) -> None:
    """Each part of it comes well within the time-out, and there is no end of them."""
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                while not stopping.is_set():
                    try:
                        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    except OSError:
                        break

        thread = threading.Thread(target=drip)
        thread.start()
        gateway = RemoteGateway(listener.getsockname()[1], TRADE, VENUES, timeout_s=0.2)
        try:
            assert gateway.place(pairs(1)[0]) == Unclear("TimeoutError")
        finally:
            stopping.set()
            thread.join()
    near, far = socket.socketpair()
    with with_deadline(near, 0.0) as late, far, pytest.raises(TimeoutError):
        late.recv_into(bytearray(1))


@provokes(
    "venues/paper_server.py",
    "answer: except UNREADABLE_JSON",
    "_may_trade: raise Refused",
    "_serve: raise Refused",
    "_tell: raise Refused",
    "do_POST: except Refused",
    "_token: raise Refused",
    "_body: raise Refused",
    "_body: raise Refused 2",
    "_body: raise Refused 3",
)
def request_is_of_another_form(place: Place) -> None:
    good = msgspec.json.encode(wire.AskStatement("alpha"))
    with served() as (port, gateway):
        for body in (b'{"type":"CancelAll","venue":"\xff"}', b"[" * 60_000, b"{"):
            assert ask(port, body) == 400
        assert ask(port, good, Authorization="Basic x") == 401
        assert ask(port, msgspec.json.encode(wire.AskStatement("gamma"))) == 404
        assert ask(port, msgspec.json.encode(wire.AskRank("gamma:BTC"))) == 404
        assert ask(port, good, Host="elsewhere.example") == 403
        assert ask(port, good, **{"Content-Length": "-1"}) == 411
        assert ask(port, b" " * (wire.BODY_BYTES_MAX + 1)) == 413
        place.patch.setattr(wire, "PATH", "/v2")
        other = RemoteGateway(port, TRADE, VENUES, 2.0)
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            assert b" 404 " in peer.recv(100)
        assert other.now_ms() == gateway.now_ms() is not None


@provokes("venues/paper_server.py", "answer: raise Refused", "_count_order: raise Refused")
def token_or_rate_forbids_the_order(place: Place) -> None:
    first, second = pairs(1)
    with served(orders_per_s=1) as (port, gateway):
        watching = RemoteGateway(port, WATCH, VENUES, 2.0).place(first)
        assert isinstance(watching, NotTaken)
        assert "403" in watching.reason
        gateway.place(first)
        hurried = gateway.place(second)
        assert isinstance(hurried, NotTaken)
        assert "429" in hurried.reason


@provokes("venues/paper_server.py", "_body: except TimeoutError")
def body_never_comes(place: Place) -> None:
    place.patch.setattr(paper_server, "REQUEST_TIMEOUT_S", 0.2)
    head = b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
    with served() as (port, _), socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(head)
        assert b" 408 " in peer.recv(100)


@provokes("venues/paper_house.py", "_redeem: except ApprovalError")
def approval_is_changed_on_its_way(place: Place) -> None:
    changed = msgspec.structs.replace(pairs(1)[0], sequence=99)
    assert house().place(changed).state == "refused"


@provokes(
    "venues/paper.py",
    "place: raise ApprovalError",
    "send: raise ApprovalError",
    "_redeem: raise ApprovalError",
)
def approval_is_for_another_action_or_used(place: Place) -> None:
    venues = PaperVenues(market(FUNDS), GATE)
    order, other = pairs(1)
    with pytest.raises(ApprovalError, match="not for a transfer"):
        venues.send(order)
    with pytest.raises(ApprovalError, match="used before"):
        venues.place(order)
    with pytest.raises(ApprovalError, match="not for an order"):
        venues.place(transfer(5_000, 2))
    assert venues.place(other).state in ("filled", "refused")


@provokes("venues/paper_market.py", "_perpetual: raise InputError")
def contract_has_no_tick(place: Place) -> None:
    path = place.folder / "paper.toml"
    said = (DRILL / "paper.toml").read_text("utf-8")
    path.write_text(said.replace('tick = "1"', 'tick = "0"'))
    with pytest.raises(InputError, match="a tick and lot above 0"):
        paper_house(read_paper_file(path), GATE, NOW, "paper.toml")


@provokes(
    "venues/toml_file.py",
    "read_toml: except OSError",
    "read_toml: except UnicodeDecodeError",
    "read_toml: except msgspec.ValidationError",
)
@provokes(
    "model/parsing.py",
    "toml_tables: raise InputError 2",
    "toml_tables: except RecursionError",
    "toml_tables: except ValueError",
)
@provokes("execution/durable_file.py", "content: raise OSError")
def settings_cannot_be_read(place: Place) -> None:
    path = place.folder / "settings.toml"
    place.patch.setattr(tomllib, "loads", untraced(tomllib.loads))
    for content, words in (
        (b"\xff", "UTF-8"),
        (b"a = " + b"[" * 3_000, "less depth"),
        (b"a." * 20_000 + b"a = 1", "200 dots in line 1"),
        (b"a = ", "valid TOML"),
        (b"a = 1", "unknown field"),
        (b"#" * 70_000, "larger than"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_toml(path, WatchdogFile)
    with pytest.raises(InputError, match="No such file"):
        read_toml(place.folder / "none", WatchdogFile)


def settings(place: Place, latch: bool = True) -> None:
    (place.folder / "watchdog.toml").write_bytes((DRILL / "watchdog.toml").read_bytes())
    write_secret(place.folder / "watching.token", WATCH)
    if latch:
        Latch.create(place.folder / "latch")


@provokes("venues/watchdog_file.py", "read_watchdog_file: raise InputError")
def venue_has_two_sessions(place: Place) -> None:
    settings(place)
    path = place.folder / "watchdog.toml"
    path.write_text(path.read_text("utf-8").replace('"beta"', '"alpha"'))
    with pytest.raises(InputError, match="every venue in one session"):
        read_watchdog_file(path)


@provokes("venues/watchdog_command.py", "run_watchdog: raise InputError")
def watchdog_has_no_latch(place: Place) -> None:
    settings(place, latch=False)
    with pytest.raises(InputError, match="a folder that holds a latch"):
        run_watchdog(place.folder / "watchdog.toml")


@provokes("venues/watchdog_command.py", "_journal: except OSError")
def watchdog_cannot_make_its_journals(place: Place) -> None:
    settings(place)
    (place.folder / "journals").write_bytes(b"a file in the way")
    with pytest.raises(InputError, match=r"watchdog\.journals: expected a folder"):
        run_watchdog(place.folder / "watchdog.toml")


class Closed:
    """A terminal that is gone."""

    write = flush = staticmethod(failing(5, "Input/output error"))


@provokes("venues/watchdog_command.py", "_tell: suppress(OSError)")
def watchdog_has_no_terminal(place: Place) -> None:
    settings(place)
    Heartbeat(place.folder / "engine.beat")
    place.patch.setattr(sys, "stderr", Closed())
    run_watchdog(place.folder / "watchdog.toml", goes_on=lambda: False)
    assert list((place.folder / "journals").iterdir())


ASK = kill_command.Ask("anna", "a test", 0.0, None)


@provokes(
    "venues/kill_command.py",
    "kill: raise missing",
    "resume: raise missing",
    "show_latch: raise missing",
)
def folder_holds_no_latch(place: Place) -> None:
    with pytest.raises(InputError, match="NOTHING IS STOPPED"):
        kill_command.kill(place.folder, ASK, as_json=False)
    with pytest.raises(InputError, match="NOTHING IS STOPPED"):
        kill_command.resume(place.folder, "anna", place.folder / "key", as_json=False)
    with pytest.raises(InputError, match="NOTHING IS STOPPED"):
        kill_command.show_latch(place.folder, as_json=False)


@provokes("venues/kill_command.py", "kill: raise missing 2")
def folder_holds_no_latch_and_no_venue_answers(place: Place) -> None:
    settings(place, latch=False)
    ask_here = ASK._replace(config=place.folder / "watchdog.toml")
    with pytest.raises(InputError, match="NOTHING IS STOPPED"):
        kill_command.kill(place.folder / "latch", ask_here, as_json=False)


@provokes(
    "venues/kill_command.py",
    "latch_of: except InputError",
    "latch_of: raise ",
    "latch_of: raise InputError",
)
def settings_of_the_kill_are_of_no_use(place: Place) -> None:
    config, named = place.folder / "watchdog.toml", place.folder / "named"
    config.write_bytes(b"\xff")
    assert kill_command.latch_of(named, config) == named
    with pytest.raises(InputError, match="UTF-8"):
        kill_command.latch_of(None, config)
    config.write_bytes((DRILL / "watchdog.toml").read_bytes())
    with pytest.raises(InputError, match="NOTHING IS STOPPED"):
        kill_command.latch_of(named, config)


@provokes("venues/kill_command.py", "resume: raise InputError")
def latch_to_resume_is_not_set(place: Place) -> None:
    Latch.create(place.folder / "latch")
    with pytest.raises(InputError, match="a latch that is set"):
        kill_command.resume(place.folder / "latch", "anna", place.folder / "key", as_json=False)


@provokes(
    "venues/kill_command.py",
    "_stop: except InputError",
    "_watchdog_age_s: except OSError",
    "_say: suppress(OSError)",
)
@provokes("execution/latch.py", "set: except OSError", "is_set: except OSError")
def kill_on_a_full_disk_without_watchdog_or_terminal(place: Place) -> None:
    latch = Latch.create(place.folder / "latch")
    place.patch.setattr("os.fsync", failing(ENOSPC, "No space left on device"))
    place.patch.setattr(sys, "stderr", Closed())
    assert not kill_command.kill(latch.folder, ASK, as_json=False)
    assert latch.is_set()


@provokes("venues/kill_command.py", "this_user: except KeyError")
def user_of_the_process_has_no_name(place: Place) -> None:
    """As in a container that runs under a bare number."""
    place.patch.setattr("os.getuid", lambda: 2**31 - 7)
    assert kill_command.this_user() == f"user {2**31 - 7}"


@provokes("venues/paper_arguments.py", "server: except ModuleNotFoundError", "server: raise ")
def server_or_its_library_is_not_installed(place: Place) -> None:
    place.patch.setitem(paper_arguments.SERVERS, "gone", "tidegate.venues.gone")
    with pytest.raises(ModuleNotFoundError, match=r"tidegate\.venues\.gone"):
        paper_arguments.server("gone")
    place.patch.setitem(paper_arguments.SERVERS, "bare", "no_such_library.at_all")
    with pytest.raises(InputError, match=r"install tidegate\[live\]"):
        paper_arguments.server("bare")


@provokes(
    "venues/both_command.py",
    "_read: except (msgspec.MsgspecError, UnicodeDecodeError)",
    "_read: raise InputError",
    "_hyperliquid_key: except ValueError",
    "_hyperliquid_key: raise InputError",
)
def key_of_a_paper_venue_is_none(place: Place) -> None:
    path = place.folder / both_command.HYPERLIQUID_KEY
    address = "0x" + "ab" * 20
    for text, words in (
        ("no JSON", "a JSON file"),
        ('{"walletAddress": ""}', "a JSON file"),
        (f'{{"walletAddress": "{address}", "privateKey": "none"}}', "key of its address"),
    ):
        path.unlink(missing_ok=True)
        write_private(path, text.encode())
        with pytest.raises(InputError, match=words):
            both_command._hyperliquid_key(place.folder)


@provokes("venues/paper_server.py", "__init__: except OSError")
def port_of_a_server_is_taken(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="a port that is free"):
            PaperServer(house(), Access(TRADE, WATCH), None, port)


@provokes("venues/both_command.py", "serve: raise InputError")
def second_venue_has_no_port_left(place: Place) -> None:
    last = both_command.LAST_PORT
    asked = paper_arguments.Asked(last, 1, 1, 1.0, "calm", place.folder, 1, False, as_json=True)
    with pytest.raises(InputError, match="--port: expected 65534 at most: Deribit's port"):
        both_command.serve(asked)
    assert not list(place.folder.iterdir())


@contextmanager
def leased() -> Iterator[tuple[RemoteGateway, RemoteGateway]]:
    """Two engines before one session, which serves the one that holds its lease."""
    lease = Lease(None, lambda _: None, lambda: 0.0)
    with PaperServer(house(), Access(TRADE, WATCH, lease=lease), clock=None) as server:
        first, second = (RemoteGateway(server.port, TRADE, VENUES, 2.0) for _ in range(2))
        yield first, second


@provokes("venues/lease.py", "hold: raise NotHeld", "use: raise NotHeld", "use: raise NotHeld 2")
@provokes("venues/paper_server.py", "_hold: except NotHeld", "_use_lease: except NotHeld")
@provokes("venues/remote.py", "_ask: raise InputError")
def engine_lacks_the_lease_or_loses_it(place: Place) -> None:
    order, other = pairs(1)
    with leased() as (first, second):
        early = first.place(order)
        assert early == NotTaken("status 423: expected an engine that has taken it")
        first.hold("one")
        with pytest.raises(InputError, match="lease: expected to hold it; the engine of journal"):
            second.hold("two")
        second.hold("two", takes=True)
        with pytest.raises(InputError, match=r"lease: expected to hold it; .* two has it since"):
            first.place(other)


@provokes("venues/remote.py", "hold: raise InputError")
def token_of_the_engine_only_looks(place: Place) -> None:
    with served() as (port, _):
        watching = RemoteGateway(port, WATCH, VENUES, 2.0)
        with pytest.raises(InputError, match=r"engine\.token \(.*this token may look and cancel"):
            watching.hold("one")


@provokes("venues/remote.py", "_words: except (*UNREADABLE_JSON, KeyError)")
def page_that_refuses_is_of_another_server(place: Place) -> None:
    for page in (b"<html>no</html>", b'{"message": "no"}', b"\xff"):
        with answering(http_reply("403 Forbidden", page)) as gateway:
            assert gateway.place(pairs(1)[0]) == NotTaken(f"status 403: {page!r}")


@provokes("venues/paper_server.py", "tell: suppress(OSError)")
def server_has_no_terminal(place: Place) -> None:
    place.patch.setattr(sys, "stderr", Closed())
    paper_server.tell("tidegate session", "alpha: answers again")
