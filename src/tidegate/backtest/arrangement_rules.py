# SPDX-License-Identifier: Apache-2.0
"""Margin rules of a run, one per venue and date at which its tables change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

from tidegate.backtest.provenance import Resolver
from tidegate.history.tables import ContractEntry, FieldOrigin
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.dydx import DydxCross, LiquidityTier
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.mandate import Assumption
from tidegate.model.times import format_date
from tidegate.model.units import rate_to_ppm

RuleSchedule = tuple[tuple[int, MarginRule], ...]


def contract_field(
    resolver: Resolver, venue: str, symbol: str, name: str, said: Assumption | None
) -> Decimal:
    """One term of a contract, from the tables or the mandate."""
    terms, field = resolver.said(venue, symbol)
    table_venue = "binance" if venue.startswith("binance") else venue
    entry: ContractEntry | None = None
    if terms.kind == "perpetual":
        entry = resolver.tables.contract(table_venue, symbol, resolver.window.start_ms)
    value = getattr(entry, name) if entry is not None else None
    origin = ("", "")
    if entry is not None and value is not None:
        found: FieldOrigin = next(o for o in entry.origins if o.field == name)
        origin = (found.as_of, found.source)
    return resolver.table_or_assumed(f"{field}.{name}", value, origin, said)


def _tier_schedule(resolver: Resolver, venue: str, symbol: str) -> list[tuple[int, TierTable]]:
    changes = resolver.tables.tier_changes(venue, symbol, resolver.window)
    start = resolver.window.start_ms
    stated = resolver.said(venue, symbol)[0].maintenance_rate is not None
    if stated and (not changes or changes[0][0] > start):
        return [(start, _stated_tier(resolver, venue, symbol))]
    if not changes or changes[0][0] > start:
        field = f"venue.{venue}.instruments.{symbol}.maintenance_rate"
        expected = f"expected it here, or a dated margin table not after {format_date(start)}"
        raise InputError(resolver.where, field, expected)
    schedule = []
    asset = resolver.mandate.venue[venue].collateral
    for effective_ms, entry in changes:
        if entry is None:
            raise InputError(
                "venues", f"{venue} {symbol}", f"no tiers from {format_date(effective_ms)} on"
            )
        schedule.append((effective_ms, tier_table(entry.rows, asset, entry.as_of, entry.source)))
        top = max(row[4] for row in entry.rows)
        resolver.note(
            f"venue.{venue}.{symbol} tiers",
            f"{len(entry.rows)} tiers, first rate {entry.rows[0][2]}, {top}x",
            entry.as_of,
            entry.source,
            "table",
        )
    return schedule


def _stated_tier(resolver: Resolver, venue: str, symbol: str) -> TierTable:
    """The one tier that the mandate states where the tables have none."""
    initial, maintenance = _stated_rates(resolver, venue, symbol)
    said = resolver.said(venue, symbol)[0].maintenance_rate
    assert said is not None
    row = (Decimal(0), None, Fraction(maintenance), Fraction(0), int(1 / initial))
    return tier_table([row], resolver.mandate.venue[venue].collateral, said.as_of, said.source)


def _stated_rates(resolver: Resolver, venue: str, symbol: str) -> tuple[Decimal, Decimal]:
    """Initial and maintenance rate of an instrument from the mandate."""
    terms, field = resolver.said(venue, symbol)
    initial = resolver.assumed(f"{field}.initial_rate", terms.initial_rate)
    maintenance = resolver.assumed(f"{field}.maintenance_rate", terms.maintenance_rate)
    if not 0 < maintenance <= initial <= 1:
        expected = "expected 0 < maintenance_rate <= initial_rate <= 1"
        raise InputError(resolver.where, f"{field}.maintenance_rate", expected)
    return initial, maintenance


def _rule_schedule(
    resolver: Resolver,
    venue: str,
    held: Mapping[str, Instrument],
    make: Callable[[Mapping[InstrumentId, TierTable]], MarginRule],
) -> RuleSchedule:
    """One rule for every date at which any of the venue's tier tables changes."""
    tables = {symbol: _tier_schedule(resolver, venue, symbol) for symbol in held}
    start = resolver.window.start_ms
    dates = sorted({max(start, at) for schedule in tables.values() for at, _ in schedule})
    rules = []
    for date in dates:
        in_force = {
            held[symbol].id: [table for at, table in schedule if max(start, at) <= date][-1]
            for symbol, schedule in tables.items()
        }
        rules.append((date, make(in_force)))
    return tuple(rules)


def _hyperliquid(resolver: Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    said = resolver.mandate.venue[venue]
    contracts = {i.id: i for i in held.values()}
    return _rule_schedule(
        resolver,
        venue,
        held,
        lambda tiers: HyperliquidCross(said.collateral, contracts, tiers, said.leverage),
    )


def _binance(resolver: Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    said = resolver.mandate.venue[venue]
    contracts = {i.id: i for i in held.values()}
    clearance = _clearance(resolver, venue, held)
    return _rule_schedule(
        resolver,
        venue,
        held,
        lambda tiers: BinanceUsdm(said.collateral, contracts, tiers, said.leverage, clearance),
    )


def _spot(resolver: Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    coins = {i.base: i for i in held.values()}
    rule = SpotWallet(resolver.mandate.venue[venue].collateral, coins)
    return ((resolver.window.start_ms, rule),)


def _clearance(
    resolver: Resolver, venue: str, held: Mapping[str, Instrument]
) -> dict[InstrumentId, int]:
    """Liquidation fee of each instrument in parts per million."""
    clearance = {}
    for symbol, instrument in held.items():
        terms, _ = resolver.said(venue, symbol)
        fee = contract_field(resolver, venue, symbol, "liquidation_fee", terms.liquidation_fee)
        if not 0 <= fee <= 1:
            field = f"venue.{venue}.instruments.{symbol}.liquidation_fee"
            raise InputError(resolver.where, field, f"expected 0 to 1, got {fee}")
        clearance[instrument.id] = rate_to_ppm(fee)
    return clearance


def _deribit(resolver: Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    margins = {}
    for symbol, instrument in held.items():
        terms, field = resolver.said(venue, symbol)
        initial, maintenance = _stated_rates(resolver, venue, symbol)
        rise = Fraction(resolver.assumed(f"{field}.rate_per_base", terms.rate_per_base))
        said = terms.maintenance_rate
        assert said is not None
        first, last = (SizedRate(Fraction(rate), rise) for rate in (initial, maintenance))
        margins[instrument.id] = SizeMargin(first, last, said.as_of, said.source)
    contracts = {i.id: i for i in held.values()}
    clearance = _clearance(resolver, venue, held)
    collateral = resolver.mandate.venue[venue].collateral
    rule = DeribitStandard(collateral, contracts, margins, clearance)
    return ((resolver.window.start_ms, rule),)


def _dydx(resolver: Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    """Tiers without caps on open interest; a capped one needs the market's open interest."""
    tiers = {}
    for symbol, instrument in held.items():
        initial, maintenance = _stated_rates(resolver, venue, symbol)
        said = resolver.said(venue, symbol)[0].maintenance_rate
        assert said is not None
        fraction = rate_to_ppm(maintenance / initial)
        tiers[instrument.id] = LiquidityTier(
            rate_to_ppm(initial), fraction, 0, 0, said.as_of, said.source
        )
    contracts = {i.id: i for i in held.values()}
    stated = resolver.mandate.venue[venue]
    rule = DydxCross(stated.collateral, contracts, tiers, {}, stated.leverage)
    return ((resolver.window.start_ms, rule),)


RULES: Mapping[str, Callable[[Resolver, str, Mapping[str, Instrument]], RuleSchedule]] = {
    "hyperliquid_cross": _hyperliquid,
    "binance_usdm": _binance,
    "deribit_standard": _deribit,
    "dydx_cross": _dydx,
    "spot": _spot,
}
