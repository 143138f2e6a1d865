# SPDX-License-Identifier: Apache-2.0
"""A vault with its policy, venues and people, as the tests of the contracts begin with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.contracts.evm import DAY_S, At, Evm, account

WEEK_S = 7 * DAY_S
SNAPSHOT = bytes(31) + b"\x01"
BPS = 10_000
NEVER = 2**256 - 1
ORDER_TYPES = {
    "Order": [
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
        {"name": "snapshot", "type": "bytes32"},
        {"name": "minTotal", "type": "uint256"},
        {"name": "moves", "type": "bytes32"},
    ]
}
MOVES = "(address,int256,uint256)[]"
CURATOR, ALLOCATOR, SENTINEL, KEEPER, MANAGER, POLICY = (1 << i for i in range(6))

Move = tuple[str, int, int]


@cache
def signer(index: int) -> Any:
    """The key of a signer, or of the reporter, by its number; test keys, known to all."""
    from eth_account import Account

    return Account.from_key(bytes(31) + bytes([index + 1]))


def signers(count: int) -> list[Any]:
    """Keys in ascending order of their addresses."""
    return sorted((signer(i) for i in range(count)), key=lambda key: int(key.address, 16))


@dataclass(frozen=True, slots=True)
class VenueLimit:
    cap: int = 2**127
    cap_bps: int = BPS
    group: int = 0
    health_min_bps: int = 0
    age_max_s: int = DAY_S
    discount_bps: int = 0

    def values(self) -> tuple[int, ...]:
        return (
            self.cap,
            self.cap_bps,
            self.group,
            self.health_min_bps,
            self.age_max_s,
            self.discount_bps,
        )


@dataclass(frozen=True, slots=True)
class BookLimit:
    idle_min_bps: int = 0
    turnover_max_bps: int = 100 * BPS
    loss_max_bps: int = BPS
    loss_budget_bps: int = BPS
    forget_s: int = DAY_S
    quota_bps: int = 100
    unwind_bps: int = 100

    def values(self) -> tuple[int, ...]:
        return (
            self.idle_min_bps,
            self.turnover_max_bps,
            self.loss_max_bps,
            self.loss_budget_bps,
            self.forget_s,
            self.quota_bps,
            self.unwind_bps,
        )


@dataclass(slots=True)
class Setting:
    """Contracts and people of one vault; `venues` are test venues that its owner steers."""

    evm: Evm
    token: At
    anchor: At
    vault: At
    policy: At
    venues: list[At] = field(default_factory=list)
    owner: str = field(default_factory=lambda: account("owner"))
    curator: str = field(default_factory=lambda: account("curator"))
    allocator: str = field(default_factory=lambda: account("allocator"))
    sentinel: str = field(default_factory=lambda: account("sentinel"))
    stranger: str = field(default_factory=lambda: account("stranger"))

    def through_timelock(self, contract: At, name: str, *args: Any, wait: bool = True) -> None:
        """Submits, waits where that is needed, and executes."""
        data = contract.data(name, *args)
        contract.submit(data, sender=self.curator)
        if wait and self.vault.totalSupply():
            self.evm.wait(2 * DAY_S)
        contract.execute(data, sender=self.stranger)

    def limit_venue(self, adapter: At, limit: VenueLimit) -> None:
        self.through_timelock(self.policy, "set_venue_limit", adapter.address, limit.values())

    def limit_group(self, group: int, cap: int = 2**127, cap_bps: int = BPS) -> None:
        self.through_timelock(self.policy, "set_group_limit", group, (cap, cap_bps))

    def limit_book(self, limit: BookLimit) -> None:
        self.through_timelock(self.policy, "set_book_limit", limit.values())

    def add_venue(self, adapter: At, limit: VenueLimit) -> None:
        self.through_timelock(self.vault, "add_venue", adapter.address)
        self.limit_venue(adapter, limit)

    def give(self, holder: str, amount: int) -> None:
        self.token.mint(holder, amount, sender=holder)
        self.token.approve(self.vault.address, NEVER, sender=holder)

    def deposit(self, holder: str, amount: int) -> int:
        self.give(holder, amount)
        return int(self.vault.deposit(amount, holder, sender=holder))

    def order(self, **changes: Any) -> tuple[int, int, bytes, int]:
        given = {
            "nonce": self.vault.order_nonce() if "nonce" not in changes else 0,
            "deadline": self.evm.now_s + 600,
            "snapshot": SNAPSHOT,
            "min_total": 0,
            **changes,
        }
        return given["nonce"], given["deadline"], given["snapshot"], given["min_total"]

    def sign(
        self, order: tuple[int, int, bytes, int], moves: Sequence[Move], keys: Sequence[Any]
    ) -> list[bytes]:
        return sign_order(self.vault.address, order, moves, keys)

    def rebalance(self, *moves: Move, keys: Sequence[Any] | None = None, **changes: Any) -> None:
        order = self.order(**changes)
        signatures = self.sign(order, moves, signers(3)[:2] if keys is None else keys)
        self.vault.rebalance(order, list(moves), signatures, sender=self.allocator)

    def move(self, venue: int, delta: int, min_out: int = 0) -> Move:
        return self.venues[venue].address, delta, min_out

    def held(self, holder: str) -> int:
        return int(self.token.balanceOf(holder))

    def total(self) -> int:
        return int(self.vault.current_book()[1])


def sign_order(
    vault: str,
    order: tuple[int, int, bytes, int],
    moves: Sequence[Move],
    keys: Sequence[Any],
    chain_id: int = 1,
) -> list[bytes]:
    """Signatures over an order and its moves, in the order of the keys."""
    from eth_abi import encode
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_utils import keccak

    domain = {"name": "Tidegate", "version": "1", "chainId": chain_id, "verifyingContract": vault}
    nonce, deadline, snapshot, min_total = order
    message = encode_typed_data(
        domain,
        ORDER_TYPES,
        {
            "nonce": nonce,
            "deadline": deadline,
            "snapshot": snapshot,
            "minTotal": min_total,
            "moves": keccak(encode([MOVES], [list(moves)])),
        },
    )
    return [bytes(Account.sign_message(message, key.key).signature) for key in keys]


def new_vault(evm: Evm, token: At, decimals: int = 6) -> Setting:
    """An empty vault of a token with policy and three signers, of whom two are needed."""
    owner = account("owner")
    anchor = evm.deploy("AuditAnchor", sender=owner)
    roles = [account(name) for name in ("curator", "allocator", "sentinel")]
    vault = evm.deploy(
        "CapitalVault",
        token.address,
        "Tidegate",
        "TIDE",
        anchor.address,
        roles,
        (2 * DAY_S, WEEK_S, DAY_S),
        sender=owner,
    )
    policy = evm.deploy("RiskPolicy", vault.address, 2 * DAY_S, sender=owner)
    setting = Setting(evm, token, anchor, vault, policy)
    addresses = [key.address for key in signers(3)]
    setting.through_timelock(vault, "set_signers", addresses, 2)
    setting.through_timelock(vault, "appoint", POLICY, policy.address)
    setting.limit_book(BookLimit())
    setting.limit_group(0)
    return setting


def vault_with_venues(
    count: int = 2, decimals: int = 6, limit: VenueLimit | None = None
) -> Setting:
    """A vault with test venues, each with the same limit."""
    evm = Evm()
    token = evm.deploy("TestToken", "Test dollar", "TUSD", decimals, sender=account("owner"))
    setting = new_vault(evm, token)
    for _ in range(count):
        adapter = evm.deploy(
            "TestVenue", token.address, setting.vault.address, sender=setting.owner
        )
        setting.add_venue(adapter, limit or VenueLimit())
        setting.venues.append(adapter)
    return setting
