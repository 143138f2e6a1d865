# SPDX-License-Identifier: Apache-2.0
"""The venue: a street, its users, and what it remembers of them beyond the street's own books.

Numbers of orders and trades are those of the street with the account's place before them, so that
no two accounts share one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.margin.linear import HyperliquidCross
from tidegate.model.errors import InvariantError
from tidegate.model.events import Event, FundingPaid, LiquidationStarted
from tidegate.model.times import DAY_MS
from tidegate.venues.hyperliquid_server.account_shapes import Held
from tidegate.venues.hyperliquid_server.candles import Minutes
from tidegate.venues.hyperliquid_server.listing import ASSET, SPOT_VENUE, VENUE, cross_rule
from tidegate.venues.hyperliquid_server.market_shapes import Coin, context
from tidegate.venues.hyperliquid_server.nonces import Nonces
from tidegate.venues.hyperliquid_server.rate_limits import Weights
from tidegate.venues.hyperliquid_server.users import User, Users
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import (
    AccountNews,
    Fill,
    FillNews,
    Happened,
    Ladder,
    Moved,
    NewOrder,
    OrderNews,
    OrderState,
    Print,
    Quote,
    Refused,
)

# Room for the numbers of one account.
NUMBERS = 10**10
KEPT = 2_000
TICKS_A_LOOK = 600
SCHEDULED_A_DAY = 10
Row = dict[str, Any]


@dataclass(slots=True)
class News:
    """What happened since it was last looked at, by coin and by user, and whether the market is up
    to its clock."""

    moved: set[str] = field(default_factory=set)
    prints: dict[str, list[Print]] = field(default_factory=dict)
    orders: dict[str, list[OrderState]] = field(default_factory=dict)
    fills: dict[str, list[Fill]] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    ledger: dict[str, list[Row]] = field(default_factory=dict)
    caught_up: bool = True

    def of_user(self, address: str) -> bool:
        """Whether anything happened to an account."""
        return any(address in told for told in (self.orders, self.fills, self.events, self.ledger))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the market shows of a coin at a tick, and the same in the venue's shape."""

    ts_ms: int
    quote: Quote
    ladder: Ladder
    context: Row


class Desk:
    """One user's account, its orders and trades under the venue's numbers."""

    def __init__(self, user: User, account: StreetAccount, house: House, place: int) -> None:
        self.user, self._account, self._house = user, account, house
        self._first = place * NUMBERS
        self.fundings: deque[FundingPaid] = deque(maxlen=KEPT)
        self.funded: dict[str, int] = {}
        self.ledger: deque[Row] = deque(maxlen=KEPT)
        self.volume_micro = 0
        self._cloids: dict[str, int] = {}
        self._why: dict[int, str] = {}
        self._liquidated_ms = -1

    def place(self, wished: NewOrder) -> OrderState | Refused:
        """Work an order."""
        state = self._account.place(wished)
        if wished.label:
            self._cloids[wished.label] = state.id
            if len(self._cloids) > 2 * KEPT:
                del self._cloids[next(iter(self._cloids))]
        return self.shown(state)

    def cancel(self, oid: int, why: str = "") -> OrderState | Refused:
        """Take an order back."""
        if why:
            self._why[oid] = why
            if len(self._why) > KEPT:
                del self._why[next(iter(self._why))]
        became = self._account.cancel(oid - self._first)
        return became if isinstance(became, Refused) else self.shown(became)

    def order(self, oid: int) -> OrderState | None:
        """An order by its number."""
        found = self._account.order(oid - self._first)
        return None if found is None else self.shown(found)

    def by_cloid(self, cloid: str) -> OrderState | None:
        """The last order with a client's id."""
        found = self._cloids.get(cloid.lower())
        return None if found is None else self.order(found + self._first)

    def open_orders(self) -> list[OrderState]:
        """Orders that rest."""
        return [self.shown(state) for state in self._account.open_orders()]

    def last_orders(self) -> list[OrderState]:
        """Open orders, and closed ones, the last first."""
        both = [*reversed(self._account.open_orders()), *self._account.closed_orders()]
        return [self.shown(state) for state in both[:KEPT]]

    def fills(self) -> list[Fill]:
        """Trades, oldest first."""
        return [self.traded(said) for said in self._account.fills()]

    def held(self) -> Held:
        """The perpetuals' account under its rule."""
        account, state = self._account.venue(VENUE), self._account.margin(VENUE)
        return Held(account, state, self.rule(), self._house.street.board().marks)

    def rule(self) -> HyperliquidCross:
        """The margin rule with this user's leverages."""
        return cross_rule(self._house.coins, self.user.leverages)

    def lever(self, leverages: dict[str, int]) -> str | None:
        """Choose leverages; why not, where the account would have too little margin."""
        rule = cross_rule(self._house.coins, leverages)
        held = self.held()
        after = rule.state(held.account, held.marks)
        if after.initial > held.state.initial and after.equity < after.initial:
            return "Insufficient margin to change leverage."
        self.user.leverages = leverages
        self._account.under(VENUE, rule)
        return None

    def spot_quanta(self) -> int:
        """Dollars in the spot wallet."""
        return self._account.venue(SPOT_VENUE).balances.get(ASSET, 0)

    def withdrawable(self) -> int:
        """Dollars that may leave the perpetuals' account."""
        return self._account.margin(VENUE).withdrawable

    def pay_out(self, quanta: int) -> None:
        """Money leaves for the chain."""
        self._account.exchange.pay(VENUE, ASSET, -quanta)

    def shown(self, state: OrderState) -> OrderState:
        """An order under the venue's number, with the reason that the venue would name."""
        oid, reason = state.id + self._first, state.reason
        if state.state == "cancelled":
            reason = self._why.get(oid, reason)
            if reason == "by the venue":
                reason = self._reason(state)
        return replace(state, id=oid, reason=reason)

    def _reason(self, state: OrderState) -> str:
        if state.updated_ms == self._liquidated_ms:
            return "liquidation"
        return "reduce only" if state.order.reduce_only else "initial margin"

    def traded(self, said: Fill) -> Fill:
        """A trade under the venue's numbers."""
        order = None if said.order is None else said.order + self._first
        return replace(said, number=said.number + self._first, order=order)

    def remember(self, event: Event) -> None:
        """Keep what an answer will need."""
        if isinstance(event, FundingPaid):
            self.fundings.append(event)
            paid = self.funded.get(event.instrument, 0) + event.quanta
            self.funded[event.instrument] = paid
        elif isinstance(event, LiquidationStarted):
            self._liquidated_ms = event.ts_ms

    def count(self, said: Fill) -> None:
        """Count what was traded; a closed position's funding starts anew."""
        coin = self._house.by_name[said.symbol]
        self.volume_micro += coin.contract.notional(said.lots, said.ticks)
        if said.lots_before + said.lots == 0:
            self.funded.pop(coin.contract.id, None)


class House:
    """The venue; a new account has `opening_quanta`. What clients read off their own clocks,
    nonces, expiries and the dead man's switch, is judged by `wall_ms`; all that the market does
    goes by the street's clock. `due_ms` is what expiries and switches are judged by: set it to the
    street's clock for clients that ask the venue for its time."""

    def __init__(
        self,
        street: Street,
        coins: tuple[Coin, ...],
        opening_quanta: int,
        wall_ms: Callable[[], int],
        weights: Weights,
        buffer: int,
    ) -> None:
        self.street, self.coins, self.wall_ms = street, coins, wall_ms
        self.due_ms = wall_ms
        self.by_name = {coin.name: coin for coin in coins}
        self.by_id = {coin.contract.id: coin for coin in coins}
        self.nonces, self.weights, self.users = Nonces(), weights, Users(buffer)
        self.minutes = Minutes()
        self._opening = opening_quanta
        self._desks: dict[str, Desk] = {}
        self._shown: dict[str, Shown] = {}
        self._written: dict[str, list[Row]] = {}
        self._rows = 0

    def coin_of(self, asset: int) -> Coin | None:
        """A coin by its number."""
        return self.coins[asset] if asset < len(self.coins) else None

    def shown(self, coin: Coin) -> Shown:
        """What is shown of a coin, made once for each tick of the street."""
        kept, now_ms = self._shown.get(coin.name), self.street.now_ms
        if kept is None or kept.ts_ms != now_ms:
            quote, ladder = self.street.quote(coin.name), self.street.ladder(coin.name)
            if quote is None or ladder is None:
                raise InvariantError(f"{coin.name}: not on the street")
            kept = Shown(now_ms, quote, ladder, context(coin, quote, ladder))
            self._shown[coin.name] = kept
        return kept

    def quote(self, coin: Coin) -> Quote:
        """Prices of a coin."""
        return self.shown(coin).quote

    def ladder(self, coin: Coin) -> Ladder:
        """The book of a coin."""
        return self.shown(coin).ladder

    def open(self, address: str) -> User | None:
        """The account of an address, with its money where it is new; None: there are too many."""
        user = self.users.open(address)
        if user is not None and user.address not in self._desks:
            account = self.street.open(user.address, {(VENUE, ASSET): self._opening})
            place = len(self._desks) + 1
            self._desks[user.address] = Desk(user, account, self, place)
        return user

    def desk(self, user: User) -> Desk:
        """A user's account."""
        return self._desks[user.address]

    def desk_of(self, address: str) -> Desk | None:
        """The account of an address."""
        return self._desks.get(address)

    def write(self, desk: Desk, delta: Mapping[str, object]) -> None:
        """Keep how money moved that no trade or funding moved."""
        self._rows += 1
        row: Row = {"time": self.street.now_ms, "hash": f"0x{self._rows:064x}", "delta": delta}
        desk.ledger.append(row)
        self._written.setdefault(desk.user.address, []).append(row)

    def advance(self) -> News:
        """Let time pass, so much at most that nobody waits long; what happened since the last
        call."""
        news = News()
        news.ledger, self._written = self._written, {}
        before_ms, tick_ms = self.street.now_ms, self.street.market.terms.tick_ms
        self._cancel_scheduled()
        self._sort(self.street.advance(TICKS_A_LOOK), news)
        news.caught_up = self.street.now_ms - before_ms < TICKS_A_LOOK * tick_ms
        return news

    def _sort(self, told: Iterable[Happened], news: News) -> None:
        for one in told:
            if isinstance(one, Moved):
                news.moved.add(one.symbol)
            elif isinstance(one, Print):
                news.prints.setdefault(one.symbol, []).append(one)
                self.minutes.take(one)
            elif isinstance(one, OrderNews | FillNews | AccountNews):
                self._of_account(self._desks[one.key], one, news)

    def _of_account(self, desk: Desk, one: OrderNews | FillNews | AccountNews, news: News) -> None:
        if isinstance(one, OrderNews):
            news.orders.setdefault(one.key, []).append(desk.shown(one.state))
        elif isinstance(one, FillNews):
            desk.count(one.fill)
            news.fills.setdefault(one.key, []).append(desk.traded(one.fill))
        else:
            desk.remember(one.event)
            news.events.setdefault(one.key, []).append(one.event)

    def _cancel_scheduled(self) -> None:
        """Dead men's switches that are due."""
        now_ms = self.due_ms()
        for user in self.users.all():
            if user.cancel_at_ms is None or user.cancel_at_ms > now_ms:
                continue
            today, (day, fired) = now_ms // DAY_MS, user.fired
            user.cancel_at_ms, user.fired = None, (today, fired + 1 if day == today else 1)
            desk = self.desk(user)
            for state in desk.open_orders():
                desk.cancel(state.id, "scheduled")
