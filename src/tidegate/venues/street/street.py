# SPDX-License-Identifier: Apache-2.0
"""One market, one clock and accounts that do not trade with each other.

Time passes in ticks, and only when `advance` is called: the board shows the tick's prices, then
each account lives through it. What is told comes in the order in which it happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.margin.rule import MarginRule
from tidegate.model.errors import InputError, ensure
from tidegate.model.instruments import Instrument, InstrumentId, Option
from tidegate.model.times import HOUR_MS
from tidegate.simulation.delivery import expired
from tidegate.simulation.terms import ExchangeTerms
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.board import Board
from tidegate.venues.street.chunk import OPTION_TICKS, Chunk, draw_chunk
from tidegate.venues.street.clock import Clock
from tidegate.venues.street.depth import Depth
from tidegate.venues.street.exchange import StreetExchange, Trade
from tidegate.venues.street.market import Market
from tidegate.venues.street.tape_past import Past
from tidegate.venues.street.values import (
    Bar,
    Funded,
    FundingPrint,
    Greeks,
    Happened,
    Ladder,
    Moved,
    Print,
    Quote,
    Refused,
    Sent,
)

PRINTED_HOURS = 9
TICKS_MAX = 10**9
PRINTS_MAX, LEVELS, ACCOUNTS_MAX, NEWS_MAX = 1_000, 20, 64, 100_000


@dataclass(frozen=True, slots=True)
class StreetTerms:
    """What the venue charges and how it margins, fees of resting orders, and how long money needs
    between two accounts."""

    exchange: ExchangeTerms
    maker_ppm: Mapping[InstrumentId, int]
    transfer_ms: int = 1_000


class Street:
    """A market with accounts; `clock` says how late it is."""

    def __init__(self, market: Market, terms: StreetTerms, clock: Clock) -> None:
        self._market, self._terms, self._clock = market, terms, clock
        self._past = Past(market)
        self._board = Board(market.tape())
        self._names = {i.symbol: name for name, i in market.instruments.items()}
        ensure(len(self._names) == len(market.instruments), "street: a symbol stands twice")
        self._index_of = {o.instrument.id: o.index.id for o in market.terms.listings}
        self._accounts: dict[str, StreetAccount] = {}
        self._chunk: Chunk | None = None
        self._row = 0
        self._prints: dict[InstrumentId, deque[Print]] = {}
        self._counts: dict[InstrumentId, int] = {}
        self._ladders: dict[InstrumentId, Ladder] = {}
        self._news: deque[Happened] = deque(maxlen=NEWS_MAX)
        self._moved: dict[str, None] = {}
        self._on_the_way: list[Sent] = []
        self._transfers = 0
        self._fundings = [s for s in self._board.tape.funding if s.ts_ms > market.begin_ms]
        self._board.now_ms = market.begin_ms - market.terms.tick_ms
        self._tick()

    @property
    def now_ms(self) -> int:
        """The market's time: that of the last tick."""
        return self._board.now_ms

    @property
    def end_ms(self) -> int:
        """When the market ends; time stands still then."""
        return self._market.end_ms

    @property
    def market(self) -> Market:
        """What is traded."""
        return self._market

    @property
    def instruments(self) -> dict[str, Instrument]:
        """What is listed now, by symbol."""
        return {i.symbol: i for i in self._market.instruments.values() if self._is_listed(i)}

    def instrument(self, symbol: str) -> Instrument | None:
        """An instrument that is listed now."""
        found = self._market.instruments.get(self._names.get(symbol, ""))
        return found if found is not None and self._is_listed(found) else None

    def advance(self, ticks: int = TICKS_MAX) -> list[Happened]:
        """Let time pass up to the clock, by so many ticks at most; what happened since the last
        call, in order, and last which quotes moved. Where nobody asks for a long time the oldest
        news are lost."""
        until_ms = min(self._clock.now_ms(), self.end_ms)
        while ticks > 0 and self.now_ms + self._market.terms.tick_ms <= until_ms:
            self._tick()
            ticks -= 1
        told = [*self._news, *map(Moved, self._moved)]
        self._news.clear()
        self._moved.clear()
        return told

    def open(
        self, key: str, deposits: Mapping[tuple[str, str], int], seed: int = 0
    ) -> StreetAccount:
        """A new account with money, quanta by (venue, asset)."""
        if key in self._accounts or len(self._accounts) >= ACCOUNTS_MAX:
            raise InputError("street", "account", f"expected a new one of at most {ACCOUNTS_MAX}")
        terms = self._terms
        exchange = StreetExchange(self._board, terms.exchange, seed, terms.maker_ppm)
        for (venue, asset), quanta in deposits.items():
            exchange.pay(venue, asset, quanta)
        account = StreetAccount(key, exchange, self, self._news.append)
        self._accounts[key] = account
        return account

    def account(self, key: str) -> StreetAccount | None:
        """An account by its key."""
        return self._accounts.get(key)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Keys of all accounts."""
        return tuple(self._accounts)

    def quote(self, symbol: str) -> Quote | None:
        """What is shown of an instrument now."""
        instrument = self.instrument(symbol)
        if instrument is None:
            return None
        name, depth = instrument.id, self._depth(instrument)
        day, mark = self._past.day(name, self.now_ms), self._board.marks[name]
        prints = self._prints.get(name)
        last = prints[-1].ticks if prints else (day.last_ticks if day else mark)
        traded = sum(abs(p.lots) for p in prints or ())
        return Quote(
            symbol=symbol,
            ts_ms=self.now_ms,
            mark_ticks=mark,
            index_ticks=self._index(instrument),
            bid_ticks=depth.best(-1),
            ask_ticks=depth.best(1),
            last_ticks=last,
            high_ticks=max(day.high_ticks, last) if day else max([last, *_ticks(prints)]),
            low_ticks=min(day.low_ticks, last) if day else min([last, *_ticks(prints)]),
            day_ago_ticks=day.first_ticks if day else last,
            volume_lots=day.lots if day else traded,
            volume_usd=day.usd if day else 0.0,
            interest_lots=self._chunk.interest.get(name, 0) if self._chunk else 0,
            funding_e12=self._last_funding(symbol, name),
            greeks=self.greeks(symbol),
        )

    def greeks(self, symbol: str) -> Greeks | None:
        """Greeks of an option as of the last time that it was marked."""
        row = self._chunk.options.get(self._names.get(symbol, "")) if self._chunk else None
        return None if row is None else row.greeks(max(0, self._row // OPTION_TICKS - 1))

    def ladder(self, symbol: str, levels: int = LEVELS) -> Ladder | None:
        """Both sides of the book, at most `LEVELS` deep."""
        instrument = self.instrument(symbol)
        if instrument is None:
            return None
        depth, last = self._depth(instrument), self._ladders.get(instrument.id)
        bids, asks = depth.levels(-1, LEVELS), depth.levels(1, LEVELS)
        if last is None or (last.bids, last.asks) != (bids, asks):
            number = 1 if last is None else last.number + 1
            last = Ladder(symbol, number, self.now_ms, bids, asks)
            self._ladders[instrument.id] = last
        return Ladder(symbol, last.number, last.ts_ms, last.bids[:levels], last.asks[:levels])

    def prints(self, symbol: str, after: int, limit: int) -> tuple[Print, ...]:
        """The newest trades with numbers above one, oldest first; a thousand are kept."""
        kept = self._prints.get(self._names.get(symbol, ""), ())
        newer = [p for p in kept if p.number > after]
        return tuple(newer[-limit:]) if limit > 0 else ()

    def bars(self, symbol: str, first_ms: int, last_ms: int) -> list[Bar]:
        """Five-minute bars that begin within the times and have ended; none of options."""
        return self._past.bars(self._names.get(symbol, ""), first_ms, last_ms, self.now_ms)

    def minute_bars(self, symbol: str, first_ms: int, last_ms: int) -> list[Bar]:
        """Bars of a minute that begin within the times and have ended; none of options."""
        return self._past.minutes(self._names.get(symbol, ""), first_ms, last_ms, self.now_ms)

    def funding_history(self, symbol: str, first_ms: int, last_ms: int) -> tuple[FundingPrint, ...]:
        """Funding prints with stamps within the times, up to now."""
        return self._past.funding(self._names.get(symbol, ""), first_ms, last_ms, self.now_ms)

    def index_ticks(self, name: InstrumentId) -> int:
        """An index now, by its id."""
        return self._board.marks[name]

    def transfer(
        self, source: tuple[str, str], destination: tuple[str, str], asset: str, quanta: int
    ) -> Sent | Refused:
        """Money between (account, venue) and another: gone at once, there after a while."""
        payer, payee = self.account(source[0]), self.account(destination[0])
        if payer is None or payee is None or source == destination:
            return Refused("no such account")
        if not payer.takes(source[1], asset) or not payee.takes(destination[1], asset):
            return Refused("no such route")
        if quanta < 1:
            return Refused("below the minimum")
        if self._board.tape.frozen(source[1], self.now_ms):
            return Refused("withdrawals suspended")
        if quanta > payer.exchange.withdrawable(source[1], asset):
            return Refused("more than is withdrawable")
        payer.exchange.pay(source[1], asset, -quanta)
        self._transfers += 1
        lands_ms = self._board.tape.thaws_ms(destination[1], self.now_ms + self._terms.transfer_ms)
        ends = (*source, *destination)
        sent = Sent(self._transfers, *ends, asset, quanta, self.now_ms, lands_ms)
        self._on_the_way.append(sent)
        return sent

    def has(self, symbol: str) -> bool:
        """Whether an instrument is, was or will be listed."""
        return symbol in self._names

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades now."""
        venues = sorted({i.venue for i in self._market.instruments.values()})
        return tuple(v for v in venues if self._board.tape.out(v, self.now_ms))

    def rule(self, venue: str) -> MarginRule:
        """The rule by which a venue margins."""
        return self._terms.exchange.rule(venue, self.now_ms)

    def name(self, symbol: str) -> InstrumentId:
        """The id of an instrument that is or was listed."""
        return self._names[symbol]

    def board(self) -> Board:
        """What exchanges read."""
        return self._board

    def _is_listed(self, instrument: Instrument) -> bool:
        if not isinstance(instrument, Option):
            return True
        listed_ms = self._market.listed[instrument.id].listed_ms
        return listed_ms <= self.now_ms and not expired(instrument, self.now_ms)

    def _depth(self, instrument: Instrument) -> Depth:
        return self._board.depth(instrument, self._terms.exchange.costs[instrument.id])

    def _index(self, instrument: Instrument) -> int:
        return self._board.marks[self.index_name(instrument)]

    def index_name(self, instrument: Instrument) -> InstrumentId:
        """The id of the index that an instrument follows."""
        if isinstance(instrument, Option):
            return instrument.index.id
        return self._index_of[instrument.id]

    def _last_funding(self, symbol: str, name: InstrumentId) -> int | None:
        if name not in self._index_of:
            return None
        begin_ms = self.now_ms - PRINTED_HOURS * HOUR_MS
        found = self._past.funding(name, begin_ms, self.now_ms, self.now_ms)
        return found[-1].rate_e12 if found else 0

    def _tick(self) -> None:
        tick_ms = self._market.terms.tick_ms
        now_ms = self._board.now_ms + tick_ms
        chunk = self._chunk_at(now_ms)
        # The tick that ends at a chunk's end is its last row.
        self._row = (now_ms - chunk.start_ms) // tick_ms
        self._board.now_ms = now_ms
        trades = self._show(chunk, max(0, self._row - 1))
        self._land()
        for account in self._accounts.values():
            account.live(trades)
        self._fund()

    def _chunk_at(self, now_ms: int) -> Chunk:
        """The step in which a tick ends: one that ends with it belongs to it."""
        paths = self._market.paths
        step = (now_ms - 1 - paths.start_ms) // paths.step_ms
        start_ms = paths.start_ms + step * paths.step_ms
        if self._chunk is None or self._chunk.start_ms != start_ms:
            first = self._chunk is None
            self._chunk = draw_chunk(self._market, step)
            for name, figures in self._chunk.liquidity.items():
                self._board.liquidity(name, *figures)
            if first:
                self._mark_options(self._chunk, 0)
        return self._chunk

    def _show(self, chunk: Chunk, row: int) -> list[Trade]:
        moved = []
        for name, marks in chunk.marks.items():
            mids = chunk.mids.get(name)
            mark, mid = marks[row], mids[row] if mids else 0
            if mids and (mark != self._board.marks[name] or mid != self._board.mid(name)):
                moved.append(name)
            self._board.price(name, mark, mid)
        if (row + 1) % OPTION_TICKS == 0:
            moved += self._mark_options(chunk, row // OPTION_TICKS)
        self._moved |= dict.fromkeys(self._market.instruments[name].symbol for name in moved)
        return self._trade(chunk, row, moved)

    def _mark_options(self, chunk: Chunk, place: int) -> list[InstrumentId]:
        moved = []
        for name, marks in chunk.option_marks.items():
            mark, mid = marks[place], max(marks[place], 1)
            if expired(self._market.instruments[name], self._board.now_ms):
                mid = 0
            if mark != self._board.marks[name] or mid != self._board.mid(name):
                moved.append(name)
                self._board.price(name, mark, mid)
        return moved

    def _trade(self, chunk: Chunk, row: int, moved: list[InstrumentId]) -> list[Trade]:
        """The market's trades, and what stands at prices through which a quote moved."""
        traded = [(name, lots[row]) for name, lots in chunk.traded.items()]
        if (row + 1) % OPTION_TICKS == 0:
            place = row // OPTION_TICKS
            traded += [(name, lots[place]) for name, lots in chunk.option_traded.items()]
        found: list[Trade] = []
        for name, lots in traded:
            if lots:
                best = self._depth(self._market.instruments[name]).best(1 if lots > 0 else -1)
                if best is not None:
                    found.append((name, best, lots))
                    self._print(name, best, lots)
        resting = {name for account in self._accounts.values() for name in account.resting()}
        for name in moved:
            if name in resting:
                found += self._through(name)
        return found

    def _through(self, name: InstrumentId) -> list[Trade]:
        """A resting order better than the other side is met by what that side shows first."""
        depth = self._depth(self._market.instruments[name])
        found = []
        for side in (1, -1):
            levels = depth.levels(side, 1)
            # Who buys from the ask meets resting bids at or above it, as a seller would.
            found += [(name, ticks, -side * lots) for ticks, lots in levels]
        return found

    def _print(self, name: InstrumentId, ticks: int, lots: int) -> None:
        number = self._counts.get(name, 0) + 1
        self._counts[name] = number
        instrument, marks = self._market.instruments[name], self._board.marks
        index = self._index(instrument)
        told = Print(number, self.now_ms, instrument.symbol, ticks, lots, marks[name], index)
        self._prints.setdefault(name, deque(maxlen=PRINTS_MAX)).append(told)
        self._news.append(told)

    def _land(self) -> None:
        for sent in [s for s in self._on_the_way if s.lands_ms <= self.now_ms]:
            self._on_the_way.remove(sent)
            payee = self._accounts[sent.destination].exchange
            payee.pay(sent.destination_venue, sent.asset, sent.quanta)

    def _fund(self) -> None:
        while self._fundings and self._fundings[0].ts_ms <= self.now_ms:
            stamp = self._fundings.pop(0)
            instrument = self._market.instruments[stamp.instrument]
            index = self._index(instrument)
            told = FundingPrint(stamp.ts_ms, instrument.symbol, stamp.rate_e12, index)
            self._news.append(Funded(told))


def _ticks(prints: deque[Print] | None) -> list[int]:
    return [p.ticks for p in prints or ()]
