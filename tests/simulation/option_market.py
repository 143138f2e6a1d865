# SPDX-License-Identifier: Apache-2.0
"""A hand-made market with options: an account in dollars, one in coin, and a wallet.

The index stands at 60,000 dollars, steps last a minute, and what expires does so at the end of
step 40. Unless a test says so, nothing moves and nothing costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.margin.option_books import RATES, contracts
from tests.simulation.small_market import COIN, PRICE, START, Desk, Prices
from tidegate.costs.options import DeliveryFee, OptionCosts
from tidegate.costs.trading import TradingCosts
from tidegate.ledger.book import Ledger
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.margin.linear import SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.model.events import Event, Marked
from tidegate.model.instruments import Future, Index, Instrument, InstrumentId, Option, Perpetual
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO, unit_quanta
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import DeliveryPrice, FundingStamp, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

STEPS = 50
EXPIRY_STEP = 40
EXPIRY = START + EXPIRY_STEP * MINUTE_MS
BTC = 10**8
INDEX = Index("deribit", "btc_usd", Decimal("0.1"))


def call(venue: str, settle: str, tick: str, lot: str) -> Option:
    terms = (venue, "BTC-60000-C", "BTC", settle, Decimal(tick), Decimal(lot))
    strike = Decimal(60_000)
    return Option(*terms, strike=strike, is_call=True, expiry_ms=EXPIRY, index=INDEX)


CALL = call("dollars", "USDC", "1", "0.01")
PUT = replace(CALL, symbol="BTC-60000-P", is_call=False)
LATER = replace(CALL, symbol="LATER-60000-C", expiry_ms=EXPIRY + 10**9)
PERP = Perpetual("dollars", "BTC", "BTC", "USDC", Decimal("0.1"), Decimal("0.001"))
COIN_CALL = call("coin", "BTC", "0.0001", "0.1")
COIN_PUT = replace(COIN_CALL, symbol="BTC-60000-P", is_call=False)
FUTURE = Future(
    *("coin", "BTC-FUT", "BTC", "BTC", Decimal("0.5"), Decimal(1), Decimal(10)),
    expiry_ms=EXPIRY,
    index=INDEX,
)
OPTIONS = (CALL, PUT, LATER, COIN_CALL, COIN_PUT)
EXPIRING = (CALL, PUT, COIN_CALL, COIN_PUT, FUTURE)
INSTRUMENTS: dict[InstrumentId, Instrument] = {i.id: i for i in (*OPTIONS, PERP, FUTURE, COIN)}
VENUES = {"dollars": "USDC", "coin": "BTC", "wallet": "USDC"}
FEES = {i.id: DeliveryFee(150, 125_000) for i in (CALL, PUT, COIN_CALL, COIN_PUT)} | {
    FUTURE.id: DeliveryFee(250, MICRO)
}
FREE = OptionCosts(0, 0.0, 0.0, cap_ppm=0)
DEAR = OptionCosts(300, 0.02, 1.0, cap_ppm=125_000)


def flat(ticks: int) -> Prices:
    row = (ticks,) * STEPS
    return Prices(row, row, row, row, None, (1e8,) * STEPS)


# A call at 2,000 dollars, the same in coin at 0.03.
LEVELS = {
    INDEX.id: PRICE,
    CALL.id: 2_000,
    PUT.id: 2_000,
    LATER.id: 4_000,
    PERP.id: PRICE,
    COIN_CALL.id: 300,
    COIN_PUT.id: 300,
    FUTURE.id: 120_000,
    COIN.id: PRICE,
}


def account_rule(collateral: str, plain: Instrument, *options: Option) -> DeribitOptions:
    named = {option.id: option for option in options}
    underlyings = dict.fromkeys(named, INDEX)
    return DeribitOptions(
        contracts(plain, collateral=collateral), named, underlyings, {"BTC": RATES}
    )


RULES: dict[str, tuple[tuple[int, MarginRule], ...]] = {
    "dollars": ((START, account_rule("USDC", PERP, CALL, PUT, LATER)),),
    "coin": ((START, account_rule("BTC", FUTURE, COIN_CALL, COIN_PUT)),),
    "wallet": ((START, SpotWallet("USDC", {"BTC": COIN})),),
}


def terms(option_costs: OptionCosts = FREE, **more: object) -> ExchangeTerms:
    plain = TradingCosts(
        option_costs.taker_ppm, option_costs.half_spread / 100, option_costs.impact_coefficient
    )
    costs = {n: option_costs if isinstance(i, Option) else plain for n, i in INSTRUMENTS.items()}
    fields = {"idle_yield_annual": {}, "passages": {}, "delivery_fees": FEES, **more}
    return ExchangeTerms(INSTRUMENTS, RULES, costs, **fields)  # type: ignore[arg-type]


def tape(
    prices: Mapping[InstrumentId, Prices] | None = None,
    delivery_ticks: int = PRICE,
    funding: Sequence[FundingStamp] = (),
    **more: object,
) -> Tape:
    """A tape of all instruments and their index; `more` are fields that few tests name."""
    said = {name: flat(level) for name, level in LEVELS.items()} | dict(prices or {})
    tracks: dict[str, Track] = {name: row.track() for name, row in said.items()}
    deliveries = (DeliveryPrice(EXPIRY, INDEX.id, delivery_ticks),)
    fields = {"deliveries": deliveries, **more}
    return Tape(START, MINUTE_MS, STEPS, tracks, tuple(funding), **fields)  # type: ignore[arg-type]


def shortened(played: Tape, steps: int, without: Collection[InstrumentId] = ()) -> Tape:
    """The first steps of a tape, without some tracks and without deliveries."""
    tracks = {
        name: replace(track, **{column: row[:steps] for column, row in columns(track).items()})
        for name, track in played.tracks.items()
        if name not in without
    }
    return replace(played, steps=steps, tracks=tracks, deliveries=())


def columns(track: Track) -> dict[str, Sequence[float]]:
    rows = {column: getattr(track, column) for column in track.__slots__}
    return {column: row for column, row in rows.items() if row is not None}


@dataclass
class OptionDesk(Desk):
    """An exchange and a ledger that hears all of its events and all marks."""

    def hear(self, events: list[Event]) -> list[Event]:
        for event in events:
            before = self.ledger.equity_micro
            postings = self.ledger.post(event)
            own = sum(p.value_micro for p in postings if p.account.startswith("own/"))
            assert self.ledger.equity_micro - before == own
        self.events += events
        return events

    def deposit(self, venue: str, dollars: int) -> list[Event]:
        """Whole units of the venue's asset, dollars or coins."""
        asset = VENUES[venue]
        return self.hear(self.exchange.deposit(venue, asset, dollars * unit_quanta(asset)))

    def mark(self) -> None:
        self.hear([Marked(self.exchange.now_ms, self.exchange.marks())])

    def at_step(self, step: int, offset_ms: int = 0) -> list[Event]:
        events = super().at_step(step, offset_ms)
        self.mark()
        return events


def desk(played: Tape | None = None, charged: ExchangeTerms | None = None) -> OptionDesk:
    ledger = Ledger(INSTRUMENTS, {"USDC": MICRO, "USDT": MICRO}, {"BTC": COIN.id})
    opened = OptionDesk(Exchange(played or tape(), charged or terms(), 1), ledger)
    opened.mark()
    return opened
