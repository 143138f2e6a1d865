# SPDX-License-Identifier: Apache-2.0
"""From a mandate and dated venue tables to contracts, rules and costs, each with its provenance.

Of the tables the latest entry not after the date holds. What they lack must stand in the mandate
as a dated value with a source; otherwise the run refuses. Nothing is filled in silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tidegate.backtest.arrangement_rules import RULES, RuleSchedule, contract_field
from tidegate.backtest.provenance import Provenance, Resolver, Tables
from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual, Spot
from tidegate.model.mandate import Mandate, Venue
from tidegate.model.units import rate_to_ppm
from tidegate.simulation.terms import ExchangeTerms


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything fixed for a run, and the provenance of each number."""

    mandate: Mandate
    terms: ExchangeTerms
    stable_price_micro: Mapping[str, int]
    coin_marks: Mapping[str, InstrumentId]
    provenance: tuple[Provenance, ...]


def arrange(mandate: Mandate, tables: Tables, window: Window, where: str) -> Arrangement:
    """Resolve every number that a run over the window needs; raises `InputError` for the first
    that nobody states. `where` names the mandate's file in messages."""
    resolver = Resolver(mandate, tables, window, where)
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
        rules[name] = RULES[venue.rule](resolver, name, held)
    terms = ExchangeTerms(instruments, rules, costs, idle, _passages(resolver))
    marks = {i.base: i.id for i in instruments.values() if isinstance(i, Spot)}
    return Arrangement(mandate, terms, stable, marks, tuple(resolver.provenance))


def _passages(resolver: Resolver) -> dict[tuple[str, str], Passage]:
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


def _instrument(resolver: Resolver, venue: str, symbol: str) -> Instrument:
    terms, field = resolver.said(venue, symbol)
    tick = contract_field(resolver, venue, symbol, "tick", terms.tick)
    lot = contract_field(resolver, venue, symbol, "lot", terms.lot)
    if tick <= 0 or lot <= 0:
        raise InputError(resolver.where, field, "expected a tick and a lot above 0")
    resolver.stated(f"{field}.mark", terms.mark)
    if terms.intrabar is not None:
        resolver.stated(f"{field}.intrabar", terms.intrabar)
    kind = Spot if terms.kind == "spot" else Perpetual
    return kind(venue, symbol, terms.base, resolver.mandate.venue[venue].collateral, tick, lot)


def _costs(resolver: Resolver, venue: str, symbol: str) -> TradingCosts:
    terms, field = resolver.said(venue, symbol)
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
