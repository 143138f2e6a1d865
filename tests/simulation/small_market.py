# SPDX-License-Identifier: Apache-2.0
"""A hand-made market: two venues with a perpetual each and a wallet with the coin itself.

Prices are in ticks of a dime, one lot is a thousandth of a coin, so one tick on one lot is 100
quanta. Steps last a minute. Unless a test says so, nothing moves and nothing costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from tests.margin.books import ladder
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.ledger.book import Ledger
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual, Spot
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Freeze, FundingStamp, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

START = 1_704_067_200_000
STEPS = 30
PRICE = 600_000  # 60,000 dollars
LOT_QUANTA = 60 * MICRO  # one lot at that price

TERMS = {"base": "BTC", "tick": Decimal("0.1"), "lot": Decimal("0.001")}
HYPER = Perpetual("hyper", "BTC", settle="USDC", **TERMS)  # type: ignore[arg-type]
HYPER_B = Perpetual("hyper", "BTC2", settle="USDC", **TERMS)  # type: ignore[arg-type]
BIN = Perpetual("bin", "BTCUSDT", settle="USDT", **TERMS)  # type: ignore[arg-type]
COIN = Spot("wallet", "BTCUSDC", settle="USDC", **TERMS)  # type: ignore[arg-type]
INSTRUMENTS: dict[InstrumentId, Instrument] = {i.id: i for i in (HYPER, HYPER_B, BIN, COIN)}
VENUES = {"hyper": "USDC", "bin": "USDT", "wallet": "USDC"}
CLEARANCE_PPM = 12_500
TIERS = ladder([(0, 40), (100_000, 20), (1_000_000, 10), (5_000_000, 4)])
FREE = TradingCosts(0, 0.0, 0.0)
DEAR = TradingCosts(450, 0.0002, 1.0)


def rules(leverage: int = 20) -> dict[str, tuple[tuple[int, MarginRule], ...]]:
    hyper = {HYPER.id: TIERS, HYPER_B.id: TIERS}
    return {
        "hyper": ((START, HyperliquidCross("USDC", INSTRUMENTS, hyper, leverage)),),
        "bin": (
            (
                START,
                BinanceUsdm(
                    "USDT", INSTRUMENTS, {BIN.id: TIERS}, leverage, {BIN.id: CLEARANCE_PPM}
                ),
            ),
        ),
        "wallet": ((START, SpotWallet("USDC", {"BTC": COIN})),),
    }


def route(source: str, destination: str) -> Passage:
    """A dollar of fee, ten of minimum, a median of five minutes; conversion costs a basis point."""
    sent, received = VENUES[source], VENUES[destination]
    share = Fraction(1) if sent == received else Fraction(9_999, 10_000)
    minutes = (300.0, 900.0)
    return Passage(source, destination, sent, received, MICRO, 10 * MICRO, share, *minutes)


PASSAGES = {(a, b): route(a, b) for a in VENUES for b in VENUES if a != b}


def terms(
    costs: TradingCosts = FREE, yields: Mapping[str, Fraction] | None = None
) -> ExchangeTerms:
    charged = dict.fromkeys(INSTRUMENTS, costs)
    return ExchangeTerms(INSTRUMENTS, rules(), charged, yields or {}, PASSAGES)


@dataclass(frozen=True)
class Prices:
    """Per step: first traded price, the mark's extremes and its last value, and what the market
    shows of its spread and depth."""

    open: Sequence[int] = (PRICE,) * STEPS
    high: Sequence[int] = (PRICE,) * STEPS
    low: Sequence[int] = (PRICE,) * STEPS
    close: Sequence[int] = (PRICE,) * STEPS
    half_spread: Sequence[float] | None = None
    volume_day_usd: Sequence[float] = (2e9,) * STEPS

    def track(self) -> Track:
        volume, vol = self.volume_day_usd, (0.03,) * len(self.open)
        return Track(self.open, self.high, self.low, self.close, volume, vol, self.half_spread)

    def dip(self, step: int, *, low: int | None = None, high: int | None = None) -> Prices:
        """The same, with another extreme inside one step."""
        changed = {}
        for name, value in (("low", low), ("high", high)):
            if value is not None:
                row = list(getattr(self, name))
                row[step] = value
                changed[name] = tuple(row)
        return replace(self, **changed)


CALM = Prices()


@dataclass
class Desk:
    """An exchange, and a ledger that hears all of its events."""

    exchange: Exchange
    ledger: Ledger
    events: list[Event] = field(default_factory=list)
    orders: int = 0

    def hear(self, events: list[Event]) -> list[Event]:
        for event in events:
            self.ledger.post(event)
        self.events += events
        return events

    def deposit(self, venue: str, dollars: int) -> list[Event]:
        return self.hear(self.exchange.deposit(venue, VENUES[venue], dollars * MICRO))

    def trade(self, instrument: Instrument, lots: int, *, reduce_only: bool = False) -> list[Event]:
        self.orders += 1
        order = Order(f"o{self.orders}", instrument.id, lots, reduce_only, "test")
        return self.hear(self.exchange.trade(order))

    def send(self, source: str, destination: str, quanta: int) -> list[Event]:
        self.orders += 1
        name, asset = f"t{self.orders}", VENUES.get(source, "USDC")
        return self.hear(
            self.exchange.send(Transfer(name, source, destination, asset, quanta, "test"))
        )

    def at_step(self, step: int, offset_ms: int = 0) -> list[Event]:
        return self.hear(self.exchange.advance(START + step * MINUTE_MS + offset_ms))


def tape(
    prices: Mapping[InstrumentId, Prices] | None = None,
    funding: Sequence[FundingStamp] = (),
    freezes: tuple[Freeze, ...] = (),
    **more: object,
) -> Tape:
    """A tape of all instruments; `more` are fields that few tests name."""
    said = prices or {}
    tracks = {name: said.get(name, CALM).track() for name in INSTRUMENTS}
    steps = {len(track.open) for track in tracks.values()}
    return Tape(START, MINUTE_MS, max(steps), tracks, tuple(funding), freezes, **more)


def desk(played: Tape | None = None, charged: ExchangeTerms | None = None, seed: int = 1) -> Desk:
    ledger = Ledger(INSTRUMENTS, {"USDC": MICRO, "USDT": MICRO}, {"BTC": COIN.id})
    return Desk(Exchange(played or tape(), charged or terms(), seed), ledger)
