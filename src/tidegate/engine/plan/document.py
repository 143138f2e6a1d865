# SPDX-License-Identifier: Apache-2.0
"""A plan as one document: what changes, what it costs and earns, and why; None is UNKNOWN."""

from __future__ import annotations

import msgspec

from tidegate.engine.observed_book import Unknown

SCHEMA = "tidegate-plan-1"


class PositionLine(msgspec.Struct, frozen=True):
    """One instrument: sizes as of a margin book, notionals in USD, what the trade costs, and the
    notional that the programme means to hold after its last step; `days` is what getting there
    takes at the venue's share of a day's volume, None where that is not known."""

    venue: str
    symbol: str
    coin: str
    lots_held: int
    lots_target: int
    size_held: float
    size_target: float
    notional_held_usd: float
    notional_target_usd: float
    notional_later_usd: float | None
    cost_usd: float
    carry_annual: float | None
    only_reduced: str | None
    days: float | None = None


class TransferLine(msgspec.Struct, frozen=True):
    """Money to send: by which route, what arrives, what is lost, when, and why: what a dollar more
    is worth a year at both ends, and the limits that make it leave or come."""

    source: str
    destination: str
    asset_sent: str
    sent: float
    asset_received: str
    received: float
    lost_usd: float
    latency_median_s: float
    latency_p95_s: float
    value_at_source_annual: float | None
    value_at_destination_annual: float | None
    binding: tuple[str, ...]


class MoveLine(msgspec.Struct, frozen=True):
    """The trades of one coin, and why: what binds them, what they earn and when that pays."""

    coin: str
    symbols: tuple[str, ...]
    traded_usd: float
    cost_usd: float
    gain_usd_annual: float
    payback_days: float | None
    half_life_days: float
    forced: bool
    binding: tuple[str, ...]


class DistanceLine(msgspec.Struct, frozen=True):
    """The relative move of one coin that liquidates an account, down and up; None: none within a
    fall of 99.5 % or a rise to tenfold, or the rule cannot judge so far."""

    coin: str
    below: float | None
    above: float | None


class StandingLine(msgspec.Struct, frozen=True):
    """An account under its rule, USD, with distances and the certificate over the stress box."""

    equity_usd: float
    initial_usd: float
    maintenance_usd: float
    health_usd: float
    distances: tuple[DistanceLine, ...]
    certificate: str
    proved_health_usd: float | None
    worst_market: str


class AccountLine(msgspec.Struct, frozen=True):
    """One account before and after, and what one more dollar there is worth a year. Where it waits,
    `after` counts money that is on its way, and the inner stress is proved until it is there."""

    venue: str
    rule: str
    changed: bool
    before: StandingLine
    after: StandingLine
    dollar_value_annual: float | None
    waits: bool = False


class LimitLine(msgspec.Struct, frozen=True):
    """A limit that binds: USD a year for one more unit of it (delta, gamma, vega in their USD
    units, shares of equity as USD)."""

    name: str
    usd_annual: float


class ShortfallLine(msgspec.Struct, frozen=True):
    """A limit on claims that is given up for now, and what of it, USD."""

    name: str
    usd: float


class EasingLine(msgspec.Struct, frozen=True):
    """A limit and by how much it must give way, in its unit."""

    name: str
    by: float
    unit: str


class ConflictLine(msgspec.Struct, frozen=True):
    """Limits that cannot hold together, any one less can; each of `cures` alone resolves it."""

    limits: tuple[str, ...]
    cures: tuple[EasingLine, ...]


class CureLine(msgspec.Struct, frozen=True):
    """Money that an account lacks as it stands, and for what."""

    venue: str
    usd: float
    what: str


class LeftOutLine(msgspec.Struct, frozen=True):
    """Trades that are not worth making now."""

    coin: str
    symbols: tuple[str, ...]
    why: str


class RefusalLine(msgspec.Struct, frozen=True):
    """A step of the ladder that was not taken."""

    step: str
    why: str


class GreekLine(msgspec.Struct, frozen=True):
    """A linear limit of the mandate before and after, USD (wings: coins)."""

    name: str
    before: float
    after: float
    lower: float | None
    upper: float | None


class TailLine(msgspec.Struct, frozen=True):
    """Mean health of an account in the tail of the history, USD, before and after, and how many
    scenarios it then does not stand."""

    venue: str
    health_before_usd: float
    health_after_usd: float
    insolvent_after: int


class HistoryLine(msgspec.Struct, frozen=True):
    """What solvency is judged by beside stresses and certificate: whole windows of the history,
    how many of them are scenarios with tail and jump, and how many are the tail."""

    source: str
    until: str
    windows: int
    window_s: float
    scenarios: int
    mass: float
    vol_daily: dict[str, float]
    vol_from: str
    accounts: tuple[TailLine, ...]


class TriggerLine(msgspec.Struct, frozen=True):
    """Why to act now: what kind of trigger, where, in words; USD where it has an amount."""

    kind: str
    where: str
    what: str
    usd: float | None


class WatchLine(msgspec.Struct, frozen=True):
    """A figure that is watched, where it triggers, and the room that is left, in `unit`: at most
    nought once it has; None where nothing within what is looked at triggers it."""

    kind: str
    where: str
    coin: str
    now: float
    at: float | None
    room: float | None
    unit: str


class LevelLine(msgspec.Struct, frozen=True):
    """Collateral levels of an account, USD of health: the least (s) and what sets it, what it is
    filled to (S), from `top` on idle down to `land`; by which route, and when that has landed."""

    venue: str
    health_usd: float
    least_usd: float
    set_by: str
    fill_usd: float | None
    land_usd: float | None
    top_usd: float | None
    route: str | None
    lead_s: float | None


class RouteLine(msgspec.Struct, frozen=True):
    """A route as it was seen."""

    source: str
    destination: str
    frozen: bool


class AssumptionLine(msgspec.Struct, frozen=True):
    """A figure that the book does not give and that the answer counts, and what it is used for."""

    where: str
    value: float
    what: str


class PlanDocument(msgspec.Struct, frozen=True):
    """The whole answer."""

    schema: str
    outcome: str
    negative: bool
    book: str
    mandate: str
    mandate_version: str
    as_of: str
    equity_usd: float
    cost_usd: float
    gain_usd_annual: float
    payback_days: float | None
    optimality_gap: float | None
    judged_by: str = ""
    proved: str = ""
    sampled: str = ""
    triggers: tuple[TriggerLine, ...] = ()
    watches: tuple[WatchLine, ...] = ()
    levels: tuple[LevelLine, ...] = ()
    history: HistoryLine | None = None
    positions: tuple[PositionLine, ...] = ()
    transfers: tuple[TransferLine, ...] = ()
    moves: tuple[MoveLine, ...] = ()
    accounts: tuple[AccountLine, ...] = ()
    greeks: tuple[GreekLine, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    shortfalls: tuple[ShortfallLine, ...] = ()
    left_out: tuple[LeftOutLine, ...] = ()
    conflicts: tuple[ConflictLine, ...] = ()
    least_violation: tuple[EasingLine, ...] = ()
    cures: tuple[CureLine, ...] = ()
    refusals: tuple[RefusalLine, ...] = ()
    routes: tuple[RouteLine, ...] = ()
    assumptions: tuple[AssumptionLine, ...] = ()
    unknown: tuple[Unknown, ...] = ()
