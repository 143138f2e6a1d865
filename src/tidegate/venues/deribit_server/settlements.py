# SPDX-License-Identifier: Apache-2.0
"""Sessions of the local Deribit: they end at 08:00 UTC, when what they brought is written down.

Source: docs.deribit.com, private/get_transaction_log (type settlement) and the field
realized_funding of private/get_positions, read in November 2026. Unlike there, profit and funding
are in the wallet at once here; a session's end states them, and moves no money.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.model.account import FLAT
from tidegate.model.events import FundingPaid
from tidegate.model.instruments import InstrumentId, Perpetual
from tidegate.model.times import DAY_MS
from tidegate.venues.deribit_server.market_shapes import settled_ms
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import AccountNews, Happened

KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Settled:
    """A perpetual of an account at the end of a session: lots and mark then, and what the session
    brought in quanta, funding received +, profit realised, and profit that stands open."""

    number: int
    ts_ms: int
    instrument: InstrumentId
    lots: int
    ticks: int
    funding: int
    realised: int
    open: int


class Settlements:
    """What sessions brought, by account."""

    def __init__(self, street: Street) -> None:
        self._street = street
        self._next_ms = settled_ms(street.now_ms) + DAY_MS
        self._funding: dict[str, dict[InstrumentId, int]] = {}
        self._rows: dict[str, list[Settled]] = {}
        self._count = 0

    def ticks_left(self) -> int:
        """Ticks of the market up to the session's end, one at least."""
        left_ms = self._next_ms - self._street.now_ms
        return max(1, left_ms // self._street.market.terms.tick_ms)

    def funding(self, key: str) -> dict[InstrumentId, int]:
        """Funding of the running session by perpetual, received +."""
        return self._funding.get(key, {})

    def rows(self, key: str) -> tuple[Settled, ...]:
        """Ends of an account's sessions, oldest first."""
        return tuple(self._rows.get(key, ()))

    def take(self, news: Iterable[Happened]) -> None:
        """Count funding, and end the session where its end has come."""
        for one in news:
            if isinstance(one, AccountNews) and isinstance(one.event, FundingPaid):
                own = self._funding.setdefault(one.key, {})
                name = one.event.instrument
                own[name] = own.get(name, 0) - one.event.quanta
        if self._street.now_ms >= self._next_ms:
            for key in self._street.accounts:
                self._settle(key)
            self._funding.clear()
            self._next_ms = settled_ms(self._street.now_ms) + DAY_MS

    def _settle(self, key: str) -> None:
        account = self._street.account(key)
        assert account is not None
        since_ms = self._next_ms - DAY_MS
        own, realised = self.funding(key), _realised(account, since_ms)
        for name, one in self._street.market.instruments.items():
            if not isinstance(one, Perpetual):
                continue
            held = account.positions(one.venue).get(name, FLAT)
            if not held.lots and name not in own and one.symbol not in realised:
                continue
            self._count += 1
            ticks = self._street.board().marks[name]
            open_ = one.value(held.lots, ticks) - held.cost
            brought = own.get(name, 0), realised.get(one.symbol, 0), open_
            row = Settled(self._count, self._next_ms, name, held.lots, ticks, *brought)
            self._rows.setdefault(key, []).append(row)
            del self._rows[key][:-KEPT]


def _realised(account: StreetAccount, since_ms: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for fill in account.fills():
        if fill.ts_ms > since_ms:
            found[fill.symbol] = found.get(fill.symbol, 0) + fill.realised_quanta
    return found
