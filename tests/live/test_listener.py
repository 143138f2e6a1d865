# SPDX-License-Identifier: Apache-2.0
"""A venue's word of our account calls the next round at once, and is believed in nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.live.desk import agrees, desk, held
from tests.live.test_market_streams import PATIENCE, Scripted, scripted, until
from tests.venues.drill import TRADE, house
from tests.venues.test_wire import VENUES
from tidegate.live.listener import Listener
from tidegate.live.metrics import Metrics
from tidegate.model.replies import NotTaken
from tidegate.model.times import SECOND_MS
from tidegate.venues.exchanges.account_talk import DeribitAccountTalk, signature
from tidegate.venues.exchanges.hearing import Hearing
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.streams.talk import stream_address

# What a plan of two legs and its hedges takes, with some to spare.
ROUNDS = 10
SECRET = "canary-of-the-account"
TRADED = '{"method":"subscription","params":{"channel":"user.trades.any.any.100ms","data":"?"}}'


def test_fills_are_booked_in_a_round_that_the_venues_own_word_calls_and_time_need_not_pass(
    tmp_path: Path,
) -> None:
    with desk(tmp_path) as found, found.session() as session:
        running = found.engine()
        machine, feed, gateway = running
        woken = threading.Event()
        with Listener(gateway, woken.set) as listener:
            # Each subscription that stands is a message.
            begun = {"hyperliquid": 2, "deribit": 1}
            until(lambda: listener.heard.told == begun)
            woken.clear()
            while not session._log.sent:
                found.clock.pass_ms(SECOND_MS)
                found.tick(running)
            # No time passes from here on.
            assert woken.wait(10)
            for _ in range(ROUNDS):
                feed.refresh(machine.ticked_ms)
                machine.tick(machine.ticked_ms)
            booked = machine.record.ledger.portfolio(machine.venues).accounts.values()
            lots = {n: p.lots for a in booked for n, p in a.positions.items() if p.lots}
            assert lots == held(found) != {}
            assert listener.wakes > 0
            until(lambda: all(listener.heard.told[v] > n for v, n in begun.items()))
            metrics = Metrics(machine, feed, None, listener)
            until(lambda: _messages(metrics) == listener.heard.told)
        machine.record.journal.close()  # type: ignore[attr-defined]


def _messages(metrics: Metrics) -> dict[str, float]:
    told = {family.name: family.samples for family in metrics.collect()}
    return {s.labels["venue"]: s.value for s in told["tidegate_account_messages"]}


def test_engine_whose_account_streams_are_lost_trades_on_at_its_own_pace(tmp_path: Path) -> None:
    nowhere = {
        name: (stream_address(name, "http://127.0.0.1:1"), DeribitAccountTalk(dict))
        for name in ("hyperliquid", "deribit")
    }
    with pytest.MonkeyPatch.context() as patch:
        deaf = Hearing(nowhere, pytest.fail, PATIENCE)
        patch.setattr("tests.live.desk.hearing_of", lambda *_: deaf)
        with desk(tmp_path) as found, found.session():
            running = found.engine()
            with Listener(running.gateway, running.feed.wake) as listener:
                found.tick(running)
                found.passes(running, 60 * SECOND_MS, 30 * SECOND_MS)
                agrees(running, found)
                assert held(found)
                until(lambda: min(listener.heard.ends.values(), default=0) > 1)
                assert set(listener.heard.told.values()) == {0}
            running.machine.record.journal.close()  # type: ignore[attr-defined]


def asked(server: Scripted) -> list[str]:
    """What was asked for, pulses aside."""
    methods = [json.loads(text)["method"] for text in server.heard]
    return [method for method in methods if method != "public/test"]


@contextmanager
def heard(server: Scripted) -> Iterator[Hearing]:
    talk = DeribitAccountTalk(lambda: signature("key", SECRET))
    address = stream_address("deribit", f"http://127.0.0.1:{server.port}")
    with Hearing({"deribit": (address, talk)}, pytest.fail, PATIENCE) as hearing:
        until(lambda: len(asked(server)) == 2)
        yield hearing


def test_account_is_listened_to_once_the_key_is_accepted_and_the_secret_never_leaves() -> None:
    with scripted() as server, heard(server) as hearing:
        server.tell('{"id":2,"error":{"code":13004,"message":"invalid_credentials"}}')
        server.tell('{"id":1,"result":"ok"}', "[]", '{"id":2,"result":{"scope":"trade:read"}}')
        until(lambda: len(asked(server)) == 3)
        assert asked(server) == ["public/set_heartbeat", "public/auth", "private/subscribe"]
        assert SECRET not in "".join(server.heard)
        assert hearing.wait(0, 0.0).told == {"deribit": 0}
        server.tell('{"id":3,"result":["user.orders.any.any.100ms"]}')
        assert hearing.wait(0, 5.0).told == {"deribit": 1}


def test_what_a_stream_says_is_counted_and_so_is_its_end_and_it_comes_back() -> None:
    with scripted() as server, heard(server) as hearing:
        server.tell(TRADED, TRADED)
        until(lambda: hearing.wait(0, 1.0).told == {"deribit": 2})
        before = hearing.wait(0, 1.0)
        server.hang_up()
        after = hearing.wait(before.total, 5.0)
        assert (after.told, after.ends) == (before.told, {"deribit": 1})
        until(lambda: len(asked(server)) == 4)
        server.tell(TRADED)
        assert hearing.wait(after.total, 5.0).told == {"deribit": 3}
        assert hearing.wait(hearing.wait(0, 0.0).total, 0.01).total == after.total + 1


def test_session_that_hears_nothing_is_counted_and_wakes_nobody() -> None:
    woken = threading.Event()
    with PaperServer(house(), Access(TRADE), clock=None) as server:
        gateway = RemoteGateway(server.port, TRADE, VENUES, timeout_s=2.0)
        with Listener(gateway, woken.set) as listener:
            until(lambda: listener.failures)
        assert gateway.heard(0, 0.0) == NotTaken("no account's stream is heard here")
    assert not woken.is_set()
    assert listener.wakes == 0
