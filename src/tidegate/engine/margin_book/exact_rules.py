# SPDX-License-Identifier: Apache-2.0
"""The rules of integers, made from what a file says of one account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil

import msgspec

from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount
from tidegate.engine.margin_book.fields import SaidContract, SaidRate, Strict
from tidegate.engine.margin_book.instruments import FINE, lot_size
from tidegate.engine.margin_book.said_account import SaidAccount
from tidegate.engine.margin_book.tier_rows import exact_table
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.margin.dydx import DydxCross, LiquidityTier
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.statement import AccountRule
from tidegate.margin.tiers import TierTable
from tidegate.model.instruments import (
    Future,
    Index,
    Instrument,
    InstrumentId,
    Option,
    Perpetual,
    Spot,
)
from tidegate.model.times import format_date
from tidegate.model.units import MICRO, ceil_div, cost_to_quanta, rate_to_ppm, unit_quanta

WHOLE_COIN = Decimal(1)
CONTRACTS = (Perpetual, Future)
# Of an instrument without a leverage of its own; the makers give every one its own.
NO_CHOICE = 1


class SaidOptionRates(Strict, frozen=True):
    """Shares of the underlying that short options of one coin need, and the fee of closing."""

    initial: Decimal
    initial_floor: Decimal
    maintenance: Decimal
    clearance_fee: Decimal = Decimal(0)


class StandardParameters(Strict, frozen=True):
    """Of `deribit_standard`: rates of options by coin."""

    option_rates: dict[str, SaidOptionRates] = msgspec.field(default_factory=dict)


def hyperliquid_cross(account: SaidAccount) -> AccountRule:
    """Cross margin of linear perpetuals by tiers."""
    tables, instruments = _tiered(account)
    chosen = _leverages(account, instruments)
    terms = (account.collateral(), instruments, tables, NO_CHOICE)
    rule = HyperliquidCross(*terms, leverages=chosen)
    return ExactAccount(
        "hyperliquid_cross", rule, instruments, confidence(account), with_orders=True
    )


def binance_usdm(account: SaidAccount) -> AccountRule:
    """Single-asset cross margin by brackets."""
    tables, instruments = _tiered(account)
    fees = {}
    for place, one, instrument in account.margined():
        account.share(one.clearance_fee, f"{place}.clearance_fee")
        if one.clearance_fee is not None:
            fees[instrument.id] = rate_to_ppm(one.clearance_fee)
    chosen = _leverages(account, instruments)
    terms = (account.collateral(), instruments, tables, NO_CHOICE)
    rule = BinanceUsdm(*terms, fees, leverages=chosen)
    return ExactAccount("binance_usdm", rule, instruments, confidence(account), with_orders=True)


def deribit_standard(account: SaidAccount) -> AccountRule:
    """Standard margin of one settlement asset: contracts, and options where the book has some."""
    given = account.parameters("deribit_standard", StandardParameters)
    contracts, options = _deribit_margins(account), _deribit_options(account, given)
    fees = {}
    for place, one, instrument in account.margined():
        account.share(one.clearance_fee, f"{place}.clearance_fee")
        fees[instrument.id] = rate_to_ppm(one.clearance_fee or Decimal(0))
    instruments = {name: _by_id(account)[name] for name in contracts if name in _by_id(account)}
    chosen = {name: fees[name] for name in instruments}
    plain = DeribitStandard(account.collateral(), instruments, contracts, chosen)
    if not options:
        return ExactAccount(
            "deribit_standard", plain, instruments, confidence(account), session=True
        )
    indices = {name: _underlying(option) for name, option in options.items()}
    rates = {coin: _option_rates(account, coin, said) for coin, said in given.option_rates.items()}
    rule = DeribitOptions(plain, options, indices, rates)
    every = {**instruments, **options}
    return ExactAccount("deribit_standard", rule, every, confidence(account), indices, session=True)


def dydx_cross(account: SaidAccount) -> AccountRule:
    """Cross margin of USDC perpetuals, open interest scaling the initial fraction; the rule takes
    the leverage of each market as the fraction chosen for it."""
    tiers, interest, chosen = {}, {}, {}
    note_other_assets(account, account.collateral())
    for place, one, instrument in account.margined("liquidity_tier"):
        if not _suits(account, place, one, Perpetual):
            continue
        tiers[instrument.id] = _liquidity_tier(account, one)
        account.share(one.chosen_initial, f"{place}.chosen_initial")
        if one.open_interest is not None:
            if one.open_interest < 0:
                raise account.reader.refuse(f"{place}.open_interest", "expected at least 0")
            interest[instrument.id] = ceil(Fraction(one.open_interest) / lot_size(one))
        # A leverage is a least initial fraction, and so is what was chosen for the market.
        by_leverage = ceil_div(MICRO, account.whole_leverage(place, one))
        chosen[instrument.id] = max(by_leverage, rate_to_ppm(one.chosen_initial or Decimal(0)))
    instruments = {name: _by_id(account)[name] for name in tiers}
    rule = DydxCross(account.collateral(), instruments, tiers, interest, MICRO, chosen)
    return ExactAccount("dydx_cross", rule, instruments, confidence(account))


def spot(account: SaidAccount) -> AccountRule:
    """A wallet: every asset but the one that it is counted in is a coin."""
    collateral, venue = account.collateral(), account.said.venue
    for asset, amount in account.said.balances.items():
        if amount < 0:
            expected = f"expected at least 0 without borrowing, got {amount}"
            raise account.reader.refuse(f"balances.{asset}", expected)
    coins: dict[str, Instrument] = {
        asset: Spot(venue, asset, asset, collateral, FINE, WHOLE_COIN)
        for asset in account.said.balances
        if asset != collateral
    }
    return WalletAccount("spot", SpotWallet(collateral, coins), coins, confidence(account))


MAKERS: dict[str, tuple[type[Strict], Callable[[SaidAccount], AccountRule]]] = {
    "hyperliquid_cross": (Strict, hyperliquid_cross),
    "binance_usdm": (Strict, binance_usdm),
    "deribit_standard": (StandardParameters, deribit_standard),
    "dydx_cross": (Strict, dydx_cross),
    "spot": (Strict, spot),
}


def confidence(account: SaidAccount) -> float:
    """The least confidence that a figure may have."""
    return float(account.said.least_confidence)


def _by_id(account: SaidAccount) -> dict[InstrumentId, Instrument]:
    return {each.id: each for each in account.instruments.values()}


def _leverages(
    account: SaidAccount, instruments: Mapping[InstrumentId, Instrument]
) -> dict[InstrumentId, int]:
    """The whole leverage of each instrument, by position or else the account's."""
    return {
        account.id_of(one): account.whole_leverage(place, one)
        for place, one in account.contracts.items()
        if account.id_of(one) in instruments
    }


def _suits(
    account: SaidAccount, place: str, one: SaidContract, kind: type | tuple[type, ...]
) -> bool:
    """Whether the account margins such an instrument in its collateral; one that is used and does
    not suit raises `InputError`."""
    collateral = account.collateral()
    if isinstance(account.instruments[one.symbol], kind) and one.settle == collateral:
        return True
    if account.used(one):
        expected = f"expected another kind, or another settle than {one.settle}, under this rule"
        raise account.reader.refuse(f"{place}.kind", expected)
    return False


def _tiered(
    account: SaidAccount,
) -> tuple[dict[InstrumentId, TierTable], dict[InstrumentId, Instrument]]:
    """Tables and instruments of linear contracts; other assets than the collateral are named."""
    collateral = account.collateral()
    if unit_quanta(collateral) != MICRO:
        raise account.reader.refuse("collateral", "expected USD, USDT or USDC")
    tables, instruments = {}, {}
    for place, one, instrument in account.margined("tiers"):
        if _suits(account, place, one, Perpetual) and one.tiers is not None:
            tables[instrument.id] = exact_table(account, one.tiers, collateral, f"{place}.tiers")
            instruments[instrument.id] = instrument
    note_other_assets(account, collateral)
    return tables, instruments


def note_other_assets(account: SaidAccount, collateral: str) -> None:
    """What is owned and the rule does not count is named, as `observe` names it; what is owed and
    not counted raises `InputError`, as the account would look healthier than it is."""
    said = {"balances": account.said.balances, "realised": account.said.realised or {}}
    for field, amounts in said.items():
        for asset, amount in amounts.items():
            if asset == collateral or not amount:
                continue
            if amount < 0:
                expected = f"expected at least 0: this rule counts {collateral} alone, got {amount}"
                raise account.reader.refuse(f"{field}.{asset}", expected)
            what = "not collateral under this rule, and counted nowhere"
            account.reader.missing(f"{field}.{asset}", what)


def _deribit_margins(account: SaidAccount) -> dict[InstrumentId, SizeMargin]:
    margins = {}
    note_other_assets(account, account.collateral())
    for place, one in account.contracts.items():
        instrument = account.instruments[one.symbol]
        if isinstance(instrument, Option) or not _suits(account, place, one, CONTRACTS):
            continue
        if one.initial_rate is None or one.maintenance_rate is None:
            if account.used(one):
                which = "initial_rate" if one.initial_rate is None else "maintenance_rate"
                raise account.reader.refuse(f"{place}.{which}", "expected it under this rule")
            continue
        margins[instrument.id] = SizeMargin(
            _sized(one.initial_rate),
            _sized(one.maintenance_rate),
            account.said.as_of,
            f"{account.source} {place}",
        )
    return margins


def _sized(said: SaidRate) -> SizedRate:
    return SizedRate(Fraction(said.at_zero), Fraction(said.per_coin))


def _deribit_options(account: SaidAccount, given: StandardParameters) -> dict[InstrumentId, Option]:
    options = {}
    for place, one in account.contracts.items():
        instrument = account.instruments[one.symbol]
        if not isinstance(instrument, Option) or not _suits(account, place, one, Option):
            continue
        if one.base in given.option_rates:
            options[instrument.id] = instrument
        elif account.used(one):
            field = f"parameters.deribit_standard.option_rates.{one.base}"
            raise account.reader.refuse(field, f"expected the rates of options as {place} is one")
    return options


def _underlying(option: Option) -> Index:
    """The forward at the option's expiry."""
    return Index(option.venue, f"{option.base} {format_date(option.expiry_ms)}", FINE)


def _option_rates(account: SaidAccount, coin: str, said: SaidOptionRates) -> OptionRates:
    field = f"parameters.deribit_standard.option_rates.{coin}"
    account.share(said.clearance_fee, f"{field}.clearance_fee")
    return OptionRates(
        Fraction(said.initial),
        Fraction(said.initial_floor),
        Fraction(said.maintenance),
        rate_to_ppm(said.clearance_fee),
        account.said.as_of,
        f"{account.source} {field}",
    )


def _liquidity_tier(account: SaidAccount, one: SaidContract) -> LiquidityTier:
    said = one.liquidity_tier
    assert said is not None
    return LiquidityTier(
        rate_to_ppm(said.initial),
        rate_to_ppm(said.maintenance_fraction),
        cost_to_quanta(said.open_notional_lower, "USDC"),
        cost_to_quanta(said.open_notional_upper, "USDC"),
        account.said.as_of,
        f"{account.source} {one.symbol}",
    )
