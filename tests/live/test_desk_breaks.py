# SPDX-License-Identifier: Apache-2.0
"""The desk on ways that break at random, and secrets that must not be seen anywhere."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import traceback
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.live.breaking import FAULTS, STREAM_FAULTS, Breaking
from tests.live.desk import SECRETS, Desk, agrees, desk
from tests.soak import Budget
from tidegate.live.metrics import Metrics, serve_metrics
from tidegate.live.rounds import Rounds, Running
from tidegate.live.switches import Switches
from tidegate.model.replies import Unclear
from tidegate.model.times import SECOND_MS
from tidegate.venues.exchanges.house import ExchangeHouse

SHARE, MINUTE_S, CALM_ROUNDS = 0.02, 60.0, 40
# A stream that fell silent is given up after twice its patience; simulated time runs much faster.
STREAMS_BACK_S, SWITCH_S = 40.0, 3_600
# What a warm interpreter may still gain in all, and descriptors of connections that are kept open.
GROWN_KB, DESCRIPTORS = 65_536, 24


@pytest.mark.soak(weight=4)
def test_half_an_hour_of_broken_ways_loses_no_order_no_quantum_and_no_memory(
    tmp_path: Path, budget: Budget
) -> None:
    with ExitStack() as stack:
        found = stack.enter_context(desk(tmp_path, days=2))
        ways = [stack.enter_context(Breaking(port, seed)) for seed, port in enumerate(found.ports)]
        for port, way in zip(found.ports, ways, strict=True):
            for name in ("session.toml", "run.toml"):
                found.change(name, f":{port}", f":{way.port}")
        # A book that is looked at each minute trades more often than one that is left alone.
        found.change("mandate.toml", "payback_days = 20", "payback_days = 20\nreview_s = 600")
        found.change("mandate.toml", "interval_s = 3600", "interval_s = 300")
        house = stack.enter_context(found.session())
        running = found.engine()
        stack.callback(running[0].record.journal.close)  # type: ignore[attr-defined]
        sizes: list[tuple[int, int, int]] = []

        said: Counter[str] = Counter()
        switches = Switches(running.gateway, running.machine.venues, SWITCH_S)
        rounds = Rounds(running, switches, lambda what, _: said.update((what,)))

        def minute(number: int) -> None:
            _broken_minute(found, rounds, running, ways)
            _once(found, house)
            sizes.append(_sizes())

        budget.each("minute", minute, 30)
        met_all = sum((way.met for way in ways), Counter[str]())
        met = ", ".join(f"{n} {w}" for w, n in sorted(met_all.items()))
        grown = sizes[-1][0] - sizes[0][0]
        sent = len(house._log.sent)
        budget.figures.append(f"{sent} orders; faults: {met}; memory {grown:+} kB from minute 1")
        assert met_all.keys() == {*FAULTS, *STREAM_FAULTS}
        assert said["stream"] > 0
        assert grown < GROWN_KB
        assert sizes[-1][1] <= sizes[0][1] + DESCRIPTORS
        assert sizes[-1][2] <= sizes[0][2] + 4


def _broken_minute(found: Desk, rounds: Rounds, running: Running, ways: list[Breaking]) -> None:
    ends_s = time.monotonic() + MINUTE_S
    for way in ways:
        way.share = SHARE
    while time.monotonic() < ends_s:
        found.clock.pass_ms(SECOND_MS)
        rounds.once()
    for way in ways:
        way.share = 0.0
    ends_s = time.monotonic() + STREAMS_BACK_S
    while running.feed.silent and time.monotonic() < ends_s:
        time.sleep(0.1)
        found.clock.pass_ms(SECOND_MS)
        rounds.once()
    assert running.feed.silent == {}
    for _ in range(CALM_ROUNDS):
        found.clock.pass_ms(2 * SECOND_MS)
        found.stream(running.feed)
        rounds.once()
    agrees(running, found)


def _once(found: Desk, house: ExchangeHouse) -> None:
    """No label works twice at a venue, none that was not sent, and both wallets are the session's
    to the quantum."""
    names = {sent.name for sent in house._log.sent.values()}
    wallets = (("hyperliquid", "hyperliquid"), ("deribit", "deribit-usdc"))
    for (name, own), paper in zip(
        wallets, (found.both.hyperliquid, found.both.deribit), strict=True
    ):
        (key,) = paper.street.accounts
        account = paper.street.account(key)
        assert account is not None
        states = [*account.open_orders(), *account.closed_orders()]
        labels = [s.order.label for s in states if s.state != "rejected"]
        assert len(set(labels)) == len(labels)
        assert set(labels) <= names
        told = house.statement(name)
        assert not isinstance(told, Unclear), told
        assert told.account.balances["USDC"] == account.venue(own).balances["USDC"]


def _sizes() -> tuple[int, int, int]:
    """Resident memory in kB, open descriptors, threads."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]), len(os.listdir("/proc/self/fd")), threading.active_count()


def test_no_secret_is_in_any_file_line_traceback_or_figure_of_a_desk(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with desk(tmp_path) as found, found.session() as house:
        running = found.engine()
        for _ in range(4):
            found.clock.pass_ms(SECOND_MS)
            found.tick(running)
        port = serve_metrics(0, Metrics(running[0], running[1]))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            said = {"metrics": page.read().decode()}
        said |= {name: _traceback(session) for name, session in house._sessions.items()}
        said |= {"gateway": repr(vars(house)), "printed": "".join(capfd.readouterr())}
        running[0].record.journal.close()  # type: ignore[attr-defined]
    kept = [tmp_path / name for name in SECRETS]
    keys = sorted(tmp_path.glob("*.key.json"))
    others = [p for p in tmp_path.rglob("*") if p.is_file() and p not in (*kept, *keys)]
    said |= {p.name: p.read_bytes().decode(errors="replace") for p in others}
    assert {"desk.journal.partial", "session.log.partial"} <= said.keys()
    fields = [json.loads(path.read_text()) for path in keys]
    canaries = [key[n] for key in fields for n in ("privateKey", "secret") if n in key]
    canaries += [path.read_text().strip() for path in kept]
    assert len(canaries) == 5
    assert all(said[name] for name in ("metrics", "hyperliquid", "deribit"))
    for canary in canaries:
        bare = canary.removeprefix("0x").lower()
        assert [name for name, text in said.items() if bare in text.lower()] == []


def _traceback(session: object) -> str:
    """What a fault in the midst of signing prints."""
    client = session._client  # type: ignore[attr-defined]
    try:
        if client.id == "deribit":
            client.privateGetBuy({"instrument_name": "none"})
        else:
            client.sign_l1_action({"type": object()}, 1, None)
    except Exception:
        return traceback.format_exc()
    return ""
