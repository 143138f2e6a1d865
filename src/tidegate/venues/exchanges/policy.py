# SPDX-License-Identifier: Apache-2.0
"""What a session signs at all, whatever an approval says: kinds, instruments, sizes, addresses.

It is a second opinion, held by the process that has the keys, from a file that the engine cannot
write. A withdrawal goes only to an address that has stood in that file for as long as it says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

Kind = Literal["order", "transfer"]
Above0 = Annotated[float, msgspec.Meta(gt=0)]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one venue's money may go: for which destination, at most how much a day, and for how
    many hours this entry must have stood before it is used."""

    source: str
    destination: str
    asset: str
    address: str
    most_day: Above0
    delay_h: Annotated[float, msgspec.Meta(ge=0)] = 24.0

    @property
    def id(self) -> str:
        """A hash over all fields: an entry that is changed begins its delay anew."""
        return sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be signed; what is left out may not."""

    kinds: tuple[Kind, ...] = ()
    instruments: tuple[str, ...] = ()
    notional_minute_usd: Above0 | None = None
    slippage: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.005
    withdrawals: tuple[Address, ...] = ()


class Refusal(Exception):
    """The policy does not sign this, and why."""


class Officer:
    """Holds actions to a policy, and counts what was let through.

    `since_ms` says since when each address has stood in the file, by `Address.id`; transfers go by
    this machine's clock, since a venue's may be wrong. What was let through before a restart is
    told again by `recall`.
    """

    def __init__(self, policy: Policy, since_ms: Mapping[str, int]) -> None:
        self.policy, self._since_ms = policy, since_ms
        self._spent: deque[tuple[int, float]] = deque()
        self._sent: deque[tuple[int, str, Decimal]] = deque()

    def let_order(self, order: Order, notional_usd: float, now_ms: int) -> None:
        """Count an order and let it through; raises `Refusal`."""
        self._expect_kind(order, "order")
        policy = self.policy
        if order.instrument not in policy.instruments:
            raise Refusal(f"policy: {order.instrument} is not among the instruments")
        while self._spent and self._spent[0][0] <= now_ms - MINUTE_MS:
            self._spent.popleft()
        spent_usd = sum(usd for _, usd in self._spent) + notional_usd
        most_usd = policy.notional_minute_usd
        # What only reduces is let through: a limit on speed must not keep a book from shrinking.
        if most_usd is None or (spent_usd > most_usd and not order.reduce_only):
            said = "no notional a minute" if most_usd is None else f"{most_usd:.0f} USD a minute"
            raise Refusal(f"policy: {spent_usd:.0f} USD against {said}")
        self._spent.append((now_ms, notional_usd))

    def recall(self, let_ms: int, amount: Decimal, address: str) -> None:
        """Count what was let through by a process before this one."""
        if address:
            self._sent.append((let_ms, address, amount))
        else:
            self._spent.append((let_ms, float(amount)))

    def let_transfer(self, transfer: Transfer, amount: Decimal, now_ms: int) -> Address:
        """Count a transfer, let it through, and say where to; raises `Refusal`."""
        self._expect_kind(transfer, "transfer")
        found = [a for a in self.policy.withdrawals if _is_for(a, transfer)]
        if len(found) != 1:
            route = f"{transfer.source} to {transfer.destination} in {transfer.asset}"
            raise Refusal(f"policy: {len(found)} addresses for {route}, expected one")
        (address,) = found
        stood_ms = now_ms - self._since_ms.get(address.id, now_ms)
        if stood_ms < address.delay_h * HOUR_MS:
            hours = stood_ms / HOUR_MS
            raise Refusal(f"policy: the address stands for {hours:.1f} h of {address.delay_h:g}")
        while self._sent and self._sent[0][0] <= now_ms - DAY_MS:
            self._sent.popleft()
        sent = sum((a for _, name, a in self._sent if name == address.id), amount)
        if sent > Decimal(str(address.most_day)):
            raise Refusal(f"policy: {sent} {transfer.asset} a day, at most {address.most_day:g}")
        self._sent.append((now_ms, address.id, amount))
        return address

    def _expect_kind(self, action: Action, kind: Kind) -> None:
        if kind not in self.policy.kinds:
            raise Refusal(f"policy: signs no {kind}")


def _is_for(address: Address, transfer: Transfer) -> bool:
    wanted = transfer.source, transfer.destination, transfer.asset
    return (address.source, address.destination, address.asset) == wanted
