# SPDX-License-Identifier: Apache-2.0
"""Books, market values and rules of floats for tests: every rule with a book that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from tidegate.margin.aave import AaveAccount, ReserveTerms
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.binance_portfolio import BinancePortfolio
from tidegate.margin.bybit import BybitCross, BybitIsolated
from tidegate.margin.collateral import CollateralTable, CollateralTerms, flat
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_parameters import CollateralTerms as DeriveTerms
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.expected_shortfall import ExpectedShortfall, MarketMove
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.hyperliquid_isolated import HyperliquidIsolated
from tidegate.margin.hyperliquid_portfolio import HyperliquidPortfolio, PortfolioCollateral
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    forward_of,
    funding_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.margin.okx_portfolio import OkxPortfolio
from tidegate.margin.okx_scenarios import LARGE_MINIMUM_TIERS, DayCurve, OkxGiven, announced
from tidegate.margin.okx_tiered import OkxCross, OkxIsolated
from tidegate.margin.paradex_portfolio import ParadexPortfolio
from tidegate.margin.position_tiers import PositionTier, PositionTiers, leverage_tiers
from tidegate.margin.span import ScanRange, SpanAccount
from tidegate.margin.statement import AccountRule
from tidegate.margin.tiered_account import CrossTerms, LoanRates, PositionTerms
from tidegate.margin.tranches import tranches
from tidegate.model.instruments import Future, Index, Instrument, Option, Perpetual
from tidegate.model.times import DAY_MS

NOW = 1_700_000_000_000
EXPIRY = NOW + 30 * DAY_MS
BTC_INDEX = Index("venue", "BTC-USD", Decimal("0.01"))
STEP = Decimal("0.01")

BTC = Perpetual("venue", "BTC-PERP", "BTC", "USDT", STEP, STEP)
ETH = Perpetual("venue", "ETH-PERP", "ETH", "USDC", STEP, STEP)
BTC_DOLLAR = Perpetual("venue", "BTC-USDC", "BTC", "USDC", STEP, STEP)
BTC_INVERSE = Perpetual("venue", "BTC-INV", "BTC", "BTC", STEP, STEP, inverse_face_usd=Decimal(1))
BTC_DATED = Future("venue", "BTC-30D", "BTC", "USDT", STEP, STEP, expiry_ms=EXPIRY, index=BTC_INDEX)


def option(strike: int, is_call: bool, settle: str = "BTC", days: int = 30) -> Option:
    return Option(
        "venue",
        f"BTC-{days}D-{strike}-{'C' if is_call else 'P'}-{settle}",
        "BTC",
        settle,
        Decimal("0.0001"),
        Decimal("0.1"),
        strike=Decimal(strike),
        is_call=is_call,
        expiry_ms=NOW + days * DAY_MS,
        index=BTC_INDEX,
    )


CALL, PUT = option(66_000, True), option(54_000, False)
LATE_CALL = option(70_000, True, days=120)
OPTIONS = (CALL, PUT, LATE_CALL)
DOLLAR_CALL = option(66_000, True, "USDC")
DOLLAR_PUT = option(54_000, False, "USDC", days=120)
DOLLAR_OPTIONS = (DOLLAR_CALL, DOLLAR_PUT)
PRICES: dict[Key, float] = {
    index_of("BTC"): 60_000.0,
    index_of("ETH"): 3_000.0,
    dollar_of("USDT"): 1.0,
    dollar_of("USDC"): 1.0,
    index_of("USDC"): 1.0,
    mark_of(BTC.id): 60_000.0,
    mark_of(BTC_DOLLAR.id): 60_000.0,
    funding_of(BTC_DOLLAR.id): 0.0001,
    rate_of("BTC", EXPIRY): 0.05,
    rate_of("BTC", NOW + 120 * DAY_MS): 0.06,
    mark_of(ETH.id): 3_000.0,
    mark_of(BTC_INVERSE.id): 60_000.0,
    mark_of(BTC_DATED.id): 60_500.0,
    forward_of("BTC", EXPIRY): 60_500.0,
    forward_of("BTC", NOW + 120 * DAY_MS): 62_000.0,
    mark_of(CALL.id): 0.02,
    mark_of(PUT.id): 0.015,
    mark_of(LATE_CALL.id): 0.06,
    mark_of(DOLLAR_CALL.id): 1_300.0,
    mark_of(DOLLAR_PUT.id): 4_600.0,
    vol_of(DOLLAR_CALL.id): 0.55,
    vol_of(DOLLAR_PUT.id): 0.62,
    vol_of(CALL.id): 0.55,
    vol_of(PUT.id): 0.60,
    vol_of(LATE_CALL.id): 0.58,
}


def market(changes: Mapping[Key, float] | None = None) -> MarketValues:
    figures = {**PRICES, **(changes or {})}
    return MarketValues(NOW, {key: Seen(value, NOW) for key, value in figures.items()}, 60_000)


def held(instrument: Instrument, size: float, entry: float) -> Holding:
    return Holding(instrument, size, entry)


BRACKETS = PositionTiers(
    (
        PositionTier(Fraction(50_000), Fraction(4, 1000), Fraction(1, 125)),
        PositionTier(Fraction(1_000_000), Fraction(1, 100), Fraction(1, 50)),
        PositionTier(Fraction(10**9), Fraction(5, 100), Fraction(1, 10)),
    ),
    True,
    "worth",
    "2024-01-01",
    "brackets of a test",
)
COIN_BRACKETS = PositionTiers(
    (
        PositionTier(Fraction(5), Fraction(5, 1000), Fraction(1, 100)),
        PositionTier(Fraction(10**6), Fraction(2, 100), Fraction(1, 20)),
    ),
    True,
    "worth",
    "2024-01-01",
    "coin brackets of a test",
)
WHOLE = PositionTiers(
    (
        PositionTier(Fraction(10), Fraction(4, 1000), Fraction(1, 100)),
        PositionTier(Fraction(100), Fraction(1, 100), Fraction(1, 50)),
        PositionTier(Fraction(10**6), Fraction(5, 100), Fraction(1, 10)),
    ),
    False,
    "size",
    "2024-01-01",
    "whole tiers of a test",
)
LADDER = leverage_tiers([("0", 40), ("150000000", 20)], "2026-11", "test")
TIERED = CollateralTerms(
    tranches((("10", "0.98"), ("20", "0.95"), ("50", "0.8")), "2025-09-18", "tiers of a test"),
    debt_weight=Fraction(101, 100),
)
COLLATERAL = CollateralTable(
    {"USDT": flat("0.9999"), "USDC": flat("0.999"), "BTC": TIERED, "ETH": flat("0.9")},
    "2024-01-01",
    "table of a test",
)
LOANS = {
    asset: LoanRates(Fraction(1, 9), Fraction(1, 20), "2024-01-01", "loans of a test")
    for asset in ("USDT", "USDC", "BTC", "ETH")
}


def terms(tiers: PositionTiers = BRACKETS, loans: bool = True) -> CrossTerms:
    inverse = WHOLE if tiers is WHOLE else COIN_BRACKETS
    of = {BTC.id: tiers, ETH.id: tiers, BTC_DATED.id: tiers, BTC_INVERSE.id: inverse}
    if tiers is WHOLE:
        dollars = PositionTiers(
            tuple(
                PositionTier(Fraction(tier.up_to or 0) * 60_000, tier.maintenance, tier.initial)
                for tier in WHOLE.tiers
            ),
            False,
            "size",
            WHOLE.as_of,
            WHOLE.source,
        )
        of[BTC_INVERSE.id] = dollars
    positions = {
        name: PositionTerms(rows, Fraction(20), Fraction(55, 100_000)) for name, rows in of.items()
    }
    return CrossTerms(positions, COLLATERAL, LOANS if loans else None)


GIVEN = OkxGiven(
    vol_points=DayCurve((0.0, 30.0, 60.0), (0.30, 0.25, 0.20)),
    vol_relative=DayCurve((0.0, 30.0, 60.0), (0.50, 0.35, 0.25)),
    term_twists=(DayCurve((0.0, 60.0), (0.1, -0.1)), DayCurve((0.0, 60.0), (-0.1, 0.1))),
    rate_shifts=(DayCurve((0.0,), (0.05,)), DayCurve((0.0,), (-0.05,))),
    basis_floor=0.006,
    extreme_share=1.0,
    contract_charge=0.0045,
    option_charge=0.01,
    minimum_tiers=LARGE_MINIMUM_TIERS,
    depeg_tiers=tranches((("1000000", "0.0075"), ("5000000", "0.0175"), (None, "0.025"))),
)
SCAN = ScanRange(0.16, 0.15, "additive", 0.0, 2.0, 0.35, 100.0, "2024-01-01", "range of a test")
MOVES = tuple(
    MarketMove({"BTC": 0.01 * (n - 40), "ETH": 0.012 * (n - 39)}, {"BTC": 0.002 * (40 - n)})
    for n in range(80)
)
RESERVES = {
    "BTC": ReserveTerms(Fraction(73, 100), Fraction(78, 100), Fraction(5, 100), "2024", "test"),
    "ETH": ReserveTerms(Fraction(80, 100), Fraction(83, 100), Fraction(5, 100), "2024", "test"),
    "USDC": ReserveTerms(Fraction(75, 100), Fraction(78, 100), Fraction(45, 1000), "2024", "t"),
    "USDT": ReserveTerms(Fraction(0), Fraction(0), Fraction(0), "2024", "test"),
}


@dataclass(frozen=True)
class Sample:
    """A rule, the instruments that it may hold, and the assets that it takes as collateral;
    `unsure` is a confidence that it refuses, None where the venue asks for more margin instead."""

    rule: AccountRule
    instruments: tuple[Instrument, ...]
    assets: tuple[str, ...]
    isolated: bool = False
    borrows: tuple[str, ...] = ()
    unsure: float | None = 0.99
    sessions: bool = False


CONTRACTS = (BTC, ETH, BTC_INVERSE)
ASSETS = ("USDT", "USDC", "BTC", "ETH")
PLAIN = {name: PositionTerms(BRACKETS, Fraction(20)) for name in (BTC.id, ETH.id)}
CAPS = {"USDT": 1e9, "USDC": 1e9}
HALF = PortfolioCollateral(Fraction(1, 2), 1_000.0)
SAMPLES: dict[str, Sample] = {
    "hyperliquid_isolated": Sample(HyperliquidIsolated(LADDER, 20), (BTC,), ("USDT",), True),
    "hyperliquid_portfolio": Sample(
        HyperliquidPortfolio(PLAIN, {"BTC": HALF, "ETH": HALF}, CAPS),
        (BTC, ETH),
        ASSETS,
        borrows=("USDT", "USDC"),
    ),
    "binance_multi_assets": Sample(
        BinanceMultiAssets(terms(loans=False), {BTC.id: 0.0125, ETH.id: 0.0125}),
        CONTRACTS,
        ASSETS,
        borrows=("USDT", "USDC"),
    ),
    "binance_portfolio": Sample(BinancePortfolio(terms()), CONTRACTS, ASSETS, borrows=ASSETS),
    "bybit_cross": Sample(BybitCross(terms()), CONTRACTS, ASSETS, borrows=ASSETS),
    "bybit_isolated": Sample(BybitIsolated(COIN_BRACKETS, 10), (BTC_INVERSE,), ("BTC",), True),
    "okx_cross": Sample(OkxCross(terms(WHOLE)), CONTRACTS, ASSETS, borrows=ASSETS),
    "okx_isolated": Sample(OkxIsolated(WHOLE, 10, Fraction(5, 10_000)), (BTC,), ("USDT",), True),
    "okx_portfolio": Sample(
        OkxPortfolio(
            {"BTC": (announced("BTC"), GIVEN), "ETH": (announced("ETH"), GIVEN)}, COLLATERAL, LOANS
        ),
        (*CONTRACTS, BTC_DATED, *OPTIONS),
        ASSETS,
        borrows=ASSETS,
    ),
    "span_16": Sample(
        SpanAccount({"BTC": SCAN, "ETH": SCAN}, 1.1), (*CONTRACTS, BTC_DATED, *OPTIONS), ASSETS
    ),
    "expected_shortfall": Sample(
        ExpectedShortfall(MOVES, {"BTC": 20.0, "ETH": 40.0}, 10.0),
        (*CONTRACTS, BTC_DATED, *OPTIONS),
        ASSETS,
    ),
    "deribit_portfolio": Sample(
        DeribitPortfolio("BTC"),
        (BTC_INVERSE, *OPTIONS),
        ("BTC",),
        borrows=("BTC",),
        sessions=True,
    ),
    "deribit_portfolio_cross": Sample(
        DeribitPortfolio("USD", cross=True),
        (BTC_INVERSE, BTC_DOLLAR, *OPTIONS, *DOLLAR_OPTIONS),
        ("BTC", "USDC"),
        borrows=("USDC",),
        sessions=True,
    ),
    "derive_portfolio": Sample(
        DerivePortfolio("BTC", {"BTC": DeriveTerms(0.02, 0.01, True)}),
        (BTC_DOLLAR, *DOLLAR_OPTIONS),
        ("USDC", "BTC"),
        borrows=("USDC",),
        unsure=None,
    ),
    "derive_standard": Sample(
        DeriveStandard({"BTC": (0.7, 0.8), "ETH": (0.7, 0.8)}),
        (BTC_DOLLAR, ETH, *DOLLAR_OPTIONS),
        ("USDC", "BTC", "ETH"),
        borrows=("USDC",),
        unsure=None,
    ),
    "paradex_portfolio": Sample(
        ParadexPortfolio("BTC", 0.0003),
        (BTC_DOLLAR, *DOLLAR_OPTIONS),
        ("USDC",),
        borrows=("USDC",),
    ),
    "aave_v3": Sample(AaveAccount(RESERVES), (), ASSETS, borrows=ASSETS),
}


def ratios_between(end: float, count: int) -> list[float]:
    """Ratios from 1 to shortly before an end, even in the logarithm and on no step of the walk."""
    return [float(end ** ((place + 0.37) / count)) for place in range(count)]


def size_of(instrument: Instrument, coins: float) -> float:
    """A size worth about so many bitcoins, in the unit of `Holding.size`."""
    if instrument.inverse:
        return round(coins * 60_000)
    return round(coins * (20 if instrument.base == "ETH" else 1), 2)


@st.composite
def books(draw: st.DrawFn, sample: Sample, owing: bool = True) -> Holdings:
    coins = st.floats(-8, 8).filter(lambda x: abs(x) > 0.01)
    chosen = list(sample.instruments)
    if not sample.isolated and chosen:
        chosen = draw(st.lists(st.sampled_from(chosen), unique=True, max_size=4))
    positions = []
    for instrument in chosen:
        mark = PRICES[mark_of(instrument.id)]
        size = size_of(instrument, draw(coins))
        positions.append(Holding(instrument, size, mark * draw(st.floats(0.8, 1.2))))
    balances = {}
    for asset in sample.assets:
        scale = 20.0 if asset in ("BTC", "ETH") else 300_000.0
        least = -0.2 if owing and asset in sample.borrows else 0.0
        balances[asset] = scale * draw(st.floats(least, 1.0))
    return Holdings(tuple(positions), balances)
