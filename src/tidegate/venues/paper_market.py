# SPDX-License-Identifier: Apache-2.0
"""A market for drills, from one file: perpetuals at a flat price, some of which fill slowly.

Nothing can be learnt of a strategy here. It serves to practise the kill switch, and to speak to
venues over a wire before real ones are there.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import msgspec

from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import tier_table
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.replies import Device
from tidegate.model.times import HOUR_MS, MINUTE_MS, SECOND_MS
from tidegate.model.units import read_decimal, unit_quanta
from tidegate.risk.gate import Gate
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Tape, Track
from tidegate.simulation.terms import ExchangeTerms
from tidegate.venues.paper_house import HouseTerms, PaperHouse
from tidegate.venues.toml_file import read_toml

LEVERAGE = 20
VOLUME_DAY_USD, VOL_DAILY = 1e9, 0.03
COSTS = TradingCosts(450, 0.0001, 1.0)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Server(_Strict, frozen=True):
    """Where the server listens (0: the system chooses), its secrets' files, for how long it plays,
    and how many orders a second it takes (0: any)."""

    trading_token: str
    watching_token: str
    gate_key: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    hours: Annotated[int, msgspec.Meta(ge=1, le=24 * 31)] = 24
    orders_per_s: Annotated[int, msgspec.Meta(ge=0)] = 0


class Contract(_Strict, frozen=True):
    """One perpetual at a price that stays, and how long its orders work before they fill."""

    symbol: str
    base: str
    price: str
    tick: str = "0.1"
    lot: str = "0.001"
    fill_after_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


class PaperVenue(_Strict, frozen=True):
    """One venue: our capital there, its contracts, and the window of its dead-man's switch."""

    capital: str
    contracts: Annotated[tuple[Contract, ...], msgspec.Meta(min_length=1)]
    collateral: str = "USDC"
    device_s: tuple[int, int] | None = None


class PaperFile(_Strict, frozen=True):
    """The whole file."""

    paper: Server
    venue: Annotated[dict[str, PaperVenue], msgspec.Meta(min_length=1)]


def read_paper_file(path: Path) -> PaperFile:
    """A checked file; raises `InputError` that names the field."""
    return read_toml(path, PaperFile)


def paper_house(said: PaperFile, gate: Gate, start_ms: int, where: str) -> PaperHouse:
    """The venues of a file, open from a time on, with our capital there."""
    instruments: dict[InstrumentId, Instrument] = {}
    ticks: dict[InstrumentId, int] = {}
    waits: dict[InstrumentId, int] = {}
    for name, venue in said.venue.items():
        for contract in venue.contracts:
            made = _perpetual(name, venue, contract, where)
            price = read_decimal(contract.price, where, f"venue.{name}.{contract.symbol}.price")
            instruments[made.id], ticks[made.id] = made, int(price / made.tick)
            waits[made.id] = round(contract.fill_after_s * SECOND_MS)
    steps = said.paper.hours * HOUR_MS // MINUTE_MS
    tape = Tape(start_ms, MINUTE_MS, steps, {n: _flat(t, steps) for n, t in ticks.items()}, ())
    rules = {name: ((start_ms, _rule(name, v, instruments)),) for name, v in said.venue.items()}
    costs = dict.fromkeys(instruments, COSTS)
    exchange = Exchange(tape, ExchangeTerms(instruments, rules, costs, {}, {}), seed=1)
    house = PaperHouse(exchange, gate, HouseTerms(instruments, waits, _devices(said)))
    for name, venue in said.venue.items():
        capital = read_decimal(venue.capital, where, f"venue.{name}.capital")
        house.deposit(name, venue.collateral, int(capital * unit_quanta(venue.collateral)))
    return house


def _perpetual(name: str, venue: PaperVenue, said: Contract, where: str) -> Perpetual:
    field = f"venue.{name}.{said.symbol}"
    tick, lot, price = (
        read_decimal(getattr(said, part), where, f"{field}.{part}")
        for part in ("tick", "lot", "price")
    )
    if min(tick, lot) <= 0 or price < tick:
        raise InputError(where, field, "expected a tick and lot above 0, and a price of a tick")
    return Perpetual(name, said.symbol, said.base, venue.collateral, tick, lot)


def _flat(ticks: int, steps: int) -> Track:
    price = (ticks,) * steps
    return Track(price, price, price, price, (VOLUME_DAY_USD,) * steps, (VOL_DAILY,) * steps)


def _rule(name: str, venue: PaperVenue, all_: dict[InstrumentId, Instrument]) -> MarginRule:
    own = {i.id: i for i in all_.values() if i.venue == name}
    row = (Decimal(0), None, Fraction(1, 2 * LEVERAGE), Fraction(0), LEVERAGE)
    table = tier_table([row], venue.collateral, "2024-01-01", "of the drill")
    return HyperliquidCross(venue.collateral, own, dict.fromkeys(own, table), LEVERAGE)


def _devices(said: PaperFile) -> dict[str, Device]:
    return {
        name: Device(name, *venue.device_s, cancels_protective=True)
        for name, venue in said.venue.items()
        if venue.device_s is not None
    }
