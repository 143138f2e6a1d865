# SPDX-License-Identifier: Apache-2.0
"""The operator's engine over a vault: house, feed, gate and machine, ticked by the story."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.provenance import NoTables
from tidegate.history.window import Window
from tidegate.live.machine import Machine, Parts
from tidegate.live.vault.ground import Ground
from tidegate.live.vault.market import BAR_S, PRICE, Market
from tidegate.model.instruments import Contract
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.risk.gate import Gate
from tidegate.venues.exchanges.session_log import SessionLog
from tidegate.venues.vault.edge import VaultEdge
from tidegate.venues.vault.feed import Shown, VaultFeed
from tidegate.venues.vault.house import Vault, VaultHouse, check_asset
from tidegate.venues.vault.lines import VAULT, Names
from tidegate.venues.vault.outbox import Terms
from tidegate.venues.vault.reading import Place, Reader

MANDATE = Path(__file__).parent / "mandate.toml"
ASSET = "USDC"
DEPTH = 2
VOLUME_DAY_USD = 50e6
ROUNDS = 30
GWEI = 10**9
TERMS = Terms(fee_ceiling_wei=500 * GWEI, gas_ceiling=10**7, depth_blocks=DEPTH)


@dataclass(frozen=True, slots=True)
class Sending:
    """A transfer that the engine decided: ends, quanta, what became of it, and its order's root."""

    id: str
    source: str
    destination: str
    quanta: int
    state: str
    reason: str
    root: str


def mandate_of() -> Mandate:
    """The demonstration's mandate."""
    return read_mandate(MANDATE.read_text(encoding="utf-8"), MANDATE.name)


class Operator:
    """The engine of one vault; of the market it knows what the chain shows."""

    def __init__(
        self,
        ground: Ground,
        place: Place,
        folder: Path,
        market: Market,
    ) -> None:
        self._ground, self._points = ground, market.points
        self._slip_ppm = market.bounds.slip_ppm
        mandate, gate = mandate_of(), Gate(os.urandom(32))
        now_ms = ground.now_s * SECOND_MS
        window = Window(now_ms, now_ms + DAY_MS)
        arrangement = arrange(mandate, NoTables(), window, MANDATE.name)
        self.feed = VaultFeed(_shown(arrangement))
        self.journal = folder / "vault.journal"
        self.house = self._house(place, folder, gate)

        def halted() -> str | None:
            return None

        parts = Parts(arrangement, self.feed, self.house, gate, self.journal, halted)
        self.feed.take(self._points())
        self.machine = Machine(parts, now_ms)
        self._told = 0

    def _house(self, place: Place, folder: Path, gate: Gate) -> VaultHouse:
        ground = self._ground
        reader = Reader(ground.node, place, DEPTH)
        self.edge = VaultEdge(ground.node, reader, ground.sender("allocator", TERMS))
        state = ground.run(self.edge.state())
        check_asset(state.decimals, ASSET)
        signers = [ground.key(name) for name in ("signer 1", "signer 2")]
        domain = ground.run(reader.domain())
        names = Names(place.names, ASSET)
        begun, slip = place.first_block, self._slip_ppm
        vault = Vault(self.edge, ground.node, domain, begun, names, signers, slip)
        self._log = SessionLog(folder / "vault.session", {}, place.vault)
        return VaultHouse(vault, gate, self._log, ground.run, lambda: self.machine.root)

    def tick(self) -> None:
        """Take in what the chain shows and decide, until nothing of a plan is under way."""
        self.feed.take(self._points())
        for _ in range(ROUNDS):
            self.machine.tick(self.house.now_ms)
            if not self.machine.desk.standing(self.house.now_ms).busy and not self._under_way:
                return
            self._ground.mine(DEPTH)

    @property
    def _under_way(self) -> bool:
        return bool(self.machine.desk.books.open_transfers)

    def hear(self) -> None:
        """Take in what the chain shows, and decide nothing."""
        self.machine.desk.standing(self.house.now_ms)

    def sendings(self) -> tuple[Sending, ...]:
        """What was sent since this was last asked."""
        sent = list(self._log.sent.values())[self._told :]
        self._told += len(sent)
        found = []
        for one in sent:
            status = self.house.shipment(one.venue, one.id)
            state = getattr(status, "state", "unclear")
            ends = one.venue, one.address, int(one.amount)
            found.append(Sending(one.id, *ends, state, status.reason, one.name))
        return tuple(found)

    def close(self) -> str:
        """Seal the journal; its head."""
        head = self.machine.seal()
        self._log.close()
        return head


def _shown(arrangement: Arrangement) -> Shown:
    mandate = arrangement.mandate
    prices = {
        contract.base: contract
        for contract in arrangement.terms.instruments.values()
        if isinstance(contract, Contract)
    }
    rates = tuple(venue for venue in mandate.venue if venue != VAULT)
    horizon = round(mandate.edge.payback_days)
    return Shown({PRICE: prices[PRICE]}, BAR_S * SECOND_MS, VOLUME_DAY_USD, rates, horizon)
