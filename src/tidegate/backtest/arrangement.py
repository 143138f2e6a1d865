# SPDX-License-Identifier: Apache-2.0
"""From a mandate and dated venue tables to contracts, rules and costs, each with its provenance.

Of the tables the latest entry not after the date holds. What they lack must stand in the mandate
as a dated value with a source; otherwise the run refuses. Nothing is filled in silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import msgspec

from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.history.tables import ContractEntry, FieldOrigin, VenueTables
from tidegate.history.window import Window
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual, Spot
from tidegate.model.mandate import Assumption, Mandate, Terms, Venue
from tidegate.model.times import format_date
from tidegate.model.units import MICRO, rate_to_ppm, read_decimal
from tidegate.simulation.exchange import ExchangeTerms

RuleSchedule = tuple[tuple[int, MarginRule], ...]


class Provenance(msgspec.Struct, frozen=True):
    """Where one number of a run comes from; `kind` is table or mandate."""

    field: str
    value: str
    as_of: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything fixed for a run, and the provenance of each number."""

    mandate: Mandate
    terms: ExchangeTerms
    stable_price_micro: Mapping[str, int]
    coin_marks: Mapping[str, InstrumentId]
    provenance: tuple[Provenance, ...]


class _Resolver:
    """Looks a number up in the tables, then in the mandate, and remembers where it was."""

    def __init__(self, mandate: Mandate, tables: VenueTables, window: Window, where: str) -> None:
        self.mandate, self.tables, self.window, self.where = mandate, tables, window, where
        self.provenance: list[Provenance] = []

    def note(self, field: str, value: object, as_of: str, source: str, kind: str) -> None:
        self.provenance.append(Provenance(field, str(value), as_of, source, kind))

    def assumed(self, field: str, assumption: Assumption | None) -> Decimal:
        """A number from the mandate; refuses when it is not there or dated after the start."""
        start = format_date(self.window.start_ms)
        if assumption is None:
            raise InputError(
                self.where,
                field,
                f"expected a dated value with its source: the venue tables have none on {start}",
            )
        return read_decimal(self.stated(field, assumption), self.where, field)

    def stated(self, field: str, assumption: Assumption) -> str:
        """The mandate's words on a field, dated not after the start unless they are assumed."""
        start = format_date(self.window.start_ms)
        if assumption.as_of > start and not assumption.source.startswith("assumed"):
            raise InputError(
                self.where, field, f"expected a date not after {start}, or an assumed value"
            )
        self.note(field, assumption.value, assumption.as_of, assumption.source, "mandate")
        return assumption.value

    def table_or_assumed(
        self, field: str, entry: Decimal | None, origin: tuple[str, str], said: Assumption | None
    ) -> Decimal:
        """The table's number where it has one, else the mandate's."""
        if entry is None:
            return self.assumed(field, said)
        self.note(field, entry, *origin, "table")
        return entry


def arrange(mandate: Mandate, tables: VenueTables, window: Window, where: str) -> Arrangement:
    """Resolve every number that a run over the window needs; raises `InputError` for the first
    that nobody states. `where` names the mandate's file in messages."""
    resolver = _Resolver(mandate, tables, window, where)
    resolver.assumed("mandate.hurdle_rate_annual", mandate.mandate.hurdle_rate_annual)
    stable = {
        asset: int(resolver.assumed(f"stable.{asset}.price_usd", terms.price_usd).scaleb(6))
        for asset, terms in mandate.stable.items()
    }
    instruments: dict[InstrumentId, Instrument] = {}
    costs: dict[InstrumentId, TradingCosts] = {}
    idle: dict[str, Fraction] = {}
    rules: dict[str, RuleSchedule] = {}
    for name, venue in mandate.venue.items():
        held = {symbol: _instrument(resolver, name, symbol) for symbol in venue.instruments}
        instruments |= {instrument.id: instrument for instrument in held.values()}
        costs |= {held[symbol].id: _costs(resolver, name, symbol) for symbol in held}
        idle[name] = Fraction(
            resolver.assumed(f"venue.{name}.idle_yield_annual", venue.idle_yield_annual)
        )
        rules[name] = _RULES[venue.rule](resolver, name, held)
    terms = ExchangeTerms(instruments, rules, costs, idle, _passages(resolver))
    marks = {i.base: i.id for i in instruments.values() if isinstance(i, Spot)}
    return Arrangement(mandate, terms, stable, marks, tuple(resolver.provenance))


def _passages(resolver: _Resolver) -> dict[tuple[str, str], Passage]:
    venues = resolver.mandate.venue
    found = {}
    for index, route in enumerate(resolver.mandate.transfer):
        sent, received = venues[route.source].collateral, venues[route.destination].collateral
        found[route.source, route.destination] = passage(route, sent, received)
        described = (
            f"fee {route.fee} {sent}, latency median {route.latency_median_s:.0f} s and 95 % "
            f"{route.latency_p95_s:.0f} s, conversion cost {route.conversion_cost}"
        )
        resolver.note(
            f"transfer[{index}] {route.source} to {route.destination}",
            described,
            route.as_of,
            route.provenance,
            "mandate",
        )
    return found


def _said(resolver: _Resolver, venue: str, symbol: str) -> tuple[Terms, str]:
    return resolver.mandate.venue[venue].instruments[symbol], f"venue.{venue}.instruments.{symbol}"


def _contract_field(
    resolver: _Resolver, venue: str, symbol: str, name: str, said: Assumption | None
) -> Decimal:
    terms, field = _said(resolver, venue, symbol)
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


def _instrument(resolver: _Resolver, venue: str, symbol: str) -> Instrument:
    terms, field = _said(resolver, venue, symbol)
    tick = _contract_field(resolver, venue, symbol, "tick", terms.tick)
    lot = _contract_field(resolver, venue, symbol, "lot", terms.lot)
    if tick <= 0 or lot <= 0:
        raise InputError(resolver.where, field, "expected a tick and a lot above 0")
    resolver.stated(f"{field}.mark", terms.mark)
    if terms.intrabar is not None:
        resolver.stated(f"{field}.intrabar", terms.intrabar)
    kind = Spot if terms.kind == "spot" else Perpetual
    return kind(venue, symbol, terms.base, resolver.mandate.venue[venue].collateral, tick, lot)


def _costs(resolver: _Resolver, venue: str, symbol: str) -> TradingCosts:
    terms, field = _said(resolver, venue, symbol)
    said: Venue = resolver.mandate.venue[venue]
    start = resolver.window.start_ms
    product = terms.kind
    entry = None
    if product == "perpetual":
        entry = resolver.tables.taker_fee(venue, product, start)
    fee_field = f"venue.{venue}.taker_fee"
    origin = (entry.as_of, entry.source) if entry else ("", "")
    taker = resolver.table_or_assumed(
        fee_field, entry.taker if entry else None, origin, said.taker_fee
    )
    spread = resolver.assumed(f"{field}.half_spread", terms.half_spread)
    impact = resolver.assumed(f"{field}.impact_coefficient", terms.impact_coefficient)
    if min(taker, spread, impact) < 0 or max(taker, spread) >= 1:
        raise InputError(resolver.where, field, "expected costs of at least 0 and shares below 1")
    return TradingCosts(rate_to_ppm(taker), float(spread), float(impact))


def _tier_schedule(resolver: _Resolver, venue: str, symbol: str) -> list[tuple[int, TierTable]]:
    changes = resolver.tables.tier_changes(venue, symbol, resolver.window)
    start = resolver.window.start_ms
    if not changes or changes[0][0] > start:
        raise InputError(
            "venues",
            f"{venue} {symbol}",
            f"expected a dated margin table not after {format_date(start)}",
        )
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


def _rule_schedule(
    resolver: _Resolver,
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


def _hyperliquid(resolver: _Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    said = resolver.mandate.venue[venue]
    contracts = {i.id: i for i in held.values()}
    return _rule_schedule(
        resolver,
        venue,
        held,
        lambda tiers: HyperliquidCross(said.collateral, contracts, tiers, said.leverage),
    )


def _binance(resolver: _Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    said = resolver.mandate.venue[venue]
    contracts = {i.id: i for i in held.values()}
    clearance = {}
    for symbol, instrument in held.items():
        terms, _ = _said(resolver, venue, symbol)
        fee = _contract_field(resolver, venue, symbol, "liquidation_fee", terms.liquidation_fee)
        clearance[instrument.id] = int(fee * MICRO)
    return _rule_schedule(
        resolver,
        venue,
        held,
        lambda tiers: BinanceUsdm(said.collateral, contracts, tiers, said.leverage, clearance),
    )


def _spot(resolver: _Resolver, venue: str, held: Mapping[str, Instrument]) -> RuleSchedule:
    coins = {i.base: i for i in held.values()}
    rule = SpotWallet(resolver.mandate.venue[venue].collateral, coins)
    return ((resolver.window.start_ms, rule),)


_RULES: Mapping[str, Callable[[_Resolver, str, Mapping[str, Instrument]], RuleSchedule]] = {
    "hyperliquid_cross": _hyperliquid,
    "binance_usdm": _binance,
    "spot": _spot,
}
