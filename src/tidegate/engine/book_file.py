# SPDX-License-Identifier: Apache-2.0
"""Reads BOOK.json: what the user knows of each account, checked strictly, in exact integers.

An unknown or misspelt field, a wrong type, an impossible value is refused in one line with its
place. A field that is left out, or null, is UNKNOWN: it is named, and nothing is put for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.engine.book_fields import Document, Reader, SaidAccount, SaidPosition, SaidRoute
from tidegate.engine.json_file import read_json
from tidegate.engine.observed_book import Leg, Margined, SeenBook, SeenVenue, Way
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross, SpotWallet
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Perpetual, Spot
from tidegate.model.mandate import Route
from tidegate.model.times import MINUTE_MS, format_time, parse_time_ms
from tidegate.model.units import (
    MICRO,
    asset_decimals,
    claim_to_quanta,
    from_quanta,
    rate_to_ppm,
    unit_quanta,
)

SHORTEST_S, LONGEST_S = Decimal("0.001"), Decimal(31_536_000)


def read_book(path: Path) -> SeenBook:
    """The book in a file; raises `InputError` naming file, field and what was expected."""
    reader = Reader(path.name)
    return book_of(reader, read_json(reader, path))


def book_of(reader: Reader, value: object) -> SeenBook:
    """The book in a JSON value, as `read_book` finds it in a file."""
    raw = reader.shape(value, Document, "")
    ts_ms = parse_time_ms(raw.as_of, reader.where, "as_of")
    if not 0 < raw.target_distance < 1:
        raise reader.refuse("target_distance", "expected more than 0 and less than 1")
    venues = _venues(reader, raw, ts_ms)
    ways = tuple(_ways(reader, raw, venues))
    stable = _numbers(reader, raw.stable, "stable")
    prices = {asset: Fraction(price) for asset, price in stable.items()} | {"USD": Fraction(1)}
    if stable.get("USD", Decimal(1)) != 1:
        raise reader.refuse("stable.USD", "expected 1, or nothing: amounts are in USD")
    return SeenBook(
        ts_ms,
        venues,
        ways,
        prices,
        _floats(_numbers(reader, raw.betas, "betas")),
        _floats(_numbers(reader, raw.vol_annual, "vol_annual")),
        float(raw.target_distance),
        tuple(reader.unknown),
    )


def _numbers(reader: Reader, raw: Mapping[str, object], field: str) -> dict[str, Decimal]:
    found = {name: reader.decimal(value, f"{field}.{name}") for name, value in raw.items()}
    for name, number in found.items():
        reader.positive(number, f"{field}.{name}")
    return found


def _floats(numbers: Mapping[str, Decimal]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}


def _venues(reader: Reader, raw: Document, ts_ms: int) -> dict[str, SeenVenue]:
    if not raw.accounts:
        raise reader.refuse("accounts", "expected at least one account")
    venues: dict[str, SeenVenue] = {}
    for index, value in enumerate(raw.accounts):
        field = f"accounts[{index}]"
        said = reader.shape(value, SaidAccount, field)
        if not said.venue or said.venue in venues:
            raise reader.refuse(f"{field}.venue", f"expected a new name, got {said.venue!r}")
        if unit_quanta(said.collateral) != MICRO:
            raise reader.refuse(f"{field}.collateral", "expected USD, USDT or USDC")
        _check_age(reader, said, field, ts_ms)
        venues[said.venue] = _venue(reader, said, field)
    return venues


def _check_age(reader: Reader, said: SaidAccount, field: str, ts_ms: int) -> None:
    if said.as_of is None:
        reader.missing(f"{said.venue}.as_of", "how old its figures are")
        return
    taken_ms = parse_time_ms(said.as_of, reader.where, f"{field}.as_of")
    if taken_ms > ts_ms:
        raise reader.refuse(f"{field}.as_of", f"expected at most {format_time(ts_ms)}")
    if ts_ms - taken_ms >= MINUTE_MS:
        minutes = (ts_ms - taken_ms) // MINUTE_MS
        reader.missing(f"{said.venue}.as_of", f"what happened in the {minutes} min since")


def _venue(reader: Reader, said: SaidAccount, field: str) -> SeenVenue:
    """One venue; it is known only if everything that margins it was given."""
    balances = _balances(reader, said, field)
    rows: list[tuple[SaidPosition, Leg]] = []
    for index, value in enumerate(said.positions):
        place = f"{field}.positions[{index}]"
        row = reader.shape(value, SaidPosition, place)
        if any(row.symbol == other.symbol for other, _ in rows):
            raise reader.refuse(f"{place}.symbol", f"expected {row.symbol!r} once")
        rows.append((row, _leg(reader, said, row, balances, place)))
    tables = {}
    for index, (row, leg) in enumerate(rows):
        place = f"{field}.positions[{index}].tiers"
        table = _tiers(reader, said, row, place)
        _within_tiers(reader, leg, table, place)
        tables[leg.instrument.id] = table
    legs, spot = tuple(leg for _, leg in rows), said.rule == "spot"
    margined = _margined(reader, said, rows, balances, tables)
    held = any(leg.lots for leg in legs)
    if not spot and held and said.leverage is None:
        reader.missing(f"{said.venue}.leverage", "initial margin, so what can be withdrawn")
    initial_known = spot or not held or said.leverage is not None
    return SeenVenue(said.venue, said.collateral, spot, legs, margined, initial_known)


def _balances(reader: Reader, said: SaidAccount, field: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for asset, value in said.balances.items():
        place = f"{field}.balances.{asset}"
        if value is None:
            reader.missing(f"{said.venue}.balances.{asset}", "how much of it is there")
            continue
        amount = reader.decimal(value, place)
        if amount < 0 and said.rule == "spot":
            raise reader.refuse(place, f"expected at least 0 without borrowing, got {amount}")
        found[asset] = claim_to_quanta(amount, asset)
        if said.rule != "spot" and asset != said.collateral and amount:
            what = "not collateral under this rule, and counted nowhere"
            reader.missing(f"{said.venue}.balances.{asset}", what)
    return found


def _leg(
    reader: Reader, said: SaidAccount, row: SaidPosition, balances: Mapping[str, int], place: str
) -> Leg:
    for name in ("tick", "lot", "entry", "mark"):
        reader.positive(getattr(row, name), f"{place}.{name}")
    instrument = _instrument(reader, said, row, place)
    if isinstance(instrument, Spot):
        lots = _coins_held(reader, row, instrument, balances, place)
    else:
        lots = _signed_lots(reader, row, place)
    ticks = _mark_ticks(reader, row, lots, place)
    name = f"{said.venue}.{row.symbol}"
    if row.quote is None and lots and said.rule != "spot":
        reader.missing(f"{name}.quote", f"what a depeg does to {said.venue}")
    if row.adl_rank is None and lots and said.rule != "spot":
        reader.missing(f"{name}.adl_rank", "how soon it would be deleveraged")
    costs = _costs(reader, row, name, place)
    return Leg(instrument, lots, ticks, costs, row.quote, row.adl_rank)


def _instrument(reader: Reader, said: SaidAccount, row: SaidPosition, place: str) -> Instrument:
    kind = Spot if said.rule == "spot" else Perpetual
    made = kind(said.venue, row.symbol, row.base, said.collateral, row.tick, row.lot)
    if isinstance(made, Spot):
        quanta = row.lot.scaleb(asset_decimals(row.base))
        if quanta != quanta.to_integral_value():
            raise reader.refuse(f"{place}.lot", f"expected whole smallest units of {row.base}")
    return made


def _coins_held(
    reader: Reader, row: SaidPosition, coin: Spot, balances: Mapping[str, int], place: str
) -> int:
    if row.size is not None or row.lots is not None or row.entry is not None:
        raise reader.refuse(place, f"expected no size, lots or entry: it is balances.{row.base}")
    if row.base not in balances:
        raise reader.refuse(f"{place}.base", f"expected a balance of {row.base}")
    return balances[row.base] // coin.base_quanta(1)


def _signed_lots(reader: Reader, row: SaidPosition, place: str) -> int:
    if (row.size is None) == (row.lots is None):
        raise reader.refuse(f"{place}.size", "expected either size (coins) or lots")
    if row.lots is not None:
        return int(reader.ordinary(Decimal(row.lots), f"{place}.lots"))
    lots = Fraction(row.size or 0) / Fraction(row.lot)
    if lots.denominator != 1:
        raise reader.refuse(f"{place}.size", f"expected a multiple of lot {row.lot}")
    return lots.numerator


def _mark_ticks(reader: Reader, row: SaidPosition, lots: int, place: str) -> int | None:
    """The mark in ticks; one finer than the tick is rounded against the holding."""
    if row.mark is None:
        return None
    exact = Fraction(row.mark) / Fraction(row.tick)
    ticks = -((-exact.numerator) // exact.denominator) if lots < 0 else int(exact)
    if ticks < 1:
        raise reader.refuse(f"{place}.mark", f"expected at least one tick of {row.tick}")
    return ticks


def _costs(reader: Reader, row: SaidPosition, name: str, place: str) -> TradingCosts | None:
    for field in ("taker_fee", "half_spread"):
        reader.share(getattr(row, field), f"{place}.{field}")
    if row.taker_fee is None or row.half_spread is None:
        missing = "taker_fee" if row.taker_fee is None else "half_spread"
        reader.missing(f"{name}.{missing}", "what cutting it costs")
        return None
    return TradingCosts(rate_to_ppm(row.taker_fee), float(row.half_spread), 0.0)


def _tiers(reader: Reader, said: SaidAccount, row: SaidPosition, place: str) -> TierTable | None:
    """Rows of floor, cap, maintenance rate, max leverage, and the deduction where it is given."""
    if row.tiers is None or said.rule == "spot":
        return None
    made: list[tuple[Decimal, Decimal | None, Fraction, Fraction, int]] = []
    deduction, before = Fraction(0), Fraction(0)
    for index, values in enumerate(row.tiers):
        floor, cap, rate, leverage, given = _tier_row(reader, values, f"{place}[{index}]")
        deduction += Fraction(floor) * (rate - before) if index else Fraction(0)
        before = rate
        made.append((floor, cap, rate, deduction if given is None else given, leverage))
    if not made:
        raise reader.refuse(place, "expected at least one row, or null")
    try:
        return tier_table(made, said.collateral, said.as_of or "", reader.where)
    except InputError as error:
        raise reader.refuse(f"{place} {error.field}", error.expected) from None


def _within_tiers(reader: Reader, leg: Leg, table: TierTable | None, place: str) -> None:
    """Refuse a position beyond the last tier given: what it requires is not in the file."""
    cap = None if table is None else table.tiers[-1].cap
    if cap is None or leg.mark_ticks is None or not leg.lots:
        return
    notional = leg.instrument.notional(leg.lots, leg.mark_ticks)
    if notional > cap:
        worth, most = (from_quanta(n, leg.instrument.settle) for n in (notional, cap))
        expected = f"expected tiers up to the position's notional of {worth}, got up to {most}"
        raise reader.refuse(place, expected)


def _tier_row(
    reader: Reader, values: list[Decimal | None], place: str
) -> tuple[Decimal, Decimal | None, Fraction, int, Fraction | None]:
    expected = "expected [floor, cap or null, maintenance rate, max leverage] and the deduction"
    numbers = [None if v is None else reader.ordinary(v, place) for v in values]
    if len(numbers) not in (4, 5):
        raise reader.refuse(place, expected)
    floor, cap, rate, leverage, given = [*numbers, None][:5]
    if floor is None or rate is None or leverage is None or leverage < 1 or leverage % 1:
        raise reader.refuse(place, expected)
    if not 0 < Fraction(rate) * int(leverage) <= 1:
        raise reader.refuse(place, f"expected 0 < rate <= 1/leverage, got {rate} at {leverage}x")
    deduction = None if given is None else Fraction(given)
    return floor, cap, Fraction(rate), int(leverage), deduction


def _margined(
    reader: Reader,
    said: SaidAccount,
    rows: list[tuple[SaidPosition, Leg]],
    balances: Mapping[str, int],
    tables: Mapping[str, TierTable | None],
) -> Margined | None:
    """The account under its rule, or None with every gap named."""
    gaps = list(_gaps(said, rows, balances))
    for field, what in gaps:
        reader.missing(f"{said.venue}.{field}", what)
    if gaps:
        return None
    instruments = {leg.instrument.id: leg.instrument for _, leg in rows}
    known = {name: table for name, table in tables.items() if table is not None}
    positions = {
        leg.instrument.id: Position(leg.lots, _entry_cost(row, leg))
        for row, leg in rows
        if said.rule != "spot" and leg.lots
    }
    marks = {leg.instrument.id: leg.mark_ticks for _, leg in rows if leg.mark_ticks is not None}
    rule = _rule(said, instruments, known)
    return Margined(rule, Account(said.venue, balances, positions), marks)


def _gaps(
    said: SaidAccount, rows: list[tuple[SaidPosition, Leg]], balances: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    every = "health, distances and fixes of the whole venue"
    spot = said.rule == "spot"
    if said.collateral not in balances:
        yield f"balances.{said.collateral}", every
    for row, leg in rows:
        needed = ("mark",) if spot else ("mark", "entry", "tiers")
        held = balances.get(row.base, 0) if spot else leg.lots
        for name in needed:
            if getattr(row, name) is None and held:
                yield f"{row.symbol}.{name}", every
    priced = {row.base for row, _ in rows} | {said.collateral}
    for asset in sorted(said.balances.keys() - priced) if spot else ():
        yield f"balances.{asset}", f"{every}: no position here prices it"


def _entry_cost(row: SaidPosition, leg: Leg) -> int:
    """What the position cost in quanta, from its exact average entry, rounded up."""
    amount = Fraction(leg.coins) * Fraction(row.entry or 0)
    scaled = amount * unit_quanta(leg.instrument.settle)
    return -((-scaled.numerator) // scaled.denominator)


def _rule(
    said: SaidAccount, instruments: Mapping[str, Instrument], tiers: Mapping[str, TierTable]
) -> MarginRule:
    leverage = said.leverage or 1
    if said.rule == "spot":
        return SpotWallet(said.collateral, {i.base: i for i in instruments.values()})
    if said.rule == "binance_usdm":
        return BinanceUsdm(said.collateral, instruments, tiers, leverage, {})
    return HyperliquidCross(said.collateral, instruments, tiers, leverage)


def _ways(reader: Reader, raw: Document, venues: Mapping[str, SeenVenue]) -> Iterator[Way]:
    seen: set[tuple[str, str]] = set()
    for index, value in enumerate(raw.routes):
        place = f"routes[{index}]"
        said = reader.shape(value, SaidRoute, place)
        for end in (said.source, said.destination):
            if end not in venues:
                raise reader.refuse(place, f"expected venues of this book, got {end!r}")
        ends = (said.source, said.destination)
        if said.source == said.destination or ends in seen:
            raise reader.refuse(place, "expected one route from a venue to another")
        seen.add(ends)
        yield _way(reader, said, place, tuple(venues[end].collateral for end in ends))


def _way(reader: Reader, said: SaidRoute, place: str, assets: tuple[str, ...]) -> Way:
    until = said.blocked_until
    until_ms = (
        None if until is None else parse_time_ms(until, reader.where, f"{place}.blocked_until")
    )
    name = f"route {said.source} to {said.destination}"
    if said.frozen and until_ms is None:
        reader.missing(f"{name}.blocked_until", "when it opens, so money by it lands never")
    crossing = _passage(reader, said, place, assets)
    return Way(said.source, said.destination, crossing, said.frozen, until_ms)


def _passage(
    reader: Reader, said: SaidRoute, place: str, assets: tuple[str, ...]
) -> Passage | None:
    sent, received = assets
    needed = ["fee", "minimum", "latency_median_s", "latency_p95_s"]
    needed += ["conversion_cost", "conversion_rate"] if sent != received else []
    _check_route(reader, said, place)
    gaps = [name for name in needed if getattr(said, name) is None]
    for name in gaps:
        reader.missing(f"route {said.source} to {said.destination}.{name}", "the whole route")
    if gaps:
        return None
    texts = {name: str(getattr(said, name)) for name in ("fee", "minimum")}
    same = sent == received
    cost, rate = ("0", "1") if same else (str(said.conversion_cost), str(said.conversion_rate))
    median_s, p95_s = float(said.latency_median_s or 0), float(said.latency_p95_s or 0)
    ends = (said.source, said.destination)
    route = Route(*ends, texts["fee"], texts["minimum"], median_s, p95_s, cost, rate, "", "")
    return passage(route, sent, received)


def _check_route(reader: Reader, said: SaidRoute, place: str) -> None:
    for name in ("fee", "minimum"):
        if (number := getattr(said, name)) is not None and number < 0:
            raise reader.refuse(f"{place}.{name}", f"expected at least 0, got {number}")
    reader.share(said.conversion_cost, f"{place}.conversion_cost")
    reader.positive(said.conversion_rate, f"{place}.conversion_rate")
    for name in ("latency_median_s", "latency_p95_s"):
        number = getattr(said, name)
        if number is not None and not SHORTEST_S <= number <= LONGEST_S:
            expected = f"expected {SHORTEST_S} to {LONGEST_S} seconds, got {number}"
            raise reader.refuse(f"{place}.{name}", expected)
    median_s, p95_s = said.latency_median_s, said.latency_p95_s
    if median_s is not None and p95_s is not None and p95_s < median_s:
        raise reader.refuse(f"{place}.latency_p95_s", "expected at least the median")
