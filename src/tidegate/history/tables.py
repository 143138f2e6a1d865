# SPDX-License-Identifier: Apache-2.0
"""Dated venue tables: margin tiers, fees and contract terms as they were known at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec

from tidegate.history.dated import (
    Dated,
    Place,
    RawEntry,
    dated_entries,
    effective,
    latest,
    read_decimal,
    read_json,
)
from tidegate.history.tiers import TierEntry, flat_ladder, is_ladder, read_ladder
from tidegate.history.window import Window
from tidegate.model.errors import InputError

_FOLDER = "venues"
_HISTORY = "binance_usdm_tier_history.json"
_DUMPS = "binance_usdm_tiers_*.json"
_BINANCE_SYMBOL = re.compile(r"([A-Z0-9]+?)(USDT|USDC|BUSD|BTC)(?:_(\d{6}))?")


class _VenueFile(msgspec.Struct, frozen=True):
    venue: str
    margin_tiers: tuple[dict[str, object], ...] = ()
    fees: tuple[dict[str, object], ...] = ()
    contracts: tuple[dict[str, object], ...] = ()
    liquidation: tuple[dict[str, object], ...] = ()


class _Change(msgspec.Struct, frozen=True):
    first_seen: str
    source: str
    rows: object


class _TierHistory(msgspec.Struct, frozen=True):
    columns: tuple[str, ...]
    history: dict[str, tuple[_Change, ...]]


class _TierDump(msgspec.Struct, frozen=True):
    as_of: str
    source: str
    columns: tuple[str, ...]
    tiers: dict[str, object]


@dataclass(frozen=True, slots=True)
class FeeEntry:
    """The base taker fee, a fraction of notional, with its ISO date and source."""

    taker: Decimal
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class FieldOrigin:
    """The ISO date and source of one field of a contract."""

    field: str
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class ContractEntry:
    """Terms of a contract, each the latest known at the time asked; None is unknown, never zero.

    `tick` in quote units, `lot` in base units or contracts, `min_notional` in quote units,
    `liquidation_fee` a fraction of notional. `as_of` is the oldest date among the fields;
    `origins` has the date and source of each.
    """

    tick: Decimal | None
    lot: Decimal | None
    min_notional: Decimal | None
    liquidation_fee: Decimal | None
    origins: tuple[FieldOrigin, ...]

    @property
    def as_of(self) -> str:
        """The oldest ISO date among the fields."""
        return min(origin.as_of for origin in self.origins)

    @property
    def source(self) -> str:
        """The sources of the fields, each once."""
        return "; ".join(dict.fromkeys(origin.source for origin in self.origins))


# A venue of our names: its file there, and the markets of that file that belong to it.
_VENUE_FILES: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "binance": ("binance", frozenset({"USD-M", "COIN-M"})),
        "binance-spot": ("binance", frozenset({"spot"})),
    }
)

PRODUCTS = ("perpetual", "inverse", "spot")
# What the tables call the base schedule of a product, and the fields its taker may stand in.
_TAKER_FIELDS: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        ("binance", "perpetual"): {"USD-M": ("base_taker", "taker")},
        ("binance", "inverse"): {"COIN-M": ("base_taker", "taker")},
        ("bybit", "perpetual"): {"perpetual and futures": ("taker",)},
        ("bybit", "spot"): {"spot": ("taker",)},
        ("dydx_v4", "perpetual"): {"base": ("taker",)},
        ("hyperliquid", "perpetual"): {
            "base perps": ("taker",),
            "perps": ("taker",),
            "base": ("taker",),
        },
        ("hyperliquid", "spot"): {"spot": ("taker",), "base": ("spot_taker",)},
        ("okx", "perpetual"): {"swap and futures base": ("taker",)},
        ("okx", "spot"): {"spot": ("taker",)},
    }
)
_TERM_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tick": ("tick",),
        "lot": ("lot", "step", "size_step"),
        "min_notional": ("min_notional", "min_order_value"),
        "liquidation_fee": ("liquidation_fee", "clearance_fee"),
    }
)


@dataclass(frozen=True, slots=True)
class VenueTables:
    """The tables in `venues/` of a data folder, each file read once, when it is first needed.

    Every method answers with the latest entry whose date is not after the time asked, or None
    where there is none: a later, undated or illustrative entry is never returned. A venue without
    a file, malformed JSON and a malformed field raise `InputError` naming file and field.
    """

    root: Path
    _files: dict[str, _VenueFile] = field(default_factory=dict, repr=False, compare=False)
    _ladders: dict[tuple[str, str], tuple[tuple[int, TierEntry | None], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def maintenance_tiers(self, venue: str, symbol: str, ts_ms: int) -> TierEntry | None:
        """The ladder of a symbol that holds at a time (ms UTC), None where none is known."""
        holding = [entry for at_ms, entry in self._timeline(venue, symbol) if at_ms <= ts_ms]
        return holding[-1] if holding else None

    def tier_changes(
        self, venue: str, symbol: str, window: Window
    ) -> tuple[tuple[int, TierEntry | None], ...]:
        """The ladder that holds at the window's start and each different one inside it.

        Each stands with its own effective time (ms UTC), which for the first may lie before the
        window. An entry of None says that the symbol had left the venue's list. Where nothing is
        known at the start, the first time lies inside the window or the answer is empty.
        """
        kept: list[tuple[int, TierEntry | None]] = []
        for at_ms, entry in self._timeline(venue, symbol):
            if at_ms >= window.end_ms:
                break
            if at_ms <= window.start_ms:
                kept = [(at_ms, entry)]
            elif not kept or _rows(kept[-1][1]) != _rows(entry):
                kept.append((at_ms, entry))
        return tuple(kept)

    def taker_fee(self, venue: str, product: str, ts_ms: int) -> FeeEntry | None:
        """The base taker fee of a product (`perpetual`, `inverse`, `spot`) at a time (ms UTC)."""
        if product not in PRODUCTS:
            expected = f"expected one of {', '.join(PRODUCTS)}, got {product!r}"
            raise InputError("fees", "product", expected)
        stem, _ = _VENUE_FILES.get(venue, (venue, frozenset()))
        named = _TAKER_FIELDS.get((stem, product), {})
        found = [
            (dated, taker)
            for dated in self._dated(venue, "fees")
            if (taker := _taker(dated, named)) is not None
        ]
        newest = latest((dated for dated, _ in found), ts_ms)
        held = (FeeEntry(taker, d.as_of, d.source) for d, taker in found if d is newest)
        return next(held, None)

    def contract(self, venue: str, symbol: str, ts_ms: int) -> ContractEntry | None:
        """The terms of a contract at a time (ms UTC), merged field by field from dated entries."""
        entries = [
            dated
            for part in ("contracts", "liquidation")
            for dated in self._dated(venue, part)
            if _is_for(dated.entry, venue, symbol)
        ]
        values: dict[str, Decimal] = {}
        origins: list[FieldOrigin] = []
        for term, names in _TERM_FIELDS.items():
            newest = latest((d for d in entries if _field(d.entry, names)), ts_ms)
            if newest is not None:
                name = _field(newest.entry, names)
                values[term] = read_decimal(newest.entry[name], newest.place.at(name))
                origins.append(FieldOrigin(term, newest.as_of, newest.source))
        if not origins:
            return None
        return ContractEntry(
            tick=values.get("tick"),
            lot=values.get("lot"),
            min_notional=values.get("min_notional"),
            liquidation_fee=values.get("liquidation_fee"),
            origins=tuple(origins),
        )

    def table_files(self, venue: str) -> tuple[str, ...]:
        """Names inside the data folder of every table file that speaks of a venue."""
        stem, _ = _VENUE_FILES.get(venue, (venue, frozenset()))
        folder = self.root / _FOLDER
        extra = (
            [path.name for path in (folder / _HISTORY, *folder.glob(_DUMPS)) if path.is_file()]
            if stem == "binance"
            else []
        )
        return tuple(f"{_FOLDER}/{name}" for name in sorted([f"{stem}.json", *extra]))

    def _file(self, venue: str) -> _VenueFile:
        stem, _ = _VENUE_FILES.get(venue, (venue, frozenset()))
        if stem not in self._files:
            self._files[stem] = read_json(self.root / _FOLDER / f"{stem}.json", _VenueFile)
        return self._files[stem]

    def _dated(self, venue: str, part: str) -> tuple[Dated, ...]:
        stem, _ = _VENUE_FILES.get(venue, (venue, frozenset()))
        entries: tuple[RawEntry, ...] = getattr(self._file(venue), part)
        return dated_entries(
            (Place(f"{stem}.json", f"{part}[{i}]"), entry) for i, entry in enumerate(entries)
        )

    def _timeline(self, venue: str, symbol: str) -> tuple[tuple[int, TierEntry | None], ...]:
        key = (venue, symbol)
        if key not in self._ladders:
            found = list(self._from_venue_file(venue, symbol))
            if venue == "binance":
                found += _from_dumps(self.root / _FOLDER, symbol)
                found += _from_history(self.root / _FOLDER, symbol)
            self._ladders[key] = tuple(sorted(found, key=lambda item: item[0]))
        return self._ladders[key]

    def _from_venue_file(self, venue: str, symbol: str) -> Iterator[tuple[int, TierEntry | None]]:
        for dated in self._dated(venue, "margin_tiers"):
            entry, place = dated.entry, dated.place
            leverage, note = entry.get("max_leverage"), str(entry.get("note", ""))
            if _is_for(entry, venue, symbol) and is_ladder(entry.get("columns")):
                rows = read_ladder(entry.get("rows"), place.at("rows"))
            elif isinstance(leverage, dict) and symbol in leverage:
                rows = flat_ladder(leverage[symbol], place.at("max_leverage").at(symbol))
                note = note or "one tier, made from the maximum leverage alone"
            else:
                continue
            yield dated.effective_ms, TierEntry(rows, dated.as_of, dated.source, note)


def _rows(entry: TierEntry | None) -> object:
    return None if entry is None else entry.rows


def _is_for(entry: RawEntry, venue: str, symbol: str) -> bool:
    """Whether an entry speaks of the symbol in a market of the venue; `*` speaks of all."""
    _, markets = _VENUE_FILES.get(venue, ("", frozenset()))
    market, named = entry.get("market"), entry.get("symbol")
    in_market = not markets or market in markets or (market is None and "spot" not in markets)
    return in_market and isinstance(named, str) and (symbol in named.split("/") or named == "*")


def _field(entry: RawEntry, names: tuple[str, ...]) -> str:
    """The first of the names that the entry has a value for, else an empty text."""
    return next((name for name in names if entry.get(name) is not None), "")


def _taker(dated: Dated, named: Mapping[str, tuple[str, ...]]) -> Decimal | None:
    """The entry's own taker, or that of the first row of its table, which is the base tier."""
    entry, place = dated.entry, dated.place
    product, columns, rows = entry.get("product"), entry.get("columns"), entry.get("rows")
    fields = named.get(product, ()) if isinstance(product, str) else ()
    if name := _field(entry, fields):
        return read_decimal(entry[name], place.at(name))
    if "taker" not in fields or not isinstance(columns, list) or "taker" not in columns:
        return None
    first = rows[0] if isinstance(rows, list) and rows else None
    if not isinstance(first, list) or len(first) != len(columns):
        raise place.at("rows").refuse(f"expected a first row of {len(columns)} values")
    return read_decimal(first[columns.index("taker")], place.at("rows").at(0).at("taker"))


def _binance_key(symbol: str) -> str | None:
    """The name of a USD-M symbol in the tier files: `BTCUSDT` is `BTC/USDT:USDT` there."""
    found = _BINANCE_SYMBOL.fullmatch(symbol)
    if found is None:
        return None
    base, quote, expiry = found.groups()
    return f"{base}/{quote}:{quote}" + (f"-{expiry}" if expiry else "")


def _from_history(folder: Path, symbol: str) -> Iterator[tuple[int, TierEntry | None]]:
    key = _binance_key(symbol)
    if key is None or not (folder / _HISTORY).is_file():
        return
    table = read_json(folder / _HISTORY, _TierHistory)
    _ensure_columns(table.columns, _HISTORY)
    for number, change in enumerate(table.history.get(key, ())):
        place = Place(_HISTORY, f"history.{key}[{number}]")
        yield _ladder_at(change.first_seen, change.rows, change.source, place)


def _from_dumps(folder: Path, symbol: str) -> Iterator[tuple[int, TierEntry | None]]:
    """Entries of the full lists; a list without the symbol says that it was not on offer."""
    key = _binance_key(symbol)
    for path in sorted(folder.glob(_DUMPS)) if key is not None else ():
        dump = read_json(path, _TierDump)
        _ensure_columns(dump.columns, path.name)
        source = dump.source.partition(" ")[0]
        place = Place(path.name, f"tiers.{key}")
        yield _ladder_at(dump.as_of, dump.tiers.get(str(key)), source, place)


def _ladder_at(as_of: str, rows: object, source: str, place: Place) -> tuple[int, TierEntry | None]:
    when = effective(as_of, place)
    if when is None:
        raise place.refuse(f"expected a date, got {as_of!r}")
    if rows is None:
        return when[0], None
    ladder = read_ladder(rows, place)
    return when[0], TierEntry(ladder, when[1], f"{place.file}: {source}")


def _ensure_columns(columns: tuple[str, ...], file: str) -> None:
    if not is_ladder(columns):
        raise InputError(file, "columns", f"expected those of margin tiers, got {columns}")
