# SPDX-License-Identifier: Apache-2.0
"""What `tidegate run` does: keep the engine ticking over running venues until it is stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import msgspec

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.provenance import NoTables, Tables
from tidegate.execution.heartbeat import Heartbeat
from tidegate.execution.latch import Latch
from tidegate.execution.secret_file import read_secret
from tidegate.history.intake.public_http import public_fetch
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.journal.writer import partial_path
from tidegate.live.feed import LiveFeed
from tidegate.live.listener import Listener
from tidegate.live.machine import Machine, Parts, Propose
from tidegate.live.market_streams import MarketStreams
from tidegate.live.metrics import Metrics, serve_metrics
from tidegate.live.past import Past
from tidegate.live.rounds import Rounds, Running, Say
from tidegate.live.run_arguments import Asked
from tidegate.live.settings import RunFile, read_run_file
from tidegate.live.switches import Switches
from tidegate.model.actions import Action
from tidegate.model.errors import InputError
from tidegate.model.instruments import Contract
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import DAY_MS, SECOND_MS, format_time
from tidegate.risk.gate import Gate
from tidegate.venues.accounts.parity_file import recorded_reduce_only
from tidegate.venues.exchanges.client import expect_here
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.toml_file import beside
from tidegate.venues.wire import News

LEVELS = ("propose", "act")
FIRST_PRICES_S = 10.0


def run_mandate(asked: Asked, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM; raises `InputError` where something cannot be used, and then
    leaves no journal that was not there."""
    settings, said, say = asked.settings, read_run_file(asked.settings), _sayer(as_json)
    running = _machine(asked.mandate, (settings, said), asked.tables, say)
    machine, feed, gateway = running
    acts = machine.level == "act"
    switches = Switches(gateway, machine.venues, said.engine.switch_s) if acts else None
    listener = Listener(gateway, feed.wake)
    try:
        if said.engine.metrics_port is not None:
            port = serve_metrics(
                said.engine.metrics_port, Metrics(machine, feed, switches, listener)
            )
            say("metrics", {"port": port})
        if acts:
            gateway.hold(machine.record.run, asked.takes_lease)
    except InputError:
        machine.withdraw()
        raise
    say("started", {"at": format_time(machine.began_ms), "level": machine.level})
    heart = Heartbeat(beside(settings, said.engine.heartbeat))
    feed.begin(FIRST_PRICES_S)
    try:
        with listener if acts else nullcontext():
            Rounds(running, switches, say).run(heart, said.engine.tick_s)
    finally:
        feed.close()


def seal_journal(asked: Asked, as_json: bool) -> None:
    """End a run's journal, so that it can be verified and replayed; raises `InputError` where there
    is none that can go on."""
    settings, said, say = asked.settings, read_run_file(asked.settings), _sayer(as_json)
    journal = beside(settings, said.engine.journal)
    if not partial_path(journal).exists():
        raise InputError(str(settings), "engine.journal", "expected a journal that goes on")
    machine = _machine(asked.mandate, (settings, said), asked.tables, say).machine
    say("sealed", {"journal": str(journal), "head": machine.seal()})


def _machine(
    mandate: Path, settings: tuple[Path, RunFile], tables: Path | None, say: Say
) -> Running:
    path, said = settings
    gateway, halted = _session(path, said, mandate)
    now_ms = _venues_now(gateway)
    arrangement = _arranged(mandate, tables, now_ms)
    feed = _feed(said, arrangement, now_ms)
    gate = Gate(read_secret(beside(path, said.engine.gate_key)))
    propose = None if arrangement.mandate.authority.level == "act" else _proposer(say)
    journal = beside(path, said.engine.journal)
    doubting = _doubting(path, said)
    parts = Parts(arrangement, feed, gateway, gate, journal, halted, propose, doubting)
    return Running(Machine(parts, now_ms), feed, gateway)


def _session(
    settings: Path, said: RunFile, mandate: Path
) -> tuple[RemoteGateway, Callable[[], str | None]]:
    engine = said.engine
    latch = Latch(beside(settings, engine.latch))
    if not latch.exists():
        raise InputError(str(settings), "engine.latch", "expected a latch; tidegate latch --new")
    token = read_secret(beside(settings, engine.token))
    venues = tuple(_read(mandate).venue)

    def may_send() -> bool:
        return not latch.is_set()

    gateway = RemoteGateway(engine.session_port, token, venues, engine.timeout_s, may_send)
    return gateway, lambda: "the latch is set" if latch.is_set() else None


def _doubting(settings: Path, said: RunFile) -> Callable[[int], frozenset[str]]:
    """Which venues may only be reduced at a time."""
    if said.engine.parity is None:
        return lambda _: frozenset()
    path, age_ms = beside(settings, said.engine.parity), round(said.engine.parity_age_s * SECOND_MS)
    venues = {name: market.url for name, market in said.market.items()}
    return lambda now_ms: recorded_reduce_only(path, venues, now_ms, age_ms)


def _venues_now(gateway: RemoteGateway) -> int:
    news = gateway.news()
    if not isinstance(news, News):
        expected = f"expected a session that answers ({news.reason})"
        raise InputError("session", "engine.session_port", expected)
    return news.ts_ms


def _read(path: Path) -> Mandate:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(str(path), "mandate", "expected a readable TOML file") from None
    return read_mandate(text, path.name)


def _arranged(path: Path, data: Path | None, now_ms: int) -> Arrangement:
    mandate = _read(path)
    if mandate.authority.level not in LEVELS:
        expected = f"expected {' or '.join(LEVELS)}; tidegate observe needs no mandate"
        raise InputError(path.name, "authority.level", expected)
    tables: Tables = NoTables() if data is None else VenueTables(data)
    return arrange(mandate, tables, Window(now_ms, now_ms + DAY_MS), path.name)


def _feed(said: RunFile, arrangement: Arrangement, now_ms: int) -> LiveFeed:
    contracts = {
        name: instrument
        for name, instrument in arrangement.terms.instruments.items()
        if isinstance(instrument, Contract)
    }
    if missing := sorted({c.venue for c in contracts.values()} - said.market.keys()):
        raise InputError("settings", f"market.{missing[0]}", "expected where its prices are")
    for name, market in said.market.items():
        expect_here(name, market.url)
    servers = {name: market.url for name, market in said.market.items()}
    kinds = {name: (market.kind, market.url) for name, market in said.market.items()}
    streams = MarketStreams(kinds, list(contracts.values()))
    past = Past(contracts, servers, public_fetch, now_ms)
    return LiveFeed(contracts, streams, past, said.engine.wake_move)


def _proposer(say: Say) -> Propose:
    def propose(steps: tuple[tuple[Action, ...], ...], now_ms: int) -> None:
        actions = [[msgspec.to_builtins(action) for action in step] for step in steps]
        say("proposed", {"at": format_time(now_ms), "steps": actions})

    return propose


def _sayer(as_json: bool) -> Say:
    """One line of JSON each on standard output, or words on standard error."""

    def say(what: str, about: dict[str, object]) -> None:
        if as_json:
            print(json.dumps({"event": what, **about}, sort_keys=True), flush=True)
            return
        words = ", ".join(f"{name} {value}" for name, value in about.items())
        print(f"{what}: {words}" if words else what, file=sys.stderr, flush=True)

    return say
