# SPDX-License-Identifier: Apache-2.0
"""A whole desk for tests: both paper venues on a clock by hand, a session, and an engine, each over
its real wires; the engine in this process, or as `tidegate run` in one of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from tidegate.execution.latch import Latch
from tidegate.execution.secret_file import read_secret, write_secret
from tidegate.live import run_command
from tidegate.live.feed import LiveFeed
from tidegate.live.rounds import Running
from tidegate.live.run_command import FIRST_PRICES_S
from tidegate.live.settings import read_run_file
from tidegate.risk.gate import Gate
from tidegate.venues.both_command import Both, one_world, open_both
from tidegate.venues.exchanges.house import ExchangeHouse
from tidegate.venues.exchanges.session_command import hearing_of, open_house, wall_ms
from tidegate.venues.exchanges.settings import read_session_file
from tidegate.venues.paper_arguments import Asked
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.street.clock import HandClock
from tidegate.venues.street.market import Market

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "live"
# Monday, 30 November 2026, 06:00 UTC.
BEGIN_MS = 1_796_018_400_000
SECRETS = ("trading.token", "watching.token", "gate.key")
# Until streams have brought what the venues' books are now; broken ways may not bring it at all.
CAUGHT_UP_S = 1.0


@lru_cache(maxsize=2)
def markets(crisis: str, days: int, seed: int) -> tuple[Market, Market]:
    asked = Asked(0, seed, days, 1.0, crisis, None, 1, False, False)
    return one_world(asked, BEGIN_MS)


def write_desk(folder: Path, ports: tuple[int, int]) -> None:
    """A desk's files, as the examples', with new secrets and a latch that is not set."""
    for name in ("mandate.toml", "session.toml", "run.toml"):
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for said, port in zip((8711, 8712), ports, strict=True):
            text = text.replace(f":{said}", f":{port}")
        text = text.replace("port = 8720\ntrading", "port = 0\ntrading")
        text = text.replace("metrics_port = 8721\n", "tick_s = 0.01\nswitch_s = 3600\n")
        (folder / name).write_text(text, encoding="utf-8")
    for name in SECRETS:
        write_secret(folder / name, os.urandom(32))
    Latch.create(folder / "latch")


class Desk:
    """The desk of a folder; see `desk`."""

    def __init__(self, folder: Path, both: Both, clock: HandClock, ports: tuple[int, int]) -> None:
        self.folder, self.both, self.clock, self.ports = folder, both, clock, ports
        self._feeds: list[LiveFeed] = []
        write_desk(folder, ports)

    def change(self, name: str, before: str, after: str) -> None:
        """Change a settings file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")

    @contextmanager
    def session(self) -> Iterator[ExchangeHouse]:
        """Serve a session in this process, at a port that the run's settings then name."""
        path = self.folder / "session.toml"
        said = read_session_file(path)
        tokens = [read_secret(self.folder / name) for name in SECRETS]
        house = open_house(path, said, Gate(tokens[2]), {})
        access = Access(*tokens[:2], lease=house.lease(time.monotonic))
        hearing = hearing_of(house, said)
        with hearing, PaperServer(house, access, wall_ms, hears=hearing.wait) as server:
            text = (self.folder / "run.toml").read_text(encoding="utf-8")
            before = next(line for line in text.splitlines() if line.startswith("session_port"))
            self.change("run.toml", before, f"session_port = {server.port}")
            yield house
        house._log.close()

    def engine(self) -> Running:
        """An engine in this process, recovered from the folder's journal; in act it trades."""
        path = self.folder / "run.toml"
        said = read_run_file(path), run_command._sayer(True)
        made = run_command._machine(self.folder / "mandate.toml", (path, said[0]), None, said[1])
        if made.machine.level == "act":
            made.gateway.hold(made.machine.record.run)
        made.feed.begin(FIRST_PRICES_S)
        self._feeds.append(made.feed)
        return made

    def tick(self, running: Running) -> None:
        """What a round of `tidegate run` does, once its streams are as late as the venues are."""
        machine, feed, gateway = running
        now_ms = gateway.now_ms()
        assert now_ms is not None
        self.stream(feed)
        feed.refresh(now_ms)
        machine.tick(now_ms)

    def stream(self, feed: LiveFeed) -> None:
        """Wait until streams have brought the present, at most for a while."""
        ends_s = time.monotonic() + CAUGHT_UP_S
        while not self._has_come(feed) and time.monotonic() < ends_s:
            time.sleep(0.001)

    def _has_come(self, feed: LiveFeed) -> bool:
        streets = {"hyperliquid": self.both.hyperliquid.street, "deribit": self.both.deribit.street}
        for venue, stream in feed.streams.items():
            street, tickers = streets[venue], stream.tickers()
            if (
                stream.missing()
                or street.now_ms + street.market.terms.tick_ms <= self.clock.time_ms
            ):
                return False
            for name, ticker in tickers.items():
                ladder = street.ladder(name.partition(":")[2])
                if ladder is not None and ticker.as_of_ms < ladder.ts_ms:
                    return False
        return True

    def close(self) -> None:
        """End the streams of all engines of this process."""
        for feed in self._feeds:
            feed.close()

    def passes(self, running: Running, duration_ms: int, step_ms: int) -> None:
        """Let time pass, with a round at each step, and short ones while a plan is under way."""
        end_ms = self.clock.time_ms + duration_ms
        while self.clock.time_ms < end_ms:
            busy = running[0].desk._work is not None
            self.clock.pass_ms(min(1_000 if busy else step_ms, end_ms - self.clock.time_ms))
            self.tick(running)

    def run(self, *more: str) -> subprocess.Popen[bytes]:
        """`tidegate run` as a process of its own."""
        words = [str(self.folder / "mandate.toml"), "--settings", str(self.folder / "run.toml")]
        command = [sys.executable, "-m", "tidegate.cli", "run", *words, "--json", *more]
        out = (self.folder / "run.out").open("ab")
        with out:
            return subprocess.Popen(command, stdout=out, stderr=out)

    def beats(self, process: subprocess.Popen[bytes], count: int = 2) -> None:
        """Wait until a heart beat so often anew: then its process has lived through the present."""
        path, seen = self.folder / "heartbeat", 0
        last = path.stat().st_mtime_ns if path.exists() else 0
        while seen < count:
            assert process.poll() is None, (self.folder / "run.out").read_text()[-2_000:]
            time.sleep(0.002)
            now = path.stat().st_mtime_ns if path.exists() else 0
            seen, last = seen + (now != last), now


@contextmanager
def desk(folder: Path, crisis: str = "calm", days: int = 1, seed: int = 7) -> Iterator[Desk]:
    """Both paper venues served on a thread, and a folder with a desk's files."""
    made = markets(crisis, days, seed)
    clock = HandClock(made[0].begin_ms)
    both = open_both(made, clock, folder)
    ports: list[int] = []
    begun, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        from tidegate.venues.deribit_server.server import Server
        from tidegate.venues.hyperliquid_server.server import serving

        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(both.hyperliquid, 0))
            second = await stack.enter_async_context(Server(both.deribit, 0))
            ports.extend((first.port, second.port))
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert begun.wait(30)
        made = Desk(folder, both, clock, (ports[0], ports[1]))
        yield made
    finally:
        if begun.is_set():
            made.close()
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
        shutil.rmtree(folder / "latch", ignore_errors=True)


def held(found: Desk) -> dict[str, int]:
    """Lots at both venues as the exchanges themselves have them, by the engine's names."""
    first, second = found.both.hyperliquid, found.both.deribit
    (key,) = first.street.accounts
    own = dict(first.street.account(key).positions("hyperliquid"))  # type: ignore[union-attr]
    (key,) = second.street.accounts
    other = second.street.account(key).positions("deribit-usdc")  # type: ignore[union-attr]
    own |= {name.replace("deribit-usdc", "deribit"): p for name, p in other.items()}
    return {name: position.lots for name, position in own.items() if position.lots}


def agrees(running: Running, found: Desk) -> None:
    """Ledger, venues' statements and the exchanges are of one mind, and legs stand together."""
    machine = running[0]
    machine.desk.standing(machine.ticked_ms)
    assert machine.desk.breaks == {}
    accounts = machine.record.ledger.portfolio(machine.venues).accounts.values()
    known = {n: p.lots for a in accounts for n, p in a.positions.items() if p.lots}
    assert known == held(found)
    least = machine._parts.arrangement.mandate.limits.naked_usd
    for coin in ("BTC", "ETH"):
        names = [n for n in known if machine._instruments()[n].base == coin]
        coins = sum(known[n] * machine._instruments()[n].lot for n in names)
        ticks = running[1].snapshot(machine.ticked_ms, ()).ticks()
        price = max((machine._instruments()[n].price(ticks[n]) for n in names), default=0.0)
        assert abs(float(coins)) * price <= least
