# SPDX-License-Identifier: Apache-2.0
"""The settings of a trading session: its venues, where their keys are kept, and its policy."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tidegate.execution.durable_file import content, put
from tidegate.model.errors import InputError
from tidegate.model.instruments import Contract, Perpetual
from tidegate.model.units import read_decimal
from tidegate.venues.exchanges.policy import Policy
from tidegate.venues.exchanges.session import Venue
from tidegate.venues.toml_file import read_toml

Kind = Literal["hyperliquid", "deribit", "binance", "bybit", "okx"]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Serving(_Strict, frozen=True):
    """Where the session listens on this machine (0: the system chooses), the files of its secrets
    as of `tidegate paper`, and the file of its log."""

    trading_token: str
    watching_token: str
    gate_key: str
    log: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0


class Steps(_Strict, frozen=True):
    """One perpetual: its coin, and the venue's steps of price and size."""

    base: str
    tick: str
    lot: str


class VenueSettings(_Strict, frozen=True):
    """One venue: whose words it speaks, where its key is kept (see `credentials`), its contracts by
    the venue's symbol, and, for a paper server, its address on this machine."""

    kind: Kind
    credentials: str
    contracts: Annotated[dict[str, Steps], msgspec.Meta(min_length=1)]
    collateral: str = "USDC"
    url: str | None = None


class SessionFile(_Strict, frozen=True):
    """The whole file."""

    session: Serving
    venue: Annotated[dict[str, VenueSettings], msgspec.Meta(min_length=1)]
    policy: Policy = Policy()


def read_session_file(path: Path) -> SessionFile:
    """A checked file; raises `InputError` that names the field."""
    said = read_toml(path, SessionFile)
    for name, venue in said.venue.items():
        if name != venue.kind:
            # Ids of orders and prices are looked up by a venue's name.
            raise InputError(str(path), f"venue.{name}.kind", f"expected {name}: one of a kind")
    for index, address in enumerate(said.policy.withdrawals):
        if address.source not in said.venue:
            field = f"policy.withdrawals[{index}].source"
            raise InputError(str(path), field, "expected a venue of this file")
    known = {f"{v}:{s}" for v, venue in said.venue.items() for s in venue.contracts}
    if strange := sorted(set(said.policy.instruments) - known):
        expected = f"expected contracts of this file, not {strange[0]}"
        raise InputError(str(path), "policy.instruments", expected)
    return said


def venue_of(name: str, said: VenueSettings, where: str) -> Venue:
    """What a session is told of its venue; raises `InputError` for steps that are none."""
    contracts: dict[str, Contract] = {}
    for symbol, steps in said.contracts.items():
        field = f"venue.{name}.contracts.{symbol}"
        tick = read_decimal(steps.tick, where, f"{field}.tick")
        lot = read_decimal(steps.lot, where, f"{field}.lot")
        if min(tick, lot) <= Decimal(0):
            raise InputError(where, field, "expected a tick and a lot above 0")
        contracts[symbol] = Perpetual(name, symbol, steps.base, said.collateral, tick, lot)
    return Venue(name, said.collateral, contracts)


def identity(said: SessionFile, keys: Mapping[str, str]) -> str:
    """A hash over venues, contracts and the public names of keys, by which a session knows its own
    log. Where a key is kept is not in it, so that one may be moved."""
    venues = {
        name: msgspec.structs.replace(venue, credentials=keys[name])
        for name, venue in said.venue.items()
    }
    return sha256(msgspec.json.encode(venues, order="deterministic")).hexdigest()


def standing_since(path: Path, policy: Policy, now_ms: int) -> dict[str, int]:
    """Since when each address of a policy has stood, as a file beside the log remembers; one that
    is new, or was changed, stands from now on. Raises `InputError` where the file is none."""
    try:
        known = msgspec.json.decode(content(path), type=dict[str, int])
    except FileNotFoundError:
        known = {}
    except (OSError, msgspec.DecodeError) as error:
        expected = f"expected times by address ({type(error).__name__})"
        raise InputError(str(path), "file", expected) from None
    return {a.id: min(known.get(a.id, now_ms), now_ms) for a in policy.withdrawals}


def keep_standing(path: Path, since_ms: Mapping[str, int]) -> None:
    """Remember since when addresses stand; raises `InputError` where the file cannot be written."""
    if not since_ms and not path.exists():
        return
    try:
        put(path, msgspec.json.encode(since_ms, order="deterministic"))
    except OSError as error:
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "file", expected) from None
