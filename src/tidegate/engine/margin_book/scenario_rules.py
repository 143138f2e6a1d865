# SPDX-License-Identifier: Apache-2.0
"""Rules that revalue a book under scenarios, made from what a file says of one account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_type_hints

import msgspec

from tidegate.engine.margin_book.exact_rules import confidence
from tidegate.engine.margin_book.fields import Strict
from tidegate.engine.margin_book.said_account import SaidAccount
from tidegate.engine.margin_book.venue_rules import (
    Rows,
    SaidCollateral,
    SaidLoan,
    collateral_table,
    loan_rates,
    tranches_of,
)
from tidegate.margin.deribit_parameters import (
    TERMS_2026,
    CurrencyTerms,
    PairTerms,
    PortfolioTerms,
)
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_parameters import MAINNET_FACTORS_2026, CollateralTerms
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.expected_shortfall import (
    FRTB_HORIZONS_DAYS,
    FRTB_LEVEL,
    ExpectedShortfall,
    MarketMove,
)
from tidegate.margin.okx_portfolio import INITIAL_FACTOR, OkxPortfolio
from tidegate.margin.okx_scenarios import DayCurve, OkxGiven, OkxMoves, announced
from tidegate.margin.paradex_portfolio import ParadexPortfolio
from tidegate.margin.span import ScanRange, SpanAccount
from tidegate.margin.statement import AccountRule

SCENARIOS_MAX = 100_000


def _mirror(kind: type[Any], *left_out: str) -> type[Strict]:
    """The fields of a value of parameters as a file says them: its floats as exact numbers."""
    hints = get_type_hints(kind)
    said: list[Any] = []
    for each in fields(kind):
        if each.name in left_out:
            continue
        hint = Decimal if hints[each.name] is float else hints[each.name]
        default = each.default
        if default is MISSING:
            said.append((each.name, hint))
        else:
            said.append((each.name, hint, Decimal(str(default)) if hint is Decimal else default))
    made = msgspec.defstruct(f"Said{kind.__name__}", said, bases=(Strict,), frozen=True)
    assert issubclass(made, Strict)
    return made


def _plain(said: msgspec.Struct) -> dict[str, Any]:
    values = {name: getattr(said, name) for name in said.__struct_fields__}
    return {n: float(v) if isinstance(v, Decimal) else v for n, v in values.items()}


SaidCurrency = _mirror(CurrencyTerms)
SaidPair = _mirror(PairTerms)
SaidRange = _mirror(ScanRange, "as_of", "source")


class SaidTerms(Strict, frozen=True):
    """Deribit's `model_params`, whole, in its own names."""

    currencies: dict[str, SaidCurrency]  # type: ignore[valid-type]
    pairs: dict[str, SaidPair]  # type: ignore[valid-type]
    mm_factor: Decimal
    buckets: int


class DeribitParameters(Strict, frozen=True):
    """Of Deribit's portfolio margin: the model, else the dated one; what protection reserves."""

    model_params: SaidTerms | None = None
    protection: Decimal = Decimal(0)


class SaidHaircut(Strict, frozen=True):
    """Derive's haircuts on an asset."""

    maintenance_haircut: Decimal
    initial_haircut: Decimal
    risk_cancelling: bool = False


class DeriveParameters(Strict, frozen=True):
    """Of Derive's PM2: the account's coin, and what else is collateral."""

    coin: str
    collateral: dict[str, SaidHaircut] = msgspec.field(default_factory=dict)


class DeriveStandardParameters(Strict, frozen=True):
    """Of Derive's standard manager: (counted, of that initially) by coin, else the dated ones."""

    factors: dict[str, tuple[Decimal, Decimal]] | None = None


class ParadexParameters(Strict, frozen=True):
    """Of Paradex: the account's coin and the share of worth that fees take."""

    coin: str
    fee_rate: Decimal


class SpanParameters(Strict, frozen=True):
    """Of SPAN: ranges by coin."""

    ranges: dict[str, SaidRange]  # type: ignore[valid-type]
    initial_factor: Decimal = Decimal(1)


class SaidMove(Strict, frozen=True):
    """One scenario, by coin."""

    prices: dict[str, Decimal] = msgspec.field(default_factory=dict)
    vol_points: dict[str, Decimal] = msgspec.field(default_factory=dict)


class ShortfallParameters(Strict, frozen=True):
    """Of expected shortfall."""

    scenarios: list[SaidMove]
    horizon_days: dict[str, Decimal]
    base_days: Decimal
    ladder_days: list[Decimal] | None = None
    level: Decimal | None = None
    initial_factor: Decimal = Decimal(1)


Curve = list[tuple[Decimal, Decimal]]


class SaidMoves(Strict, frozen=True):
    """OKX's announced sizes of a coin, where the file states its own."""

    price_moves: list[Decimal]
    extreme_move: Decimal
    basis_annual: Decimal


class SaidUnit(Strict, frozen=True):
    """A risk unit of OKX: curves are (days, shift)."""

    vol_points: Curve
    vol_relative: Curve
    term_twists: list[Curve]
    rate_shifts: list[Curve]
    basis_floor: Decimal
    extreme_share: Decimal
    contract_charge: Decimal
    option_charge: Decimal
    minimum_tiers: Rows
    depeg_tiers: Rows
    moves: SaidMoves | None = None


class OkxParameters(Strict, frozen=True):
    """Of OKX's portfolio margin."""

    units: dict[str, SaidUnit]
    collateral: dict[str, Decimal | SaidCollateral]
    loans: dict[str, SaidLoan] = msgspec.field(default_factory=dict)
    initial_factor: Decimal = Decimal(str(INITIAL_FACTOR))


def deribit_portfolio(account: SaidAccount) -> AccountRule:
    """Portfolio margin of one settlement currency."""
    return _deribit(account, "deribit_portfolio", account.collateral())


def deribit_portfolio_cross(account: SaidAccount) -> AccountRule:
    """Portfolio margin across currencies, in USD."""
    return _deribit(account, "deribit_portfolio_cross", None)


def _deribit(account: SaidAccount, rule: str, currency: str | None) -> AccountRule:
    given = account.parameters(rule, DeribitParameters)
    terms = TERMS_2026 if given.model_params is None else _terms(account, given.model_params)
    protection = float(given.protection)
    return DeribitPortfolio(currency or "USD", terms, protection, cross=currency is None)


def _terms(account: SaidAccount, said: SaidTerms) -> PortfolioTerms:
    return PortfolioTerms(
        {name: CurrencyTerms(**_plain(one)) for name, one in said.currencies.items()},
        {name: PairTerms(**_plain(one)) for name, one in said.pairs.items()},
        float(said.mm_factor),
        _within(account, said.buckets, "model_params.buckets"),
        account.said.as_of,
        account.source,
    )


def _within(account: SaidAccount, buckets: int, field: str) -> int:
    if not 1 <= buckets <= 100:
        raise account.reader.refuse(field, f"expected 1 to 100, got {buckets}")
    return buckets


def derive_portfolio(account: SaidAccount) -> AccountRule:
    """PM2 of one coin."""
    given = account.parameters("derive_portfolio", DeriveParameters)
    terms = {asset: CollateralTerms(**_plain(one)) for asset, one in given.collateral.items()}
    return DerivePortfolio(given.coin, terms, cash=account.collateral())


def derive_standard(account: SaidAccount) -> AccountRule:
    """The standard manager."""
    given = account.parameters("derive_standard", DeriveStandardParameters).factors
    if given is None:
        return DeriveStandard(MAINNET_FACTORS_2026, cash=account.collateral())
    factors = {coin: (float(a), float(b)) for coin, (a, b) in given.items()}
    return DeriveStandard(factors, cash=account.collateral())


def paradex_portfolio(account: SaidAccount) -> AccountRule:
    """Portfolio margin of one coin."""
    given = account.parameters("paradex_portfolio", ParadexParameters)
    return ParadexPortfolio(given.coin, float(given.fee_rate), cash=account.collateral())


def span_16(account: SaidAccount) -> AccountRule:
    """Sixteen scenarios a coin."""
    given = account.parameters("span_16", SpanParameters)
    dated: dict[str, Any] = {"as_of": account.said.as_of, "source": account.source}
    ranges = {coin: ScanRange(**_plain(one), **dated) for coin, one in given.ranges.items()}
    return SpanAccount(ranges, float(given.initial_factor), confidence(account))


def expected_shortfall(account: SaidAccount) -> AccountRule:
    """Given scenarios with liquidity horizons."""
    given = account.parameters("expected_shortfall", ShortfallParameters)
    moves = tuple(
        MarketMove(_floats(one.prices), _floats(one.vol_points)) for one in given.scenarios
    )
    if not 0 < len(moves) <= SCENARIOS_MAX:
        field = "parameters.expected_shortfall.scenarios"
        raise account.reader.refuse(field, f"expected 1 to {SCENARIOS_MAX} scenarios")
    ladder: tuple[float, ...] = FRTB_HORIZONS_DAYS
    if given.ladder_days is not None:
        ladder = tuple(float(days) for days in given.ladder_days)
    return ExpectedShortfall(
        moves,
        _floats(given.horizon_days),
        float(given.base_days),
        ladder,
        FRTB_LEVEL if given.level is None else Fraction(given.level),
        float(given.initial_factor),
        confidence(account),
    )


def okx_portfolio(account: SaidAccount) -> AccountRule:
    """Risk units stressed nine ways."""
    given = account.parameters("okx_portfolio", OkxParameters)
    units = {
        coin: (_moves(account, coin, one.moves), _given(account, one))
        for coin, one in given.units.items()
    }
    return OkxPortfolio(
        units,
        collateral_table(account, given.collateral),
        loan_rates(account, given.loans),
        float(given.initial_factor),
        confidence(account),
    )


def _moves(account: SaidAccount, coin: str, said: SaidMoves | None) -> OkxMoves:
    if said is None:
        return announced(coin)
    moves = tuple(float(move) for move in said.price_moves)
    sizes = (float(said.extreme_move), float(said.basis_annual))
    return OkxMoves(moves, *sizes, account.said.as_of, account.source)


def _given(account: SaidAccount, said: SaidUnit) -> OkxGiven:
    return OkxGiven(
        vol_points=_curve(said.vol_points),
        vol_relative=_curve(said.vol_relative),
        term_twists=tuple(map(_curve, said.term_twists)),
        rate_shifts=tuple(map(_curve, said.rate_shifts)),
        basis_floor=float(said.basis_floor),
        extreme_share=float(said.extreme_share),
        contract_charge=float(said.contract_charge),
        option_charge=float(said.option_charge),
        minimum_tiers=tranches_of(account, said.minimum_tiers),
        depeg_tiers=tranches_of(account, said.depeg_tiers),
    )


def _curve(points: Curve) -> DayCurve:
    days, shifts = zip(*points, strict=True) if points else ((), ())
    return DayCurve(tuple(map(float, days)), tuple(map(float, shifts)))


def _floats(amounts: Mapping[str, Decimal]) -> dict[str, float]:
    return {name: float(amount) for name, amount in amounts.items()}


MAKERS: dict[str, tuple[type[Strict], Callable[[SaidAccount], AccountRule]]] = {
    "deribit_portfolio": (DeribitParameters, deribit_portfolio),
    "deribit_portfolio_cross": (DeribitParameters, deribit_portfolio_cross),
    "derive_portfolio": (DeriveParameters, derive_portfolio),
    "derive_standard": (DeriveStandardParameters, derive_standard),
    "paradex_portfolio": (ParadexParameters, paradex_portfolio),
    "span_16": (SpanParameters, span_16),
    "expected_shortfall": (ShortfallParameters, expected_shortfall),
    "okx_portfolio": (OkxParameters, okx_portfolio),
}
