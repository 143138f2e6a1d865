# SPDX-License-Identifier: Apache-2.0
"""A cycle over the simulated exchange, with a feed that knows the past and a fixed outlook."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.allocation.questions import calm_scenarios
from tests.risk import desk
from tests.risk.floor import STEP_MS, exchange, tape
from tidegate.engine.cycle import Cycle, Tools, World
from tidegate.engine.outlook import Outlook
from tidegate.engine.record_frames import open_record
from tidegate.execution.desk import Desk
from tidegate.execution.record import Record, Writes
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.model.mandate import Mandate
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.risk.gate import Gate
from tidegate.risk.limits import check_names
from tidegate.signals.carry import CarryEdge
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Freeze, Tape
from tidegate.venues.paper import PaperVenues

FUNDS = {"alpha": 500_000.0, "beta": 500_000.0}
CARRY = 0.2
TOOLS = Tools()


class TapeFeed:
    """The close of the last whole step, and nothing later."""

    def __init__(self, over: Tape) -> None:
        self._tape = over

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        step = (ts_ms - self._tape.start_ms) // self._tape.step_ms - 1
        quotes = {}
        for name, track in self._tape.tracks.items():
            ticks = track.mark_close[step] if step >= 0 else track.open[0]
            quotes[name] = Quote(ticks, ts_ms, False, 1e9, 0.03)
        return MarketSnapshot(ts_ms, quotes, frozen)


@dataclass
class FixedOutlook:
    """The same view of the market at every time: long alpha and short beta earns."""

    coins: Sequence[str] = ("BTC",)

    def at(self, ts_ms: int) -> Outlook:
        carry = dict.fromkeys(desk.INSTRUMENTS, 0.0)
        edges = []
        for long, short in ((desk.ALPHA_BTC, desk.BETA_BTC), (desk.ALPHA_ETH, desk.BETA_ETH)):
            coin = desk.INSTRUMENTS[long].base
            if coin in self.coins:
                carry |= {long: CARRY / 2, short: -CARRY / 2}
                edges.append(CarryEdge(coin, long, short, CARRY, 0.05, 10.0, 1e12, 4.0))
        vol = {"BTC": 0.03, "ETH": 0.04}
        return Outlook(
            ts_ms, tuple(edges), carry, vol, desk.OUTER, desk.INNER, calm_scenarios(2), 1.0
        )


@dataclass
class Room:
    """Everything of one run."""

    cycle: Cycle
    exchange: Exchange
    record: Record
    tape: Tape
    hands: Desk
    gate: Gate
    venues: PaperVenues

    def play(self, steps: int) -> None:
        """Let steps pass, deciding at the start and after each."""
        for _ in range(steps):
            self.cycle.step(self.exchange.now_ms)
            self.record.take(self.exchange.advance(self.exchange.now_ms + STEP_MS))

    def lots(self, name: str) -> int:
        """Lots held, by the venue's statement."""
        position = self.exchange.account(desk.INSTRUMENTS[name].venue).positions.get(name)
        return position.lots if position else 0

    def frames(self) -> list[tuple[str, dict[str, object]]]:
        """Seal the journal and return its kinds and payloads in order."""
        self.record.journal.seal()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal"
            path.write_bytes(self.record.journal.content())
            return [(frame.kind, frame.value()) for frame in read_frames(path)]


def room(
    multiples: Mapping[str, Sequence[float]] | None = None,
    tools: Tools = TOOLS,
    mandate: Mandate = desk.MANDATE,
    steps: int = 16,
    funds: Mapping[str, float] = FUNDS,
    freezes: tuple[Freeze, ...] = (),
    outages: tuple[Freeze, ...] = (),
    journal: Writes | None = None,
) -> Room:
    """A cycle with money deposited and recorded."""
    over = replace(tape(multiples or {}, steps, freezes), outages=outages)
    market = exchange({}, over)
    prices, coin_marks = {"USDT": 1_000_000, "USDC": 1_000_000}, {"BTC": desk.VAULT_BTC}
    record = open_record(
        desk.INSTRUMENTS,
        prices,
        coin_marks,
        journal or Journal.in_memory({"book": "test", "checks": check_names()}),
    )
    for venue, usd in funds.items():
        record.take(market.deposit(venue, desk.COLLATERAL[venue], int(usd * 1e6)))
    gate = Gate(b"secret")
    venues = PaperVenues(market, gate)
    hands = Desk(venues, record, (mandate.limits, desk.INSTRUMENTS))
    world = World(TapeFeed(over), venues, gate, record, hands)
    cycle = Cycle(world, lambda _: desk.terms(mandate), FixedOutlook(), over.start_ms, tools)
    return Room(cycle, market, record, over, hands, gate, venues)
