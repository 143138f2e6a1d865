# SPDX-License-Identifier: Apache-2.0
"""The vault's own account of itself, as a pure fold of the logs of vault and anchor.

Nothing but logs goes in, in the order of the chain, so that what comes out can be held against
what the contracts say of themselves at the same block. What does not add up raises `Disagreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ZERO_HASH = "0x" + "00" * 32


class Disagreement(Exception):
    """Two accounts of one vault differ: of what, and what each says."""

    def __init__(self, what: str, folded: object, told: object) -> None:
        self.what, self.folded, self.told = what, folded, told
        super().__init__(f"vault: {what}: the logs make {folded}, the chain says {told}")


@dataclass(frozen=True, slots=True)
class Log:
    """One decoded log: its event, its place on the chain, and its arguments by name."""

    name: str
    block_number: int
    index: int
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the logs up to a block say; amounts in quanta, shares in their smallest unit.

    `escrow` and `claims` are by controller, without those that have nothing; `sent_quanta` is by
    adapter what left for it less what came home, which its value is a gain or loss over.
    """

    idle_quanta: int = 0
    set_aside_quanta: int = 0
    supply_shares: int = 0
    nonce: int = 0
    anchor_head: str = ZERO_HASH
    anchor_count: int = 0
    paused: bool = False
    shutdown: bool = False
    venues: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    threshold: int = 0
    holders: Mapping[int, str] = field(default_factory=dict)
    escrow: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, int] = field(default_factory=dict)
    sent_quanta: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[tuple[int, str], ...] = ()

    @property
    def escrow_shares(self) -> int:
        """All shares that wait for fulfilment."""
        return sum(self.escrow.values())


def fold(ledger: Ledger, logs: Iterable[Log]) -> Ledger:
    """The ledger after more logs, which must come in the order of the chain.

    Raises `Disagreement` where a log contradicts those before it, `ValueError` where they are out
    of order. Logs of other events change nothing.
    """
    last = (-1, -1)
    for log in logs:
        place = (log.block_number, log.index)
        if place <= last:
            raise ValueError(f"vault: log {place} after {last}")
        last = place
        take = _TAKES.get(log.name)
        ledger = ledger if take is None else take(ledger, log.args)
    return ledger


def _deposit(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(
        ledger,
        idle_quanta=ledger.idle_quanta + args["assets"],
        supply_shares=ledger.supply_shares + args["shares"],
    )


def _request(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(ledger, escrow=_added(ledger.escrow, args["controller"], args["shares"]))


def _fulfil(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    shares, assets, controller = args["shares"], args["assets"], args["controller"]
    return replace(
        ledger,
        idle_quanta=_natural("idle", ledger.idle_quanta - assets),
        set_aside_quanta=ledger.set_aside_quanta + assets,
        supply_shares=_natural("supply", ledger.supply_shares - shares),
        escrow=_added(ledger.escrow, controller, -shares),
        claims=_added(ledger.claims, controller, assets),
    )


def _withdraw(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(
        ledger,
        set_aside_quanta=_natural("set aside", ledger.set_aside_quanta - args["assets"]),
        claims=_added(ledger.claims, args["owner"], -args["assets"]),
    )


def _move(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    sent = dict(ledger.sent_quanta)
    sent[args["adapter"]] = sent.get(args["adapter"], 0) + args["delta"]
    idle = _natural("idle", ledger.idle_quanta - args["delta"])
    return replace(ledger, idle_quanta=idle, sent_quanta=sent)


def _rebalance(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    _agree("nonce of an order", ledger.nonce, args["nonce"])
    _agree("idle after an order", ledger.idle_quanta, args["idle"])
    _agree("venues of an order", len(ledger.venues), len(args["values"]))
    order = (args["nonce"], args["snapshot"])
    return replace(ledger, nonce=ledger.nonce + 1, orders=(*ledger.orders, order))


def _anchor(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    _agree("count of anchored roots", ledger.anchor_count + 1, args["count"])
    return replace(ledger, anchor_count=args["count"], anchor_head=args["head"])


def _add_venue(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(ledger, venues=(*ledger.venues, args["adapter"]))


def _retire_venue(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    # The contract puts the last venue where the retired one stood; the order of values follows.
    gone, kept = args["adapter"], list(ledger.venues)
    if gone not in kept:
        raise Disagreement("venue retired", kept, gone)
    last = kept.pop()
    if last != gone:
        kept[kept.index(gone)] = last
    return replace(ledger, venues=tuple(kept))


def _state(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(ledger, paused=args["paused"], shutdown=args["shut_down"])


def _signers(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(ledger, signers=tuple(args["signers"]), threshold=args["threshold"])


def _appoint(ledger: Ledger, args: Mapping[str, Any]) -> Ledger:
    return replace(ledger, holders={**ledger.holders, args["role"]: args["account"]})


_TAKES: dict[str, Callable[[Ledger, Mapping[str, Any]], Ledger]] = {
    "Deposit": _deposit,
    "RedeemRequest": _request,
    "Fulfilled": _fulfil,
    "Withdraw": _withdraw,
    "VenueMoved": _move,
    "Rebalanced": _rebalance,
    "Anchored": _anchor,
    "VenueAdded": _add_venue,
    "VenueRetired": _retire_venue,
    "StateSet": _state,
    "SignersSet": _signers,
    "Appointed": _appoint,
}


def reconcile(ledger: Ledger, told: Mapping[str, object]) -> None:
    """Hold the fold against what the contracts say, field by field; raises `Disagreement`."""
    for name, value in told.items():
        _agree(name, getattr(ledger, name), value)


def _agree(what: str, folded: object, told: object) -> None:
    if folded != told:
        raise Disagreement(what, folded, told)


def _natural(what: str, amount: int) -> int:
    if amount < 0:
        raise Disagreement(what, amount, "nothing below zero")
    return amount


def _added(amounts: Mapping[str, int], key: str, change: int) -> dict[str, int]:
    result = {**amounts, key: _natural(f"amount of {key}", amounts.get(key, 0) + change)}
    return {name: amount for name, amount in result.items() if amount}
