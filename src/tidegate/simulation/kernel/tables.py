# SPDX-License-Identifier: Apache-2.0
"""An exchange's terms as the kernel's tables, with limits within which no product overflows.

The kernel plays linear perpetuals under the cross margin of Hyperliquid and of Binance USD-M, one
rule a venue. Everything else is refused here by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.tiers import Tier, TierTable
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId, Perpetual
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.model.units import MICRO, asset_decimals
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.tape import EventTape
from tidegate.simulation.terms import ExchangeTerms

LOG_ROWS = 1 << 14
PRODUCT_MAX, WHOLE_IN_FLOAT, LOTS_CAP = 2**62, 2**53, 2**31 - 1
# So many positions' values sum to less than a third of 2^63, with the balance.
POSITIONS_MAX = 64
# A fill may be this many times the tape's highest price before the run is stopped.
ROOM = 4
Rule = HyperliquidCross | BinanceUsdm
Moving = tuple[at.Integers, at.Integers, at.Integers, at.Integers]


def tabulate(
    tape: EventTape, terms: ExchangeTerms, maker_ppm: Mapping[InstrumentId, int]
) -> at.World:
    """A world in which nothing has happened; raises `InputError` with the first thing that the
    kernel does not play."""
    rules = {venue: _rule(venue, terms) for venue in terms.rules}
    venues = {venue: index for index, venue in enumerate(rules)}
    tables = [_tiers(rules, terms, name) for name in tape.instruments]
    count, deepest = len(tables), max(len(table.tiers) for table in tables)
    rows = np.zeros((count, at.INSTRUMENT_COLUMNS), dtype=np.int64)
    rows[:, at.STEP_SOLD : at.STEP_BOUGHT + 1] = -1
    money = np.zeros((count, 4))
    tiers = np.zeros((count, deepest, at.TIER_COLUMNS), dtype=np.int64)
    highest = tape.highest_ticks().tolist()
    for i, (name, table) in enumerate(zip(tape.instruments, tables, strict=True)):
        charged, held = _charged(terms, name), terms.instruments[name]
        money[i, : at.SOLD_USD] = charged.half_spread, charged.impact_coefficient
        for j, tier in enumerate(table.tiers):
            tiers[i, j] = _tier_row(name, tier, j == len(table.tiers) - 1)
        unit = held.unit_numerator, held.unit_denominator
        limits = _limits(name, unit, highest[i], table)
        fees = charged.taker_ppm, maker_ppm.get(name, charged.taker_ppm)
        own = _own_terms(name, rules[held.venue], fees)
        rows[i, at.INSTRUMENT_TERMS :] = venues[held.venue], *unit, *limits, *own
    accounts = _venue_rows(tape, terms, rules)
    passages = _passage_rows(terms, venues, rules)
    fixed = tiers, passages, _window_rows(tape, venues), tape.depth
    moving = _empty(tape, len(rules))
    return at.World(_scalars(tape, len(rules)), rows, money, accounts, *moving, *fixed)


def _own_terms(name: InstrumentId, rule: Rule, fees: tuple[int, int]) -> tuple[int, ...]:
    """Fees of taker and maker, that of liquidation, and the leverage chosen."""
    clearance = rule.clearance_ppm.get(name, 0) if isinstance(rule, BinanceUsdm) else 0
    _need(max(map(abs, (*fees, clearance))) <= MICRO, name, "expected fees below a notional")
    return *fees, clearance, rule.leverages.get(name, rule.leverage)


def _most_rows(instruments: int, venues: int) -> int:
    """More than one event or request can write."""
    resting = 2 * instruments * at.RESTING_MAX
    return resting + venues * (4 + 64 * 2) + 4 * instruments


def _scalars(tape: EventTape, venues: int) -> at.Integers:
    scalars = np.zeros(at.SCALARS, dtype=np.int64)
    scalars[at.NOW] = scalars[at.START] = tape.start_ms
    scalars[at.STEP], scalars[at.LAST] = tape.step_ms, tape.end_ms
    scalars[at.ROOM] = _most_rows(len(tape.instruments), venues)
    return scalars


def _empty(tape: EventTape, venues: int) -> Moving:
    """Resting orders, requests, parcels and log."""

    def zeros(*shape: int) -> at.Integers:
        return np.zeros(shape, dtype=np.int64)

    count = len(tape.instruments)
    return (
        zeros(count, 2, at.RESTING_MAX, at.RESTING_COLUMNS),
        zeros(0, at.REQUEST_COLUMNS),
        zeros(at.PARCELS_MAX, at.PARCEL_COLUMNS),
        zeros(LOG_ROWS + _most_rows(count, venues), at.LOG_COLUMNS),
    )


def passage_numbers(terms: ExchangeTerms) -> dict[tuple[str, str], int]:
    """Number of each passage in its table."""
    return {ends: number for number, ends in enumerate(terms.passages)}


def _need(holds: bool, field: str, expected: str) -> None:
    if not holds:
        raise InputError("kernel", field, expected)


def _rule(venue: str, terms: ExchangeTerms) -> Rule:
    schedule = terms.rules[venue]
    _need(len(schedule) == 1, venue, "plays one rule, none that changes by date")
    rule = schedule[0][1]
    if type(rule) is HyperliquidCross or type(rule) is BinanceUsdm:
        return rule
    raise InputError("kernel", venue, "plays the cross margin of Hyperliquid and Binance USD-M")


def _tiers(rules: Mapping[str, Rule], terms: ExchangeTerms, name: InstrumentId) -> TierTable:
    held = terms.instruments.get(name)
    if not isinstance(held, Perpetual) or held.inverse:
        raise InputError("kernel", name, "plays linear perpetuals")
    _need(held.venue in rules, name, "expected a rule of its venue")
    rule = rules[held.venue]
    _need(held.settle == rule.collateral, name, f"expected settlement in {rule.collateral}")
    _need(name in rule.tiers, name, "expected tiers")
    return rule.tiers[name]


def _charged(terms: ExchangeTerms, name: InstrumentId) -> TradingCosts:
    charged = terms.costs.get(name)
    if type(charged) is not TradingCosts:
        raise InputError("kernel", name, "expected the cost terms of a perpetual")
    sound = 0 <= charged.half_spread < 1 and 0 <= charged.impact_coefficient < np.inf
    _need(sound, name, "expected a half spread from 0 to 1, and an impact")
    return charged


def _tier_row(name: InstrumentId, tier: Tier, last: bool) -> tuple[int, ...]:
    cap = PRODUCT_MAX if last or tier.cap is None else tier.cap
    numbers = cap, tier.rate_numerator, tier.offset, tier.denominator, tier.floor
    _need(all(abs(n) <= PRODUCT_MAX // 2 for n in numbers[1:]), name, "expected smaller tiers")
    return min(cap, PRODUCT_MAX), *numbers[1:], tier.max_leverage


def _limits(name: str, worth: tuple[int, int], highest: int, table: TierTable) -> tuple[int, int]:
    """The highest price of a fill, and the most lots: their value is exact as a float, and its
    product with each rate, or with the unit, stays below 2^62."""
    (unit, per), ticks = worth, ROOM * highest
    steepest = max(tier.rate_numerator for tier in table.tiers)
    value = min(WHOLE_IN_FLOAT, PRODUCT_MAX // (2 * steepest))
    lots = min(LOTS_CAP, value * per // (ticks * unit), PRODUCT_MAX // (ticks * unit))
    _need(lots >= 1, name, "one lot is beyond 64 bits")
    return ticks, lots


def _share(share: Fraction, field: str) -> tuple[int, int]:
    part, of = share.numerator, share.denominator
    _need(part * of < PRODUCT_MAX, field, "expected a share of fewer digits")
    return part, of


def _venue_rows(tape: EventTape, terms: ExchangeTerms, rules: Mapping[str, Rule]) -> at.Integers:
    rows = np.zeros((len(rules), at.VENUE_COLUMNS), dtype=np.int64)
    rows[:, at.LEVEL] = at.NO_WATCH
    owners = [terms.instruments[name].venue for name in tape.instruments]
    accruing = [list(rules).index(venue) for venue in terms.idle_yield_annual]
    for index, (venue, rule) in enumerate(rules.items()):
        code = at.HYPERLIQUID if isinstance(rule, HyperliquidCross) else at.BINANCE
        most = f"expected at most {POSITIONS_MAX} instruments"
        _need(owners.count(venue) <= POSITIONS_MAX, venue, most)
        first = owners.index(venue) if venue in owners else 0
        share = terms.idle_yield_annual.get(venue, Fraction(0)) * DAY_MS / YEAR_MS
        _need(abs(share) <= 1, venue, "expected less than a balance of interest a day")
        accrues = accruing[index] if index < len(accruing) else -1
        day = _share(share, venue)
        rows[index, at.VENUE_TERMS :] = code, first, first + owners.count(venue), *day, accrues
    return rows


def _passage_rows(
    terms: ExchangeTerms, venues: Mapping[str, int], rules: Mapping[str, Rule]
) -> at.Integers:
    rows = np.zeros((len(terms.passages), at.PASSAGE_TERMS), dtype=np.int64)
    for number, ((source, destination), passage) in enumerate(terms.passages.items()):
        field = f"{source} to {destination}"
        known = source in venues and destination in venues
        _need(known, field, "expected a passage between venues that are played")
        ends = rules[source].collateral, rules[destination].collateral
        same = ends == (passage.asset_sent, passage.asset_received)
        _need(same, field, "expected a passage from collateral to collateral")
        shift = asset_decimals(passage.asset_received) - asset_decimals(passage.asset_sent)
        share = _share(passage.received_share * Fraction(10) ** shift, field)
        _need(share[0] <= share[1], field, "expected no more to land than was sent")
        money = passage.fee_quanta, passage.minimum_quanta
        rows[number] = venues[source], venues[destination], *money, *share
    return rows


def _window_rows(tape: EventTape, venues: Mapping[str, int]) -> at.Integers:
    rows = [
        (venues[window.venue], kind, window.start_ms, window.end_ms)
        for kind, windows in ((at.FROZEN, tape.freezes), (at.OUT, tape.outages))
        for window in windows
        if window.venue in venues
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)
