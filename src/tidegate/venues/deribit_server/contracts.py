# SPDX-License-Identifier: Apache-2.0
"""What the local Deribit lists, and by which rules: contracts, margin and fees as documented there.

Accounts are margined by Deribit's standard rule, segregated by currency: BTC and USDC are venues
of their own on the street, as their wallets do not support each other.

Sources: docs.deribit.com, public/get_instruments (contract sizes, ticks), and support.deribit.com,
Fees (25944746248989) and the contract pages that `margin.deribit` and `margin.deribit_options`
name, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from tidegate.costs.options import DeliveryFee, OptionCosts
from tidegate.costs.trading import TradingCosts
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.margin.rule import MarginRule
from tidegate.model.instruments import Instrument, InstrumentId, Option, Perpetual
from tidegate.simulation.terms import ExchangeTerms
from tidegate.simulation.world.option_listing import index_of, is_daily
from tidegate.venues.street.listings import Listing, OptionOffer
from tidegate.venues.street.market import Market, MarketTerms
from tidegate.venues.street.street import StreetTerms

VENUES = {"BTC": "deribit-btc", "ETH": "deribit-eth", "USDC": "deribit-usdc"}
TAKER_PPM, MAKER_PPM = 500, 0
OPTION_PPM, OPTION_CAP_PPM = 300, 125_000
DELIVERY_PPM = 150
CLEARANCE_PPM = 7_500
OPTION_CLEARANCE_PPM = 2_000
HALF_SPREAD, IMPACT = 5e-5, 1.0
AS_OF, SOURCE = "2022-01-11", "support.deribit.com, 25944826427293"
# Initial and maintenance at nothing, and what each rises by per base coin.
RATES = {
    "BTC": (Fraction("0.02"), Fraction("0.01"), Fraction("0.00005")),
    "ETH": (Fraction("0.02"), Fraction("0.01"), Fraction("0.000002")),
}
SHARES = (Fraction("0.15"), Fraction("0.10"), Fraction("0.075"))
OPTION_SOURCE = "doc.tslab.pro, undated copy of the official page"


def _inverse(coin: str, tick: str, face: int) -> Listing:
    terms = VENUES[coin], f"{coin}-PERPETUAL", coin, coin, Decimal(tick), Decimal(1)
    perpetual = Perpetual(*terms, inverse_face_usd=Decimal(face))
    index = index_of(VENUES[coin], coin, coin_settled=True)
    return Listing(perpetual, index, f"deribit:{coin}", MAKER_PPM)


def _linear(coin: str, tick: str, lot: str) -> Listing:
    terms = VENUES["USDC"], f"{coin}_USDC-PERPETUAL", coin, "USDC", Decimal(tick), Decimal(lot)
    index = index_of(VENUES["USDC"], coin, coin_settled=False)
    return Listing(Perpetual(*terms), index, f"deribit:{coin}", MAKER_PPM)


PERPETUALS = (
    _inverse("BTC", "0.5", 10),
    _inverse("ETH", "0.05", 1),
    _linear("BTC", "0.5", "0.0001"),
    _linear("ETH", "0.05", "0.001"),
)
OPTIONS = tuple(
    OptionOffer(VENUES[coin], coin, coin_settled=True, maker_ppm=OPTION_PPM)
    for coin in ("BTC", "ETH")
)


def market_terms(seed: int, days: int, crisis: str, begin_ms: int) -> MarketTerms:
    """The local Deribit's market."""
    return MarketTerms(seed, days, crisis, begin_ms, "deribit", PERPETUALS, OPTIONS)


def street_terms(market: Market) -> StreetTerms:
    """Margin, fees and delivery of everything that the market ever lists."""
    instruments = market.instruments
    options = {n: i for n, i in instruments.items() if isinstance(i, Option)}
    costs: dict[InstrumentId, TradingCosts] = {
        n: TradingCosts(TAKER_PPM, HALF_SPREAD, IMPACT) for n in instruments
    }
    fee = OptionCosts(OPTION_PPM, HALF_SPREAD, IMPACT, cap_ppm=OPTION_CAP_PPM)
    costs |= dict.fromkeys(options, fee)
    delivery = {
        name: DeliveryFee(0 if is_daily(one.expiry_ms) else DELIVERY_PPM, OPTION_CAP_PPM)
        for name, one in options.items()
    }
    rules = {
        venue: ((market.begin_ms, _rule(asset, venue, instruments.values())),)
        for asset, venue in VENUES.items()
    }
    maker = {one.instrument.id: one.maker_ppm for one in market.terms.listings}
    maker |= {name: one.offer.maker_ppm for name, one in market.listed.items()}
    return StreetTerms(ExchangeTerms(instruments, rules, costs, {}, {}, delivery), maker)


def _rule(asset: str, venue: str, instruments: Iterable[Instrument]) -> MarginRule:
    own = [i for i in instruments if i.venue == venue]
    contracts: Mapping[InstrumentId, Instrument] = {
        i.id: i for i in own if isinstance(i, Perpetual)
    }
    margins = {name: _margin(one.base) for name, one in contracts.items()}
    standard = DeribitStandard(asset, contracts, margins, dict.fromkeys(contracts, CLEARANCE_PPM))
    options = {i.id: i for i in own if isinstance(i, Option)}
    if not options:
        return standard
    rates = OptionRates(*SHARES, OPTION_CLEARANCE_PPM, "2025-01-01", OPTION_SOURCE)
    coins = {option.base for option in options.values()}
    underlyings = {name: option.index for name, option in options.items()}
    return DeribitOptions(standard, options, underlyings, dict.fromkeys(coins, rates))


def _margin(coin: str) -> SizeMargin:
    initial, maintenance, slope = RATES[coin]
    return SizeMargin(SizedRate(initial, slope), SizedRate(maintenance, slope), AS_OF, SOURCE)
