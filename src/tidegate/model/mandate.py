# SPDX-License-Identifier: Apache-2.0
"""The mandate: what the owner of the capital allows, read from TOML and checked.

Exact amounts and rates are TOML strings ("0.0005"), since they become integers; limits and
stresses are plain numbers. Unknown fields are refused, so a misspelt limit is never silently
ignored. A value that stands for something the venue tables lack is an `Assumption`: it carries
its date and its source, and the report prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.model.engine_sections import JOINT_RULES, Allocation, Pacing
from tidegate.model.errors import InputError
from tidegate.model.market import content_id
from tidegate.model.named_field import converted
from tidegate.model.parsing import toml_tables
from tidegate.model.plan_sections import Fall, Hours, OptionTerms, Sleeve, VolStress
from tidegate.model.times import read_window
from tidegate.model.units import MICRO, read_decimal, unit_quanta
from tidegate.model.widening_terms import Widening

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
# Two days: beyond that no window of the scenarios could hold the wait.
Latency = Annotated[float, msgspec.Meta(gt=0, le=172_800)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Move = Annotated[float, msgspec.Meta(gt=0, lt=1)]

# The rules of integers that a backtest plays; a plan takes any rule of the registry.
PLAYED_RULES = ("hyperliquid_cross", "binance_usdm", "deribit_standard", "dydx_cross", "spot")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Assumption(_Strict, frozen=True):
    """A value with its date (ISO) and source; "assumed: why" is the source where nobody says."""

    value: str
    as_of: str
    source: str


class Purpose(_Strict, frozen=True):
    """Who the book is for: capital, target delta, the rate that idle capital could earn, and how
    often it is decided on and, between decisions, looked at."""

    name: str
    capital_usd: str
    hurdle_rate_annual: Assumption
    target_delta_usd: str = "0"
    decision_interval_s: Annotated[int, msgspec.Meta(ge=60)] = 3600
    watch_interval_s: Annotated[int, msgspec.Meta(ge=60)] = 60


class Authority(_Strict, frozen=True):
    """How far Tidegate may go by itself; reducing risk may go further than raising it, and after
    positions had to be cut nothing is raised for a while."""

    level: Literal["observe", "propose", "act"] = "observe"
    reduce_without_human: bool = True
    delay_before_raising_s: NonNegative = 0.0


class Limits(_Strict, frozen=True):
    """Bounds on the whole book; leverage is gross notional of derivative legs over equity. A leg
    may stay without its partner up to `naked_usd` while a plan is carried out and for `naked_s`; a
    plan's next step waits for a new look once a price has moved by `replan_move`. Quotes older than
    `quote_age_s` are not traded on; where a coin's venues quote apart by more than `venue_gap`
    nothing is raised in it.

    The brake before sending: requests a second to a venue; orders of one instrument and side
    within a window; and, for what does not only reduce, the share of the day's
    first equity that may be lost, and its multiple that may be traded, in a UTC day."""

    gross_leverage: Positive = 2.0
    loss_from_peak: Share = 0.2
    solvency_tail: Annotated[float, msgspec.Meta(gt=0, le=0.2)] = 0.01
    naked_usd: Positive = 25_000.0
    naked_s: Positive = 30.0
    replan_move: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01
    quote_age_s: Positive = 7_200.0
    venue_gap: Share = 0.1
    minimum_trade_usd: NonNegative = 2_000.0
    minimum_transfer_usd: NonNegative = 5_000.0
    messages_per_s: Annotated[int, msgspec.Meta(ge=1)] = 10
    repeats: Annotated[int, msgspec.Meta(ge=1)] = 100
    repeats_in_s: Positive = 60.0
    loss_per_day: Share = 0.05
    turnover_per_day: Positive = 10.0


class Stress(_Strict, frozen=True):
    """Relative moves per coin to survive without new money: transfer below the outer level,
    reduce below the inner level, re-enter only at the outer level; `adl_fraction` of the winners
    of a venue may be closed by it. Where not enough money can come, `blocked_share` of the outer
    level's moves must be stood, or positions are cut. `widen` lets a forecast widen both levels
    of the engine; it is off where it is not said, and no plan over a book file has it. `claims` is
    the share of both levels' moves whose profit a venue's claim must hold within its cap, at every
    look; left out, only transfers are held to the cap, and profit may carry a claim above it."""

    outer: dict[str, Move]
    inner: dict[str, Move]
    transfer_trigger: Share = 0.8
    scenario_days: Annotated[int, msgspec.Meta(ge=10)] = 60
    jump_multiple: Positive = 1.25
    adl_fraction: Share = 0.1
    blocked_share: Share = 0.6
    vol: VolStress | UnsetType = UNSET
    venue_spread: Fall | UnsetType = UNSET
    outage_hours: Hours | UnsetType = UNSET
    widen: Widening | UnsetType = UNSET
    claims: Share | UnsetType = UNSET


class Stable(_Strict, frozen=True):
    """A dollar coin's value in the base currency; the share of equity that a plan may hold in it,
    and the fall that the book must bear within `limits.loss_from_peak`."""

    price_usd: Assumption
    cap: Share | UnsetType = UNSET
    shock: Fall | UnsetType = UNSET


class Terms(_Strict, frozen=True):
    """One instrument that may be held at a venue; the margin rates stand for what the venue tables
    lack: of the first tier, and for Deribit their rise per base coin."""

    kind: Literal["perpetual", "spot"]
    base: str
    bars: Literal["5m", "15m", "1h", "8h"]
    mark: Assumption
    intrabar: Assumption | None = None
    tick: Assumption | None = None
    lot: Assumption | None = None
    liquidation_fee: Assumption | None = None
    initial_rate: Assumption | None = None
    maintenance_rate: Assumption | None = None
    rate_per_base: Assumption | None = None
    half_spread: Assumption | None = None
    impact_coefficient: Assumption | None = None


class Venue(_Strict, frozen=True):
    """One venue: its margin rule, our collateral there, and how much may depend on it. A venue
    that only `plan` looks at may have any rule and collateral, and no instruments."""

    rule: str
    collateral: str
    instruments: dict[str, Terms] = {}
    leverage: Annotated[int, msgspec.Meta(ge=1)] = 5
    claim_cap: Share = 1.0
    volume_share: Share = 0.01
    taker_fee: Assumption | None = None
    idle_yield_annual: Assumption | None = None


class Route(_Strict, frozen=True):
    """A way for money between two venues; latency is lognormal, given by median and 95 % point.

    `cap_usd_day` is the most that may be sent over it within any 24 hours, counting a dollar coin
    as a dollar; left out, the mandate caps nothing and what the venue lets go is the limit. Money
    may be sent in the UTC hours of `window`; left out, always. A mandate that
    crossed to another process has the same content: nothing of it depends on what was left out.
    """

    source: str
    destination: str
    fee: str
    minimum: str
    latency_median_s: Latency
    latency_p95_s: Latency
    conversion_cost: str
    conversion_rate: str
    as_of: str
    provenance: str
    cap_usd_day: NonNegative | None = None
    window: str = "always"


class EdgeTerms(_Strict, frozen=True):
    """When an expected carry may be acted on, and how fast it must repay what moving costs."""

    minimum_t: NonNegative = 1.0
    payback_days: Positive = 20.0
    review_s: Positive = 86_400.0
    correlation: Annotated[float, msgspec.Meta(gt=-1, lt=1)] = 0.5
    half_life_days: Positive = 10.0
    payback_share: Positive | UnsetType = UNSET


class Mandate(_Strict, frozen=True):
    """Everything that is allowed; `version` is the content id that approvals cite."""

    mandate: Purpose
    stress: Stress
    venue: dict[str, Venue]
    stable: dict[str, Stable]
    authority: Authority = Authority()
    limits: Limits = Limits()
    edge: EdgeTerms = EdgeTerms()
    execution: Pacing = Pacing()
    transfer: tuple[Route, ...] = ()
    option: OptionTerms | UnsetType = UNSET
    sleeve: dict[str, Sleeve] | UnsetType = UNSET
    allocation: Allocation | UnsetType = UNSET

    @property
    def is_joint(self) -> bool:
        """Whether the joint plan is asked for a better book."""
        return isinstance(self.allocation, Allocation) and self.allocation.programme == "joint"

    @property
    def version(self) -> str:
        """Content id of the whole mandate."""
        return content_id(self)

    @property
    def coins(self) -> tuple[str, ...]:
        """Underlying coins over all venues, sorted."""
        return tuple(
            sorted({t.base for venue in self.venue.values() for t in venue.instruments.values()})
        )

    @property
    def capital_usd(self) -> Decimal:
        """Starting capital."""
        return Decimal(self.mandate.capital_usd)


def read_mandate(text: str, where: str) -> Mandate:
    """A checked mandate from TOML text; raises `InputError` naming file, field and expectation."""
    return _checked(text, where, _CHECKS)


def read_plan_mandate(text: str, where: str) -> Mandate:
    """As `read_mandate`, for plans over accounts that a book file describes: venues need no
    instruments here, their collateral may be a coin, and a target delta may be held."""
    return _checked(text, where, _PLAN_CHECKS)


def mandate_of(tables: dict[str, Any], where: str) -> Mandate:
    """As `read_mandate`, from tables that were read already."""
    return _converted(tables, where, _CHECKS)


def _checked(text: str, where: str, checks: tuple[Callable[[Mandate, str], None], ...]) -> Mandate:
    return _converted(toml_tables(text, where), where, checks)


def _converted(
    raw: dict[str, Any], where: str, checks: tuple[Callable[[Mandate, str], None], ...]
) -> Mandate:
    mandate = converted(raw, Mandate, where, "mandate")
    for check in checks:
        check(mandate, where)
    return mandate


def _check_capital(mandate: Mandate, where: str) -> None:
    capital = read_decimal(mandate.mandate.capital_usd, where, "mandate.capital_usd")
    if capital <= 0:
        raise InputError(where, "mandate.capital_usd", f"expected more than 0, got {capital}")
    read_decimal(mandate.mandate.target_delta_usd, where, "mandate.target_delta_usd")


def _check_stress(mandate: Mandate, where: str) -> None:
    for coin in mandate.coins:
        for level in ("outer", "inner"):
            if coin not in getattr(mandate.stress, level):
                raise InputError(where, f"stress.{level}", f"expected a move for {coin}")
        if mandate.stress.inner[coin] >= mandate.stress.outer[coin]:
            raise InputError(
                where, f"stress.inner.{coin}", "expected less than the outer level's move"
            )


def _check_collaterals(mandate: Mandate, where: str) -> None:
    for name, venue in mandate.venue.items():
        field = f"venue.{name}.collateral"
        if venue.collateral not in mandate.stable:
            raise InputError(where, field, f"expected a [stable.{venue.collateral}] price")
        if unit_quanta(venue.collateral) != MICRO:
            raise InputError(where, field, "expected USD, USDT or USDC")


def _check_stables(mandate: Mandate, where: str) -> None:
    for asset, stable in mandate.stable.items():
        field = f"stable.{asset}.price_usd"
        if read_decimal(stable.price_usd.value, where, field) <= 0:
            raise InputError(where, field, "expected more than 0")


def _check_routes(mandate: Mandate, where: str) -> None:
    seen: set[tuple[str, str]] = set()
    for index, route in enumerate(mandate.transfer):
        for end in (route.source, route.destination):
            if end not in mandate.venue:
                raise InputError(
                    where, f"transfer[{index}]", f"expected a venue of this mandate, got {end!r}"
                )
        if route.source == route.destination or (route.source, route.destination) in seen:
            raise InputError(where, f"transfer[{index}]", "expected one route for two venues")
        seen.add((route.source, route.destination))
        _check_terms(route, where, f"transfer[{index}]")
        read_window(route.window, where, f"transfer[{index}].window")
        _check_conversion(mandate, route, where, f"transfer[{index}].conversion_rate")
        if route.latency_p95_s < route.latency_median_s:
            raise InputError(
                where, f"transfer[{index}].latency_p95_s", "expected at least the median"
            )


def _check_terms(route: Route, where: str, field: str) -> None:
    for name in ("fee", "minimum", "conversion_cost", "conversion_rate"):
        if read_decimal(getattr(route, name), where, f"{field}.{name}") < 0:
            raise InputError(where, f"{field}.{name}", "expected at least 0")
    if Decimal(route.conversion_cost) >= 1:
        raise InputError(where, f"{field}.conversion_cost", "expected less than 1")
    if Decimal(route.conversion_rate) == 0:
        raise InputError(where, f"{field}.conversion_rate", "expected more than 0")


def _check_conversion(mandate: Mandate, route: Route, where: str, field: str) -> None:
    """A conversion may cost and may not pay: what arrives is worth no more than what was sent."""
    sent, received = (
        Decimal(mandate.stable[mandate.venue[end].collateral].price_usd.value)
        for end in (route.source, route.destination)
    )
    share = Decimal(route.conversion_rate) * (1 - Decimal(route.conversion_cost))
    same = mandate.venue[route.source].collateral == mandate.venue[route.destination].collateral
    if same and share != 1:
        raise InputError(where, field, "expected rate 1 and cost 0 where the asset stays the same")
    if share * received > sent:
        expected = "expected that a conversion gains nothing at the mandate's stable prices"
        raise InputError(where, field, expected)


def _check_assumptions(mandate: Mandate, where: str) -> None:
    said = [(field, a.as_of, a.source) for field, a in assumptions(mandate)]
    said += [(f"transfer[{i}]", r.as_of, r.provenance) for i, r in enumerate(mandate.transfer)]
    for field, as_of, source in said:
        if not source.strip() or not _is_date(as_of):
            raise InputError(where, field, "expected an as_of date (YYYY-MM-DD) and a source")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _check_finite(mandate: Mandate, where: str) -> None:
    for field, number in _floats(mandate, ""):
        if not isfinite(number):
            raise InputError(where, field, f"expected a finite number, got {number}")


def _floats(value: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
        return
    for step, item in _parts(value):
        yield from _floats(item, f"{path}{step}".lstrip("."))


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What a part of the mandate is made of, each with its step in a field's name."""
    if isinstance(value, dict):
        yield from ((f".{key}", item) for key, item in value.items())
    elif isinstance(value, tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, msgspec.Struct):
        yield from ((f".{key}", getattr(value, key)) for key in value.__struct_fields__)


def _check_any_venue(mandate: Mandate, where: str) -> None:
    if not mandate.venue:
        raise InputError(where, "venue", "expected at least one venue")


def _check_venues(mandate: Mandate, where: str) -> None:
    for name, venue in mandate.venue.items():
        if venue.rule not in PLAYED_RULES:
            expected = f"expected one of {', '.join(PLAYED_RULES)}, got {venue.rule!r}"
            raise InputError(where, f"venue.{name}.rule", expected)
        # A wallet may hold dollars alone.
        if not venue.instruments and venue.rule != "spot":
            raise InputError(where, f"venue.{name}.instruments", "expected at least one instrument")
        for symbol, terms in venue.instruments.items():
            if (terms.kind == "spot") != (venue.rule == "spot"):
                raise InputError(
                    where,
                    f"venue.{name}.instruments.{symbol}.kind",
                    f"expected an instrument that rule {venue.rule!r} can margin",
                )


def check_joint(mandate: Mandate, where: str) -> None:
    """Where the joint plan could not trade, that is said before anything is asked of it."""
    for name, venue in mandate.venue.items():
        if mandate.is_joint and venue.rule not in JOINT_RULES:
            expected = f"expected one of {', '.join(JOINT_RULES)} with allocation.programme joint"
            raise InputError(where, f"venue.{name}.rule", f"{expected}, got {venue.rule!r}")


def _check_feasible(mandate: Mandate, where: str) -> None:
    """Limits that contradict each other leave no book to hold; the two are named."""
    caps = sum(venue.claim_cap for venue in mandate.venue.values())
    if caps < 1:
        field = ", ".join(f"venue.{name}.claim_cap" for name in mandate.venue)
        expected = f"expected caps that hold all capital, their sum is {caps:g}"
        raise InputError(where, field, expected)
    limits = mandate.limits
    if limits.naked_usd < limits.minimum_trade_usd:
        expected = "expected at least limits.minimum_trade_usd, or no hedged pair can be traded"
        raise InputError(where, "limits.naked_usd", expected)


def _check_unwidened(mandate: Mandate, where: str) -> None:
    if mandate.stress.widen is not UNSET:
        raise InputError(where, "stress.widen", "expected none: a plan has no forecast of its own")


def _check_hedged(mandate: Mandate, where: str) -> None:
    if Decimal(mandate.mandate.target_delta_usd) != 0:
        expected = "expected 0: every coin is hedged here; only a plan holds a skewed target"
        raise InputError(where, "mandate.target_delta_usd", expected)


def assumptions(mandate: Mandate) -> list[tuple[str, Assumption]]:
    """Every assumed or sourced value in the mandate with its field name, for the report."""
    found: list[tuple[str, Assumption]] = []
    _collect(mandate, "", found)
    return found


def _collect(value: object, path: str, found: list[tuple[str, Assumption]]) -> None:
    if isinstance(value, Assumption):
        found.append((path, value))
        return
    for step, item in _parts(value):
        _collect(item, f"{path}{step}".lstrip("."), found)


_CHECKS = (
    _check_finite,
    _check_capital,
    _check_any_venue,
    _check_venues,
    check_joint,
    _check_stress,
    _check_collaterals,
    _check_stables,
    _check_routes,
    _check_assumptions,
    _check_feasible,
    _check_hedged,
)
_PLAN_CHECKS = (
    _check_finite,
    _check_capital,
    _check_any_venue,
    _check_stress,
    _check_unwidened,
    _check_stables,
    _check_assumptions,
    _check_feasible,
)
