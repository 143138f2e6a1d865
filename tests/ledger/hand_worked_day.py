# SPDX-License-Identifier: Apache-2.0
"""The terms, the market and the happenings of one day, for the ledger worked out by hand.

Two accounts trade on the exchange, a linear contract paid in USDT and one paid in USDC; what
happens on the third, an inverse contract paid in bitcoin, is told to the ledger as events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.ledger.book import Ledger, Posting
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.tiers import tier_table
from tidegate.model.account import Account, Position, Shipment
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    FundingPaid,
    Marked,
)
from tidegate.model.instruments import Instrument, Perpetual, Spot
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Freeze, FundingStamp, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

DAY_0 = 1_704_067_200_000  # 2024-01-01T00:00Z
SECOND = 1_000
HOUR = 3_600 * SECOND

PERP_A = Perpetual("binance", "BTCUSDT", "BTC", "USDT", Decimal("0.1"), Decimal("0.001"))
PERP_B = Perpetual("hyperliquid", "BTC", "BTC", "USDC", Decimal("1"), Decimal("0.00001"))
PERP_C = Perpetual(
    "deribit", "BTC-PERPETUAL", "BTC", "BTC", Decimal("0.5"), Decimal("1"), Decimal("10")
)
# The spot pair is not held: its mark is what a bitcoin is worth, in USDT.
SPOT = Spot("deribit", "BTC_USDT", "BTC", "USDT", Decimal("0.5"), Decimal("0.0001"))
A, B, C, COIN = PERP_A.id, PERP_B.id, PERP_C.id, SPOT.id
VENUES = ("binance", "hyperliquid", "deribit")
ASSETS = {"binance": "USDT", "hyperliquid": "USDC", "deribit": "BTC"}


def at(hours: int, seconds: int = 0) -> int:
    return DAY_0 + hours * HOUR + seconds * SECOND


def track(opens: list[int], highs: list[int], lows: list[int], closes: list[int]) -> Track:
    """Volume and volatility such that A's impact is 0.485 x 0.02 x sqrt(notional / 1e9)."""
    return Track(opens, highs, lows, closes, [1e9] * len(opens), [0.02] * len(opens))


# Steps of four hours. B's high of 55,600 in step 3 and A's of 54,200 in step 6 liquidate.
TAPE = Tape(
    DAY_0,
    4 * HOUR,
    7,
    {
        A: track(
            [500_000, 500_000, 502_000, 510_000, 520_000, 490_000, 495_000],
            [503_000, 503_000, 512_000, 522_000, 521_000, 496_000, 542_000],
            [499_000, 499_000, 498_000, 505_000, 488_000, 488_000, 494_000],
            [500_000, 502_001, 510_000, 520_011, 490_003, 495_000, 525_000],
        ),
        B: track(
            [50_000, 50_000, 50_200, 51_000, 52_000, 49_000, 49_500],
            [50_300, 50_300, 51_200, 55_600, 52_100, 49_600, 54_200],
            [49_900, 49_900, 49_800, 50_500, 48_800, 48_800, 49_400],
            [50_000, 50_200, 51_000, 52_000, 49_000, 49_500, 52_500],
        ),
    },
    (
        FundingStamp(at(8), A, 3_000_000_000),  # at the cap, +0.003
        FundingStamp(at(8), B, 500_000_000),  # nobody holds B yet
        FundingStamp(at(16), A, -123_456_789),  # eight hours later, longs receive
        FundingStamp(at(20), A, 100_000_000),  # the interval is four hours now
        FundingStamp(at(24), A, -50_000_001),  # shorts pay
        FundingStamp(at(24), B, 12_345_678),  # shorts receive
    ),
    (Freeze("hyperliquid", at(11), at(14)),),
)

TIERS_A = tier_table(
    [
        (Decimal(0), Decimal(50_000), Fraction(4, 1000), Fraction(0), 50),
        (Decimal(50_000), Decimal(150_000), Fraction(5, 1000), Fraction(50), 25),
        (Decimal(150_000), None, Fraction(10, 1000), Fraction(800), 20),
    ],
    "USDT",
    "2024-01-01",
    "assumed: hand-made, 800 = 50 + 150,000 x (0.010 - 0.005)",
)
TIERS_B = tier_table(
    [(Decimal(0), None, Fraction(25, 1000), Fraction(0), 20)],
    "USDC",
    "2024-01-01",
    "assumed: hand-made, half of 1/20",
)
TERMS = ExchangeTerms(
    {A: PERP_A, B: PERP_B},
    {
        "binance": ((0, BinanceUsdm("USDT", {A: PERP_A}, {A: TIERS_A}, 20, {A: 2_000})),),
        "hyperliquid": ((0, HyperliquidCross("USDC", {B: PERP_B}, {B: TIERS_B}, 20)),),
    },
    {A: TradingCosts(450, 0.0000095, 0.485), B: TradingCosts(350, 0.00001, 0.0)},
    {"binance": Fraction(365, 10_000), "hyperliquid": Fraction(0)},
    {
        # Rate 0.999 less a cost of 0.0005 of it: 0.999 x 0.9995 = 0.9985005 survive.
        ("binance", "hyperliquid"): Passage(
            "binance",
            "hyperliquid",
            "USDT",
            "USDC",
            1_000_000,
            10_000_000,
            Fraction(9_985_005, 10_000_000),
            7_200.0,
            7_200.0,
        )
    },
)


@dataclass(frozen=True)
class Page:
    """What the ledger says at one moment."""

    wallets: dict[str, int]
    positions: dict[str, Position]
    unrealised: dict[str, int]
    in_flight: tuple[Shipment, ...]
    equity_micro: int
    statements_agree: bool


@dataclass
class Desk:
    """The exchange, the ledger fed with its events, and a page for every moment of interest."""

    exchange: Exchange
    ledger: Ledger
    events: list[Event] = field(default_factory=list)
    postings: list[tuple[Event, tuple[Posting, ...]]] = field(default_factory=list)
    pages: dict[str, Page] = field(default_factory=dict)

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            self.events.append(event)
            self.postings.append((event, self.ledger.post(event)))

    def trade(self, instrument: str, lots: int) -> None:
        order = Order(f"order {len(self.events)}", instrument, lots, False, "hand-worked")
        self.take(self.exchange.trade(order))

    def unrealised(self, venue: str) -> int:
        """Fold of the postings to the venue's unrealised account."""
        rows = (row for _, rows in self.postings for row in rows)
        return sum(row.quanta for row in rows if row.account.startswith(f"own/{venue}/unrealised"))

    def turn(self, name: str) -> None:
        """Write a page."""
        portfolio = self.ledger.portfolio(VENUES)
        self.pages[name] = Page(
            {venue: self.ledger.wallet(venue, ASSETS[venue]) for venue in VENUES},
            {name: self.ledger.position(name) for name in (A, B, C)},
            {venue: self.unrealised(venue) for venue in VENUES},
            portfolio.shipments,
            self.ledger.equity_micro,
            all(
                same(self.exchange.account(venue), portfolio.accounts[venue])
                for venue in ("binance", "hyperliquid")
            ),
        )


def same(theirs: Account, ours: Account) -> bool:
    """Whether the venue's statement and the ledger's agree, an absent balance being zero."""
    asset = ASSETS[theirs.venue]
    wallets = theirs.balances.get(asset, 0) == ours.balances.get(asset, 0)
    return wallets and dict(theirs.positions) == dict(ours.positions)


def inverse_fill(
    ts_ms: int, lots: int, ticks: int, mid: int, costs: tuple[int, int, int]
) -> Filled:
    """A fill of C; `costs` are fee, spread and impact in 1e-8 bitcoin."""
    fee, spread, impact = costs
    return Filled(ts_ms, C, lots, ticks, mid, fee, spread, impact, f"c{ts_ms}", "order")


def morning(desk: Desk) -> None:
    """Deposits, the fills around the first funding stamp, and the first coin-settled fill."""
    desk.take([Marked(at(0), {C: 100_000, COIN: 100_000})])
    desk.take(desk.exchange.deposit("binance", "USDT", 50_000_000_000))
    desk.take(desk.exchange.deposit("hyperliquid", "USDC", 20_000_000_000))
    desk.take([Deposited(at(0), "deribit", "BTC", 100_000_000)])
    desk.turn("deposits")
    desk.take([inverse_fill(at(1), 1_001, 100_060, 100_000, (10_004, 8_000, 4_004))])
    desk.turn("inverse bought")
    desk.take(desk.exchange.advance(at(8, -1)))
    desk.trade(A, 2_001)
    desk.turn("second before the stamp")
    desk.take(desk.exchange.advance(at(8)))
    desk.turn("stamp at the cap")
    desk.take([Marked(at(8), {C: 104_001, COIN: 104_001})])
    desk.take([FundingPaid(at(8), C, 1_001, 104_001, 123_000_000, 2_368)])
    desk.take(desk.exchange.advance(at(8, 1)))
    desk.trade(A, 999)
    desk.trade(B, -300_001)
    desk.turn("second after the stamp")


def noon(desk: Desk) -> None:
    """Money leaves for a venue that freezes, is missing there when the price rises, and lands."""
    desk.take(desk.exchange.advance(at(10)))
    sent = Transfer("t1", "binance", "hyperliquid", "USDT", 30_000_000_000, "to carry the short")
    desk.take(desk.exchange.send(sent))
    desk.turn("sent")
    desk.take(desk.exchange.advance(at(14, -1)))
    desk.turn("frozen")
    desk.take(desk.exchange.advance(at(14)))
    desk.turn("landed")
    desk.take(desk.exchange.advance(at(16)))
    desk.take([Marked(at(16), {**desk.exchange.marks(), C: 110_000, COIN: 110_000})])
    desk.turn("second stamp")


def evening(desk: Desk) -> None:
    """Partial reductions, a flip through zero, yield, and a liquidation to the tier below."""
    desk.take([inverse_fill(at(16), -600, 109_990, 110_000, (5_456, 991, 0))])
    desk.trade(A, -1_001)
    desk.turn("reduced")
    desk.take(desk.exchange.advance(at(20)))
    desk.trade(A, -5_500)
    desk.turn("flipped")
    desk.take(desk.exchange.advance(at(24)))
    desk.turn("day ends")
    desk.take(desk.exchange.advance(at(28)))
    desk.take([Marked(at(28), {**desk.exchange.marks(), C: 105_001, COIN: 105_001})])
    desk.turn("end")


def played_day() -> Desk:
    """The whole day, with USDT at 1 USD, USDC at 0.999 USD and bitcoin at the spot mark."""
    instruments: dict[str, Instrument] = {A: PERP_A, B: PERP_B, C: PERP_C, COIN: SPOT}
    ledger = Ledger(instruments, {"USDT": 1_000_000, "USDC": 999_000}, {"BTC": COIN})
    desk = Desk(Exchange(TAPE, TERMS, seed=1), ledger)
    morning(desk)
    noon(desk)
    evening(desk)
    return desk
