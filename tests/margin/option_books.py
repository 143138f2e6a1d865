# SPDX-License-Identifier: Apache-2.0
"""Deribit accounts with options for tests, settled in coin and in dollars."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Index, Instrument, Option, Perpetual
from tidegate.model.units import unit_quanta

COIN, DOLLAR = 10**8, 10**6
EXPIRY = 1_735_286_400_000
FEE_PPM, OPTION_FEE_PPM = 7_500, 2_000

# doc.tslab.pro, copy of the official page, undated; liquidation fee of the page before 2022.
RATES = OptionRates(
    Fraction("0.15"), Fraction("0.10"), Fraction("0.075"), OPTION_FEE_PPM, "2022-01-01", "test"
)
INDEX = Index("deribit", "btc_usd", Decimal("0.01"))
FORWARD = Index("deribit", "btc_forward", Decimal("0.5"))


def option(
    settle: str, kind: str, strike: str, tick: str, lot: str, index: Index = INDEX
) -> Option:
    name = f"{settle}-{strike}-{kind}"
    terms = ("deribit", name, "BTC", settle, Decimal(tick), Decimal(lot))
    call = kind == "C"
    return Option(*terms, strike=Decimal(strike), is_call=call, expiry_ms=EXPIRY, index=index)


COIN_OPTIONS = tuple(
    option("BTC", kind, strike, "0.0001", "0.1")
    for strike in ("50000", "61234.5")
    for kind in ("C", "P")
)
DOLLAR_OPTIONS = tuple(
    option("USDC", kind, strike, "5", "0.01")
    for strike in ("50000", "61234.5")
    for kind in ("C", "P")
)
COIN_PERP = Perpetual(
    *("deribit", "BTC-PERPETUAL", "BTC", "BTC", Decimal("0.5"), Decimal(1)),
    inverse_face_usd=Decimal(10),
)
DOLLAR_PERP = Perpetual(
    "deribit", "BTC_USDC-PERPETUAL", "BTC", "USDC", Decimal("0.5"), Decimal("0.001")
)


def contracts(*held: Instrument, collateral: str) -> DeribitStandard:
    slope = Fraction("0.00005")
    rates = SizeMargin(
        SizedRate(Fraction("0.02"), slope), SizedRate(Fraction("0.01"), slope), "2022-01-11", "test"
    )
    named = {instrument.id: instrument for instrument in held}
    return DeribitStandard(
        collateral, named, dict.fromkeys(named, rates), dict.fromkeys(named, FEE_PPM)
    )


def rule(
    *options: Option, collateral: str, perp: Instrument | None = None, underlying: Index = FORWARD
) -> DeribitOptions:
    plain = contracts(*([perp] if perp else []), collateral=collateral)
    named = {one.id: one for one in options}
    return DeribitOptions(plain, named, dict.fromkeys(named, underlying), {"BTC": RATES})


COIN_RULE = rule(*COIN_OPTIONS, collateral="BTC", perp=COIN_PERP)
DOLLAR_RULE = rule(*DOLLAR_OPTIONS, collateral="USDC", perp=DOLLAR_PERP)
RULES = (COIN_RULE, DOLLAR_RULE)


def bought(instrument: Instrument, lots: int, ticks: int) -> Position:
    return Position(lots, instrument.entry_cost(lots, ticks))


def account(held: DeribitOptions, wallet: int, positions: dict[str, Position]) -> Account:
    return Account("deribit", {held.collateral: wallet}, positions)


@st.composite
def marks(draw: st.DrawFn, held: DeribitOptions) -> dict[str, int]:
    """Marks of everything that the account could hold, worthless options among them."""
    found = {name: draw(st.integers(0, 6_000)) for name in held.options}
    found |= {name: draw(st.integers(20_000, 400_000)) for name in held.contracts.instruments}
    return found | {FORWARD.id: draw(st.integers(1_000, 400_000)), INDEX.id: 5_000_000}


@st.composite
def books(
    draw: st.DrawFn, least_lots: int = -500
) -> tuple[DeribitOptions, Account, dict[str, int]]:
    """A rule, an account under it with some options and perhaps a perpetual, and marks."""
    held = draw(st.sampled_from(RULES))
    positions = {}
    named = {**held.options, **held.contracts.instruments}
    for name in draw(st.lists(st.sampled_from(sorted(named)), max_size=4, unique=True)):
        lots = draw(st.integers(least_lots, 500).filter(bool))
        entry = draw(st.integers(0, 6_000)) if name in held.options else 120_000
        positions[name] = bought(named[name], lots, entry)
    unit = unit_quanta(held.collateral)
    wallet = draw(st.integers(-5 * unit, 300_000 * unit if unit == DOLLAR else 60 * unit))
    return held, account(held, wallet, positions), draw(marks(held))
