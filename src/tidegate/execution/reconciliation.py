# SPDX-License-Identifier: Apache-2.0
"""What is not certain about the book: orders in flight, money that may have left, disagreements.

All of it is one thing to the risk checks: a range of lots around what the ledger holds, and money
that may not be there. An instrument with such a range may only be reduced, until the range is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from tidegate.execution.orders import OrderRecord
from tidegate.execution.transfers import TransferRecord
from tidegate.model.account import FLAT, Account, Unsettled
from tidegate.model.instruments import InstrumentId


class Break(msgspec.Struct, frozen=True):
    """How a venue's account differs from the ledger's after the same line of its log: lots per
    instrument and quanta per asset, the venue's less ours; cost of positions apart where only that
    differs; orders that work there and are not ours, and contracts and assets that nobody knows;
    instruments whose fills contradict what was sent, and how; why its log cannot be followed;
    transfers from there that may have come back as a plain deposit, and which, or whose money left
    though the venue had said that it would not."""

    lots: dict[InstrumentId, int]
    quanta: dict[str, int]
    costs: dict[InstrumentId, int]
    strangers: tuple[str, ...] = ()
    doubts: dict[InstrumentId, str] = {}
    stuck: str = ""
    returns: dict[str, str] = {}

    @property
    def is_none(self) -> bool:
        """Whether both agree to the integer, and nothing is in doubt."""
        differs = self.lots or self.quanta or self.costs or self.strangers
        return not (differs or self.doubts or self.stuck or self.returns)


def compare(
    ours: Account,
    theirs: Account,
    strangers: tuple[str, ...] = (),
    known: Callable[[str], bool] = lambda _: True,
) -> Break:
    """The break between the ledger's account and its venue's statement, which names `strangers`
    among the orders that work; a contract or an asset that is not `known` is a stranger too."""
    names = sorted({*ours.positions, *theirs.positions})
    assets = sorted({*ours.balances, *theirs.balances})
    quanta = {a: theirs.balances.get(a, 0) - ours.balances.get(a, 0) for a in assets}
    odd = [name for name in names if not known(name)]
    odd += [asset for asset, difference in quanta.items() if difference and not known(asset)]
    pairs = {
        n: (ours.positions.get(n, FLAT), theirs.positions.get(n, FLAT))
        for n in names
        if n not in odd
    }
    return Break(
        {n: b.lots - a.lots for n, (a, b) in pairs.items() if a.lots != b.lots},
        {
            asset: difference
            for asset, difference in quanta.items()
            if difference and asset not in odd
        },
        {
            n: b.cost - a.cost
            for n, (a, b) in pairs.items()
            if a.lots == b.lots and a.cost != b.cost
        },
        (*strangers, *odd),
    )


def unsettled(
    orders: Iterable[OrderRecord],
    transfers: Iterable[TransferRecord],
    breaks: Mapping[str, Break],
    unseen: frozenset[str],
) -> Unsettled:
    """Everything that may differ from the ledger, each range wide enough for all of it together."""
    lots: dict[InstrumentId, tuple[int, int]] = {}
    missing: dict[str, dict[str, int]] = {}
    arriving: dict[str, int] = {}
    for record in orders:
        if record.is_open:
            _widen(lots, record.order.instrument, record.open_lots)
    for transfer in transfers:
        if transfer.may_leave:
            sent = transfer.transfer
            _lack(missing, sent.source, sent.asset, sent.quanta)
            arriving[sent.destination] = arriving.get(sent.destination, 0) + sent.quanta
    for venue, found in breaks.items():
        # An instrument may differ and be in doubt too, and is off by its lots once.
        for name in dict.fromkeys((*found.lots, *found.costs, *found.doubts)):
            _widen(lots, name, found.lots.get(name, 0))
        for asset, difference in found.quanta.items():
            _lack(missing, venue, asset, max(0, -difference))
    doubtful = {v for v, b in breaks.items() if b.quanta or b.strangers or b.stuck or b.returns}
    return Unsettled(lots, missing, unseen | doubtful, arriving)


def _widen(lots: dict[InstrumentId, tuple[int, int]], name: InstrumentId, by: int) -> None:
    low, high = lots.get(name, (0, 0))
    lots[name] = (low + min(0, by), high + max(0, by))


def _lack(missing: dict[str, dict[str, int]], venue: str, asset: str, quanta: int) -> None:
    at_venue = missing.setdefault(venue, {})
    at_venue[asset] = at_venue.get(asset, 0) + quanta
