# SPDX-License-Identifier: Apache-2.0
"""A hand-made market for policies: three margined venues, two coins, steps of five minutes.

Both coins are held long at `hyper` and short at `bin`; `third` lists both too and is where a
reserve reaches the others soonest. Trading costs five basis points and no impact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from tests.margin.books import ladder
from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.policies import Pairs
from tidegate.backtest.run import Policy, Session
from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.execution.record import Record
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.model.events import Event, Filled, OrderRefused, TransferSent
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.mandate import Mandate, Route, read_mandate
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Deleveraging, Freeze, Queue, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

START = 1_704_067_200_000
STEP_MS = 5 * MINUTE_MS
HOUR = 12  # steps
CAPITAL = {"hyper": 400_000, "bin": 400_000, "third": 200_000}
CASH = {"hyper": "USDC", "bin": "USDT", "third": "USDC"}
PRICE = {"BTC": 60_000, "ETH": 3_000}
_TICKS = {"BTC": (Decimal("0.1"), Decimal("0.001")), "ETH": (Decimal("0.01"), Decimal("0.01"))}
INSTRUMENTS: dict[InstrumentId, Instrument] = {
    f"{venue}:{coin}": Perpetual(venue, coin, coin, CASH[venue], *_TICKS[coin])
    for venue in CASH
    for coin in PRICE
}
BTC_LONG, BTC_SHORT, ETH_LONG, ETH_SHORT = "hyper:BTC", "bin:BTC", "hyper:ETH", "bin:ETH"
PAIRS: Pairs = ((BTC_LONG, BTC_SHORT), (ETH_LONG, ETH_SHORT))
ONE_PAIR: Pairs = (PAIRS[0],)
TIERS = ladder([(0, 50), (2_000_000, 25)])
COSTS = TradingCosts(500, 0.0, 0.0)

_SAID = 'value = "{}", as_of = "2024-01-01", source = "assumed: of the test"'


def mandate() -> Mandate:
    """Three venues, stresses as of a real mandate, a route between any two."""
    text = f"""
[mandate]
name = "small desk"
capital_usd = "1000000"
hurdle_rate_annual = {{ {_SAID.format("0")} }}
[stress]
outer = {{ BTC = 0.11, ETH = 0.20 }}
inner = {{ BTC = 0.08, ETH = 0.13 }}
[stable.USDT]
price_usd = {{ {_SAID.format("1")} }}
[stable.USDC]
price_usd = {{ {_SAID.format("1")} }}
"""
    for venue, asset in CASH.items():
        rule = "binance_usdm" if venue == "bin" else "hyperliquid_cross"
        text += f'[venue.{venue}]\nrule = "{rule}"\ncollateral = "{asset}"\nleverage = 20\n'
        for coin in PRICE:
            text += f'[venue.{venue}.instruments.{coin}]\nkind = "perpetual"\nbase = "{coin}"\n'
            text += f'bars = "15m"\nmark = {{ {_SAID.format("mark")} }}\n'
    return read_mandate(text, "small.toml")


MANDATE = mandate()


def passages(slow_s: float = 900.0) -> dict[tuple[str, str], Passage]:
    """A dollar of fee, ten of minimum; from `third` a fifth of the time that others take."""
    found = {}
    for source in CASH:
        for destination in CASH:
            if source != destination:
                p95_s = slow_s / 5 if "third" in (source, destination) else slow_s
                times = (p95_s / 3, p95_s)
                words = ("0", "1", "2024-01-01", "assumed: of the test")
                route = Route(source, destination, "1", "10", *times, *words)
                sent, received = CASH[source], CASH[destination]
                found[source, destination] = passage(route, sent, received)
    return found


def rules(leverage: int = 20) -> dict[str, tuple[tuple[int, MarginRule], ...]]:
    """Two venues by Hyperliquid's rule, one by Binance's."""
    held = {v: {n: TIERS for n, i in INSTRUMENTS.items() if i.venue == v} for v in CASH}
    clearance = dict.fromkeys(held["bin"], 10_000)
    return {
        "hyper": ((START, HyperliquidCross("USDC", INSTRUMENTS, held["hyper"], leverage)),),
        "bin": ((START, BinanceUsdm("USDT", INSTRUMENTS, held["bin"], leverage, clearance)),),
        "third": ((START, HyperliquidCross("USDC", INSTRUMENTS, held["third"], leverage)),),
    }


def track(name: InstrumentId, multiples: Sequence[float]) -> Track:
    """A price that goes to a multiple of the first within each step; the mark is the price."""
    instrument = INSTRUMENTS[name]
    first = int(PRICE[instrument.base] / instrument.tick)
    closes = [round(first * multiple) for multiple in multiples]
    opens = [first, *closes[:-1]]
    highs = [max(pair) for pair in zip(opens, closes, strict=True)]
    lows = [min(pair) for pair in zip(opens, closes, strict=True)]
    count = len(closes)
    return Track(opens, highs, lows, closes, [1e12] * count, [0.03] * count)


@dataclass(frozen=True)
class Script:
    """What happens: multiples of the first price per coin, or per instrument where it differs,
    and what venues do. A path that is shorter than the tape stays at its last value."""

    paths: Mapping[str, Sequence[float]]
    steps: int
    freezes: tuple[Freeze, ...] = ()
    outages: tuple[Freeze, ...] = ()
    deleveragings: tuple[Deleveraging, ...] = ()
    queues: tuple[InstrumentId, ...] = ()
    scores: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08)

    def path(self, name: InstrumentId) -> list[float]:
        """Multiples of one instrument over the whole tape."""
        given = list(self.paths.get(name, self.paths.get(INSTRUMENTS[name].base, [1.0])))
        return (given + [given[-1]] * self.steps)[: self.steps]

    def tape(self) -> Tape:
        """The same as a tape."""
        hours = self.steps // HOUR + 1
        scores = np.broadcast_to(np.array(self.scores), (hours, 2, 4))
        return Tape(
            START,
            STEP_MS,
            self.steps,
            {name: track(name, self.path(name)) for name in INSTRUMENTS},
            (),
            self.freezes,
            self.outages,
            self.deleveragings,
            {name: Queue("profit_leverage", scores) for name in self.queues},
        )


def at(step: int) -> int:
    """Time at which a step begins."""
    return START + step * STEP_MS


def ramp(calm: int, low: float, steps: int) -> list[float]:
    """A price that stands still, then runs to a multiple evenly, and stays."""
    return [1.0] * calm + [1.0 + (low - 1.0) * (k + 1) / steps for k in range(steps)]


def session(
    script: Script,
    capital: Mapping[str, int] = CAPITAL,
    slow_s: float = 900.0,
    leverage: int = 20,
) -> Session:
    """A session on a script's tape with dollars deposited."""
    costs = dict.fromkeys(INSTRUMENTS, COSTS)
    no_yield: dict[str, Fraction] = {}
    terms = ExchangeTerms(INSTRUMENTS, rules(leverage), costs, no_yield, passages(slow_s))
    prices = {"USDC": MICRO, "USDT": MICRO}
    record = Record(Ledger(INSTRUMENTS, prices), Journal.in_memory({"policy": "test"}))
    arrangement = Arrangement(MANDATE, terms, prices, {}, ())
    made = Session(Exchange(script.tape(), terms, 1), record, arrangement)
    for venue, dollars in capital.items():
        made.take(made.exchange.deposit(venue, CASH[venue], dollars * MICRO))
    return made


class Play:
    """Plays a policy step by step, and after each act can be asked what the book looks like."""

    def __init__(self, over: Session, policy: Policy) -> None:
        self.session, self.policy, self.step = over, policy, 0
        policy.act(START)

    def to(self, step: int, after: Callable[[], None] | None = None) -> Play:
        """Go on until the act at the begin of a step, calling `after` after every act."""
        while self.step < step:
            self.step += 1
            self.session.take(self.session.exchange.advance(at(self.step)))
            self.policy.act(at(self.step))
            if after is not None:
                after()
        return self

    def lots(self, name: InstrumentId) -> int:
        """Signed lots held, by the venue's statement."""
        account = self.session.exchange.account(INSTRUMENTS[name].venue)
        return account.positions[name].lots if name in account.positions else 0

    def net(self, coin: str) -> Fraction:
        """Coins held net over all venues."""
        named = [n for n, i in INSTRUMENTS.items() if i.base == coin]
        return sum((self.lots(n) * Fraction(INSTRUMENTS[n].lot) for n in named), Fraction(0))

    def hedged(self) -> bool:
        """Whether every coin is net zero to within one lot."""
        return all(abs(self.net(coin)) <= Fraction(_TICKS[coin][1]) for coin in PRICE)

    def notional(self, name: InstrumentId) -> float:
        """Dollars at the mark."""
        ticks = self.session.exchange.marks()[name]
        return INSTRUMENTS[name].notional(self.lots(name), ticks) / MICRO

    def gross(self) -> float:
        """Gross notional over all venues."""
        return sum(self.notional(name) for name in INSTRUMENTS)

    def equity(self, venue: str) -> float:
        """Equity by the venue's statement, dollars."""
        return self.session.exchange.margin(venue).equity / MICRO

    def events(self, since_step: int = 0) -> list[Event]:
        """What happened from a step on."""
        return [e for e in self.session.record.events if e.ts_ms >= at(since_step)]

    def sent(self, since_step: int = 0) -> list[TransferSent]:
        """Transfers that left from a step on."""
        return [e for e in self.events(since_step) if isinstance(e, TransferSent)]

    def fills(self, since_step: int = 0, reason: str = "order") -> list[Filled]:
        """Fills from a step on."""
        found = [e for e in self.events(since_step) if isinstance(e, Filled)]
        return [e for e in found if e.reason == reason]

    def refusals(self) -> list[OrderRefused]:
        """Orders that were refused."""
        return [e for e in self.events() if isinstance(e, OrderRefused)]
