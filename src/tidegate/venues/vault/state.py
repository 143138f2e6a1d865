# SPDX-License-Identifier: Apache-2.0
"""What a vault is at one block: the frozen values that edge, house and commands share.

Amounts are integers of the asset's smallest unit (quanta), shares integers of the share's smallest
unit, health in millionths, where 1,000,000 is equity equal to the requirement. Addresses are
checksummed text, hashes and roots lower-case `0x` text.
"""

from __future__ import annotations

from dataclasses import dataclass

MICRO = 10**6
BPS = 10_000
PPB = 10**9


@dataclass(frozen=True, slots=True)
class VenueState:
    """One adapter: its liquidation value, what it may hold, and how well it is known.

    `health_micro` is None where nothing is owed. `report_age_s` is None where the adapter does not
    answer or says something absurd; its value and health then count as zero, which is unknown
    and never safe. `cap_quanta` is the least of the absolute and the relative cap at this book, its
    group's not included; `headroom_quanta` is what may be added now within the caps of venue and
    group, zero at least, before idle money, turnover, loss and health are looked at.
    """

    adapter: str
    name: str
    group: int
    value_quanta: int
    health_micro: int | None
    report_age_s: int | None
    cap_quanta: int
    headroom_quanta: int
    health_min_micro: int = 0
    age_max_s: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the adapter answers."""
        return self.report_age_s is not None

    @property
    def is_healthy(self) -> bool:
        """Whether the venue is known and not below its health limit."""
        owes = self.health_micro is not None
        return self.is_known and (not owes or (self.health_micro or 0) >= self.health_min_micro)


@dataclass(frozen=True, slots=True)
class BookLimits:
    """The policy's limits on the whole book, and what of them is used.

    Shares of the book in basis points (`_bps`), what is spent in parts per billion (`_ppb`).
    """

    idle_min_bps: int
    turnover_max_bps: int
    turnover_ppb: int
    loss_max_bps: int
    loss_budget_bps: int
    loss_ppb: int

    def sendable_quanta(self, total_quanta: int) -> int:
        """What may still be sent to venues today, of a book of that size, rounded down."""
        left_ppb = self.turnover_max_bps * (PPB // BPS) - self.turnover_ppb
        return max(0, left_ppb) * total_quanta // PPB


@dataclass(frozen=True, slots=True)
class VaultState:
    """A vault at one block.

    `idle_quanta` is ours and at no venue; `set_aside_quanta` is fulfilled and not paid yet, no part
    of the book; `total_quanta` is idle and every venue; `priced_quanta` is what shares are priced
    on: the total without locked gains. `escrow_shares` wait for fulfilment. `nonce` is that of the
    next order. `anchor_head` is the head of the vault's chain of roots, `anchor_count` its length.
    `ts_s` is the second of the block.
    """

    chain_id: int
    block_number: int
    block_hash: str
    ts_s: int
    vault: str
    asset: str
    decimals: int
    idle_quanta: int
    set_aside_quanta: int
    total_quanta: int
    priced_quanta: int
    supply_shares: int
    escrow_shares: int
    nonce: int
    last_order_s: int
    anchor_head: str
    anchor_count: int
    paused: bool
    shutdown: bool
    venues: tuple[VenueState, ...]
    limits: BookLimits | None = None

    def venue(self, adapter: str) -> VenueState:
        """The venue of an adapter; raises `KeyError` where the vault has none."""
        for venue in self.venues:
            if venue.adapter == adapter:
                return venue
        raise KeyError(adapter)

    def price_quanta(self, shares: int) -> int:
        """What shares are worth now, rounded down, with the vault's virtual share and asset.

        shares (priced + 1) / (supply + 10^6): ERC-4626 with an offset of six decimals, as
        `contracts/src/tidegate_contracts/pricing.vy`.
        """
        return shares * (self.priced_quanta + 1) // (self.supply_shares + 10**6)


@dataclass(frozen=True, slots=True)
class Move:
    """One move of an order: to the adapter if `quanta` is positive, home if negative.

    `least_quanta` is the least by which the venue's value must grow, or the least that must come
    home; the vault refuses the whole order otherwise.
    """

    adapter: str
    quanta: int
    least_quanta: int

    @property
    def terms(self) -> tuple[str, int, int]:
        """As the contract takes it."""
        return self.adapter, self.quanta, self.least_quanta


@dataclass(frozen=True, slots=True)
class Order:
    """What k of n signers sign: moves in their order, and what the order rests on.

    `snapshot` is the 32-byte root of the record that explains the order, as `0x` text; it is what
    the vault anchors. `min_total_quanta` is the least total of the book afterwards.
    """

    nonce: int
    deadline_s: int
    snapshot: str
    min_total_quanta: int
    moves: tuple[Move, ...]

    @property
    def terms(self) -> tuple[int, int, bytes, int]:
        """As the contract takes it, without the moves."""
        root = bytes.fromhex(self.snapshot.removeprefix("0x"))
        return self.nonce, self.deadline_s, root, self.min_total_quanta
