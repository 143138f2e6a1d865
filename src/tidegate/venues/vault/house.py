# SPDX-License-Identifier: Apache-2.0
"""A vault behind the semantics of a gateway: its idle money and each adapter is a venue.

An approved transfer becomes one order of the vault, with a least outcome for each move, signed by
k of n, resting on the root of the journal as it stands then. It is accepted once it is on its way,
and in the logs of the two venues once it stands deep enough to stay. What the chain refuses is
refused with the contract's own reason. Nothing is traded here: positions are opened by strategists'
allowed calls, and closed by the keeper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidegate.model.account import Account
from tidegate.model.actions import Transfer
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderStatus,
    Pushed,
    Statement,
    Swept,
    TransferStatus,
    Unclear,
)
from tidegate.model.times import SECOND_MS
from tidegate.model.units import asset_decimals
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.venues.exchanges.session import News
from tidegate.venues.exchanges.session_log import Sent, SessionLog
from tidegate.venues.vault.edge import VaultEdge
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.lines import MARK, VAULT, Line, Names, change, lines, marked
from tidegate.venues.vault.logs import Disagreement
from tidegate.venues.vault.node import ChainNode, NodeError, Reverted
from tidegate.venues.vault.orders import Domain, sign_order
from tidegate.venues.vault.outbox import OPEN, Stage
from tidegate.venues.vault.outbox import Entry as Call
from tidegate.venues.vault.reading import Moved
from tidegate.venues.vault.state import Move, Order, VaultState

T = TypeVar("T")
PUSHED_MAX = 10_000
ENTRIES_MAX = 1_000
NEVER_MS = 2**53
PPM = 10**6
REORGANISED = "the chain was reorganised deeper than was believed"
NO_TRADES = "positions are not traded through the vault's orders"


@dataclass(frozen=True, slots=True)
class Vault:
    """One vault: its edge and node, where it is and since when it has logs, its venues' names, the
    keys that sign orders, and the most of a move that may be lost, in millionths."""

    edge: VaultEdge
    node: ChainNode
    domain: Domain
    first_block: int
    names: Names
    signers: Sequence[VaultKey]
    slip_ppm: int


class VaultHouse:
    """All venues of one vault; `run` waits for an answer of the edge, `root` tells the Merkle root
    of the journal, on which an order rests."""

    def __init__(
        self,
        vault: Vault,
        gate: Gate,
        log: SessionLog,
        run: Callable[[Awaitable[object]], object],
        root: Callable[[], bytes],
    ) -> None:
        self._vault, self._gate, self._log = vault, gate, log
        self._run, self._root = run, root
        self._pushed: deque[Pushed] = deque(maxlen=PUSHED_MAX)
        self._state: VaultState | None = None
        self._held = {
            venue: sum(change(line.event, venue) for line in log.entries.get(venue, ()))
            for venue in self._venues
        }
        self._last, self._seen = (vault.first_block - 1, ""), ("", "")

    @property
    def _venues(self) -> tuple[str, ...]:
        return (VAULT, *self._vault.names.venues.values())

    @property
    def state(self) -> VaultState | Unclear:
        """The vault at the newest block that is deep enough, its logs read up to there."""
        why = self._read()
        return self._state if self._state is not None and why is None else Unclear(why or "")

    @property
    def now_ms(self) -> int:
        """The second of the newest block."""
        return self._ask(self._vault.node.block()).ts_s * SECOND_MS

    @property
    def end_ms(self) -> int:
        """A chain does not end."""
        return NEVER_MS

    def advance(self, until_ms: int) -> None:
        """Time passes by itself."""

    def has(self, venue: str) -> bool:
        """Whether there is such a venue."""
        return venue in self._venues

    def trades(self, instrument: InstrumentId) -> bool:
        """Nothing is traded here."""
        return False

    def place(self, approval: Approval) -> OrderStatus:
        """Refused: nothing is traded here."""
        return OrderStatus(approval.action.id, "refused", 0, self.now_ms, NO_TRADES)

    def cancel(self, venue: str, order: str) -> OrderStatus:
        """There is no order."""
        return self.order(venue, order)

    def cancel_all(self, venue: str) -> Swept:
        """There is none to cancel."""
        return Swept(venue, (), self.now_ms)

    def order(self, venue: str, order: str) -> OrderStatus:
        """There is no order."""
        return OrderStatus(order, "absent", 0, self.now_ms)

    def send(self, approval: Approval) -> TransferStatus | Unclear:
        """Bring an approved transfer as a signed order, once."""
        transfer, now_ms = approval.action, self.now_ms
        if transfer.id in self._log.sent:
            return self.shipment(self._log.sent[transfer.id].venue, transfer.id)
        refusal = self._redeem(approval, now_ms)
        state = self.state
        if refusal or not isinstance(transfer, Transfer):
            return TransferStatus(transfer.id, "refused", now_ms, refusal)
        if isinstance(state, Unclear):
            return TransferStatus(transfer.id, "refused", now_ms, state.reason)
        order = self._order(transfer, state, approval.expires_ms)
        self._log.send(_sent(approval, transfer, order.snapshot, now_ms))
        domain = self._vault.domain
        signed = [sign_order(order, domain, key) for key in self._vault.signers]
        try:
            self._ask(self._vault.edge.submit(transfer.id, order, signed))
            self._work()
        except (NodeError, Disagreement) as error:
            return Unclear(str(error))
        except InputError as error:
            return TransferStatus(transfer.id, "refused", now_ms, str(error))
        return self._status(transfer.id, now_ms)

    def shipment(self, venue: str, transfer: str) -> TransferStatus | Unclear:
        """A transfer's state by the outbox."""
        sent = self._log.sent.get(transfer)
        if sent is None or sent.venue != venue:
            return TransferStatus(transfer, "absent", self.now_ms)
        if (why := self._read()) is not None:
            return Unclear(why)
        return self._status(transfer, self.now_ms)

    def pushed(self) -> tuple[Pushed, ...]:
        """New lines of the logs since the last call."""
        self._read()
        told = tuple(self._pushed)
        self._pushed.clear()
        return told

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log after a number, a thousand at most."""
        if (why := self._read()) is not None:
            return Unclear(why)
        return tuple(self._log.entries.get(venue, [])[after : after + ENTRIES_MAX])

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's account: what the vault has idle, or what an adapter is worth."""
        state = self.state
        if isinstance(state, Unclear):
            return state
        value = _value(state, venue, self._vault.names)
        if value is None:
            return Unclear(f"{venue}: its adapter does not answer")
        number = len(self._log.entries.get(venue, ()))
        account = Account(venue, {self._vault.names.asset: value}, {})
        return Statement(venue, state.ts_s * SECOND_MS, number, account, ())

    def device(self, venue: str) -> Device | None:
        """None: nothing of ours rests there."""
        return None

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """There is nothing to arm."""
        return NotTaken("no dead-man's switch")

    def frozen_venues(self) -> tuple[str, ...]:
        """Adapters that do not answer or are below their health, all where the vault is closed."""
        state = self._state
        if state is None or state.paused or state.shutdown:
            return self._venues
        names = self._vault.names.venues
        return tuple(names[v.adapter] for v in state.venues if not v.is_healthy)

    def out_venues(self) -> tuple[str, ...]:
        """None announces it."""
        return ()

    def stable_micro(self) -> Mapping[str, int]:
        """Nobody here says."""
        return {}

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """There is no such queue."""
        return None

    def _order(self, transfer: Transfer, state: VaultState, expires_ms: int) -> Order:
        """The vault's order for a transfer; it expires with its approval."""
        least, names, moves = _least(transfer.quanta, self._vault.slip_ppm), self._vault.names, []
        sent = transfer.quanta
        if transfer.source != VAULT:
            moves.append(Move(names.adapter(transfer.source), -sent, least))
            sent = least
        if transfer.destination != VAULT:
            arrives = _least(sent, self._vault.slip_ppm)
            moves.append(Move(names.adapter(transfer.destination), sent, arrives))
        slip = 2 * (transfer.quanta - least)
        root = "0x" + self._root().hex()
        total = max(1, state.total_quanta - slip)
        return Order(state.nonce, expires_ms // SECOND_MS, root, total, tuple(moves))

    def _redeem(self, approval: Approval, now_ms: int) -> str:
        """Why an approval is worth nothing here; empty if it is good."""
        try:
            self._gate.verify(approval, now_ms)
        except ApprovalError as error:
            return str(error)
        action = approval.action
        if approval.id in self._log.approvals:
            return f"approval {approval.id}: used before"
        if not isinstance(action, Transfer):
            return f"approval {approval.id}: not for a transfer"
        known = {action.source, action.destination} <= set(self._venues)
        known = known and action.asset == self._vault.names.asset
        return "" if known else "no such venue or asset"

    def _status(self, transfer: str, now_ms: int) -> TransferStatus:
        """What has become of an order; one that never reached the outbox will never leave."""
        try:
            call: Call = self._vault.edge.entry(transfer)
        except KeyError:
            return TransferStatus(transfer, "absent", now_ms)
        if call.stage in OPEN or call.stage is Stage.DONE:
            return TransferStatus(transfer, "accepted", now_ms)
        return TransferStatus(transfer, "refused", now_ms, call.reason or str(call.stage))

    def _work(self) -> None:
        """Carry the outbox as far as it goes now."""
        before: tuple[object, ...] = ()
        while (done := self._ask(self._vault.edge.step())) is not None:
            now = (done.entry.call.id, done.entry.stage, len(done.entry.attempts))
            if now == before:
                return
            before = now

    def _read(self) -> str | None:
        """Take in what the chain has beyond what is known, once for each block; why that failed,
        if it did."""
        try:
            head = self._ask(self._vault.node.block()).hash
            if head != self._seen[0]:
                self._work()
                state = self._ask(self._vault.edge.state())
                self._seen = head, self._follow(state)
            return self._seen[1] or None
        except (NodeError, Reverted, Moved, Disagreement, InputError) as error:
            return str(error) or "the chain was reorganised while it was read"

    def _follow(self, state: VaultState) -> str:
        node, (last, known) = self._vault.node, self._last
        if known and self._ask(node.block(last)).hash != known:
            return REORGANISED
        first, vault = last + 1, self._vault.domain.vault
        logs = self._ask(node.logs("CapitalVault", vault, first, state.block_number))
        at_s = {
            number: self._ask(node.block(number)).ts_s for number in {x.block_number for x in logs}
        }
        told = list(lines(logs, at_s, self._transfers(), self._vault.names))
        if not known and not self._holds(told):
            return REORGANISED
        self._see(told)
        self._see(self._marks(state))
        self._state, self._last = state, (state.block_number, state.block_hash)
        return ""

    def _holds(self, told: Iterable[Line]) -> bool:
        """Whether the chain still tells every line that an earlier process wrote down."""
        now = {(line.venue, line.source): line.event for line in told}
        return all(
            source.startswith(MARK) or now.get((venue, source)) == entry.event
            for venue in self._venues
            for source, entry in self._log.seen(venue).items()
        )

    def _marks(self, state: VaultState) -> list[Line]:
        names, block = self._vault.names, (state.block_number, state.ts_s)
        found = []
        for venue in names.venues.values():
            value = _value(state, venue, names)
            if value is not None and (gain := value - self._held[venue]):
                found.append(marked(venue, block, gain, names.asset))
        return found

    def _see(self, told: Iterable[Line]) -> None:
        """Number what is new, and tell it in the order in which it happened."""
        for line in told:
            fresh = self._log.see(line.venue, [News(line.source, line.event)])
            self._pushed.extend(fresh)
            self._held[line.venue] += sum(change(one.event, line.venue) for one in fresh)

    def _transfers(self) -> dict[str, Transfer]:
        """Ours by the root that their orders bear."""
        return {sent.name: _transfer(sent, self._vault.names) for sent in self._log.sent.values()}

    def _ask(self, answer: Awaitable[T]) -> T:
        return self._run(answer)  # type: ignore[return-value]


def check_asset(decimals: int, asset: str) -> None:
    """Hold that the vault counts as the ledger does; raises `InputError`."""
    if decimals != asset_decimals(asset):
        expected = f"expected {asset_decimals(asset)} decimals as {asset} has, got {decimals}"
        raise InputError("vault", "asset", expected)


def _least(quanta: int, slip_ppm: int) -> int:
    return max(1, quanta - quanta * slip_ppm // PPM)


def _value(state: VaultState, venue: str, names: Names) -> int | None:
    """What a venue holds; None where its adapter does not answer."""
    if venue == VAULT:
        return state.idle_quanta
    found = state.venue(names.adapter(venue))
    return found.value_quanta if found.is_known else None


def _sent(approval: Approval, transfer: Transfer, root: str, now_ms: int) -> Sent:
    ends = (transfer.source, transfer.destination)
    return Sent(
        transfer.id,
        ends[0],
        root,
        approval.id,
        approval.expires_ms,
        let_ms=now_ms,
        amount=str(transfer.quanta),
        address=ends[1],
    )


def _transfer(sent: Sent, names: Names) -> Transfer:
    return Transfer(sent.id, sent.venue, sent.address, names.asset, int(sent.amount), "")
