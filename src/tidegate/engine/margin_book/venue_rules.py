# SPDX-License-Identifier: Apache-2.0
"""Whole-account rules of venues that margin by tiers, made from what a file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from tidegate.engine.margin_book.exact_rules import confidence
from tidegate.engine.margin_book.fields import SaidContract, Strict
from tidegate.engine.margin_book.said_account import SaidAccount, whole
from tidegate.engine.margin_book.tier_rows import position_tiers
from tidegate.margin.aave import AaveAccount, EfficiencyMode, ReserveTerms
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.binance_portfolio import BinancePortfolio
from tidegate.margin.bybit import BybitCross, BybitIsolated
from tidegate.margin.collateral import CollateralTable, CollateralTerms
from tidegate.margin.hyperliquid_isolated import HyperliquidIsolated
from tidegate.margin.hyperliquid_portfolio import HyperliquidPortfolio, PortfolioCollateral
from tidegate.margin.okx_tiered import OkxCross, OkxIsolated
from tidegate.margin.position_tiers import PositionTiers
from tidegate.margin.statement import AccountRule
from tidegate.margin.tiered_account import CrossTerms, LoanRates, PositionTerms
from tidegate.margin.tranches import Tranche, Tranches
from tidegate.model.instruments import InstrumentId

By = Literal["worth", "size"]
Rows = list[tuple[Decimal | None, Decimal]]


class SaidCollateral(Strict, frozen=True):
    """What an asset counts for: (cap or null, rate) by tranche, in coins or USD, and the weight of
    a debt in it."""

    tranches: Rows
    unit: Literal["coins", "usd"] = "coins"
    debt_weight: Decimal = Decimal(1)


class SaidLoan(Strict, frozen=True):
    """Shares of what is owed that a loan requires."""

    initial: Decimal
    maintenance: Decimal


class CrossParameters(Strict, frozen=True):
    """Of cross accounts: what assets count for (a number is one rate on any balance), loans."""

    collateral: dict[str, Decimal | SaidCollateral]
    loans: dict[str, SaidLoan] | None = None


class IsolatedParameters(Strict, frozen=True):
    """Of Hyperliquid's isolated positions."""

    strict: bool = False


class SaidPortfolioCoin(Strict, frozen=True):
    """A coin as Hyperliquid's collateral."""

    loan_to_value: Decimal
    supply_cap_coins: Decimal


class HyperliquidParameters(Strict, frozen=True):
    """Of Hyperliquid's portfolio margin."""

    collateral: dict[str, SaidPortfolioCoin]
    borrow_cap_usd: dict[str, Decimal]
    borrow_offset_usd: Decimal = Decimal(20)
    ratio_max: Decimal = Decimal("0.95")


class SaidReserve(Strict, frozen=True):
    """LTV, threshold and bonus of an asset."""

    loan_to_value: Decimal
    threshold: Decimal
    bonus: Decimal


class SaidEfficiencyMode(Strict, frozen=True):
    """An e-mode: its assets and their terms."""

    assets: list[str]
    terms: SaidReserve


class AaveParameters(Strict, frozen=True):
    """Of Aave: reserves by asset, the e-mode entered, balances that are no collateral."""

    reserves: dict[str, SaidReserve]
    efficiency_mode: SaidEfficiencyMode | None = None
    not_collateral: list[str] = msgspec.field(default_factory=list)


def hyperliquid_isolated(account: SaidAccount) -> AccountRule:
    """One isolated position in USDC."""
    tiers, leverage, _ = _only_position(account, "worth")
    given = account.parameters("hyperliquid_isolated", IsolatedParameters)
    return HyperliquidIsolated(tiers, leverage, given.strict, confidence(account))


def hyperliquid_portfolio(account: SaidAccount) -> AccountRule:
    """Spot and cross perpetuals as one."""
    given = account.parameters("hyperliquid_portfolio", HyperliquidParameters)
    collateral = {
        coin: PortfolioCollateral(Fraction(said.loan_to_value), float(said.supply_cap_coins))
        for coin, said in given.collateral.items()
    }
    caps = {asset: float(cap) for asset, cap in given.borrow_cap_usd.items()}
    limits = (float(given.borrow_offset_usd), float(given.ratio_max))
    terms = _positions(account, "worth")
    return HyperliquidPortfolio(terms, collateral, caps, *limits, confidence(account))


def binance_multi_assets(account: SaidAccount) -> AccountRule:
    """All assets of the futures wallet carry all positions."""
    fees = {
        account.id_of(one): float(account.share(one.clearance_fee, f"{place}.clearance_fee"))
        for place, one, _ in account.margined("clearance_fee")
    }
    terms = _cross_terms(account, "binance_multi_assets", "worth")
    return BinanceMultiAssets(terms, fees, confidence(account))


def binance_portfolio(account: SaidAccount) -> AccountRule:
    """One ratio over futures of both kinds and margin loans."""
    terms = _cross_terms(account, "binance_portfolio", "worth")
    return BinancePortfolio(terms, confidence(account))


def bybit_cross(account: SaidAccount) -> AccountRule:
    """The unified account, cross."""
    return BybitCross(_cross_terms(account, "bybit_cross", "worth"), confidence(account))


def bybit_isolated(account: SaidAccount) -> AccountRule:
    """One isolated position."""
    tiers, leverage, _ = _only_position(account, "worth")
    return BybitIsolated(tiers, leverage, confidence(account))


def okx_cross(account: SaidAccount) -> AccountRule:
    """Multi-currency margin; what is owed without rates of loans is refused, not free."""
    terms = _cross_terms(account, "okx_cross", "size")
    return OkxCross(replace(terms, loans=terms.loans or {}), confidence(account))


def okx_isolated(account: SaidAccount) -> AccountRule:
    """One isolated position, its tiers by size."""
    tiers, leverage, fee = _only_position(account, "size")
    return OkxIsolated(tiers, leverage, fee, confidence(account))


def aave_v3(account: SaidAccount) -> AccountRule:
    """Collateral and debts of one account."""
    given = account.parameters("aave_v3", AaveParameters)
    reserves = {asset: _reserve(account, said) for asset, said in given.reserves.items()}
    mode = given.efficiency_mode
    entered = None
    if mode is not None:
        entered = EfficiencyMode(frozenset(mode.assets), _reserve(account, mode.terms))
    kept = frozenset(given.not_collateral)
    return AaveAccount(reserves, entered, kept, confidence(account))


MAKERS: dict[str, tuple[type[Strict], Callable[[SaidAccount], AccountRule]]] = {
    "hyperliquid_isolated": (IsolatedParameters, hyperliquid_isolated),
    "hyperliquid_portfolio": (HyperliquidParameters, hyperliquid_portfolio),
    "binance_multi_assets": (CrossParameters, binance_multi_assets),
    "binance_portfolio": (CrossParameters, binance_portfolio),
    "bybit_cross": (CrossParameters, bybit_cross),
    "bybit_isolated": (Strict, bybit_isolated),
    "okx_cross": (CrossParameters, okx_cross),
    "okx_isolated": (Strict, okx_isolated),
    "aave_v3": (AaveParameters, aave_v3),
}


def collateral_table(
    account: SaidAccount, said: Mapping[str, Decimal | SaidCollateral]
) -> CollateralTable:
    """What each asset counts for."""
    terms = {asset: _collateral(account, one) for asset, one in said.items()}
    return CollateralTable(terms, account.said.as_of, account.source)


def _collateral(account: SaidAccount, said: Decimal | SaidCollateral) -> CollateralTerms:
    one = said if isinstance(said, SaidCollateral) else SaidCollateral([(None, said)])
    tranches = tranches_of(account, one.tranches)
    return CollateralTerms(tranches, one.unit, Fraction(one.debt_weight))


def tranches_of(account: SaidAccount, rows: Rows) -> Tranches:
    """Tranches of (cap or null, rate)."""
    made = (Tranche(None if cap is None else Fraction(cap), Fraction(rate)) for cap, rate in rows)
    return Tranches(tuple(made), account.said.as_of, account.source)


def loan_rates(account: SaidAccount, said: Mapping[str, SaidLoan]) -> dict[str, LoanRates]:
    """Margin of what is borrowed, by asset."""
    return {
        asset: LoanRates(
            Fraction(one.initial), Fraction(one.maintenance), account.said.as_of, account.source
        )
        for asset, one in said.items()
    }


def _reserve(account: SaidAccount, said: SaidReserve) -> ReserveTerms:
    shares = (Fraction(said.loan_to_value), Fraction(said.threshold), Fraction(said.bonus))
    return ReserveTerms(*shares, account.said.as_of, account.source)


def _cross_terms(account: SaidAccount, rule: str, by: By) -> CrossTerms:
    given = account.parameters(rule, CrossParameters)
    loans = None if given.loans is None else loan_rates(account, given.loans)
    return CrossTerms(_positions(account, by), collateral_table(account, given.collateral), loans)


def _positions(account: SaidAccount, by: By) -> dict[InstrumentId, PositionTerms]:
    return {
        account.id_of(one): PositionTerms(
            _tiers(account, place, one, by),
            Fraction(account.leverage(place, one)),
            account.share(one.fee_to_close, f"{place}.fee_to_close"),
        )
        for place, one, _ in account.margined("tiers")
    }


def _tiers(account: SaidAccount, place: str, one: SaidContract, by: By) -> PositionTiers:
    return position_tiers(account, one.tiers or [], by, f"{place}.tiers")


def _only_position(account: SaidAccount, by: By) -> tuple[PositionTiers, int, Fraction]:
    """Tiers, leverage and fee of the one position that an isolated account is."""
    held = [(place, one) for place, one in account.contracts.items() if one.size]
    if len(held) != 1:
        expected = f"expected the one isolated position, got {len(held)}"
        raise account.reader.refuse("positions", expected)
    place, one = held[0]
    if one.tiers is None:
        raise account.reader.refuse(f"{place}.tiers", "expected the margin tiers of the market")
    leverage = whole(account.reader, account.leverage(place, one), f"{place}.leverage")
    fee = account.share(one.fee_to_close, f"{place}.fee_to_close")
    return _tiers(account, place, one, by), leverage, fee
